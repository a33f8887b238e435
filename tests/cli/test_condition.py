"""`train.py --condition label`: from the flags to the export."""

import json

import numpy as np
import pytest
import tensorflow as tf

from keras_vae.cli import train
from keras_vae.cli.main import main


@pytest.fixture
def images(tmp_path):
    """Return a function that writes .npz images of two classes, black and noise, with the labels that it is given."""
    rng = np.random.default_rng(0)
    y = np.arange(80) % 2
    x = np.where(y[:, None, None] == 1, rng.random((80, 4, 4)) < 0.5, False)

    def write(**labels):
        path = tmp_path / "classes.npz"
        np.savez(path, x_train=x[:60], x_test=x[60:], **labels)
        return str(path)

    return write, y


FLAGS = ["--num-levels", "2", "--condition", "label", "--latent-dim", "2", "--hidden", "4", "--jit-compile", "off"]


def test_a_conditional_run_is_trained_scored_drawn_and_exported(images, tmp_path, capsys):
    write, y = images
    path = write(y_train=y[:60], y_test=y[60:])
    flags = [
        "--dataset",
        path,
        *FLAGS,
        "--epochs",
        "20",
        "--batch-size",
        "6",
        "--output-dir",
        str(tmp_path),
        "--name",
        "run",
    ]
    assert train.main([*flags, "--learning-rate", "0.03"]) == 0
    figures = {figure.stem for figure in (tmp_path / "run" / "figures").iterdir()}
    assert figures == {"training_curves", "samples", "sample_means", "styles"}
    assert main(["evaluate", str(tmp_path / "run"), "--num-samples", "10"]) == 0
    printed = capsys.readouterr().out
    assert "log p(x|y), importance sampling" in printed
    assert "Left out: The diagnosis of the latent space: it is not defined for a conditional model." in printed
    assert json.loads((tmp_path / "run" / "evaluation.json").read_text())["log_marginal_of"] == "x|y"
    assert main(["export", str(tmp_path / "run"), "--to", str(tmp_path / "served")]) == 0
    sample = tf.saved_model.load(str(tmp_path / "served" / "1")).signatures["sample"]
    x = sample(y=tf.constant([0] * 50 + [1] * 50), seed=tf.constant([0, 0]))["x"].numpy()
    assert x[:50].mean() < 0.1 < 0.3 < x[50:].mean()


def test_a_set_without_labels_and_a_prior_that_needs_images_are_refused(images):
    write, y = images
    with pytest.raises(ValueError, match="requires a set in memory with a label, 0 or more, for each image"):
        train.load_data(train.parse_config(["--dataset", write(), *FLAGS]))
    with pytest.raises(ValueError, match="a conditional model has none without labels"):
        train.parse_config([*FLAGS, "--prior", "vamp-prior"])
    labels = {"y_train": y[:60] - 1, "y_test": y[60:]}
    with pytest.raises(ValueError, match="0 or more"):
        train.load_data(train.parse_config(["--dataset", write(**labels), *FLAGS]))
