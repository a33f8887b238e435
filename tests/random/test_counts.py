"""Quantiles of counts against SciPy's."""

import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf

from keras_vae.random.counts import negative_binomial_quantile, poisson_quantile

RNG = np.random.default_rng(0)
U = RNG.random(2000)


@pytest.mark.parametrize("rate", [1e-8, 0.1, 3.0, 80.0, 1e4, 1e5])
def test_poisson_quantiles_are_those_of_scipy(rate):
    """Both err where the cumulative probability is within 2e-10 of u: one seed in 200,000 or fewer."""
    rates = rate * RNG.uniform(0.5, 1.0, U.shape)
    np.testing.assert_array_equal(
        poisson_quantile(tf.constant(U), tf.constant(rates)), scipy.stats.poisson.ppf(U, rates)
    )


@pytest.mark.parametrize("rate", [2e5, 1e7])
def test_poisson_quantiles_of_large_rates_differ_from_scipys_by_one_and_rarely(rate):
    """The next term of the expansion is below w**4 / (100 rate): the chance of another integer is 1e-5 or less."""
    k = poisson_quantile(tf.constant(U), tf.fill(U.shape, tf.constant(rate, tf.float64)))
    difference = np.abs(k - scipy.stats.poisson.ppf(U, rate))
    assert difference.max() <= 1
    assert difference.sum() <= 1


@pytest.mark.parametrize("total_count", [1e-3, 0.5, 7.3, 1e3])
@pytest.mark.parametrize("logits", [-10.0, 0.0, 4.0])
def test_negative_binomial_quantiles_are_those_of_scipy(total_count, logits):
    expected = scipy.stats.nbinom.ppf(U, total_count, scipy.special.expit(-logits))
    k = negative_binomial_quantile(tf.constant(U), *tf.constant([total_count, logits], tf.float64))
    np.testing.assert_array_equal(k, expected)


@pytest.mark.parametrize("rate", [0.0, 1e-300, 5.0, 1e5, 1e6, 1e300, np.inf])
def test_quantiles_of_the_extremes_of_the_uniform_noise_are_finite(rate):
    u = tf.constant([2.0**-53, 1 - 2.0**-53], tf.float64)
    k = np.asarray(poisson_quantile(u, tf.constant(rate, tf.float64)))
    assert np.all(np.isfinite(k) & (k >= 0))
    assert np.all(np.diff(k) >= 0)


@pytest.mark.parametrize("logits", [-1e4, -50.0, 0.0, 50.0, 1e4])
def test_negative_binomial_counts_are_finite_for_any_parameters(logits):
    u = tf.constant([[2.0**-53], [0.5], [1 - 2.0**-53]], tf.float64)
    total_count = tf.constant([2.0**-52, 1.0, 1e4], tf.float64)
    k = np.asarray(
        negative_binomial_quantile(u + tf.zeros([3, 3], tf.float64), total_count, tf.constant(logits, tf.float64))
    )
    assert np.all((k >= 0) & (k <= 2.0**52))
