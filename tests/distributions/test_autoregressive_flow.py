"""Autoregressive flows of a context, in float64: density, draws, passes through the networks, gradients, mean."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

import keras_vae as kv
from keras_vae import random
from keras_vae.distributions import AutoregressiveFlow
from keras_vae.layers import AutoregressiveNetwork

EPS = 2.0**-52
RNG = np.random.default_rng(0)
SIZE, CONTEXT, BATCH, NUM_FLOWS = 3, 2, 4, 2
both_directions = pytest.mark.parametrize("inverse", [True, False], ids=["iaf", "maf"])


class Counted(AutoregressiveNetwork):
    """Counts the passes through all of its kind."""

    passes = 0

    def call(self, x, conditional_input):
        Counted.passes += 1
        return super().call(x, conditional_input)


def networks(size=SIZE):
    arguments = {"hidden_units": [8], "activation": "tanh", "bias_initializer": "random_normal", "dtype": "float64"}
    made = [
        Counted(2, size, True, CONTEXT, input_order=order, **arguments) for order in ("left-to-right", "right-to-left")
    ]
    for network in made:
        network.build((None, size))
    return made


def flow(inverse, size=SIZE, context=None, loc=None):
    context = tf.constant(RNG.normal(size=(BATCH, CONTEXT)) if context is None else context)
    loc = tf.constant(RNG.normal(size=(len(context), size)) if loc is None else loc)
    base = tfd.MultivariateNormalDiag(loc, tf.fill(loc.shape, tf.constant(0.7, tf.float64)))
    return AutoregressiveFlow(base, networks(size), context, inverse)


def passes(function):
    before = Counted.passes
    function()
    return Counted.passes - before


@both_directions
def test_the_density_integrates_to_one(inverse):
    """By the trapezoid rule, exact up to the tails for a smooth density."""
    q = flow(inverse, size=2, context=np.zeros((1, CONTEXT)))
    axis = np.linspace(-15, 15, 301)
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1)
    np.testing.assert_allclose(np.exp(q.log_prob(grid)).sum() * (axis[1] - axis[0]) ** 2, 1, rtol=1e-6)


@both_directions
def test_log_prob_is_that_of_the_base_minus_the_log_determinant_of_the_jacobian(inverse):
    q = flow(inverse)
    u = tf.constant(RNG.normal(size=(BATCH, SIZE)))
    with tf.GradientTape() as tape:
        tape.watch(u)
        z = q.bijector.forward(u)
    log_det = np.linalg.slogdet(tape.batch_jacobian(z, u))[1]
    expected = q.distribution.log_prob(u) - log_det
    np.testing.assert_allclose(q.log_prob(tf.identity(z)), expected, rtol=1e4 * EPS)
    assert np.all(np.abs(log_det) > 0.1)


@both_directions
def test_a_step_is_the_gated_sum_of_kingma_et_al(inverse):
    """Equations 13 and 14, the gate open by 2: from u to z of IAF, from z to u of MAF."""
    q = flow(inverse)
    v = tf.constant(RNG.normal(size=(BATCH, SIZE)))
    expected = v.numpy()
    for network in q.parameters["networks"]:
        m, s = np.moveaxis(network(expected, conditional_input=q.context).numpy(), -1, 0)
        gate = 1 / (1 + np.exp(-s - 2))
        expected = gate * expected + (1 - gate) * m
    actual = q.bijector.forward(v) if inverse else q.bijector.inverse(v)
    np.testing.assert_allclose(actual, expected, rtol=1e3 * EPS, atol=1e3 * EPS)


@both_directions
def test_log_prob_of_draws_is_that_of_the_inverse_passes(inverse):
    q = flow(inverse)
    z = random.sample(q, 5, 0)
    np.testing.assert_allclose(q.log_prob(z), q.log_prob(tf.identity(z)), rtol=1e4 * EPS)


@both_directions
def test_draws_and_their_density_take_the_passes_of_the_documentation(inverse):
    """The shift and scale of a step, and their log-determinant, each ask the network: one pass in a graph."""
    q, drawn = flow(inverse), []
    fast, slow = NUM_FLOWS, NUM_FLOWS * SIZE
    assert passes(lambda: drawn.append(random.sample(q, 5, 0))) == (fast if inverse else slow)
    assert passes(lambda: q.log_prob(drawn[0])) == fast
    assert passes(lambda: q.log_prob(tf.identity(drawn[0]))) == fast + (slow if inverse else fast)


@both_directions
def test_points_are_broadcast_against_the_batch_in_a_graph_too(inverse):
    q, x = flow(inverse), RNG.normal(size=(6, 1, SIZE))
    expected = q.log_prob(np.tile(x, (1, BATCH, 1)))
    actual = tf.function(q.log_prob, autograph=False)(tf.constant(x))
    np.testing.assert_allclose(actual, expected, rtol=1e3 * EPS)


@both_directions
def test_every_row_has_its_own_context(inverse):
    context, loc = RNG.normal(size=(2, CONTEXT)), np.zeros((2, SIZE))
    q = flow(inverse, context=context, loc=loc)
    alone = AutoregressiveFlow(q.distribution[1:], q.parameters["networks"], q.context[1:], inverse)
    x = RNG.normal(size=(6, 1, SIZE))
    np.testing.assert_allclose(alone.log_prob(x)[:, 0], q.log_prob(x)[:, 1], rtol=1e3 * EPS)
    np.testing.assert_allclose(q[1].log_prob(x[:, 0]), q.log_prob(x)[:, 1], rtol=1e3 * EPS)
    assert np.all(np.abs(q.log_prob(x)[:, 0] - q.log_prob(x)[:, 1]) > 1e-3)


# Gradients of E_q[log q(z)], as the objectives take it.


def log_q_of_draws(q):
    return tf.reduce_sum(q.log_prob(random.sample(q, 2, 3)))


@both_directions
def test_the_gradient_of_the_density_of_draws_is_that_of_central_differences(inverse):
    q = flow(inverse)
    kernel = q.parameters["networks"][0].trainable_variables[0]
    context = tf.Variable(q.context)

    def value():
        twin = q.copy(context=tf.convert_to_tensor(context))
        return log_q_of_draws(twin)

    with tf.GradientTape() as tape:
        total = value()
    gradients = tape.gradient(total, [kernel.value, context])
    step = EPS ** (1 / 3)
    for variable, gradient in zip([kernel, context], gradients, strict=True):
        direction, start = RNG.normal(size=variable.shape), variable.numpy()
        ends = []
        for sign in (1, -1):
            variable.assign(start + sign * step * direction)
            ends.append(value())
        variable.assign(start)
        difference = (ends[0] - ends[1]) / (2 * step)
        np.testing.assert_allclose(np.sum(gradient * direction), difference, rtol=1e-6, atol=1e-8)


@both_directions
def test_the_gradient_through_draws_is_the_same_with_and_without_the_memory_of_where_they_came_from(inverse):
    q = flow(inverse)
    kernels = [network.trainable_variables[0].value for network in q.parameters["networks"]]
    gradients = []
    for forget in (lambda z: z, tf.identity):
        with tf.GradientTape() as tape:
            twin = q.copy()
            total = tf.reduce_sum(twin.log_prob(forget(random.sample(twin, 2, 3))))
        gradients.append(tape.gradient(total, kernels))
    for remembered, forgotten in zip(*gradients, strict=True):
        np.testing.assert_allclose(remembered, forgotten, rtol=1e5 * EPS, atol=1e4 * EPS)


def test_the_path_gradient_is_that_of_the_density_with_stopped_parameters():
    """Roeder et al. (2017), Eq. 8: d log q(z) / dz at the draw, times dz / d context."""
    q = flow(inverse=True)
    context = tf.Variable(q.context)
    with tf.GradientTape(persistent=True) as tape:
        twin = q.copy(context=tf.convert_to_tensor(context))
        z = random.sample(twin, 2, 3)
        total = tf.reduce_sum(kv.objectives.estimators.log_prob_of_draws(twin, z))
    point = tf.Variable(z)
    with tf.GradientTape() as at_point:
        log_q = tf.reduce_sum(q.log_prob(tf.identity(point)))
    expected = tape.gradient(z, context, at_point.gradient(log_q, point))
    np.testing.assert_allclose(tape.gradient(total, context), expected, rtol=1e5 * EPS, atol=1e4 * EPS)


# What has no closed form.


@both_directions
def test_the_mean_is_that_of_many_draws_within_4_standard_errors(inverse):
    """It averages 64 pairs of a draw of u and its mirror image, whose means vary less than draws do."""
    q, num_draws = flow(inverse), 20_000
    z = random.sample(q, num_draws, 0).numpy()
    shift = q.distribution.scale.matvec(random.normal([2_000, *q.distribution.loc.shape], 1, dtype=z.dtype))
    pairs = (q.bijector.forward(q.distribution.loc + shift) + q.bijector.forward(q.distribution.loc - shift)) / 2
    error = np.hypot(np.std(pairs, axis=0) / 64**0.5, z.std(0) / num_draws**0.5)
    assert np.all(np.abs(q.mean() - z.mean(0)) < 4 * error)


def test_the_standard_deviation_is_that_of_many_draws_within_4_standard_errors_of_128():
    """Of s from n draws: s sqrt((k + 2) / 4 n), k the excess kurtosis."""
    q = flow(inverse=True)
    z = random.sample(q, 20_000, 0).numpy()
    kurtosis = np.mean((z - z.mean(0)) ** 4, axis=0) / z.var(0) ** 2 - 3
    assert np.all(np.abs(q.stddev() / z.std(0) - 1) < 4 * np.sqrt((kurtosis + 2) / 4 / 64))  # mirror images count half


def test_the_mean_is_exact_where_the_steps_are_linear():
    """A network of biases alone: z = gate^2 u + ..., whose draws and their mirror images have the mean of u's."""
    q = flow(inverse=True)
    for network in q.parameters["networks"]:
        for weight in network.trainable_variables:
            weight.assign(tf.zeros_like(weight))
    gate = 1 / (1 + np.exp(-2.0))
    np.testing.assert_allclose(q.mean(), gate**NUM_FLOWS * q.distribution.loc, rtol=1e3 * EPS)


def test_the_kl_to_a_normal_is_estimated_from_draws():
    q, p = flow(inverse=True), tfd.MultivariateNormalDiag(tf.zeros(SIZE, tf.float64), tf.ones(SIZE, tf.float64))
    z = random.sample(q, 5, 0)
    assert not kv.objectives.has_closed_form_kl(q, p)
    np.testing.assert_array_equal(kv.objectives.kl_divergence(q, p, z), kv.objectives.monte_carlo_kl(q, p, z))
