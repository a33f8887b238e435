"""Theorems on a VAE whose log p(x) and posterior are known: probabilistic PCA, in float64."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_vae as kv
from tests.reference import kl_normal, linear_gaussian


@pytest.fixture
def model():
    return linear_gaussian()


@pytest.fixture
def x():
    return np.random.default_rng(1).normal(size=(6, 5))


def wrong_posterior():
    rng = np.random.default_rng(2)
    loc_weight, loc_bias, scale = rng.normal(size=(5, 2)) * 0.2, rng.normal(size=2) * 0.2, np.array([0.5, 0.8])
    return loc_weight, loc_bias, scale


def test_elbo_equals_log_marginal_at_the_true_posterior_for_every_draw(model, x):
    """log p(x, z) - log q(z) is constant in z there; with the KL in closed form only its mean over draws is."""
    loc, covariance = model.posterior(x)
    gain = model.weight @ covariance / model.sigma**2
    vae = model.vae(gain, -model.bias @ gain, np.sqrt(np.diag(covariance)))
    q_z = vae.encode(x)
    z = kv.random.sample(q_z, 7, seed=3)
    log_ratio = vae.log_likelihood(x, z) + vae.prior().log_prob(z) - q_z.log_prob(z)
    np.testing.assert_allclose(q_z.mean(), loc, rtol=1e-12)
    np.testing.assert_allclose(log_ratio, np.tile(model.log_marginal(x), (7, 1)), rtol=1e-10)


def kl_to_true_posterior(model, x, loc, scale):
    true_loc, true_covariance = model.posterior(x)
    return np.array([kl_normal(q, np.diag(scale**2), p, true_covariance) for q, p in zip(loc, true_loc, strict=True)])


def test_log_marginal_is_elbo_plus_kl_to_the_true_posterior(model, x):
    """log p(x|z) is quadratic in z here, so its mean under q is its mean over z = loc +- sqrt(D) scale_d e_d."""
    loc_weight, loc_bias, scale = wrong_posterior()
    vae = model.vae(loc_weight, loc_bias, scale)
    q_z = vae.encode(x)
    sigma_points = tf.stack([q_z.mean() + sign * np.sqrt(2) * scale * np.eye(2)[d] for d in (0, 1) for sign in (-1, 1)])
    log_likelihood = tf.reduce_mean(vae.log_likelihood(x, sigma_points), axis=0)
    elbo = log_likelihood - kv.objectives.kl_divergence(q_z, vae.prior(), sigma_points)
    gap = kl_to_true_posterior(model, x, q_z.mean().numpy(), scale)
    np.testing.assert_allclose(elbo + gap, model.log_marginal(x), rtol=1e-10)


def test_elbo_is_unbiased_for_the_exact_elbo(model, x):
    loc_weight, loc_bias, scale = wrong_posterior()
    vae = model.vae(loc_weight, loc_bias, scale)
    gap = kl_to_true_posterior(model, x, vae.encode(x).mean().numpy(), scale)
    draws = vae.elbo(np.tile(x, (400, 1)), seed=4).numpy().reshape(400, len(x))  # each row has noise of its own
    standard_error = draws.std(axis=0, ddof=1) / np.sqrt(len(draws))
    assert np.all(np.abs(draws.mean(axis=0) - (model.log_marginal(x) - gap)) < 4 * standard_error)


def test_gradient_of_the_loss_agrees_with_central_differences(model, x):
    vae = model.vae(*wrong_posterior())
    objective = kv.objectives.ELBO(beta=1.5, num_samples=3)
    with tf.GradientTape() as tape:
        loss = objective(vae, x, seed=5).loss
    gradients = tape.gradient(loss, vae.trainable_variables)
    step = 1e-5
    for variable, gradient in zip(vae.trainable_variables, gradients, strict=True):
        value = variable.numpy()
        for index in np.ndindex(value.shape):
            losses = []
            for sign in (1, -1):
                shifted = value.copy()
                shifted[index] += sign * step
                variable.assign(shifted)
                losses.append(objective(vae, x, seed=5).loss.numpy())
            variable.assign(value)
            difference = (losses[0] - losses[1]) / (2 * step)
            np.testing.assert_allclose(gradient.numpy()[index], difference, rtol=1e-6, atol=1e-7)


def test_training_reaches_the_log_marginal_of_the_data(model):
    """The optimum of the ELBO over linear encoders is the true posterior, where the gap to log p(x) is 0."""
    rng = np.random.default_rng(3)
    z = rng.normal(size=(4_000, 2))
    x = z @ model.weight.T + model.bias + model.sigma * rng.normal(size=(4_000, 5))
    true_scale = np.sqrt(np.diag(model.posterior(x)[1]))
    vae = model.vae(np.zeros((5, 2)), np.zeros(2), true_scale)
    before = kl_to_true_posterior(model, x[:100], np.zeros((100, 2)), true_scale)
    vae.decoder.trainable = False
    vae.compile(keras.optimizers.Adam(0.02))
    kv.training.train(vae, x, epochs=20, batch_size=500, verbose=0)
    gap = kl_to_true_posterior(model, x[:100], vae.encode(x[:100]).mean().numpy(), true_scale)
    assert before.mean() > 1
    assert gap.mean() < 0.01


# A flow as posterior, of a model whose true posterior is correlated.


@pytest.fixture(scope="module")
def trained_flow():
    """Return model, data, and a VAE with the model's decoder and an IAF encoder after 300 steps."""
    keras.utils.set_random_seed(0)
    model = linear_gaussian(seed=5, orthogonal=False)
    rng = np.random.default_rng(3)
    x = rng.normal(size=(2_000, 2)) @ model.weight.T + model.bias + model.sigma * rng.normal(size=(2_000, 5))
    layer = kv.layers.AutoregressiveFlow(2, context_size=4, hidden_units=(8,), dtype="float64")
    dense = keras.layers.Dense(layer.params_size(2, 4), dtype="float64")
    encoder = keras.Sequential([keras.Input((5,), dtype="float64"), dense, layer])
    decoder = model.vae(np.zeros((5, 2)), np.zeros(2), np.ones(2)).decoder
    decoder.trainable = False
    vae = kv.VAE(encoder, decoder, kv.priors.StandardNormal(2, dtype="float64"), seed=0, dtype="float64")
    vae.compile(keras.optimizers.Adam(0.02), jit_compile=False)
    kv.training.train(vae, x, epochs=30, batch_size=200, verbose=0)
    return model, x[:200], vae


