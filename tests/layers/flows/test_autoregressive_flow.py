"""The layer of autoregressive flows: parameters, start, errors."""

import numpy as np
import pytest
import tensorflow as tf

from keras_vae import random
from keras_vae.layers import AutoregressiveFlow, MultivariateNormalDiag

EPS = np.finfo("float32").eps
RNG = np.random.default_rng(0)


def test_parameters_are_those_of_a_diagonal_normal_and_then_the_context():
    inputs = RNG.normal(size=(4, 9))
    q_z = AutoregressiveFlow(3, context_size=3, dtype="float64")(inputs)
    base = MultivariateNormalDiag.new(inputs[:, :6], 3)
    np.testing.assert_array_equal(q_z.distribution.loc, base.loc)
    np.testing.assert_array_equal(q_z.distribution.stddev(), base.stddev())
    np.testing.assert_array_equal(q_z.context, inputs[:, 6:])


@pytest.mark.parametrize("inverse", [True, False])
def test_the_flow_begins_near_gates_open_by_two_and_no_shift(inverse):
    """Kernels have a tenth of Glorot's variance, 0.2 / (8 + 16) from the context to outputs that see little else."""
    layer = AutoregressiveFlow(8, context_size=8, inverse=inverse)
    q_z = layer(RNG.normal(size=(50, 24)).astype("float32"))
    for network in layer.networks:
        outputs = network(RNG.normal(size=(50, 8)), conditional_input=q_z.context)
        # 8 entries of variance 1; the 128 drawn numbers and 50 examples leave a standard error of 5 %
        assert np.sqrt(np.mean(np.square(outputs))) == pytest.approx(np.sqrt(8 * 0.2 / 24), rel=0.2)
    u = random.sample(q_z.distribution, 1, 0)
    gate = 1 / (1 + np.exp(-2.0))
    scale = gate**2 if inverse else gate**-2
    assert np.sqrt(np.mean(np.square(q_z.bijector.forward(u) - scale * u))) < 0.2


def test_networks_see_the_entries_forwards_and_backwards_by_turns():
    layer = AutoregressiveFlow(3, context_size=2, num_flows=3)
    orders = [network.input_order for network in layer.networks]
    assert orders == ["left-to-right", "right-to-left", "left-to-right"]


def test_the_gradient_of_the_density_of_points_is_the_same_under_xla_for_a_batch_of_unknown_size():
    """Of IAF, whose inverse is a loop over the entries: what gradients without the memory of draws go through."""
    layer = AutoregressiveFlow(2, context_size=2, num_flows=1, hidden_units=(4,))
    inputs, z = (tf.constant(RNG.normal(size=(3, size)), tf.float32) for size in (6, 2))

    def gradients(inputs, z):
        with tf.GradientTape() as tape:
            log_q = tf.reduce_sum(layer(inputs).log_prob(z))
        return tape.gradient(log_q, layer.trainable_variables)

    expected = gradients(inputs, z)
    signature = [tf.TensorSpec([None, size]) for size in (6, 2)]
    compiled = tf.function(gradients, input_signature=signature, autograph=False, jit_compile=True)
    for actual, gradient in zip(compiled(inputs, z), expected, strict=True):
        np.testing.assert_allclose(actual, gradient, rtol=256 * EPS, atol=256 * EPS)


@pytest.mark.parametrize("argument", ["event_size", "context_size", "num_flows"])
def test_a_size_below_one_raises(argument):
    arguments = {"event_size": 2, "context_size": 2, argument: 0}
    with pytest.raises(ValueError, match=f"`{argument}` must be 1 or more. Received: {argument}=0"):
        AutoregressiveFlow(**arguments)


def test_a_wrong_number_of_parameters_raises():
    with pytest.raises(ValueError, match=r"The layer needs 7 parameters .* Received: inputs\.shape=\(3, 6\)"):
        AutoregressiveFlow(2, context_size=3)(tf.zeros([3, 6]))
