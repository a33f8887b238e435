"""`python -m keras_vae` on a small run: files, tables, errors."""

import json

import pytest
import tensorflow as tf

from keras_vae.__main__ import main
from keras_vae.cli import train

TINY = ["--epochs", "3", "--hidden", "8", "--latent-dim", "3", "--jit-compile", "off", "--steps-per-execution", "5"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("keras_vae.plotting.report", lambda *args: {})  # its figures are not what is tested here
        assert train.main([*TINY, "--output-dir", str(folder), "--name", "run"]) == 0
    return folder / "run"


def test_evaluate_writes_numbers_and_a_figure_and_prints_a_table(run, capsys):
    assert main(["evaluate", str(run), "--num-samples", "60", "--annealed", "5"]) == 0
    summary = json.loads((run / "evaluation.json").read_text())
    assert summary["log_marginal"]["num_samples"] == 60
    assert summary["log_marginal"]["mean"] > summary["elbo"]["mean"]
    low, high = summary["log_marginal"]["interval_95"]
    assert low < summary["log_marginal"]["mean"] < high
    parts = summary["decomposition"]
    terms = [parts[name] for name in ("reconstruction_loss", "mutual_information_lower", "marginal_kl_upper")]
    error = sum(term["standard_error"] for term in [*terms, summary["elbo"]])
    assert abs(sum(term["mean"] for term in terms) + summary["elbo"]["mean"]) < 4 * error
    assert len(parts["kl_per_dimension"]) == parts["latent_dim"] == 3
    annealed, same = summary["annealed"], summary["annealed"]["importance_sampling_of_the_same"]
    error = annealed["monte_carlo_standard_error"] + same["monte_carlo_standard_error"]
    assert abs(annealed["mean"] - same["mean"]) < 4 * error
    assert set(summary["baselines"]) == {"pixel_histogram", "kernel_density", "gaussian_mixture", "probabilistic_pca"}
    assert (run / "figures" / "latent_usage.png").stat().st_size > 5_000
    table = capsys.readouterr().out
    assert "log p(x), importance sampling" in table
    assert f"Saved in {run / 'evaluation.json'}" in table


def test_export_writes_a_saved_model(run, tmp_path):
    assert main(["export", str(run), "--to", str(tmp_path / "served")]) == 0
    assert "sample" in tf.saved_model.load(str(tmp_path / "served" / "1")).signatures


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["evaluate", "run", "--seed", "1.5"], "--seed"),
        (["evaluate", "run", "--bogus"], "--bogus"),
        (["evaluate"], "folder of the run"),
        (["export", "run"], "--to"),
        (["export", "run", "--to", ""], "`to` must be a path that is not empty. Received: to=''"),
        (["nonsense"], "nonsense"),
        (["evaluate", "run", "--num-samples", "0"], "`num_samples` must be 1 or more. Received: num_samples=0"),
        (["evaluate", "run", "--annealed", "-1"], "`annealed` must be 0 or more. Received: annealed=-1"),
    ],
)
def test_a_mistake_in_the_flags_is_told_in_one_line(capsys, flags, named):
    assert main(flags) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("python -m keras_vae: ")
    assert named in line
    assert line.isascii()


def test_a_folder_of_no_run_is_told_in_one_line(tmp_path, capsys):
    assert main(["evaluate", str(tmp_path)]) == 2
    message = capsys.readouterr().err
    assert message == (
        f"python -m keras_vae: A folder that train.py left behind has a config.json. Received: {str(tmp_path)!r}\n"
    )
