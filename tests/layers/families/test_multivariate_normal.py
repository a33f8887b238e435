"""Diagonal and full normals: density and KL against SciPy and closed forms, the scale's floor, errors."""

import keras
import numpy as np
import pytest
import scipy.linalg
import scipy.special
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from keras_vae import random
from keras_vae.layers import MultivariateNormalDiag, MultivariateNormalTriL

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


@pytest.mark.parametrize(
    ("cls", "event_size", "size"),
    [
        (MultivariateNormalDiag, 1, 2),
        (MultivariateNormalDiag, 2, 4),
        (MultivariateNormalDiag, 20, 40),
        (MultivariateNormalTriL, 1, 2),
        (MultivariateNormalTriL, 2, 5),
        (MultivariateNormalTriL, 20, 230),
    ],
)
def test_params_size_is_that_of_the_locations_and_of_the_scale(cls, event_size, size):
    assert cls.params_size(event_size) == size
    assert cls(event_size)(tf.zeros([3, size])).event_shape == [event_size]


@pytest.mark.parametrize("cls", [MultivariateNormalDiag, MultivariateNormalTriL])
@pytest.mark.parametrize("batch_shape", [(), (1,), (3, 5)])
def test_every_axis_before_the_last_is_batch(cls, batch_shape):
    y = cls(3)(tf.zeros([*batch_shape, cls.params_size(3)]))
    assert (y.batch_shape, y.event_shape, y.shape) == (batch_shape, [3], (*batch_shape, 3))


@pytest.mark.parametrize(
    ("cls", "needed", "size"),
    [(MultivariateNormalDiag, 6, size) for size in (5, 7, 3)] + [(MultivariateNormalTriL, 9, size) for size in (6, 12)],
)
def test_params_of_another_size_raise(cls, needed, size):
    message = (
        rf"The layer needs {needed} parameters per example: .* `params_size`. Received: params.shape=\(4, {size}\)"
    )
    with pytest.raises(ValueError, match=message):
        cls(3)(tf.zeros([4, size]))


def test_params_of_another_size_raise_in_a_functional_model():
    with pytest.raises(ValueError, match="The layer needs 6 parameters per example"):
        MultivariateNormalDiag(3)(keras.Input((5,)))


@pytest.mark.parametrize("cls", [MultivariateNormalDiag, MultivariateNormalTriL])
@pytest.mark.parametrize("event_size", [0, -1])
def test_an_event_size_below_one_raises(cls, event_size):
    with pytest.raises(ValueError, match=f"`event_size` must be 1 or more. Received: event_size={event_size}"):
        cls(event_size)


def test_a_scale_that_is_not_a_number_raises_with_validate_args():
    params = np.array([[0.0, np.nan]], "float32")
    with pytest.raises(tf.errors.InvalidArgumentError, match="Singular operator"):
        MultivariateNormalDiag(1, validate_args=True)(params).log_prob([0.0])


# Full covariance.

FULL = RNG.normal(size=(5, 9)).astype("float32")


