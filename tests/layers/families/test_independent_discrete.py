"""Independent pixels: densities against SciPy and TFP, shapes, dtypes and errors."""

import re

import keras
import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae import layers, random
from keras_vae.distributions import Bernoulli, CategoricalLevels, SoftBernoulli
from keras_vae.layers import IndependentBernoulli, IndependentCategorical, IndependentSoftBernoulli

EPS = np.finfo("float32").eps
RNG = np.random.default_rng(0)
LOGITS = RNG.normal(scale=2.0, size=(5, 12)).astype("float32")
BINARY = RNG.integers(0, 2, size=(5, 2, 3, 2))
GREY = RNG.random(size=(5, 2, 3, 2))
LEVELS = RNG.integers(0, 3, size=(5, 2, 2))  # of 3, so that 12 logits make four entries


def log_prob_of_levels(x):
    logits = LOGITS.astype("float64").reshape(5, 2, 2, 3)
    log_probs = scipy.special.log_softmax(logits, -1)
    return np.take_along_axis(log_probs, x[..., None], -1)[..., 0].sum((1, 2))


def log_prob_of_pixels(x):
    logits = LOGITS.astype("float64").reshape(5, 2, 3, 2)
    return (x * scipy.special.log_expit(logits) + (1 - x) * scipy.special.log_expit(-logits)).sum((1, 2, 3))


CASES = {
    "IndependentBernoulli": (IndependentBernoulli((2, 3, 2)), BINARY, log_prob_of_pixels, Bernoulli),
    "IndependentSoftBernoulli": (IndependentSoftBernoulli((2, 3, 2)), GREY, log_prob_of_pixels, SoftBernoulli),
    "IndependentCategorical": (IndependentCategorical((2, 2), 3), LEVELS, log_prob_of_levels, CategoricalLevels),
}


@pytest.mark.parametrize("name", CASES)
def test_log_prob_is_the_sum_over_the_event_of_that_of_scipy(name):
    layer, x, log_prob, _ = CASES[name]
    y = layer(LOGITS)
    assert (y.batch_shape, y.event_shape) == ([5], x.shape[1:])
    # a sum of 12 terms, each with the rounding of a logit up to 8
    np.testing.assert_allclose(y.log_prob(x.astype("float32")), log_prob(x), rtol=8 * EPS, atol=12 * 8 * EPS)


@pytest.mark.parametrize("name", CASES)
def test_entries_are_of_the_class_that_tfp_lacks(name):
    layer, _, _, cls = CASES[name]
    y = layer(LOGITS)
    assert isinstance(y.tensor_distribution, tfd.Independent)
    assert type(y.distribution) is cls


def test_bernoulli_log_prob_of_binary_pixels_is_that_of_scipys_bernoulli():
    probs = scipy.special.expit(LOGITS.astype("float64")).reshape(BINARY.shape)
    expected = scipy.stats.bernoulli.logpmf(BINARY, probs).sum((1, 2, 3))
    y = IndependentBernoulli((2, 3, 2))(LOGITS)
    np.testing.assert_allclose(y.log_prob(BINARY.astype("float32")), expected, rtol=8 * EPS, atol=12 * 8 * EPS)


def test_bernoulli_equals_the_independent_bernoulli_of_tfp():
    ours = IndependentBernoulli.new(LOGITS, (2, 3, 2))
    theirs = tfd.Independent(tfd.Bernoulli(LOGITS.reshape(5, 2, 3, 2), dtype=tf.float32), 3)
    x = BINARY.astype("float32")
    np.testing.assert_allclose(ours.log_prob(x), theirs.log_prob(x), rtol=8 * EPS, atol=12 * 8 * EPS)
    for statistic in ("mean", "variance", "mode", "entropy"):
        np.testing.assert_array_equal(getattr(ours, statistic)(), getattr(theirs, statistic)())
    np.testing.assert_array_equal(ours.kl_divergence(theirs), theirs.kl_divergence(theirs))


def test_levels_stand_last_in_the_logits():
    """So entry i has the logits K i ... K i + K - 1."""
    y = IndependentCategorical((2, 2), 3)(LOGITS)
    np.testing.assert_array_equal(y.distribution.logits, LOGITS.reshape(5, 2, 2, 3))


def test_mean_of_levels_is_the_expected_level():
    probs = scipy.special.softmax(LOGITS.reshape(5, 2, 2, 3), -1)
    np.testing.assert_allclose(IndependentCategorical((2, 2), 3)(LOGITS).mean(), probs @ np.arange(3), rtol=16 * EPS)


@pytest.mark.parametrize("name", CASES)
def test_kl_of_two_outputs_is_that_of_the_plain_distributions(name):
    layer, _, _, _ = CASES[name]
    p, q = layer(LOGITS), layer(-LOGITS)
    kl = tfd.kl_divergence(layer.distribution(LOGITS), layer.distribution(-LOGITS))
    assert kl.shape == [5]
    np.testing.assert_array_equal(tfd.kl_divergence(p, q), kl)
    np.testing.assert_array_equal(p.kl_divergence(q.tensor_distribution), kl)
    assert np.all(kl > 0)


