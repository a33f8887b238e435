"""Continuous Bernoulli and beta entries: closed forms at all logits, and the ends of the unit interval."""

import numpy as np
import pytest
import scipy.special
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.distributions import ContinuousBernoulli
from keras_vae.distributions.support import check_support
from keras_vae.layers import IndependentBeta, IndependentContinuousBernoulli

EPS = {"float32": np.finfo("float32").eps, "float64": np.finfo("float64").eps}
SIZES = np.concatenate([[0.0], np.logspace(-9, 2, 45)])
LOGITS = np.concatenate([-SIZES[::-1], SIZES])
NODES, WEIGHTS = scipy.special.roots_legendre(60)
NODES, WEIGHTS = (NODES[:, None] + 1) / 2, WEIGHTS / 2


def log_normaliser_of(logits):
    """Return A(logits) = log((exp(logits) - 1) / logits) in its closed form, 0 at 0."""
    size = np.maximum(np.abs(logits), 1e-300)
    return np.maximum(logits, 0) + np.log(-np.expm1(-size) / size)


def moments(logits):
    """Return the mean and variance of the density exp(logits x - A(logits)), by quadrature."""
    density = np.exp(logits * NODES - log_normaliser_of(logits))
    mean = WEIGHTS @ (NODES * density)
    return mean, WEIGHTS @ ((NODES - mean) ** 2 * density)


def entries_of(logits, dtype):
    return IndependentContinuousBernoulli.new(tf.constant(logits[:, None], dtype), 1).distribution


@pytest.mark.parametrize("dtype", EPS)
def test_the_density_of_a_continuous_bernoulli_integrates_to_one(dtype):
    logits = LOGITS[np.abs(LOGITS) < 10]  # so that log_prob is rounded as a number up to 10
    log_prob = IndependentContinuousBernoulli.new(logits[:, None].astype(dtype), 1).log_prob(
        NODES[:, :, None].astype(dtype)
    )
    total = WEIGHTS @ np.exp(np.asarray(log_prob, "float64"))
    np.testing.assert_allclose(total, np.ones(len(logits)), rtol=(60 + 4 * 10) * EPS[dtype])  # 60 nodes


