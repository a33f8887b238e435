"""Bernoulli densities against SciPy, TFP and central differences."""

import numpy as np
import pytest
import scipy.integrate
import scipy.special
import scipy.stats
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.distributions import Bernoulli, SoftBernoulli
from tests.distributions.helpers import (
    EPS32,
    EPS64,
    LOGITS,
    MODERATE,
    RNG,
    central_difference,
    central_tolerance,
    f64,
    gradient,
)


@pytest.mark.parametrize("cls", [Bernoulli, SoftBernoulli])
@pytest.mark.parametrize("x", [0.0, 1.0])
def test_bernoulli_log_prob_is_that_of_scipy(cls, x):
    expected = scipy.stats.bernoulli.logpmf(x, scipy.special.expit(MODERATE))
    np.testing.assert_allclose(
        cls(logits=f64(MODERATE)).log_prob(f64(x)), expected, rtol=1e3 * EPS64
    )  # 1 - expit(5) costs 150


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("cls", [Bernoulli, SoftBernoulli])
@pytest.mark.parametrize("x", [0.0, 1.0])
def test_bernoulli_log_prob_is_log_expit_at_logits_up_to_100(cls, x, dtype):
    """With an error of a few units in the last place of the logit, which is what its sum over pixels needs."""
    log_prob = np.asarray(cls(logits=tf.constant(LOGITS, dtype)).log_prob(tf.constant(x, dtype)))
    assert log_prob.dtype == dtype
    expected = scipy.special.log_expit((2 * x - 1) * LOGITS)
    assert np.all(np.abs(log_prob - expected) <= 4 * np.finfo(dtype).eps * np.maximum(np.abs(LOGITS), 1))


@pytest.mark.parametrize("cls", [Bernoulli, SoftBernoulli])
def test_bernoulli_log_prob_of_probable_pixels_has_relative_precision(cls):
    """log p(1) = -exp(-logits) for large logits: a difference of two numbers of the logit's size would lose it."""
    logits = np.array([5.0, 10.0, 15.0, 30.0, 80.0], "float32")
    expected = scipy.special.log_expit(logits.astype("float64"))
    np.testing.assert_allclose(cls(logits=logits).log_prob(1.0), expected, rtol=8 * EPS32)
    np.testing.assert_allclose(cls(logits=-logits).log_prob(0.0), expected, rtol=8 * EPS32)


@pytest.mark.parametrize("x", [0.0, 1.0])
def test_bernoulli_equals_that_of_tfp(x):
    """In log-probability, gradient and statistics."""
    ours, theirs = Bernoulli(logits=f64(LOGITS)), tfd.Bernoulli(logits=f64(LOGITS))
    tolerance = {"rtol": 4 * EPS64, "atol": 4 * EPS64 * 100}
    np.testing.assert_allclose(ours.log_prob(x), theirs.log_prob(x), **tolerance)
    gradients = [gradient(lambda t, cls=cls: cls(logits=t).log_prob(x), LOGITS) for cls in (Bernoulli, tfd.Bernoulli)]
    np.testing.assert_allclose(*gradients, **tolerance)
    for statistic in ("mean", "variance", "mode", "entropy"):
        np.testing.assert_array_equal(getattr(ours, statistic)(), getattr(theirs, statistic)())


@pytest.mark.parametrize("x", [0, 1])
def test_bernoulli_takes_integers_and_probabilities(x):
    probs = np.array([0.1, 0.5, 0.9])
    d = Bernoulli(probs=f64(probs))
    expected = scipy.stats.bernoulli.logpmf(x, probs)
    np.testing.assert_allclose(d.log_prob(x), expected, rtol=16 * EPS64)
    np.testing.assert_allclose(d.log_prob(tf.constant(x, tf.uint8)), expected, rtol=16 * EPS64)


@pytest.mark.parametrize("cls", [Bernoulli, SoftBernoulli])
@pytest.mark.parametrize("x", [0.0, 1.0])
def test_gradient_of_bernoulli_log_prob_is_its_central_difference(cls, x):
    def log_prob(logits):
        return cls(logits=logits).log_prob(tf.constant(x, tf.float64))

    difference = central_difference(log_prob, LOGITS)
    np.testing.assert_allclose(gradient(log_prob, LOGITS), difference, rtol=0, atol=central_tolerance(100))


@pytest.mark.parametrize("x", [0.0, 0.3, 1.0])
def test_gradient_of_soft_bernoulli_log_prob_is_x_minus_the_mean(x):
    d_logits = gradient(lambda t: SoftBernoulli(logits=t).log_prob(x), LOGITS, tf.float32)
    assert np.all(np.isfinite(d_logits))
    np.testing.assert_allclose(d_logits, x - scipy.special.expit(LOGITS), rtol=0, atol=4 * EPS32)


