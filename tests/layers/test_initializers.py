"""Initializers of TensorFlow are saved and loaded as those of Keras."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import layers
from keras_vae.layers.initializers import keras_initializer

INITIALIZERS = [
    (tf.constant_initializer(2.0), keras.initializers.Constant),
    (tf.zeros_initializer(), keras.initializers.Zeros),
    (tf.ones_initializer(), keras.initializers.Ones),
    (tf.random_normal_initializer(1.0, 0.5, seed=3), keras.initializers.RandomNormal),
    (tf.random_uniform_initializer(-1.0, 1.0, seed=3), keras.initializers.RandomUniform),
]


@pytest.mark.parametrize(("initializer", "kind"), INITIALIZERS, ids=[kind.__name__ for _, kind in INITIALIZERS])
def test_each_becomes_the_one_of_keras_with_the_same_arguments(initializer, kind):
    ours = keras_initializer(initializer)
    assert type(ours) is kind
    config = ours.get_config()
    for name, value in initializer.get_config().items():
        if name != "dtype":
            assert config[name] == value


def test_arrays_are_constants_too():
    values = keras_initializer(tf.constant_initializer(np.arange(3.0)))((3,))
    np.testing.assert_array_equal(values, [0.0, 1.0, 2.0])


@keras.saving.register_keras_serializable(package="test_initializers")
class RBF(keras.layers.Layer):
    @property
    def kernel(self):
        import tensorflow_probability as tfp

        return tfp.math.psd_kernels.ExponentiatedQuadratic()


def test_a_gaussian_process_and_a_variable_with_initializers_of_tensorflow_load(tmp_path):
    """As TFP's tutorial on regression makes it."""
    process = layers.VariationalGaussianProcess(
        3,
        RBF(),
        inducing_index_points_initializer=tf.constant_initializer(np.linspace(-1, 1, 3)[None, :, None]),
        unconstrained_observation_noise_variance_initializer=tf.constant_initializer(0.5),
        convert_to_tensor_fn="mean",
    )
    model = keras.Sequential([keras.Input((1,)), process])
    x = np.linspace(-1, 1, 5, dtype="float32")[:, None]
    expected = np.asarray(model(x))
    model.save(tmp_path / "m.keras")
    np.testing.assert_allclose(keras.saving.load_model(tmp_path / "m.keras")(x), expected, rtol=1e-5, atol=1e-6)
    variable = layers.VariableLayer(2, initializer=tf.constant_initializer(7.0))
    twin = layers.VariableLayer.from_config(variable.get_config())
    np.testing.assert_array_equal(twin(tf.zeros([])), [7.0, 7.0])
