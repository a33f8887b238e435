"""A run with each prior, trained and scored from the command line."""

import json

import numpy as np
import pytest

import keras_vae as kv
from keras_vae.__main__ import main
from keras_vae.cli import train


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    rng = np.random.default_rng(0)
    patterns, flips = rng.random((4, 4, 4)) < 0.5, rng.random((80, 4, 4)) < 0.05
    x = patterns[rng.integers(0, 4, 80)] ^ flips
    path = tmp_path_factory.mktemp("images") / "patterns.npz"
    np.savez(path, x_train=x[:60], x_test=x[60:])
    return path


PRIORS = [name if name == "vamp-prior" else pytest.param(name, marks=pytest.mark.slow) for name in kv.priors.PRIORS]


@pytest.mark.parametrize("prior", PRIORS)
def test_a_run_with_a_learned_prior_is_trained_and_scored(prior, images, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("keras_vae.plotting.report", lambda *args: {})  # figures take long, and are tested elsewhere
    flags = ["--dataset", str(images), "--num-levels", "2", "--prior", prior, "--epochs", "1", "--latent-dim", "2"]
    flags += ["--hidden", "4", "--jit-compile", "off", "--output-dir", str(tmp_path), "--name", "run"]
    assert train.main(flags) == 0
    assert json.loads((tmp_path / "run" / "config.json").read_text())["model"]["prior"] == prior
    assert main(["evaluate", str(tmp_path / "run"), "--num-samples", "10"]) == 0
    assert "log p(x), importance sampling" in capsys.readouterr().out


def test_the_pseudo_inputs_of_a_run_begin_at_training_images(images):
    config = train.parse_config(
        ["--dataset", str(images), "--num-levels", "2", "--prior", "vamp-prior", "--latent-dim", "2"]
    )
    data = train.load_data(config)
    vae = train.make_vae(config, data, epochs=1)
    assert vae.prior.num_components == data.train.num_examples < 500
    pseudo_inputs, train_images = vae.prior.pseudo_inputs().numpy(), data.train.head(data.train.num_examples).numpy()
    assert not np.allclose(pseudo_inputs, train_images)  # in another order: a file may be sorted
    codes = [(np.reshape(x, [-1, 16]) > 0.5) @ 2 ** np.arange(16) for x in (pseudo_inputs, train_images)]
    np.testing.assert_array_equal(*map(np.sort, codes))