@pytest.mark.parametrize("x", [0.0, 0.25, 0.5, 1.0])
def test_soft_bernoulli_log_prob_is_minus_the_cross_entropy(x):
    probs = scipy.special.expit(MODERATE)
    cross_entropy = -(scipy.special.xlogy(x, probs) + scipy.special.xlog1py(1 - x, -probs))
    log_prob = SoftBernoulli(logits=f64(MODERATE)).log_prob(f64(x))
    np.testing.assert_allclose(log_prob, -cross_entropy, rtol=1e3 * EPS64)


@pytest.mark.parametrize("kind", [float, np.float32, np.float64, np.array, f64])
def test_soft_bernoulli_of_default_dtype_keeps_grey_targets_grey(kind):
    log_prob = SoftBernoulli(logits=-1.0).log_prob(kind(0.3))
    np.testing.assert_allclose(log_prob, -0.3 + scipy.special.log_expit(1.0), rtol=4 * EPS32)


def test_soft_bernoulli_that_validates_takes_the_unit_interval_only():
    d = SoftBernoulli(logits=0.0, dtype=tf.float32, validate_args=True)
    np.testing.assert_allclose(d.log_prob([0.0, 0.3, 1.0]), np.full(3, np.log(0.5)), rtol=4 * EPS32)
    for x in (-0.1, 1.1):
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"did not hold|to be true"):
            d.log_prob(x)


@pytest.mark.parametrize("logits", [-4.0, -1.0, 1e-6, 1.0, 4.0])
def test_soft_bernoulli_integrates_to_tanh_of_half_the_logits_over_the_logits_and_never_to_one(logits):
    d = SoftBernoulli(logits=f64(logits))
    integral, error = scipy.integrate.quad(lambda x: float(d.prob(f64(x))), 0, 1)
    assert abs(integral - np.tanh(logits / 2) / logits) <= error + 1e2 * EPS64 / min(abs(logits), 1)
    assert integral <= 0.5 + error


def test_kl_of_bernoullis_is_that_of_tfp():
    p, q = f64(RNG.normal(size=(2, 7)))
    expected = tfd.kl_divergence(tfd.Bernoulli(logits=p), tfd.Bernoulli(logits=q))
    for cls in (Bernoulli, SoftBernoulli):
        np.testing.assert_array_equal(tfd.kl_divergence(cls(logits=p), cls(logits=q)), expected)
    np.testing.assert_array_equal(tfd.kl_divergence(Bernoulli(logits=p), tfd.Bernoulli(logits=q)), expected)
    p, q = scipy.special.expit(p.numpy()), scipy.special.expit(q.numpy())
    by_scipy = scipy.special.rel_entr(p, q) + scipy.special.rel_entr(1 - p, 1 - q)
    np.testing.assert_allclose(expected, by_scipy, rtol=0, atol=16 * EPS64)


@pytest.mark.parametrize("shapes", [((3,), (2, 1)), ((), (4,)), ((2, 3), (3,)), ((5, 1), ())])
def test_gradients_of_what_was_broadcast_have_its_shape_and_are_those_of_plain_operations(shapes):
    x, logits = (tf.Variable(RNG.random(size=shape)) for shape in shapes)
    with tf.GradientTape(persistent=True) as tape:
        ours = tf.reduce_sum(SoftBernoulli(logits=logits).log_prob(x) ** 2)
        plain = tf.reduce_sum((x * logits - tf.math.log1p(tf.exp(logits))) ** 2)
    for variable in (x, logits):
        np.testing.assert_allclose(tape.gradient(ours, variable), tape.gradient(plain, variable), rtol=64 * EPS64)


@pytest.mark.parametrize("cls", [Bernoulli, SoftBernoulli])
def test_certain_pixels_have_probability_one_or_zero(cls):
    """Probabilities of 0 and 1 are logits of -inf and inf."""
    np.testing.assert_array_equal(cls(probs=[0.0, 1.0]).log_prob([0.0, 1.0]), [0, 0])
    np.testing.assert_array_equal(cls(logits=[-np.inf, np.inf]).log_prob([1.0, 0.0]), [-np.inf, -np.inf])


def test_the_second_derivative_is_minus_the_variance():
    logits = tf.Variable(f64(MODERATE))
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            log_prob = Bernoulli(logits=logits).log_prob(f64(1.0))
        slope = inner.gradient(log_prob, logits)
    variance = Bernoulli(logits=f64(MODERATE)).variance()
    np.testing.assert_allclose(outer.gradient(slope, logits), -variance, rtol=16 * EPS64)
