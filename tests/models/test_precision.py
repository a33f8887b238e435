"""The precision that Keras is set to holds from data to loss."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_vae as kv

X = (np.random.default_rng(0).random((40, 4, 4, 1)) < 0.5).astype("float64")


@pytest.fixture
def float64():
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize("likelihood", ["gaussian", "categorical"])
def test_float64_is_scored(float64, likelihood):
    vae = kv.VAE.for_images((4, 4, 1), 2, likelihood=likelihood, num_levels=2, hidden=(8,), seed=0)
    elbo = vae.elbo(X, seed=0)
    assert elbo.dtype == tf.float64
    assert np.all(np.isfinite(elbo))
    assert np.any(np.float32(elbo.numpy()) != elbo.numpy())  # they would be equal, had float32 computed them


def test_float64_is_trained_evaluated_and_exported(float64, tmp_path):
    vae = kv.VAE.for_images((4, 4, 1), 2, hidden=(8,), seed=0)
    vae.compile("sgd", jit_compile=False)
    before = [weight.numpy() for weight in vae.trainable_variables]
    history = vae.fit(X, epochs=1, validation_data=(X,), verbose=0).history
    assert np.isfinite(history["val_loss"][0])
    for weight, old in zip(vae.trainable_variables, before, strict=True):
        assert weight.dtype == "float64"
        assert np.any(weight.numpy() != old), weight.path
    assert vae.predict(X, verbose=0).dtype == np.float64
    estimate = kv.evaluation.log_marginal(vae, X[:5], num_samples=20)
    assert np.all(np.isfinite(estimate.log_marginal))
    kl = tf.reduce_mean(kv.objectives.kl_per_dimension(vae.encode(X), vae.prior()), axis=0)
    np.testing.assert_allclose(kv.evaluation.decompose(vae, X).kl_per_dimension, kl, rtol=1e-12)
    annealed = kv.evaluation.annealed_log_marginal(vae, X[:5], num_chains=2, num_steps=2)
    assert np.all(np.isfinite(annealed.estimate.log_marginal))
    vae.save(tmp_path / "vae.keras")
    loaded = keras.saving.load_model(tmp_path / "vae.keras")
    np.testing.assert_array_equal(loaded.elbo(X, seed=0), vae.elbo(X, seed=0))
    served = tf.saved_model.load(str(vae.export(tmp_path / "serving")))
    np.testing.assert_allclose(served.signatures["encode"](x=tf.constant(X))["mean"], vae.encode(X).mean(), rtol=1e-12)


def test_an_objective_with_a_schedule_and_free_bits_holds_float64(float64):
    objective = kv.objectives.FreeBits(0.1, beta=kv.objectives.CyclicSchedule(10))
    vae = kv.VAE.for_images((4, 4, 1), 2, hidden=(8,), objective=objective, seed=0)
    vae.compile("sgd", jit_compile=False)
    assert np.isfinite(vae.fit(X, verbose=0).history["loss"][0])
    terms = vae.objective(vae, X, seed=0)
    assert {terms.loss.dtype, terms.loss_per_example.dtype, terms.kl.dtype} == {tf.float64}
