"""Autoregressive distributions against the normal that a linear one is, in float64."""

import numpy as np
import scipy.stats
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae import random
from keras_vae.distributions import Autoregressive

EPS = 2.0**-52
WEIGHT = np.tril(np.random.default_rng(0).normal(size=(3, 3)), -1)
SCALE = np.array([0.5, 1.0, 2.0])


def linear():
    """Return z_j ~ Normal(sum_i WEIGHT[j, i] z_i, SCALE[j])."""
    return Autoregressive(
        lambda z: tfd.Independent(tfd.Normal(tf.linalg.matvec(tf.constant(WEIGHT), z), SCALE), 1), 3, tf.float64
    )


def test_it_has_no_batch_and_known_shapes():
    p = linear()
    assert (p.batch_shape, p.event_shape, p.dtype) == ([], [3], tf.float64)
    assert (p.batch_shape_tensor().shape, p.event_shape_tensor().numpy().tolist()) == ([0], [3])
    assert p.reparameterization_type == tfd.NOT_REPARAMETERIZED


def test_log_prob_is_that_of_the_normal_for_any_leading_axes():
    factor = np.linalg.inv(np.eye(3) - WEIGHT) * SCALE
    z = np.random.default_rng(1).normal(size=(4, 2, 3))
    expected = scipy.stats.multivariate_normal.logpdf(z, np.zeros(3), factor @ factor.T)
    np.testing.assert_allclose(linear().log_prob(z), expected, rtol=1e3 * EPS)


def test_draws_are_linear_in_the_noise_of_the_seed():
    factor = np.linalg.inv(np.eye(3) - WEIGHT) * SCALE
    u = random.normal([5, 3], 7, dtype=tf.float64)
    np.testing.assert_allclose(random.sample(linear(), 5, 7), u @ factor.T, rtol=1e3 * EPS)


def test_a_number_of_draws_that_a_graph_does_not_know_gives_the_draws_of_eager_execution():
    draw = tf.function(lambda n: random.sample(linear(), n, 7), [tf.TensorSpec([], tf.int32)], autograph=False)
    np.testing.assert_allclose(draw(5), random.sample(linear(), 5, 7), rtol=64 * EPS, atol=64 * EPS)


def test_a_draw_takes_a_pass_an_entry_and_a_density_one():
    passes = []

    def conditional(z):
        passes.append(1)
        return tfd.Independent(tfd.Normal(z, 1.0), 1)

    p = Autoregressive(conditional, 3)
    z = random.sample(p, 5, 0)
    assert len(passes) == 3
    p.log_prob(z)
    assert len(passes) == 4


def test_draws_of_tfp_are_those_of_its_seed_and_have_the_covariance_within_4_standard_errors():
    factor, num_draws = np.linalg.inv(np.eye(3) - WEIGHT) * SCALE, 20_000
    z = linear().sample(num_draws, seed=(1, 2))
    np.testing.assert_array_equal(z, linear().sample(num_draws, seed=(1, 2)))
    assert linear().sample([2, 3], seed=3).shape == [2, 3, 3]
    covariance = factor @ factor.T
    error = np.sqrt((covariance**2 + np.outer(np.diag(covariance), np.diag(covariance))) / num_draws)
    assert np.all(np.abs(np.cov(z, rowvar=False) - covariance) < 4 * error)
