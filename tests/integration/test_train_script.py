"""train.py as a user runs it: its folder, its flags, its errors, its end."""

import contextlib
import dataclasses
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_vae as kv
from keras_vae.cli import train
from keras_vae.cli.config import Config, ModelConfig
from keras_vae.cli.runs import load_data

ROOT = Path(__file__).parents[2]
TINY = ["--epochs", "2", "--hidden", "8", "--latent-dim", "2", "--jit-compile", "off", "--steps-per-execution", "5"]


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def no_figures(*args):
    """Stand in for `report`, which takes a third of the time of a tiny run."""
    return {}


@pytest.fixture(scope="module")
def documented(tmp_path_factory):
    """Return the folder of a run with every step and many flags, and what it printed."""
    flags = "--objective iwae --num-samples 3 --gradient doubly_reparameterized --schedule cosine --batch-norm"
    more = ["--likelihood", "gaussian-shared", "--posterior", "full", "--name", "run[1]"]
    folder, printed = tmp_path_factory.mktemp("documented"), io.StringIO()
    with contextlib.redirect_stdout(printed):
        assert train.main([*TINY, *flags.split(), *more, "--output-dir", str(folder)]) == 0
    return folder / "run[1]", printed.getvalue()


@pytest.fixture(scope="module")
def repeated(tmp_path_factory):
    """Return the folder of a run without a name, and of one of its configuration where that name is taken.

    Neither has figures: they take a third of the time of a tiny run.
    """
    first, second = tmp_path_factory.mktemp("first"), tmp_path_factory.mktemp("second")
    (second / "digits-categorical").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("keras_vae.plotting.report", no_figures)
        arguments = [*TINY, "--seed", "3", "--likelihood", "categorical", "--output-dir", str(first)]
        assert train.main(arguments) == 0
        config = first / "digits-categorical" / "config.json"
        assert train.main(["--config", str(config), "--output-dir", str(second)]) == 0
    return first, second


def test_a_run_leaves_the_documented_folder(documented):
    run, printed = documented
    files = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
    figures = ["training_curves", "samples", "sample_means", "reconstructions", "latent", "interpolation", "manifold"]
    expected = {"config.json", "environment.json", "status.json", "metrics.json", "model.keras"}
    assert files >= expected | {"decoder/1/saved_model.pb"} | {f"figures/{name}.png" for name in figures}
    assert any(name.startswith("logs/train/events") for name in files)
    assert [path.name for path in run.parent.iterdir()] == ["run[1]"]

    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["status"] == json.loads((run / "status.json").read_text())["status"] == "finished"
    assert metrics["kl_estimator"] == "closed form"
    assert set(metrics["test"]) == {"elbo", "reconstruction_loss", "kl", "bits_per_dim", "log_marginal"}
    assert set(metrics["test"]["elbo"]) == {"mean", "standard_error"}
    assert len(metrics["history"]["val_loss"]) == 2
    assert f"test elbo                  {metrics['test']['elbo']['mean']:10.4f} +- " in printed
    assert printed.endswith(f"Saved in {run}\n")

    loaded = keras.saving.load_model(run / "model.keras")
    assert loaded.elbo(
        load_data(Config.from_dict(json.loads((run / "config.json").read_text()))).test.head(50)
    ).shape == [50]


def metrics_of(name, folder="saved_models"):
    return json.loads((Path(folder) / name / "metrics.json").read_text())


def test_the_configuration_of_a_run_repeats_it(repeated):
    first, second = repeated
    assert metrics_of("digits-categorical", first)["test"] == metrics_of("digits-categorical-2", second)["test"]


