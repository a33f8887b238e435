"""A model with a corruption: what the encoder sees, what is scored, and the Keras contract."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_vae as kv
from keras_vae.corruptions import Corruption, SaltAndPepperNoise
from keras_vae.random import Stream, as_noise

X = (np.random.default_rng(0).random((40, 4, 4, 1)) < 0.3).astype("float32")


def vae_of(corruption, likelihood="bernoulli"):
    keras.utils.set_random_seed(0)
    vae = kv.VAE.for_images((4, 4, 1), 2, likelihood, hidden=(8,), corruption=corruption, seed=0)
    vae.compile(keras.optimizers.SGD(0.05), jit_compile=False)
    return vae


@pytest.fixture(scope="module")
def trained():
    vae = vae_of(SaltAndPepperNoise(0.3))
    vae.fit(X, batch_size=20, epochs=2, verbose=0)
    return vae


def test_in_training_the_encoder_sees_noise_and_the_likelihood_scores_clean_x(trained):
    noise = as_noise(5)
    draws = trained.draw(kv.protocols.Batch(X), 1, noise, training=True)
    seen = trained.corruption.corrupt(tf.constant(X), noise.of(Stream.CORRUPTION))
    assert 0.05 < np.mean(seen != X) < 0.25  # half of the replaced three tenths have another value than before
    np.testing.assert_allclose(draws.posterior.mean(), trained.encode(seen).mean(), rtol=1e-6)
    np.testing.assert_array_equal(draws.log_likelihood, trained.log_likelihood(X, draws.z))


def test_evaluation_is_on_x_as_it_is(trained):
    plain = kv.VAE(trained.encoder, trained.decoder, trained.prior, seed=0)
    np.testing.assert_array_equal(trained.elbo(X, seed=1), plain.elbo(X, seed=1))
    plain.compile()
    assert trained.evaluate(X, verbose=0) == pytest.approx(plain.evaluate(X, verbose=0), rel=1e-6)


def test_noisy_x_that_the_likelihood_could_not_score_is_reconstructed_and_nan_is_not(trained):
    noisy = X + np.random.default_rng(1).normal(0, 0.3, X.shape).astype("float32")
    expected = trained.decode(trained.encode(noisy).mean()).mean()
    np.testing.assert_allclose(trained.reconstruct(noisy), expected, rtol=1e-6)
    np.testing.assert_allclose(trained.predict(noisy, verbose=0), expected, rtol=1e-5)
    streamed = trained.predict(tf.data.Dataset.from_tensor_slices(noisy).batch(20), verbose=0)
    np.testing.assert_allclose(streamed, expected, rtol=1e-5)
    noisy[3, 0, 0, 0] = np.nan
    for refuse in (trained.reconstruct, lambda x: trained.predict(x, verbose=0), trained.predict_on_batch):
        with pytest.raises(ValueError, match="nan in row 3"):
            refuse(noisy)
    with pytest.raises(ValueError, match=r"scores {0, 1}"):
        trained.elbo(X + 0.5)
    with pytest.raises(ValueError, match=r"scores {0, 1}"):
        vae_of(None).reconstruct(X + 0.5)


def test_a_file_keeps_the_corruption_and_an_export_reconstructs_noisy_x(trained, tmp_path):
    trained.save(tmp_path / "vae.keras")
    loaded = keras.saving.load_model(tmp_path / "vae.keras", safe_mode=True)
    assert vars(loaded.corruption) == {"rate": 0.3, "low": 0.0, "high": 1.0}
    for vae in (trained, loaded):
        vae.fit(X, batch_size=20, epochs=1, verbose=0)
    for one, other in zip(trained.weights, loaded.weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    exported = tf.saved_model.load(trained.export(tmp_path)).signatures["reconstruct"]
    np.testing.assert_allclose(exported(x=tf.constant(X + 0.2))["mean"], trained.reconstruct(X + 0.2), rtol=1e-5)
    with pytest.raises(tf.errors.InvalidArgumentError, match="x must be finite"):
        exported(x=tf.constant(X * np.nan))


def test_another_corruption_or_none_is_used_from_the_next_fit_on():
    vae = vae_of(SaltAndPepperNoise(0.3))
    vae.fit(X, batch_size=20, epochs=1, verbose=0)
    plain = vae_of(None)
    for model in (plain, vae):
        model.corruption = None
        model.fit(X, batch_size=20, epochs=1, verbose=0)
        model.step.assign(0)
        model.set_weights(vae_of(None).get_weights())
        model.fit(X, batch_size=20, epochs=1, verbose=0)
    for one, other in zip(vae.trainable_variables, plain.trainable_variables, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_a_layer_that_learns_is_no_noise():
    with pytest.raises(ValueError, match="`corruption` must have no weights to train. Received: .*Dense"):
        vae_of(keras.layers.Dense(1))


def test_another_prior_keeps_the_corruption(trained):
    assert trained.with_prior(kv.priors.MixtureOfNormals(2, 3)).corruption is trained.corruption


def test_two_replicas_take_the_steps_of_one(strategy):
    single = vae_of(SaltAndPepperNoise(0.3))
    with strategy.scope():
        double = vae_of(SaltAndPepperNoise(0.3))
    for vae in (single, double):
        vae.fit(X, batch_size=20, epochs=1, verbose=0)
    for one, two in zip(single.trainable_variables, double.trainable_variables, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-6)


def test_a_keras_layer_of_noise_and_levels_of_uint8_are_taken():
    levels = np.random.default_rng(0).integers(0, 256, (20, 4, 4, 1)).astype("uint8")
    vae = vae_of(keras.layers.GaussianNoise(1.0), likelihood=kv.likelihoods.get("quantized-logistic", 256))
    losses = vae.fit(levels, batch_size=10, epochs=2, verbose=0).history["loss"]
    assert np.all(np.isfinite(losses))


@pytest.mark.parametrize("corruption", ["noise", 0.3, SaltAndPepperNoise, Corruption])
def test_what_is_no_corruption_is_refused(corruption):
    with pytest.raises(TypeError, match=r"`corruption` must be a keras_vae.corruptions.Corruption or a Keras layer"):
        vae_of(corruption)
