"""Models saved at commit 68d4349, before `draw` and networks as objects, load and give the numbers they gave then."""

import json
import pathlib

import keras
import numpy as np
import pytest

FILES = pathlib.Path(__file__).parent / "files"
EXPECTED = json.loads((FILES / "expected.json").read_text())


@pytest.mark.parametrize("name", ["mlp", "conv", "flow"])
def test_a_file_of_an_earlier_version_loads_and_reconstructs_what_it_did(name):
    vae = keras.saving.load_model(FILES / f"{name}.keras")
    x = np.random.default_rng(0).integers(0, 2, [12, 4, 4, 1]).astype("float32")
    np.testing.assert_allclose(np.ravel(vae.reconstruct(x)[:3]), EXPECTED[name]["reconstruction"], atol=2e-6)
    assert int(vae.step) == EXPECTED[name]["step"]


@pytest.mark.parametrize("name", ["mlp", "conv", "flow"])
def test_a_file_of_an_earlier_version_trains_on(name):
    vae = keras.saving.load_model(FILES / f"{name}.keras")
    vae.run_eagerly = True  # three steps take less time than a graph of them
    before = [w.numpy() for w in vae.trainable_variables]
    x = np.random.default_rng(0).integers(0, 2, [12, 4, 4, 1]).astype("float32")
    history = vae.fit(x, batch_size=4, epochs=1, verbose=0).history
    assert np.isfinite(history["loss"][0])
    assert int(vae.step) == EXPECTED[name]["step"] + 3
    assert all(np.any(w.numpy() != old) for w, old in zip(vae.trainable_variables, before, strict=True))