@pytest.mark.parametrize("x", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("dtype", EPS)
def test_the_continuous_bernoulli_is_exponential_with_its_closed_form_gradient(dtype, x):
    """log_prob = x logits - A(logits), whose gradient x - A'(logits) is of differences down to logits of 0.01."""
    logits = tf.constant(LOGITS, dtype)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        log_prob = entries_of(logits, dtype).log_prob(tf.constant(x, dtype))[:, 0]
    exact, x = np.asarray(logits, "float64"), float(tf.constant(x, dtype))
    np.testing.assert_allclose(
        log_prob, x * exact - log_normaliser_of(exact), rtol=16 * EPS[dtype], atol=16 * EPS[dtype]
    )
    np.testing.assert_allclose(tape.gradient(log_prob, logits), x - moments(exact)[0], rtol=0, atol=1e3 * EPS[dtype])


@pytest.mark.parametrize("dtype", EPS)
def test_the_mean_and_variance_of_a_continuous_bernoulli_are_those_of_quadrature(dtype):
    """To the rounding of 1 / logits (mean) and 1 / logits**2 (variance), where their series end."""
    logits = tf.constant(LOGITS, dtype)
    d, (mean, variance) = entries_of(logits, dtype), moments(np.asarray(logits, "float64"))
    mean_ends, variance_ends = (30240 * EPS[dtype]) ** (1 / 5), (5322240 * EPS[dtype]) ** (1 / 8)
    np.testing.assert_allclose(d.mean()[:, 0], mean, rtol=8 * EPS[dtype], atol=8 * EPS[dtype] / mean_ends)
    np.testing.assert_allclose(
        d.variance()[:, 0], variance, rtol=8 * EPS[dtype], atol=8 * EPS[dtype] / variance_ends**2
    )


@pytest.mark.parametrize("dtype", EPS)
def test_density_moments_and_quantiles_of_a_continuous_bernoulli_have_finite_gradients_at_extreme_logits(dtype):
    logits = tf.constant([-1e4, -100.0, -1e-30, 0.0, 1e-30, 100.0, 1e4], dtype)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(logits)
        d = ContinuousBernoulli(logits, dtype=logits.dtype)
        values = {name: getattr(d, name)() for name in ("mean", "variance", "stddev", "entropy")}
        values["log_prob"] = d.log_prob(tf.constant(0.3, dtype))
        values |= {u: d.quantile(tf.constant(u, dtype)) for u in (EPS[dtype] / 2, 0.3, 1 - EPS[dtype] / 2)}
    for name, value in values.items():
        assert np.all(np.isfinite(value)), name
        assert np.all(np.isfinite(tape.gradient(value, logits))), name


@pytest.mark.parametrize("dtype", EPS)
def test_the_quantile_of_a_continuous_bernoulli_is_the_inverse_of_its_cdf(dtype):
    """F(x) = expm1(logits x) / expm1(logits), mirrored where the logits are positive; u is a number of either dtype."""
    logits = np.asarray(tf.constant(LOGITS, dtype), "float64")
    size = np.maximum(np.abs(logits), 1e-30)
    for u in (2.0**-20, 0.25, 0.5, 1 - 2.0**-20):
        x = np.asarray(entries_of(logits, dtype).quantile(tf.constant(u, dtype)), "float64")[:, 0]
        distance = np.where(logits > 0, 1 - x, x)
        cdf = np.expm1(-size * distance) / np.expm1(-size)
        expected = np.where(logits > 0, 1 - u, u)
        # x is rounded by 8 eps, which moves F by the density: at most 1 + size
        assert np.all(np.abs(cdf - expected) <= 8 * EPS[dtype] * (1 + size))


def test_a_quantile_of_zero_or_one_is_an_end_of_the_interval():
    d = ContinuousBernoulli(tf.constant([-1e4, -30.0, 0.0, 30.0, 1e4]))
    np.testing.assert_array_equal(d.quantile(0.0), np.zeros(5))
    np.testing.assert_array_equal(d.quantile(1.0), np.ones(5))


def test_the_samples_of_a_continuous_bernoulli_have_the_right_gradient_at_logits_of_zero():
    """d x / d logits = u (1 - u) / 2, where TFP has 0."""
    logits, u = tf.constant([-1e-7, 0.0, 1e-7]), tf.constant(0.3)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        x = ContinuousBernoulli(logits).quantile(u)
    np.testing.assert_allclose(tape.gradient(x, logits), np.full(3, 0.3 * 0.7 / 2), rtol=1e-6)


def test_the_kl_of_continuous_bernoullis_is_its_closed_form():
    p = LOGITS[np.abs(LOGITS) < 9]  # so that what is added is rounded as numbers up to 20
    q = p[::-1] + 0.5
    kl = tfd.kl_divergence(entries_of(p, "float64"), entries_of(q, "float64"))[:, 0]
    expected = (p - q) * moments(p)[0] - log_normaliser_of(p) + log_normaliser_of(q)
    np.testing.assert_allclose(kl, expected, rtol=0, atol=1e3 * EPS["float64"])


def test_a_beta_density_at_the_ends_is_zero_or_infinite_and_the_data_is_refused():
    y = IndependentBeta(2)(tf.constant([[3.0, -1.0, 3.0, -1.0]]))
    np.testing.assert_array_equal(y.distribution.prob([0.0, 1.0])[0], [0, np.inf])
    with pytest.raises(
        ValueError, match=r"The Beta likelihood scores \(0, 1\): move n levels .* x from 0 to 1, such as 0 in row 0$"
    ):
        check_support(y, np.array([0.0, 1.0]))


def test_levels_moved_inside_as_the_message_says_are_scored():
    y, n = IndependentBeta(256)(tf.zeros([1, 512])), 256
    x = (np.arange(256) / 255 * (n - 1) + 0.5) / n
    check_support(y, x)
    assert np.all(np.isfinite(y.log_prob(x.astype("float32"))))


def test_concentrations_are_those_of_x_then_of_one_minus_x():
    raw = np.array([[1.0, 2.0, 3.0, 4.0]], "float32")
    d = IndependentBeta(2)(raw).distribution
    np.testing.assert_allclose(d.concentration1, np.logaddexp(0, raw[:, :2]), rtol=4 * EPS["float32"])
    np.testing.assert_allclose(d.concentration0, np.logaddexp(0, raw[:, 2:]), rtol=4 * EPS["float32"])
