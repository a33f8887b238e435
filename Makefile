# The map of the project: `make train`, `make test`, `make test-fast`, `make check`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: train test test-fast check format

# The maths and what flows: less than a minute and a half on two cores. No layers, flows, training runs, second stages,
# optimised posteriors, two-sample tests, annealing, files or scripts.
FAST := $(addprefix tests/,distributions random data objectives evaluation networks likelihoods posteriors priors) \
	tests/test_architecture.py tests/test_names.py \
	$(patsubst %,--ignore=tests/evaluation/test_%.py,annealed_importance_sampling features gaps posterior_optimization \
	prior_fit progress quality two_sample) \
	$(patsubst %,--ignore=tests/priors/test_%.py,flow second_stage) \
	--ignore=tests/distributions/test_autoregressive_flow.py

$(VENV)/installed: requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet -r requirements.txt
	touch $@

train: $(VENV)/installed
	$(BIN)/python train.py

test: $(VENV)/installed
	$(BIN)/python -m pytest -n 2 --dist loadfile

test-fast: $(VENV)/installed
	$(BIN)/python -m pytest -n 2 --dist loadfile $(FAST)

check: $(VENV)/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(MAKE) test

format: $(VENV)/installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