@pytest.mark.parametrize("cls", [IndependentBernoulli, IndependentSoftBernoulli])
@pytest.mark.parametrize(
    ("event_shape", "expected"),
    [((), ()), (4, (4,)), ([2, 2], (2, 2)), (np.array([2, 2]), (2, 2)), (tf.TensorShape([4]), (4,)), ((1, 4), (1, 4))],
)
def test_event_shape_may_be_an_int_or_integers(cls, event_shape, expected):
    layer = cls(event_shape)
    assert layer.event_shape == expected
    size = cls.params_size(event_shape)
    assert size == layer.params_size(event_shape) == int(np.prod(expected))
    y = layer(tf.zeros([3, size]))
    assert (y.batch_shape, y.event_shape) == ([3], expected)


@pytest.mark.parametrize(("event_shape", "num_levels", "size"), [((), 3, 3), (4, 16, 64), ((28, 28, 1), 256, 200_704)])
def test_params_size_of_levels_is_one_logit_for_every_level_of_every_entry(event_shape, num_levels, size):
    assert IndependentCategorical.params_size(event_shape, num_levels) == size


@pytest.mark.parametrize("batch_shape", [(), (1,), (3, 5), (2, 1, 3)])
def test_every_axis_before_the_last_is_batch(batch_shape):
    for layer, size in ((IndependentBernoulli((2, 3)), 6), (IndependentCategorical((2, 3), 4), 24)):
        y = layer(tf.zeros([*batch_shape, size]))
        assert (y.batch_shape, y.event_shape) == (batch_shape, (2, 3))
        assert y.log_prob(tf.zeros([2, 3])).shape == batch_shape


def test_the_batch_size_may_be_unknown():
    @tf.function(input_signature=[tf.TensorSpec([None, 12])])
    def mean(logits):
        y = IndependentBernoulli.new(logits, (2, 3, 2))
        assert y.event_shape == (2, 3, 2)
        return y.mean()

    np.testing.assert_allclose(mean(LOGITS), scipy.special.expit(LOGITS).reshape(5, 2, 3, 2), rtol=8 * EPS)


@pytest.mark.parametrize("name", CASES)
def test_samples_lie_in_the_support_and_have_the_sample_dtype(name):
    cls, args = type(CASES[name][0]), ((2, 2), 3) if name == "IndependentCategorical" else ((2, 3, 2),)
    for sample_dtype, expected in [(None, "float32"), ("int32", "int32"), (tf.uint8, "uint8"), ("float64", "float64")]:
        y = cls(*args, sample_dtype=sample_dtype, seed=1)(LOGITS)
        for x in (np.asarray(y), np.asarray(random.sample(y, 7, 0))):
            assert x.dtype == expected
            assert set(np.unique(x)) == set(range(args[1] if len(args) == 2 else 2))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("sample_dtype", [None, "int32", tf.uint8], ids=str)
def test_the_dtype_of_the_distribution_is_a_dtype_of_tensorflow(name, sample_dtype):
    cls, args = type(CASES[name][0]), ((2, 2), 3) if name == "IndependentCategorical" else ((2, 3, 2),)
    y = cls(*args, sample_dtype=sample_dtype)(LOGITS)
    assert isinstance(y.dtype, tf.DType)
    assert y.dtype == (sample_dtype or "float32")


@pytest.mark.parametrize("name", CASES)
def test_params_of_another_size_raise(name):
    layer = CASES[name][0]
    with pytest.raises(
        ValueError, match=r"The layer needs 12 parameters .* `params_size`. Received: params.shape=\(5, 11\)"
    ):
        layer(LOGITS[:, :11])


def test_params_of_another_size_raise_in_a_functional_model():
    with pytest.raises(ValueError, match="The layer needs 12 parameters per example"):
        IndependentBernoulli(12)(keras.Input((11,)))


@pytest.mark.parametrize("num_levels", [1, 0, -3])
def test_fewer_than_two_levels_raise(num_levels):
    with pytest.raises(ValueError, match=f"`num_levels` must be 2 or more. Received: num_levels={num_levels}"):
        IndependentCategorical(4, num_levels)


@pytest.mark.parametrize("event_shape", [(-2, 3), (2, 0), (2.5, 2)], ids=str)
def test_an_event_shape_of_other_than_positive_integers_raises(event_shape):
    message = (
        f"`event_shape` must be whole numbers, each 1 or more. Received: event_shape={re.escape(str(event_shape))}"
    )
    with pytest.raises(ValueError, match=message):
        IndependentBernoulli(event_shape)
    with pytest.raises(ValueError, match=message):
        IndependentCategorical(event_shape, 3)


def test_values_outside_the_support_raise_with_validate_args():
    y = IndependentBernoulli(12, validate_args=True)(LOGITS)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"fractional components|did not hold"):
        y.log_prob(np.full(12, 0.3, "float32"))


def test_values_outside_the_support_pass_without_validate_args():
    """Which is why the data is checked at the door."""
    assert np.all(np.isfinite(IndependentBernoulli(12)(LOGITS).log_prob(np.full(12, 0.3, "float32"))))


@pytest.mark.parametrize("name", CASES)
def test_gradients_at_logits_of_100_are_finite(name):
    layer, x, _, _ = CASES[name]
    for scale in (-100.0, 100.0):
        logits = tf.constant(scale * np.sign(LOGITS))
        with tf.GradientTape() as tape:
            tape.watch(logits)
            log_prob = layer(logits).log_prob(x.astype("float32"))
        assert np.all(np.isfinite(log_prob))
        assert np.all(np.isfinite(tape.gradient(log_prob, logits)))


def test_layers_are_exported_under_their_names():
    for name, (layer, *_) in CASES.items():
        assert getattr(layers, name) is type(layer)
