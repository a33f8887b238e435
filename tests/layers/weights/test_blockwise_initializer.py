"""Blocks of the last axis, each from its own initializer."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae.layers import BlockwiseInitializer

CONSTANT = keras.initializers.Constant(0.5)


def test_each_initializer_fills_its_block_of_the_last_axis():
    values = BlockwiseInitializer(["zeros", CONSTANT, "ones"], sizes=[2, 1, 3])([4, 6])
    np.testing.assert_array_equal(values, np.tile([0, 0, 0.5, 1, 1, 1], (4, 1)))


def test_each_initializer_sees_the_shape_of_its_block():
    """The bounds of glorot_uniform tell the fans: sqrt(6 / (fan_in + fan_out))."""
    normal = keras.initializers.GlorotUniform(seed=1)
    values = BlockwiseInitializer([normal, "zeros"], sizes=[3, 5])((2, 8))
    np.testing.assert_array_equal(values[:, :3], normal((2, 3)))


@pytest.mark.parametrize("dtype", ["float32", "float64", tf.float64])
def test_the_values_have_the_dtype_asked_for(dtype):
    assert BlockwiseInitializer(["zeros", "ones"], [1, 1])([2], dtype=dtype).dtype == dtype


@pytest.mark.parametrize("shape", [(3, 2), [3, 2], np.array([3, 2]), tf.TensorShape([3, 2])])
def test_the_shape_may_be_of_any_kind(shape):
    assert BlockwiseInitializer(["zeros", "ones"], [1, 1])(shape).shape == (3, 2)


def test_it_survives_its_config():
    initializer = BlockwiseInitializer(["zeros", CONSTANT], sizes=[1, 2], validate_args=True)
    twin = keras.initializers.get(keras.initializers.serialize(initializer))
    assert isinstance(twin, BlockwiseInitializer)
    assert twin.get_config() == initializer.get_config()
    np.testing.assert_array_equal(twin([3]), [0, 0.5, 0.5])


def test_it_initializes_the_weights_of_any_keras_layer():
    layer = keras.layers.Dense(3, bias_initializer=BlockwiseInitializer(["zeros", "ones"], [1, 2]))
    layer.build([None, 2])
    np.testing.assert_array_equal(layer.bias, [0, 1, 1])


def test_a_last_axis_of_another_size_raises():
    with pytest.raises(ValueError, match=r"size sum\(sizes\) = 2.* Received: shape=\[3\]"):
        BlockwiseInitializer(["zeros", "ones"], [1, 1])([3])


@pytest.mark.parametrize("initializers", [["zeros"], ["zeros"] * 3])
def test_another_number_of_sizes_raises(initializers):
    with pytest.raises(ValueError, match="one size for each"):
        BlockwiseInitializer(initializers, [1, 1])
