"""The autoregressive prior: density against SciPy, where it begins, gradients, training on known densities."""

import re

import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf

from keras_vae import random
from keras_vae.priors import Autoregressive
from keras_vae.priors.autoregressive import _start
from tests.priors.helpers import check_gradients, correlated_normal, gaps_of_training, integral, moved, ring

EPS = 2.0**-52
RNG = np.random.default_rng(0)


def small(latent_dim=3, num_components=2):
    """Return a prior in float64 that is far from where it starts."""
    prior = Autoregressive(latent_dim, num_components, hidden_units=(4,), activation="tanh", dtype="float64")
    return moved(prior)


@pytest.mark.parametrize("num_components", [1, 2, 10])
def test_it_begins_near_the_standard_normal(num_components):
    z = random.normal([500, 10], 7)
    gap = Autoregressive(10, num_components)().log_prob(z) - scipy.stats.norm.logpdf(z).sum(-1)
    assert abs(np.mean(gap)) < 0.1


@pytest.mark.parametrize("num_components", [1, 2, 5, 50])
def test_the_components_begin_apart_in_a_mixture_of_mean_0_and_variance_1(num_components):
    loc, raw_scale = _start(num_components)[num_components:].reshape(-1, 2).T
    assert len(set(loc)) == num_components
    np.testing.assert_allclose(loc.mean(), 0, atol=16 * EPS)
    np.testing.assert_allclose(np.mean(loc**2 + np.logaddexp(0, raw_scale) ** 2), 1, rtol=16 * EPS)


def test_the_density_integrates_to_one():
    np.testing.assert_allclose(integral(small(2)(), reach=15, points=601), 1, rtol=1e-6)


def test_log_prob_is_the_sum_over_entries_of_mixtures_of_normals():
    prior, z = small(), RNG.normal(size=(5, 3))
    params = prior.network(z).numpy() + _start(2)
    logits, (loc, raw_scale) = params[..., :2], np.moveaxis(params[..., 2:].reshape(5, 3, 2, 2), -1, 0)
    log_probs = scipy.stats.norm.logpdf(z[..., None], loc, np.logaddexp(0, raw_scale) + EPS)
    expected = scipy.special.logsumexp(scipy.special.log_softmax(logits, -1) + log_probs, -1).sum(-1)
    np.testing.assert_allclose(prior().log_prob(z), expected, rtol=1e3 * EPS)


def test_a_factor_depends_on_the_entries_before_alone():
    prior, z = small(), tf.constant(RNG.normal(size=(1, 3)))
    with tf.GradientTape() as tape:
        tape.watch(z)
        params = prior.network(z)
    depends = np.any(np.abs(tape.batch_jacobian(params, z)[0]) > 1e-6, axis=1)
    np.testing.assert_array_equal(depends, np.tril(np.ones((3, 3), bool), -1))


def test_draws_have_the_moments_of_the_density_within_4_standard_errors():
    p_z, num_draws = small(2)(), 20_000
    z = random.sample(p_z, num_draws, 0).numpy()
    axis = np.linspace(-15, 15, 601)
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1)
    prob = np.exp(p_z.log_prob(grid)) * (axis[1] - axis[0]) ** 2
    for moment in (lambda z: z[..., 0], lambda z: z[..., 1], lambda z: z[..., 0] * z[..., 1], lambda z: z[..., 1] ** 2):
        values = moment(z)
        assert abs(values.mean() - np.sum(prob * moment(grid))) < 4 * values.std() / num_draws**0.5


def test_the_gradient_is_that_of_central_differences_and_finite_far_away():
    prior, z = small(), tf.constant(np.concatenate([RNG.normal(size=(4, 3)), np.full((1, 3), 1e3)]))
    check_gradients(prior, z, prior.network.trainable_variables[0])


@pytest.mark.parametrize(("density", "latent_dim", "limit"), [(ring, 2, 0.1), (correlated_normal, 5, 0.15)])
def test_training_finds_the_entropy_of_a_density_within_the_limit_in_nats(density, latent_dim, limit):
    prior = Autoregressive(latent_dim, hidden_units=(32,))
    before, after = gaps_of_training(prior, density, steps=100, learning_rate=1e-2)
    assert before > 1.2
    assert after < limit


@pytest.mark.parametrize("arguments", [{"latent_dim": 0}, {"num_components": 0}, {"hidden_units": (3, 0)}])
def test_sizes_below_one_are_refused(arguments):
    ((name, value),) = arguments.items()
    with pytest.raises(ValueError, match=f"`{name}` must be .*1 or more. Received: {name}={re.escape(repr(value))}"):
        Autoregressive(**{"latent_dim": 3, **arguments})
