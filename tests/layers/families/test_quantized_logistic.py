"""Layers of rounded logistics: layout of the parameters, densities of SciPy, zero inputs, samples, errors."""

import keras
import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae import random
from keras_vae.distributions.support import check_support
from keras_vae.layers import MixtureQuantizedLogistic, QuantizedLogistic

RNG = np.random.default_rng(0)
K, C = 8, 3
PARAMS = RNG.normal(scale=0.7, size=(5, 2, 2, 2))  # loc and raw scale last
MIXTURE_PARAMS = RNG.normal(scale=0.7, size=(5, 2, 2, 3, C))
X = RNG.integers(0, K, size=(5, 2, 2)).astype("float64")
DTYPES = ["float32", "float64"]


def levels_log_prob(x, loc, raw_scale, num_levels=K):
    """Return the logarithm of the difference of SciPy's CDF between the edges of the level."""
    logistic = scipy.stats.logistic(loc, 0.2 / (num_levels - 1) + np.logaddexp(0, raw_scale) / 4)
    below = np.where(x == 0, 0, logistic.cdf((2 * x - num_levels) / (num_levels - 1)))
    above = np.where(x == num_levels - 1, 1, logistic.cdf((2 * x - num_levels + 2) / (num_levels - 1)))
    return np.log(above - below)


def single(t):
    return QuantizedLogistic.new(t, (2, 2), K)


def mixture(t):
    return MixtureQuantizedLogistic.new(t, (2, 2), C, K)


FAMILIES = {"single": (single, PARAMS.reshape(5, -1)), "mixture": (mixture, MIXTURE_PARAMS.reshape(5, -1))}