def test_unnamed_runs_are_numbered(repeated):
    first, second = (sorted(path.name for path in folder.iterdir()) for folder in repeated)
    assert first == ["digits-categorical"]
    assert second == ["digits-categorical", "digits-categorical-2"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--nonsense"], "Unrecognized options: --nonsense"),
        (["--epochs", "x"], "--epochs: invalid literal for int"),
        (["--epochs", "0"], "`epochs` must be positive and finite. Received: epochs=0"),
        (["--likelihood", "cauchy"], "invalid choice 'cauchy' for argument '--likelihood'"),
        (["--dataset", "no_such_set"], "There is no such data set"),
        (["--dataset", "missing.npz"], "missing.npz"),
        (["--pixels", "unit"], "The Bernoulli likelihood scores {0, 1}: pass binarize=dynamic"),
        (["--pixels", "quantize=99"], "quantize takes 2 to 17 levels"),
        (["--pixels", "quantize=" + 5_000 * "9"], "one of these ways: binarize=dynamic, "),
        (["--pixels", "quantize=٣"], "one of these ways: binarize=dynamic, "),
        (["--activation", "nope"], "`activation` must be one of celu, "),
        (["--initial", "constant"], "`initial` must be one of fan_in_uniform, "),
        (["--image-size", "1000000000"], "`image_size` must be 1 to 10000 pixels. Received: image_size=1000000000"),
        (["--dataset", "mnist", "--data-dir", "file"], "`data_dir` must be a folder, and this is a file. Received: "),
        (["--name", "taken"], "exists already, and is never overwritten. Received: 'saved_models/taken'"),
        (["--output-dir", "file"], "`output_dir` must be a folder, or be where one can be made. Received: "),
        (["--output-dir", "file/below"], "Received: output_dir='file/below', Not a directory"),
        (["--config", "saved_models"], "and this is a folder. Received: --config='saved_models'"),
        (["--config", "missing.yaml"], "missing.yaml"),
        (["--config", "bad.yaml"], "The configuration cannot be used"),
        (["--config=broken.yaml"], "--config takes a YAML or JSON file"),
        (["--config", "list.yaml"], "must have sections data, model, loss, training, run"),
        (["--config"], "--config takes a YAML or JSON file"),
        (["--learning-rate", "nan"], "`learning_rate` must be positive"),
        (["--dataset", "binary.npz"], "`num_levels` must say"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_mistakes_are_told_in_one_line_with_exit_code_2_and_leave_nothing(capsys, arguments, message):
    Path("saved_models/taken").mkdir(parents=True)
    Path("file").write_text("")
    Path("bad.yaml").write_text("model: {nonsense: 1}")
    Path("broken.yaml").write_text("model: [")
    Path("list.yaml").write_text("[]")
    np.savez("binary.npz", x=np.ones((9, 4, 4), "uint8"))
    before = sorted(Path().rglob("*"))
    assert train.main([*arguments, *([] if "--epochs" in arguments else ["--epochs", "1"])]) == 2
    (told,) = capsys.readouterr().err.splitlines()
    assert told.startswith("python -m keras_vae train: ")
    assert message in told
    assert sorted(Path().rglob("*")) == before


def test_a_loss_that_is_not_finite_stops_with_the_step_and_finite_weights(monkeypatch):
    monkeypatch.setattr("keras_vae.plotting.report", no_figures)
    assert train.main([*TINY, "--learning-rate", "1e30", "--name", "diverged"]) == 1
    metrics = metrics_of("diverged")
    assert "stopped: the loss became" in metrics["status"]
    assert re.search(r"in epoch 0, step \d+;", metrics["status"])
    vae = keras.saving.load_model("saved_models/diverged/model.keras")
    assert all(np.all(np.isfinite(weight)) for weight in vae.get_weights())


def test_a_small_set_of_counts_with_an_odd_number_of_channels_runs_from_flags_to_figures():
    np.savez("odd.npz", x=np.random.default_rng(0).poisson(3.0, (6, 4, 4, 2)).clip(0, 9))
    flags = ["--dataset", "odd.npz", "--num-levels", "10", "--likelihood", "poisson", "--name", "odd"]
    flags += ["--validation-fraction", "0"]
    assert train.main([*TINY, *flags]) == 0
    assert "val_loss" not in metrics_of("odd")["history"]
    test = metrics_of("odd")["test"]
    assert test["bits_per_dim"]["mean"] == pytest.approx(-test["elbo"]["mean"] / (32 * np.log(2)), rel=1e-5)
    assert Path("saved_models/odd/figures/samples.png").is_file()


def test_sigterm_ends_cleanly_with_what_was_reached_as_ctrl_c_does():
    np.savez("small.npz", x=np.random.default_rng(0).integers(0, 2, (60, 4, 4, 1)))
    data = ["--dataset", "small.npz", "--num-levels", "2"]
    command = [sys.executable, ROOT / "train.py", *TINY, *data, "--epochs", "100000", "--name", "interrupted"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    deadline = time.monotonic() + 120
    logs = "interrupted/logs/validation/*"  # begun in the first epoch, and written to after some
    while not any(log.stat().st_size > 2_000 for log in Path("saved_models").glob(logs)):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert "Training interrupted" in rest
    metrics = metrics_of("interrupted")
    assert metrics["status"] == "interrupted"
    assert 0 < len(metrics["history"]["loss"]) < 100_000
    assert Path("saved_models/interrupted/model.keras").is_file()


def test_help_tells_every_setting(capsys):
    with pytest.raises(SystemExit, match="0"):
        train.main(["--help"])
    text = capsys.readouterr().out
    sections = [getattr(Config(), field.name) for field in dataclasses.fields(Config)]
    names = [field.name for section in sections for field in dataclasses.fields(section)]
    assert len(names) > 30
    for name in [*names, "config"]:
        assert re.search(rf"--{name.replace('_', '-')}(?![\w-])", text)


def test_the_output_bias_of_data_mean_is_the_logit_of_the_mean_of_shuffled_training_images():
    config = Config(model=ModelConfig(latent_dim=2, hidden=(8,), output_bias="data_mean"))
    data = load_data(config)
    vae = train.make_vae(config, data, epochs=1)
    mean = keras.ops.sigmoid(vae.decoder.layers[-2].bias)
    grey = np.mean(data.train.images, axis=0).ravel() / 16  # the means of the pixels that are drawn
    standard_error = np.sqrt(grey * (1 - grey) / data.train.num_examples)
    assert np.all(np.abs(mean - grey) < 5 * standard_error + 1 / data.train.num_examples)


def test_the_parts_of_a_model_are_those_of_the_flags(documented):
    run, _ = documented
    vae = keras.saving.load_model(run / "model.keras")
    assert vae.objective.get_config() == {"num_samples": 3, "gradient": "doubly_reparameterized"}
    assert float(vae.optimizer.learning_rate) == pytest.approx(0.0, abs=1e-9)  # the cosine's last value
    assert isinstance(vae.encoder.layers[-1], kv.layers.MultivariateNormalTriL)
    assert vae.decoder.layers[-1].scale == "shared"
    assert any(isinstance(layer, keras.layers.BatchNormalization) for layer in vae.decoder.layers)
    metrics = metrics_of(run.name, run.parent)
    assert metrics["training_seconds"] > 0
    assert metrics["history"]["loss"][-1] < metrics["history"]["loss"][0]
    bits, elbo = metrics["test"]["bits_per_dim"]["mean"], metrics["test"]["elbo"]["mean"]
    assert bits == pytest.approx(-elbo / (64 * np.log(2)) + np.log2(17), rel=1e-5)  # dequantised from 17 levels
