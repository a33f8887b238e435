"""Diagonal normal: density and KL against SciPy and closed forms, the scale's floor, errors."""

import keras
import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae import random
from keras_vae.layers import MultivariateNormalDiag

EPS = np.finfo("float32").eps
RNG = np.random.default_rng(0)
PARAMS = RNG.normal(scale=2.0, size=(5, 6)).astype("float32")
LOC = PARAMS[:, :3].astype("float64")
SCALE = 1e-5 + np.logaddexp(0, PARAMS[:, 3:].astype("float64"))
X = RNG.normal(size=(5, 3)).astype("float32")


def test_params_are_locations_then_scales_before_softplus():
    y = MultivariateNormalDiag(3)(PARAMS)
    assert (y.batch_shape, y.event_shape, y.dtype) == ([5], [3], tf.float32)
    np.testing.assert_array_equal(y.mean(), PARAMS[:, :3])
    np.testing.assert_allclose(y.stddev(), SCALE, rtol=8 * EPS)


def test_log_prob_is_that_of_scipy():
    log_prob = MultivariateNormalDiag(3)(PARAMS).log_prob(X)
    expected = [
        scipy.stats.multivariate_normal.logpdf(x, loc, np.diag(scale**2))
        for x, loc, scale in zip(X, LOC, SCALE, strict=True)
    ]
    # rounding of x - loc and of the scale, squared and divided by scale**2
    atol = 16 * EPS * (((np.abs(X) + np.abs(LOC)) / SCALE) ** 2).sum(-1).max()
    np.testing.assert_allclose(log_prob, expected, rtol=16 * EPS, atol=atol)
    np.testing.assert_allclose(expected, scipy.stats.norm.logpdf(X, LOC, SCALE).sum(-1), rtol=1e3 * 2**-52)


def test_log_prob_in_float64_is_that_of_scipy():
    y = MultivariateNormalDiag(3, dtype="float64")(PARAMS.astype("float64"))
    expected = scipy.stats.norm.logpdf(X, LOC, SCALE).sum(-1)
    np.testing.assert_allclose(y.log_prob(X.astype("float64")), expected, rtol=1e3 * 2**-52)


def test_kl_of_two_outputs_is_its_closed_form_and_that_of_the_plain_distributions():
    layer = MultivariateNormalDiag(3)
    q, p = layer(PARAMS), layer(PARAMS[::-1])
    kl = tfd.kl_divergence(q, p)
    assert kl.shape == [5]
    np.testing.assert_array_equal(kl, tfd.kl_divergence(layer.new(PARAMS, 3), layer.new(PARAMS[::-1], 3)))
    loc, scale, loc_p, scale_p = LOC, SCALE, LOC[::-1], SCALE[::-1]
    terms = np.log(scale_p / scale) + (scale**2 + (loc - loc_p) ** 2) / (2 * scale_p**2) - 0.5
    np.testing.assert_allclose(kl, terms.sum(-1), rtol=16 * EPS, atol=16 * EPS * np.abs(terms).max())


def test_kl_is_the_mean_log_ratio_of_samples():
    """Within 4 standard errors: a correct KL fails 3 seeds in 10,000 (5 numbers, 6e-5 each)."""
    q, p = MultivariateNormalDiag(3)(PARAMS), tfd.MultivariateNormalDiag(tf.zeros(3), tf.fill([3], 3.0))
    z = random.sample(q, 4000, 0)
    ratio = np.asarray(q.log_prob(z) - p.log_prob(z), "float64")
    standard_error = ratio.std(0) / np.sqrt(len(ratio))
    assert np.all(np.abs(ratio.mean(0) - tfd.kl_divergence(q, p)) < 4 * standard_error)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_scale_is_at_least_1e_5_for_any_raw_scale(dtype):
    raw = np.array([-1e4, -1e3, -50.0, 0.0, 50.0, 1e4], dtype)
    y = MultivariateNormalDiag(6, dtype=dtype)(np.concatenate([np.zeros(6, dtype), raw])[None])
    scale = np.asarray(y.stddev())[0]
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(scale, 1e-5 + np.logaddexp(0, raw), rtol=8 * eps)
    assert scale[0] == np.asarray(1e-5, dtype) > 0
    assert np.all(np.isfinite(y.log_prob(np.ones(6, dtype))))