@pytest.mark.parametrize("dtype", DTYPES)
def test_log_prob_is_the_sum_of_scipys_over_the_entries(dtype):
    y = QuantizedLogistic((2, 2), K, dtype=dtype)(PARAMS.reshape(5, -1).astype(dtype))
    assert (y.batch_shape, y.event_shape, y.dtype) == ([5], [2, 2], dtype)
    expected = levels_log_prob(X, PARAMS[..., 0], PARAMS[..., 1]).sum((1, 2))
    # SciPy's difference loses 1e3 at the least probable level here; edges are divided by a scale above 0.06
    np.testing.assert_allclose(y.log_prob(X.astype(dtype)), expected, rtol=1e3 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", DTYPES)
def test_log_prob_of_the_mixture_is_the_log_sum_exp_of_scipys_in_each_entry(dtype):
    y = MixtureQuantizedLogistic((2, 2), C, K, dtype=dtype)(MIXTURE_PARAMS.reshape(5, -1).astype(dtype))
    assert (y.batch_shape, y.event_shape, y.dtype) == ([5], [2, 2], dtype)
    logits, loc, raw_scale = np.moveaxis(MIXTURE_PARAMS, -2, 0)
    terms = scipy.special.log_softmax(logits, -1) + levels_log_prob(X[..., None], loc, raw_scale)
    expected = scipy.special.logsumexp(terms, -1).sum((1, 2))
    np.testing.assert_allclose(y.log_prob(X.astype(dtype)), expected, rtol=1e3 * np.finfo(dtype).eps)


@pytest.mark.parametrize("name", FAMILIES)
def test_probabilities_of_the_levels_sum_to_one_and_the_mean_is_their_average(name):
    make, params = FAMILIES[name]
    y = make(tf.constant(params))
    levels = np.arange(K, dtype="float64")
    probs = np.asarray(y.distribution.prob(tf.constant(levels[:, None, None, None])))
    np.testing.assert_allclose(probs.sum(0), np.ones((5, 2, 2)), rtol=16 * 2**-52)
    np.testing.assert_allclose(y.mean(), np.tensordot(levels, probs, 1), rtol=16 * 2**-52)
    second = np.tensordot(levels**2, probs, 1)
    np.testing.assert_allclose(y.variance(), second - np.asarray(y.mean()) ** 2, rtol=0, atol=1e2 * K**2 * 2**-52)


def test_a_mixture_of_one_or_of_equal_components_is_the_component():
    loc, raw_scale = PARAMS[..., :1], PARAMS[..., 1:]
    y = single(tf.constant(PARAMS.reshape(5, -1)))
    for num_components in (1, 4):
        logits = RNG.normal(size=(5, 2, 2, num_components))
        shape = (5, 2, 2, num_components)
        params = np.concatenate([logits, np.broadcast_to(loc, shape), np.broadcast_to(raw_scale, shape)], -1)
        same = MixtureQuantizedLogistic.new(tf.constant(params.reshape(5, -1)), (2, 2), num_components, K)
        np.testing.assert_allclose(same.log_prob(X), y.log_prob(X), rtol=16 * 2**-52)
        np.testing.assert_allclose(same.mean(), y.mean(), rtol=16 * 2**-52)


@pytest.mark.parametrize("num_levels", [2, 16, 256])
def test_inputs_of_zero_are_a_wide_distribution_about_the_middle_level(num_levels):
    y = QuantizedLogistic(3, num_levels)(tf.zeros([6]))
    middle = (num_levels - 1) / 2
    np.testing.assert_allclose(y.mean(), np.full(3, middle), rtol=1e-5)
    probs = np.asarray(y.distribution.prob(np.arange(num_levels, dtype="float32")[:, None]))[:, 0]
    np.testing.assert_allclose(probs, probs[::-1], rtol=1e-4)
    assert abs(probs.argmax() - middle) <= 0.5 + 1e-6
    assert probs.min() > 1e-4
    if num_levels == 256:
        assert 0.15 < y.stddev().numpy()[0] / num_levels < 0.16  # 0.31 of a range of 2


@pytest.mark.parametrize(("num_levels", "centre"), [(3, 0.0), (256, 1 / 255)])
def test_one_level_has_at_most_0_987_of_the_probability_in_the_interior(num_levels, centre):
    """Level 1 of 3 or 128 of 256: tanh(5 / 2), with loc at its centre and the least scale, a tenth of a level."""
    loc = centre + np.array([0, -1, -0.5, 0.5, 1]) / (num_levels - 1)  # from edge to edge of the level
    params = np.stack(np.meshgrid(loc, [-1e4, -6.0, 0.0], indexing="ij"), -1)
    y = QuantizedLogistic((), num_levels)(tf.constant(params, tf.float32))
    probs = np.asarray(y.prob(float(num_levels // 2)))
    np.testing.assert_allclose([probs[0, 0], probs.max()], np.tanh(2.5), rtol=1e-4)
    np.testing.assert_allclose(y.distribution.scale[:, 0], np.full(5, 0.2 / (num_levels - 1)), rtol=1e-6)


@pytest.mark.parametrize("size", [1.0, 100.0, 1e4])
@pytest.mark.parametrize("name", FAMILIES)
def test_log_prob_and_its_gradient_are_finite_at_any_params_and_level_in_float32(name, size):
    make, params = FAMILIES[name]
    params = size * tf.sign(tf.constant(params, tf.float32))
    for level in range(K):
        with tf.GradientTape() as tape:
            tape.watch(params)
            log_prob = make(params).log_prob(tf.fill([2, 2], float(level)))
        assert np.all(np.isfinite(log_prob))
        assert np.all(np.isfinite(tape.gradient(log_prob, params)))


@pytest.mark.parametrize("name", FAMILIES)
def test_log_prob_has_the_gradient_of_central_differences(name):
    """In float64; the third derivatives of the log-probability are below 1000 at these parameters."""
    make, params = FAMILIES[name]
    params, x, step = tf.constant(params[:1]), tf.constant(X[:1]), 2 ** (-52 / 3)
    with tf.GradientTape() as tape:
        tape.watch(params)
        log_prob = make(params).log_prob(x)
    shifts = step * np.eye(params.shape[-1])
    difference = (make(params + shifts).log_prob(x) - make(params - shifts).log_prob(x)) / (2 * step)
    np.testing.assert_allclose(tape.gradient(log_prob, params)[0], difference, rtol=0, atol=1000 * step**2)


@pytest.mark.parametrize("name", FAMILIES)
def test_samples_are_levels_with_the_mean_and_variance_of_the_distribution(name):
    """Within 4 standard errors, which 1 of 16,000 correct numbers is not (40 numbers here)."""
    make, params = FAMILIES[name]
    y = make(tf.constant(params))
    x = np.asarray(random.sample(y, 10_000, 0))
    assert set(np.unique(x)) == set(range(K))
    mean = np.asarray(y.mean())
    assert np.all(np.abs(x.mean(0) - mean) < 4 * x.std(0) / 100)
    square = (x - mean) ** 2
    assert np.all(np.abs(square.mean(0) - y.variance()) < 4 * square.std(0) / 100)


@pytest.mark.parametrize("name", FAMILIES)
def test_samples_of_a_row_depend_on_its_global_number_only(name):
    make, params = FAMILIES[name]
    whole = random.sample(make(params), 4, seed=3)
    np.testing.assert_array_equal(random.sample(make(params[2:4]), 4, seed=3, first_row=2), whole[:, 2:4])


@pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "xla"])
def test_compiled_numbers_are_those_of_eager_execution(jit_compile):
    def numbers(t):
        with tf.GradientTape() as tape:
            tape.watch(t)
            y = mixture(t)
            log_prob = y.log_prob(X)
        return random.sample(y, 4, seed=3), log_prob, y.mean(), tape.gradient(log_prob, t)

    params = tf.constant(FAMILIES["mixture"][1])
    signature = [tf.TensorSpec([None, params.shape[-1]], params.dtype)]
    graph = tf.function(numbers, input_signature=signature, jit_compile=jit_compile, autograph=False)
    (x, *values), (expected_x, *expected) = graph(params), numbers(params)
    np.testing.assert_array_equal(x, expected_x)
    for value, expected_value in zip(values, expected, strict=True):
        np.testing.assert_allclose(value, expected_value, rtol=0, atol=1e3 * 2**-52)


@pytest.mark.parametrize("kind", ["int32", "uint8", "int64"])
def test_levels_may_be_integers(kind):
    y = MixtureQuantizedLogistic((2, 2), C, K)(MIXTURE_PARAMS.reshape(5, -1).astype("float32"))
    np.testing.assert_array_equal(y.log_prob(X.astype(kind)), y.log_prob(X.astype("float32")))


def test_a_model_learns_the_frequencies_of_two_levels():
    """Levels 1 and 6 in turns: no single logistic gives more than log(1/2) nats to each, nor does a mixture."""
    keras.utils.set_random_seed(0)
    x = np.where(np.arange(64 * 150) % 2, 1, 6).astype("float32")[:, None]
    size = MixtureQuantizedLogistic.params_size(1, 2)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(size), MixtureQuantizedLogistic(1, 2, K)])
    model.compile(keras.optimizers.Adam(0.1), loss=lambda x, y: -y.log_prob(x), jit_compile=False)
    model.fit(np.ones_like(x), x, batch_size=64, verbose=0)
    log_prob = model(np.ones((1, 1))).log_prob([[1.0], [6.0]])
    assert -0.85 < np.mean(log_prob) <= -np.log(2)


