"""Parts from outside of the package are trained, saved, loaded in a fresh process, evaluated and exported."""

import json
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_vae as kv
from tests.integration import own_parts

ROOT = pathlib.Path(kv.__file__).parents[1]
RNG = np.random.default_rng(0)
X = np.abs(RNG.normal(size=(300, 6)) * RNG.choice([0.1, 3.0], size=(300, 1))).astype("float32")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return the model, its file, the prior's weights before training and the history."""
    keras.utils.set_random_seed(0)
    vae = own_parts.make_vae()
    before = [variable.numpy() for variable in vae.prior.trainable_variables]
    vae.compile(keras.optimizers.Adam(0.01), jit_compile=False)
    history = vae.fit(X, batch_size=50, epochs=20, verbose=0).history
    file = tmp_path_factory.mktemp("own") / "vae.keras"
    vae.save(file)
    return vae, file, before, history


def test_fit_lowers_the_loss_and_trains_the_prior(trained):
    vae, _, before, history = trained
    assert history["loss"][-1] < history["loss"][0] - 1
    assert len(before) == 2
    for variable, old in zip(vae.prior.trainable_variables, before, strict=True):
        assert np.all(variable.numpy() != old)


def test_the_file_gives_the_same_model_in_a_fresh_process_with_safe_mode(trained):
    code = """
import json, sys
import keras
from tests.integration import own_parts, test_own_parts

vae = keras.saving.load_model(sys.argv[1], safe_mode=True)
print(json.dumps([vae.reconstruct(test_own_parts.X[:5]).numpy().tolist(), type(vae.prior).__name__]))
"""
    vae, file, _, _ = trained
    process = subprocess.run(
        [sys.executable, "-c", code, str(file)], check=False, cwd=ROOT, capture_output=True, text=True
    )
    assert process.returncode == 0, process.stderr
    reconstruction, prior = json.loads(process.stdout.splitlines()[-1])
    assert prior == "LearnedNormal"
    np.testing.assert_allclose(reconstruction, vae.reconstruct(X[:5]), rtol=1e-6)


def test_evaluation_gives_the_elbo_and_a_log_likelihood_above_it(trained):
    vae, file, _, _ = trained
    loaded = keras.saving.load_model(file)
    estimates = kv.evaluation.evaluate(loaded, X, num_samples=10)
    seed = kv.random.as_noise(0).of(kv.random.Stream.EVALUATION)  # of the same draws
    elbo = vae.elbo(X, num_samples=10, seed=seed).numpy()
    assert estimates["elbo"].mean == pytest.approx(elbo.mean(), rel=1e-5)
    log_px, standard_error = vae.log_marginal(X, num_samples=100, seed=0)
    assert np.all(np.isfinite(log_px))
    assert np.all(np.isfinite(standard_error))
    assert log_px.mean() > elbo.mean()


def test_the_saved_model_decodes_as_the_model_does(trained, tmp_path):
    vae = trained[0]
    served = tf.saved_model.load(str(vae.export(tmp_path / "serving")))
    z = RNG.normal(size=(4, 2)).astype("float32")
    answer = served.signatures["decode"](z=tf.constant(z))
    np.testing.assert_allclose(answer["scale"], vae.decode(z).distribution.scale, rtol=1e-5)
    np.testing.assert_allclose(answer["mean"], vae.decode(z).mean(), rtol=1e-5)


def test_the_script_has_at_most_40_lines_of_code():
    code = [line for line in pathlib.Path(own_parts.__file__).read_text().splitlines()[1:] if line.strip()]
    assert len(code) <= 40


def test_data_outside_of_the_support_is_refused(trained):
    with pytest.raises(ValueError, match=r"HalfNormal likelihood scores \[0, infinity\): transform x, or"):
        trained[0].elbo(-X, seed=0)
