"""Distributions over levels against SciPy, a long double oracle and central differences."""

import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.distributions import Bernoulli, CategoricalLevels, QuantizedLogistic, SoftBernoulli
from tests.distributions.helpers import (
    EPS32,
    EPS64,
    LEVEL_LOGITS,
    RNG,
    central_difference,
    central_tolerance,
    f64,
    gradient,
)


def test_log_prob_of_levels_is_that_of_scipy():
    d = CategoricalLevels(logits=LEVEL_LOGITS)
    expected = scipy.special.log_softmax(LEVEL_LOGITS, -1)
    for level in range(5):
        np.testing.assert_allclose(d.log_prob(level), expected[:, level], rtol=16 * EPS64, atol=16 * EPS64)


@pytest.mark.parametrize("dtype", ["int32", "uint8", "float32"])
def test_levels_may_be_integers_or_whole_floats(dtype):
    d = CategoricalLevels(logits=LEVEL_LOGITS.astype("float32"), dtype=tf.as_dtype(dtype))
    levels = np.array([0, 1, 2, 3, 4, 0])
    expected = scipy.special.log_softmax(LEVEL_LOGITS, -1)[np.arange(6), levels]
    log_prob = d.log_prob(levels.astype(dtype))
    assert log_prob.dtype == tf.float32
    np.testing.assert_allclose(log_prob, expected, rtol=16 * EPS32, atol=16 * EPS32)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_log_prob_and_gradient_of_levels_are_exact_at_logits_of_100(dtype):
    logits = np.array([[-100.0, 0.0, 100.0], [100.0, 100.0, -100.0]], dtype)
    for level in range(3):
        log_prob = CategoricalLevels(logits=logits).log_prob(level)
        d_logits = gradient(lambda t, level=level: CategoricalLevels(logits=t).log_prob(level), logits, dtype)
        log_softmax = scipy.special.log_softmax(logits.astype("float64"), -1)
        tolerance = 4 * np.finfo(dtype).eps
        np.testing.assert_allclose(log_prob, log_softmax[:, level], rtol=tolerance, atol=tolerance)
        np.testing.assert_allclose(d_logits, np.eye(3)[level] - np.exp(log_softmax), rtol=tolerance, atol=tolerance)


def test_gradient_of_the_log_prob_of_levels_is_its_central_difference():
    levels = np.array([0, 1, 2, 3, 4, 0])

    def log_prob(logits):
        return CategoricalLevels(logits=logits).log_prob(levels)

    exact = gradient(log_prob, LEVEL_LOGITS)
    for level in range(5):
        difference = central_difference(
            lambda t, level=level: log_prob(LEVEL_LOGITS + t[:, None] * np.eye(5)[level]), np.zeros(6)
        )
        np.testing.assert_allclose(
            exact[:, level], difference, rtol=0, atol=central_tolerance(np.abs(LEVEL_LOGITS).max())
        )


def test_mean_and_variance_of_levels_are_those_of_numpy():
    probs = scipy.special.softmax(LEVEL_LOGITS, -1)
    d = CategoricalLevels(logits=LEVEL_LOGITS)
    levels = np.arange(5)
    for probs_row, mean, variance, stddev in zip(probs, d.mean(), d.variance(), d.stddev(), strict=True):
        expected_mean = np.average(levels, weights=probs_row)
        expected_variance = np.average((levels - expected_mean) ** 2, weights=probs_row)
        np.testing.assert_allclose(mean, expected_mean, rtol=16 * EPS64)
        np.testing.assert_allclose(variance, expected_variance, rtol=0, atol=64 * EPS64)
        np.testing.assert_allclose(stddev, np.sqrt(expected_variance), rtol=1e3 * EPS64)


def test_kl_and_entropy_of_levels_are_those_of_tfp():
    p, q = RNG.normal(size=(2, 3, 5))
    expected = tfd.kl_divergence(tfd.Categorical(logits=p), tfd.Categorical(logits=q))
    np.testing.assert_array_equal(tfd.kl_divergence(CategoricalLevels(logits=p), CategoricalLevels(logits=q)), expected)
    by_scipy = scipy.special.rel_entr(scipy.special.softmax(p, -1), scipy.special.softmax(q, -1)).sum(-1)
    np.testing.assert_allclose(expected, by_scipy, rtol=0, atol=16 * EPS64)
    entropy = scipy.stats.entropy(scipy.special.softmax(p, -1), axis=-1)
    np.testing.assert_allclose(CategoricalLevels(logits=p).entropy(), entropy, rtol=16 * EPS64)


