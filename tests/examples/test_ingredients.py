"""benchmarks/ingredients.py: its variants and the way they run; their trainings take minutes each."""

from pathlib import Path

import pytest

from benchmarks import ingredients
from keras_vae.cli.config import parse_config

ROOT = Path(__file__).parents[2]

VARIANTS = {**ingredients.INGREDIENTS, **ingredients.BUDGETS}
RECIPE = ["--config", str(ROOT / "recipes" / "iwae_one_layer_k1.yaml"), "--epochs", "25"]


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_differs_from_the_recipe_in_something_the_first_excepted(name):
    assert (parse_config([*RECIPE, *VARIANTS[name].split()]) == parse_config(RECIPE)) == (name == "as in the recipe")


def test_a_run_that_fails_is_told_in_its_row(tmp_path):
    told = ingredients.measure(["--epochs", "0"], tmp_path, num_samples=1)
    assert told == "failed: train.py: Error parsing Config: `epochs` must be positive and finite. Received: epochs=0"
