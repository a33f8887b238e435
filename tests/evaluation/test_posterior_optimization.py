"""Posteriors found for each x against those of probabilistic PCA, which are known."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

import keras_vae as kv
from keras_vae.evaluation import optimize_posterior
from tests.reference import linear_gaussian


@pytest.fixture(scope="module")
def model():
    return linear_gaussian(seed=5, orthogonal=False)


@pytest.fixture(scope="module")
def x(model):
    rng = np.random.default_rng(1)
    return rng.normal(size=(12, 2)) @ model.weight.T + model.bias + model.sigma * rng.normal(size=(12, 5))


def compiled(vae):
    vae.compile(jit_compile=False)
    return vae


@pytest.fixture(scope="module")
def full(model):
    """An encoder that says the same wrong thing of every x, in the family of the true posterior."""
    return compiled(model.normal_vae(np.zeros((5, 2)), np.ones(2), np.eye(2)))


@pytest.mark.parametrize("start", ["encoder", "zeros"])
def test_the_optimum_of_the_full_family_is_the_true_posterior(model, full, x, start):
    """At the true posterior the gradient has no variance: all that is left is the last steps' size."""
    best = optimize_posterior(full, x, start=start)
    loc, covariance = model.posterior(x)
    np.testing.assert_allclose(best.posterior.mean(), loc, atol=1e-3)
    np.testing.assert_allclose(best.posterior.covariance(), np.tile(covariance, (12, 1, 1)), atol=1e-3)
    np.testing.assert_allclose(best.elbo, model.log_marginal(x), atol=1e-3)


def test_the_optimum_of_the_diagonal_family_has_the_inverse_diagonal_of_the_precision(model, x):
    """Bishop (2006), Sec. 10.1.2."""
    vae = compiled(model.normal_vae(np.zeros((5, 2)), np.zeros(2), np.ones(2)))
    best = optimize_posterior(vae, x, num_samples=50)
    loc, covariance = model.posterior(x)
    np.testing.assert_allclose(best.posterior.mean(), loc, atol=0.02)
    variances = np.tile(1 / np.diag(np.linalg.inv(covariance)), (12, 1))
    np.testing.assert_allclose(best.posterior.variance(), variances, rtol=0.1)


def test_the_result_depends_neither_on_the_batch_size_nor_on_the_other_examples(full, x):
    whole = optimize_posterior(full, x, num_steps=20)
    parts = optimize_posterior(full, x[:7], num_steps=20, batch_size=3)
    np.testing.assert_allclose(parts.posterior.mean(), whole.posterior.mean()[:7], rtol=1e-10)
    np.testing.assert_allclose(parts.elbo, whole.elbo[:7], rtol=1e-10)


def test_weights_and_optimizer_stay_as_they_are(make_vae, binary_images):
    vae = compiled(make_vae())
    vae.fit(binary_images[:32], verbose=0)
    state = [variable.numpy().copy() for variable in [*vae.variables, *vae.optimizer.variables]]
    optimize_posterior(vae, binary_images[:5], num_steps=3)
    for variable, before in zip([*vae.variables, *vae.optimizer.variables], state, strict=True):
        np.testing.assert_array_equal(variable, before)


def test_other_numbers_of_steps_and_learning_rates_share_a_graph(full, x, monkeypatch):
    optimize_posterior(full, x, num_steps=2)
    monkeypatch.setattr(type(full), "log_likelihood", None)  # of which only tracing makes use
    optimize_posterior(full, x, num_steps=3, learning_rate=0.01)


def test_a_functional_encoder_is_taken_and_one_that_does_not_end_in_a_layer_is_named(make_vae, binary_images):
    parts = make_vae()
    body, head = parts.encoder.layers[:-1], parts.encoder.layers[-1]
    inputs = keras.Input((4, 4, 1))
    h = inputs
    for layer in body:
        h = layer(h)
    x = binary_images[:5]
    functional = kv.VAE(keras.Model(inputs, head(h)), parts.decoder, parts.prior, seed=0)
    found = [optimize_posterior(compiled(vae), x, num_steps=5).elbo for vae in (parts, functional)]
    np.testing.assert_allclose(*found, rtol=1e-6)

    nested = kv.VAE(keras.Sequential([inputs, parts.encoder]), parts.decoder, parts.prior, seed=0)
    with pytest.raises(TypeError, match="ends in a layer of keras_vae.layers with one input. Received: vae.encoder="):
        optimize_posterior(nested, x)


def test_bad_arguments_are_named(full, x):
    with pytest.raises(ValueError, match="`start` must be encoder or zeros. Received: start='prior'"):
        optimize_posterior(full, x, start="prior")
    with pytest.raises(ValueError, match="`learning_rate` must be positive and finite. Received: learning_rate=0"):
        optimize_posterior(full, x, learning_rate=0)
    with pytest.raises(
        ValueError, match="`num_steps` must be 2,147,483,647 or less. Received: num_steps=1099511627776"
    ):
        optimize_posterior(full, x, num_steps=2**40)


def test_latents_whose_draws_carry_no_gradient_are_refused(x):
    encoder = keras.Sequential([keras.Input((5,)), keras.layers.Dense(2), kv.layers.IndependentBernoulli(2)])
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(10), kv.layers.IndependentNormal(5)])
    vae = kv.VAE(encoder, decoder, Coins(), seed=0)
    with pytest.raises(ValueError, match="must carry a gradient.* Received: a posterior of type"):
        optimize_posterior(vae, x.astype("float32"))


class Coins(kv.priors.Prior):
    """Two fair coins."""

    def distribution(self):
        return tfd.Independent(tfd.Bernoulli(tf.zeros(2), dtype=tf.float32), 1)