def scale_tril_of(params):
    """Return the lower triangles of params [..., 9]: TFP fills them from the last row, backwards."""
    raw = params[..., 3:].astype("float64")
    scale_tril = np.zeros((*raw.shape[:-1], 3, 3))
    for row, columns in enumerate([[3], [5, 4], [2, 1, 0]]):
        for column, i in enumerate(columns):
            scale_tril[..., row, column] = 1e-5 + np.logaddexp(0, raw[..., i]) if row == column else raw[..., i]
    return scale_tril


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_params_of_the_full_normal_are_locations_then_the_triangle_before_softplus_as_in_tfp(dtype):
    params = FULL.astype(dtype)
    y, theirs = MultivariateNormalTriL(3, dtype=dtype)(params), tfp.layers.MultivariateNormalTriL.new(params, 3)
    assert (y.batch_shape, y.event_shape, y.dtype) == ([5], [3], dtype)
    np.testing.assert_array_equal(y.loc, params[:, :3])
    np.testing.assert_allclose(y.scale_tril, theirs.scale_tril, rtol=4 * np.finfo(dtype).eps)
    np.testing.assert_allclose(y.scale_tril, scale_tril_of(params), rtol=8 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_log_prob_of_the_full_normal_is_that_of_scipy(dtype):
    log_prob = MultivariateNormalTriL(3, dtype=dtype)(FULL.astype(dtype)).log_prob(X.astype(dtype))
    eps = np.finfo(dtype).eps
    for i, scale_tril in enumerate(scale_tril_of(FULL)):
        residual = X[i].astype("float64") - FULL[i, :3]
        square = (scipy.linalg.solve_triangular(scale_tril, residual, lower=True) ** 2).sum()
        expected = scipy.stats.multivariate_normal.logpdf(residual, cov=scale_tril @ scale_tril.T)
        # rounding of the residual and of the solution; SciPy's covariance has the squared condition, in float64
        condition = np.linalg.cond(scale_tril)
        atol = 16 * (1 + square) * (eps * condition + 2**-52 * condition**2)
        np.testing.assert_allclose(log_prob[i], expected, rtol=0, atol=atol)


def test_kl_of_full_normals_is_its_closed_form():
    q = MultivariateNormalTriL(3, dtype="float64")(FULL.astype("float64"))
    kl = tfd.kl_divergence(q, tfd.MultivariateNormalDiag(tf.zeros(3, tf.float64), tf.ones(3, tf.float64)))
    scale_tril, loc = scale_tril_of(FULL), FULL[:, :3].astype("float64")
    log_det = 2 * np.log(np.diagonal(scale_tril, axis1=1, axis2=2)).sum(-1)
    expected = ((scale_tril**2).sum((1, 2)) + (loc**2).sum(-1) - 3 - log_det) / 2
    np.testing.assert_allclose(kl, expected, rtol=1e3 * 2**-52)


def test_gradient_of_the_full_normals_log_probability_is_its_central_difference():
    """In float64; the third derivatives of the log-probability are below 100 at these parameters."""
    layer, x, step = MultivariateNormalTriL(2, dtype="float64"), tf.constant([0.3, -0.5], tf.float64), 2 ** (-52 / 3)
    params = tf.constant([[0.5, -1.0, 0.2, 0.7, 1.0]], tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(params)
        log_prob = layer(params).log_prob(x)
    exact = np.asarray(tape.gradient(log_prob, params))[0]
    shifts = step * np.eye(5)
    difference = (layer(params + shifts).log_prob(x) - layer(params - shifts).log_prob(x)) / (2 * step)
    np.testing.assert_allclose(exact, difference, rtol=0, atol=100 * step**2)


@pytest.mark.parametrize("raw", [-1e4, 1e4])
def test_gradients_of_the_full_normal_are_finite_for_any_raw_scale(raw):
    params = tf.constant([[0.5, 0.5, raw, 1.0, raw]])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(params)
        y = MultivariateNormalTriL(2)(params)
        log_prob, z = y.log_prob([0.5, 0.5]), random.sample(y, 1, 0)
    for target in (log_prob, z):
        assert np.all(np.isfinite(target))
        assert np.all(np.isfinite(tape.gradient(target, params)))


def test_samples_of_the_full_normal_have_its_mean_and_covariance():
    """Within 4 standard errors: a correct sampler fails 1 seed in 3,000 (5 numbers, 6e-5 each)."""
    y = MultivariateNormalTriL(2)(tf.constant([0.5, -1.0, 0.2, 0.7, 1.0]))
    z = np.asarray(random.sample(y, 10_000, 0), "float64")
    assert np.all(np.abs(z.mean(0) - y.mean()) < 4 * z.std(0) / 100)
    residual = z - np.asarray(y.mean(), "float64")
    for i, j in [(0, 0), (0, 1), (1, 1)]:
        product = residual[:, i] * residual[:, j]
        assert abs(product.mean() - y.covariance()[i, j]) < 4 * product.std() / 100


@pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "xla"])
def test_density_samples_and_gradients_of_the_full_normal_of_an_unknown_batch_are_those_of_eager_execution(jit_compile):
    def numbers(params):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(params)
            y = MultivariateNormalTriL.new(params, 3)
            log_prob, x = y.log_prob(X), random.sample(y, 2, seed=0)
            log_prob_of_sample = y.log_prob(x)
        return log_prob, x, tape.gradient(log_prob, params), tape.gradient(log_prob_of_sample, params)

    signature = [tf.TensorSpec([None, 9], tf.float32)]
    graph = tf.function(numbers, input_signature=signature, jit_compile=jit_compile, autograph=False)
    for value, expected in zip(graph(FULL), numbers(tf.constant(FULL)), strict=True):
        # 41 is the greatest condition of the triangles, whose square is in gradients
        np.testing.assert_allclose(value, expected, rtol=41**2 * EPS, atol=41 * EPS)