@pytest.mark.parametrize("cls", [Bernoulli, SoftBernoulli, CategoricalLevels])
def test_slices_of_a_batch_stay_of_their_class(cls):
    d = cls(logits=f64(LEVEL_LOGITS))
    assert type(d[1]) is cls
    np.testing.assert_allclose(d[1].log_prob(1), d.log_prob(1)[1], rtol=4 * EPS64)
    np.testing.assert_allclose(d[1].mean(), d.mean()[1], rtol=4 * EPS64)


# Rounded logistics.

NUM_LEVELS = [2, 3, 16, 256, 65536]


def quantized(num_levels, dtype, size=400):
    """Return levels, locations up to far off the levels, and scales from a tenth of a level to 20 times the range."""
    rng = np.random.default_rng(num_levels)
    x = rng.integers(0, num_levels, size)
    x[: size // 4] = rng.choice([0, num_levels - 1], size // 4)
    loc = rng.normal(scale=2.0, size=size)
    loc[::10] *= 1e4
    scale = np.exp(rng.uniform(np.log(0.2 / (num_levels - 1)), np.log(20), size))
    return x.astype(dtype), loc.astype(dtype), scale.astype(dtype)


def log_probability(x, loc, scale, num_levels):
    """Return the log-probability in long double: log F(v) + log(1 - F(u)) + log(1 - exp(u' - v'))."""
    x, loc, scale = (np.asarray(t, np.longdouble) for t in (x, loc, scale))
    below, above = (((2 * x - num_levels + edge) / (num_levels - 1) - loc) / scale for edge in (0, 2))
    inside = np.log(-np.expm1(-2 / ((num_levels - 1) * scale)))
    is_first, is_last = x == 0, x == num_levels - 1
    return (
        np.where(is_last, 0, -np.logaddexp(0, -above))
        + np.where(is_first, 0, -np.logaddexp(0, below))
        + np.where(is_first | is_last, 0, inside)
    )


def test_the_long_double_oracle_is_scipys_difference_of_the_cdf():
    """Where that difference keeps 6 digits, at moderate parameters."""
    for num_levels in (2, 3, 16):
        x, loc, scale = np.arange(num_levels)[:, None], np.array([-1.0, 0.1, 0.7]), np.array([0.2, 0.5, 2.0])
        logistic = scipy.stats.logistic(loc, scale)
        below = np.where(x == 0, 0, logistic.cdf((2 * x - num_levels) / (num_levels - 1)))
        above = np.where(x == num_levels - 1, 1, logistic.cdf((2 * x - num_levels + 2) / (num_levels - 1)))
        oracle = log_probability(x, loc, scale, num_levels)
        np.testing.assert_allclose(np.log(above - below), oracle, rtol=0, atol=1e6 * EPS64)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("num_levels", NUM_LEVELS)
def test_log_prob_of_rounded_logistics_is_exact_to_rounding_far_into_the_tails(num_levels, dtype):
    x, loc, scale = quantized(num_levels, dtype)
    log_prob = np.asarray(QuantizedLogistic(loc, scale, num_levels).log_prob(x))
    assert log_prob.dtype == dtype
    expected = log_probability(x, loc, scale, num_levels)
    # (edge - loc) / scale has three roundings, of the size of its terms
    magnified = (np.abs(loc) + 2) / scale
    assert np.all(np.abs(log_prob - expected) <= 4 * np.finfo(dtype).eps * (1 + np.abs(expected) + magnified))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("num_levels", NUM_LEVELS)
def test_gradients_of_rounded_logistics_are_finite_and_right_far_into_the_tails(num_levels, dtype):
    """d/d loc = (F(u) + F(v) - 1) / scale with F = 0, 1 at the ends; by scale: with u, v, and the rest's own term."""
    x, loc, scale = quantized(num_levels, dtype)
    variables = tf.constant(loc), tf.constant(scale)
    with tf.GradientTape() as tape:
        tape.watch(variables)
        log_prob = QuantizedLogistic(*variables, num_levels).log_prob(x)
    d_loc, d_scale = tape.gradient(log_prob, variables)
    loc, scale = (np.asarray(t, "float64") for t in (loc, scale))
    below, above = (((2 * x.astype("float64") - num_levels + edge) / (num_levels - 1) - loc) / scale for edge in (0, 2))
    is_first, is_last = x == 0, x == num_levels - 1
    by_above = np.where(is_last, 0, scipy.special.expit(-above))  # of log F(v) by v
    by_below = np.where(is_first, 0, -scipy.special.expit(below))  # of log(1 - F(u)) by u
    width = 2 / ((num_levels - 1) * scale)
    by_width = np.where(is_first | is_last, 0, 1 / np.expm1(np.minimum(width, 700)))
    terms = np.abs(by_above * above) + np.abs(by_below * below) + by_width * width
    magnified = 1 + (np.abs(loc) + 2) / scale  # rounding of u and v
    tolerance = 16 * np.finfo(dtype).eps / scale
    assert np.all(np.abs(d_loc + (by_above + by_below) / scale) <= tolerance * magnified)
    expected = -(by_above * above + by_below * below + by_width * width) / scale
    assert np.all(np.abs(d_scale - expected) <= tolerance * (terms + 1) * magnified)


def test_gradient_of_rounded_logistics_is_its_central_difference():
    x, loc, scale = f64(np.arange(8.0)), np.linspace(-1.5, 1.5, 8), np.linspace(0.5, 2.0, 8)
    for f, at in [
        (lambda t: QuantizedLogistic(t, f64(scale), 8).log_prob(x), loc),
        (lambda t: QuantizedLogistic(f64(loc), t, 8).log_prob(x), scale),
    ]:
        difference = central_difference(f, at)
        np.testing.assert_allclose(gradient(f, at), difference, rtol=0, atol=100 * central_tolerance(10))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("num_levels", [2, 3, 16, 256])
def test_probabilities_of_rounded_logistics_sum_to_one(num_levels, dtype):
    _, loc, scale = quantized(num_levels, dtype, size=50)
    levels = np.arange(num_levels, dtype=dtype)[:, None]
    total = np.asarray(QuantizedLogistic(loc, scale, num_levels).prob(levels), "float64").sum(0)
    # of each edge both neighbours have the same rounding error, but for that of the width
    assert np.all(np.abs(total - 1) <= 16 * np.finfo(dtype).eps * (1 + (np.minimum(np.abs(loc), 3) + 2) / scale))


def test_mean_variance_and_mode_of_rounded_logistics_are_those_of_their_probabilities():
    _, loc, scale = quantized(16, "float64", size=50)
    d = QuantizedLogistic(loc, scale, 16)
    levels = np.arange(16.0)
    probs = np.exp(log_probability(levels, loc[:, None], scale[:, None], 16)).astype("float64")
    mean = probs @ levels
    np.testing.assert_allclose(d.mean(), mean, rtol=0, atol=1e3 * EPS64)
    np.testing.assert_allclose(d.variance(), (probs * (levels - mean[:, None]) ** 2).sum(-1), rtol=0, atol=1e4 * EPS64)
    np.testing.assert_array_equal(d.mode(), probs.argmax(-1))


def test_own_samples_of_rounded_logistics_are_levels_with_their_frequencies():
    """Within 4 standard errors."""
    d = QuantizedLogistic(0.3, 0.4, 5)
    x = np.asarray(d.sample(10_000, seed=(0, 1)))
    np.testing.assert_array_equal(np.unique(x), np.arange(5))
    frequency = np.bincount(x.astype(int), minlength=5) / len(x)
    probs = np.asarray(d.prob(np.arange(5.0, dtype="float32")))
    assert np.all(np.abs(frequency - probs) < 4 * np.sqrt(probs * (1 - probs) / len(x)))


def test_a_rounded_logistic_checks_its_scale_with_validate_args():
    with pytest.raises(tf.errors.InvalidArgumentError, match="x > 0 did not hold"):
        QuantizedLogistic(0.0, -1.0, validate_args=True)