def test_log_marginal_with_a_flow_is_within_4_standard_errors_of_the_exact_one(trained_flow):
    """Of the mean over the examples, whose importance samples are independent."""
    model, x, vae = trained_flow
    estimate = kv.evaluation.log_marginal(vae, x, num_samples=200)
    error = estimate.log_marginal - model.log_marginal(x)
    standard_error = np.sqrt(np.mean(estimate.standard_error**2) / len(x))
    bias = np.mean(estimate.standard_error**2) / 2  # of the logarithm of an unbiased estimate
    assert abs(np.mean(error) + bias) < 4 * standard_error
    assert np.all(np.abs(error) < 6 * estimate.standard_error)


def test_the_elbo_of_a_flow_is_above_that_of_the_best_diagonal_normal(trained_flow):
    """min KL(q, N(m, inverse(P))) over diagonal q is (sum_d log P_dd - log det P) / 2, at the variances 1 / P_dd.

    Bishop (2006), Sec. 10.1.2, has these variances.
    """
    model, x, vae = trained_flow
    precision = np.linalg.inv(model.posterior(x)[1])
    gap = 0.5 * (np.sum(np.log(np.diag(precision))) - np.linalg.slogdet(precision)[1])
    below = model.log_marginal(x) - vae.elbo(x, num_samples=20, seed=0).numpy()
    assert below.mean() + 4 * below.std() / np.sqrt(len(x)) < gap


@pytest.mark.slow
def test_annealing_from_a_flow_is_within_4_standard_errors_of_the_exact_log_marginal(trained_flow):
    model, x, vae = trained_flow
    annealed = kv.evaluation.annealed_log_marginal(vae, x[:20], num_chains=32, num_steps=10, seed=1)
    error = annealed.estimate.log_marginal - model.log_marginal(x[:20])
    assert annealed.acceptance_rate > 0.5
    assert np.all(np.abs(error) < 4 * annealed.estimate.standard_error)