@pytest.mark.parametrize("event_shape", [(), 3, (2, 2), (2, 3, 1)])
def test_params_size_is_two_or_three_numbers_for_each_entry_and_component(event_shape):
    size = int(np.prod(event_shape))
    assert QuantizedLogistic.params_size(event_shape) == 2 * size
    assert MixtureQuantizedLogistic.params_size(event_shape, 5) == 15 * size
    shape = np.empty(event_shape).shape if event_shape != 3 else (3,)
    for y in (
        QuantizedLogistic(event_shape)(tf.zeros([4, 2 * size])),
        MixtureQuantizedLogistic(event_shape, 5)(tf.zeros([4, 15 * size])),
    ):
        assert (y.batch_shape, y.event_shape, y.shape) == ([4], shape, (4, *shape))


@pytest.mark.parametrize(
    ("layer", "needed"), [(QuantizedLogistic((2, 2)), 8), (MixtureQuantizedLogistic((2, 2), 5), 60)]
)
def test_params_of_another_size_raise(layer, needed):
    with pytest.raises(ValueError, match=rf"needs {needed} parameters per example.*Received: params.shape=\(3, 7\)"):
        layer(tf.zeros([3, 7]))


def test_bad_arguments_raise():
    for make in (lambda k: QuantizedLogistic(2, k), lambda k: MixtureQuantizedLogistic(2, 5, k)):
        with pytest.raises(ValueError, match="`num_levels` must be 2 or more. Received: num_levels=1"):
            make(1)
    with pytest.raises(ValueError, match="`num_components` must be 1 or more. Received: num_components=0"):
        MixtureQuantizedLogistic(2, 0)
    with pytest.raises(ValueError, match="`event_shape` must be whole numbers"):
        QuantizedLogistic((2, 0))


@pytest.mark.parametrize("name", FAMILIES)
def test_levels_beyond_the_last_are_told(name):
    make, params = FAMILIES[name]
    with pytest.raises(ValueError, match=r"scores {0, ..., 7}: .*Received: integers in x from 0 to 255"):
        check_support(make(params), np.array([0, 255]))
    check_support(make(params), X)


def test_values_that_are_no_levels_raise_with_validate_args():
    for y in (
        QuantizedLogistic(1, K, validate_args=True)(tf.zeros([2])),
        MixtureQuantizedLogistic(1, 2, K, validate_args=True)(tf.zeros([6])),
    ):
        assert isinstance(y, tfd.Distribution)
        for x in (-1.0, 0.5, 8.0):
            with pytest.raises(tf.errors.InvalidArgumentError, match="Condition x == y did not hold"):
                y.log_prob([x])
