"""The fused sum over entries against the sum of TFP's entries."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.distributions import Bernoulli, IndependentBernoulli, SoftBernoulli
from tests.distributions.helpers import EPS32, EPS64, RNG, f64

SHAPES = [(1,), (13,), (64,), (127,), (28, 28, 1), (3, 5)]


def binary(shape):
    return (RNG.random(shape) < 0.3).astype("float64")


@pytest.mark.parametrize("event_shape", SHAPES)
@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_log_prob_is_the_sum_over_the_entries(event_shape, scale):
    logits, x, rank = scale * RNG.normal(size=(4, *event_shape)), binary((4, *event_shape)), len(event_shape)
    expected = tfd.Independent(tfd.Bernoulli(logits=f64(logits)), rank).log_prob(f64(x))
    ours = IndependentBernoulli(Bernoulli(logits=f64(logits)), rank).log_prob(f64(x))
    np.testing.assert_allclose(ours, expected, rtol=16 * EPS64, atol=4 * EPS64 * np.prod(event_shape))
    single = IndependentBernoulli(Bernoulli(logits=tf.constant(logits, tf.float32)), rank).log_prob(x.astype("float32"))
    np.testing.assert_allclose(single, expected, rtol=64 * EPS32, atol=4 * EPS32 * np.prod(event_shape))


@pytest.mark.parametrize("shapes", [((3, 4, 6), (3, 4, 6)), ((4, 6), (3, 4, 6)), ((5, 1, 4, 6), (3, 4, 6))])
def test_gradients_are_those_of_the_sum_of_tfps_entries(shapes):
    x, logits = (tf.Variable(RNG.random(shape)) for shape in shapes)
    with tf.GradientTape(persistent=True) as tape:
        ours = tf.reduce_sum(IndependentBernoulli(SoftBernoulli(logits=logits), 2).log_prob(x) ** 2)
        plain = tf.reduce_sum(tf.reduce_sum(x * logits - tf.math.softplus(logits), [-2, -1]) ** 2)
    np.testing.assert_allclose(ours, plain, rtol=64 * EPS64)
    for variable in (x, logits):
        expected = tape.gradient(plain, variable).numpy()  # whose small entries are differences of large numbers
        atol = 64 * EPS64 * np.max(np.abs(expected))
        np.testing.assert_allclose(tape.gradient(ours, variable), expected, rtol=0, atol=atol)


def test_a_product_of_the_largest_factors_does_not_overflow():
    logits = tf.zeros([2, 6400])
    expected = -6400 * np.log(2)
    np.testing.assert_allclose(
        IndependentBernoulli(Bernoulli(logits=logits), 1).log_prob(tf.ones([2, 6400])), expected, rtol=64 * EPS32
    )


def test_certain_entries_have_probability_one_or_zero():
    certain = IndependentBernoulli(Bernoulli(probs=[0.0, 1.0, 1.0]), 1)
    np.testing.assert_array_equal(certain.log_prob([[0.0, 1.0, 1.0], [0.0, 1.0, 0.0]]), [0, -np.inf])


def test_unknown_event_sizes_and_no_event_at_all_are_scored_as_by_tfp():
    @tf.function(input_signature=[tf.TensorSpec([2, None])])
    def log_prob(logits):
        return IndependentBernoulli(Bernoulli(logits=logits), 1).log_prob(tf.ones_like(logits))

    np.testing.assert_allclose(log_prob(tf.zeros([2, 5])), np.full(2, -5 * np.log(2)), rtol=16 * EPS32)
    np.testing.assert_allclose(IndependentBernoulli(Bernoulli(logits=[0.0]), 0).log_prob(1.0), [-np.log(2)])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_does_not_overflow(dtype):
    log_prob = IndependentBernoulli(Bernoulli(logits=tf.zeros([640], dtype)), 1).log_prob(tf.ones([640], dtype))
    np.testing.assert_allclose(tf.cast(log_prob, tf.float32), -640 * np.log(2), rtol=0.02)  # bfloat16 has 8 bits


def test_where_x_is_larger_than_the_event_every_entry_counts_as_with_tfp():
    logits, x = f64(RNG.normal(size=(2, 4, 1))), f64(binary((2, 4, 3)))
    expected = tfd.Independent(tfd.Bernoulli(logits=logits), 2).log_prob(x)
    ours = IndependentBernoulli(Bernoulli(logits=logits), 2).log_prob(x)
    np.testing.assert_allclose(ours, expected, rtol=16 * EPS64)


def test_logits_of_unknown_rank_are_scored_as_by_tfp():
    @tf.function(input_signature=[tf.TensorSpec(None)])
    def log_prob(logits):
        return IndependentBernoulli(Bernoulli(logits=logits), 1).log_prob(tf.ones_like(logits))

    np.testing.assert_allclose(log_prob(tf.zeros([2, 5])), np.full(2, -5 * np.log(2)), rtol=16 * EPS32)


def test_the_second_derivative_is_minus_the_variance_of_each_entry():
    logits = tf.Variable(RNG.normal(size=4))
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            log_prob = IndependentBernoulli(Bernoulli(logits=logits), 1).log_prob(f64(np.ones(4)))
        slope = inner.gradient(log_prob, logits)
    variance = Bernoulli(logits=logits).variance()
    np.testing.assert_allclose(outer.jacobian(slope, logits), -np.diag(variance), rtol=16 * EPS64, atol=EPS64)


def test_certain_entries_give_no_gradient():
    logits = tf.Variable([-np.inf, np.inf])
    with tf.GradientTape() as tape:
        log_prob = IndependentBernoulli(Bernoulli(logits=logits), 1).log_prob([0.0, 1.0])
    np.testing.assert_array_equal(tape.gradient(log_prob, logits), [0, 0])