@pytest.mark.parametrize("raw", [-1e4, -1e2, 1e2, 1e4])
def test_gradients_of_density_and_samples_are_finite_for_any_raw_scale(raw):
    params = tf.constant([[0.5, raw]])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(params)
        y = MultivariateNormalDiag(1)(params)
        log_prob, kl = y.log_prob([0.0]), y.kl_divergence(tfd.MultivariateNormalDiag([0.0], [1.0]))
        z = random.sample(y, 1, 0)
    for target in (log_prob, kl, z):
        assert np.all(np.isfinite(tape.gradient(target, params)))


def test_gradient_of_the_log_probability_is_its_central_difference():
    """In float64, with the step that balances rounding and the third derivative."""
    layer, x = MultivariateNormalDiag(1, dtype="float64"), tf.constant([0.3], tf.float64)
    params, step = np.array([[0.5, -1.0], [-2.0, 2.0]]), 2 ** (-52 / 3)
    with tf.GradientTape() as tape:
        variable = tf.Variable(params)
        log_prob = layer(variable).log_prob(x)
    exact = np.asarray(tape.gradient(log_prob, variable))
    for i in range(2):
        shift = step * np.eye(2)[i]
        difference = (layer(params + shift).log_prob(x) - layer(params - shift).log_prob(x)) / (2 * step)
        # the third derivatives are below 8 / scale**2 (0.3 is the smaller scale), times step**2 / 6
        np.testing.assert_allclose(exact[:, i], difference, rtol=0, atol=50 * step**2)


def test_the_sample_is_loc_plus_scale_times_noise():
    y = MultivariateNormalDiag(3, seed=keras.random.SeedGenerator(1))(PARAMS)
    noise = random.normal([5, 1, 3], keras.random.SeedGenerator(1))[:, 0]
    np.testing.assert_allclose(y, LOC + SCALE * noise, rtol=8 * EPS, atol=8 * EPS * np.abs(PARAMS).max())


@pytest.mark.parametrize("event_size", [1, 2, 20])
def test_params_size_is_twice_the_event_size(event_size):
    assert MultivariateNormalDiag.params_size(event_size) == 2 * event_size
    assert MultivariateNormalDiag(event_size)(tf.zeros([3, 2 * event_size])).event_shape == [event_size]


@pytest.mark.parametrize("batch_shape", [(), (1,), (3, 5)])
def test_every_axis_before_the_last_is_batch(batch_shape):
    y = MultivariateNormalDiag(3)(tf.zeros([*batch_shape, 6]))
    assert (y.batch_shape, y.event_shape, y.shape) == (batch_shape, [3], (*batch_shape, 3))


@pytest.mark.parametrize("size", [5, 7, 3])
def test_params_of_another_size_raise(size):
    message = rf"The layer needs 6 parameters per example: .* `params_size`. Received: params.shape=\(4, {size}\)"
    with pytest.raises(ValueError, match=message):
        MultivariateNormalDiag(3)(tf.zeros([4, size]))


def test_params_of_another_size_raise_in_a_functional_model():
    with pytest.raises(ValueError, match="The layer needs 6 parameters per example"):
        MultivariateNormalDiag(3)(keras.Input((5,)))


@pytest.mark.parametrize("event_size", [0, -1])
def test_an_event_size_below_one_raises(event_size):
    with pytest.raises(ValueError, match=f"`event_size` must be 1 or more. Received: event_size={event_size}"):
        MultivariateNormalDiag(event_size)


def test_a_scale_that_is_not_a_number_raises_with_validate_args():
    params = np.array([[0.0, np.nan]], "float32")
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"(?i)singular|did not hold|to be true"):
        MultivariateNormalDiag(1, validate_args=True)(params).log_prob([0.0])
