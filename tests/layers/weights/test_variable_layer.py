"""A weight whatever the input, alone and as the parameters of a distribution."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.layers import BlockwiseInitializer, DistributionLambda, VariableLayer

SOFTPLUS_ONE = keras.initializers.Constant(np.log(np.expm1(1.0)))


@keras.saving.register_keras_serializable(package="variable_layer_tests")
def normal(t):
    return tfd.Independent(tfd.Normal(loc=t[..., 0], scale=tf.math.softplus(t[..., 1])), reinterpreted_batch_ndims=1)


def trainable_normal(dtype=None):
    return keras.Sequential(
        [
            VariableLayer(
                shape=[3, 4, 2],
                dtype=dtype,
                initializer=BlockwiseInitializer(["zeros", SOFTPLUS_ONE], sizes=[1, 1]),
            ),
            DistributionLambda(normal, dtype=dtype),
        ]
    )


@pytest.mark.parametrize("inputs", [np.zeros(()), np.zeros([2, 3], "float32"), np.arange(3)])
def test_the_output_is_the_weight_whatever_the_input(inputs):
    layer = VariableLayer([2, 3], initializer=keras.initializers.RandomNormal(seed=1))
    np.testing.assert_array_equal(layer(inputs), keras.initializers.RandomNormal(seed=1)([2, 3]))


@pytest.mark.parametrize("shape", [3, [3], (np.int64(3),), tf.constant([3])])
def test_a_shape_is_an_int_or_ints(shape):
    assert VariableLayer(shape).shape == (3,)
    assert VariableLayer(shape)(np.zeros(1)).shape == [3]


@pytest.mark.parametrize("shape", [[[3]], 2.5, [-1], "3"])
def test_another_shape_raises(shape):
    with pytest.raises(ValueError, match="`shape` must be whole numbers.* Received: shape="):
        VariableLayer(shape)


def test_a_shape_that_is_not_known_statically_raises():
    @tf.function
    def make(shape):
        VariableLayer(shape)

    with pytest.raises(ValueError, match="`shape` must be known when a graph is traced"):
        make(tf.constant([3]))


@pytest.mark.parametrize("dtype", [None, "float64", tf.float64])
def test_the_example_of_tfp_is_a_standard_normal_distribution(dtype):
    x = trainable_normal(dtype)(tf.zeros([]))
    assert (x.dtype, x.batch_shape, x.event_shape) == (dtype or tf.float32, [3], [4])
    np.testing.assert_array_equal(x.mean(), np.zeros([3, 4]))
    np.testing.assert_allclose(x.variance(), np.ones([3, 4]), rtol=8 * np.finfo(x.dtype.as_numpy_dtype).eps)


def test_fit_finds_the_mean_of_the_data():
    model = keras.Sequential(
        [
            VariableLayer([3]),
            DistributionLambda(lambda t: tfd.Independent(tfd.Normal(t, 1.0), 1)),
        ]
    )
    data = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
    # the mean of -log p has curvature 1, so that one step of size 1 from anywhere ends at the mean
    model.compile(keras.optimizers.SGD(1.0), loss=lambda x, rv_x: -rv_x.log_prob(x))
    model.fit(np.zeros([8, 1]), data, batch_size=8, verbose=0)
    np.testing.assert_allclose(model.layers[0].constant, data.mean(0), rtol=0, atol=8 * np.finfo("float32").eps)


class Tempered(keras.layers.Layer):
    """A layer that calls a model of a `VariableLayer` with its own input."""

    def __init__(self):
        super().__init__()
        self.scale = trainable_normal()

    def call(self, x):
        return x + tf.reduce_sum(self.scale(x).stddev())


def test_it_works_within_the_call_of_another_layer():
    model = keras.Sequential([Tempered()])
    np.testing.assert_allclose(model(np.zeros([5, 2], "float32")), np.full([5, 2], 12.0), rtol=1e-6)
    np.testing.assert_allclose(model(np.zeros([3, 2], "float32")), np.full([3, 2], 12.0), rtol=1e-6)
    assert len(model.trainable_variables) == 1


def test_the_symbolic_output_has_the_weights_shape_and_dtype():
    output = VariableLayer([2, 3], dtype="mixed_bfloat16")(keras.Input([7]))
    assert (output.shape, output.dtype) == ((2, 3), "float32")


def test_activation_regularizer_and_constraint_apply_to_the_weight():
    layer = VariableLayer(2, activation="softplus", initializer="ones", regularizer="l2", constraint="non_neg")
    np.testing.assert_allclose(layer(np.zeros(1)), np.log1p(np.exp([1.0, 1.0])), rtol=1e-6)
    np.testing.assert_allclose(sum(layer.losses), 0.02, rtol=1e-6)
    assert isinstance(layer.weights[0].constraint, keras.constraints.NonNeg)


def test_a_layer_that_is_not_trainable_has_no_trainable_weight():
    model = keras.Sequential([VariableLayer(2, trainable=False)])
    assert (len(model.weights), model.trainable_weights) == (1, [])
    model(np.zeros(1))
    assert model.trainable_weights == []
    model.layers[0].trainable = True
    assert len(model.trainable_weights) == 1


def test_config_holds_every_argument():
    layer = VariableLayer(
        [1, 2], "float64", "softplus", BlockwiseInitializer(["zeros", "ones"], [1, 1]), "l2", "non_neg", name="other"
    )
    twin = VariableLayer.from_config(layer.get_config())
    assert twin.get_config() == layer.get_config()
    assert (twin.name, twin.dtype, twin.shape) == ("other", "float64", (1, 2))
    assert isinstance(twin.regularizer, keras.regularizers.L2)
    assert isinstance(twin.constraint, keras.constraints.NonNeg)
    np.testing.assert_array_equal(twin(np.zeros(1)), layer(np.zeros(1)))


def test_a_saved_model_of_it_is_the_same(tmp_path):
    model = trainable_normal()
    model(tf.zeros([]))
    model.layers[0].constant.assign(np.random.default_rng(0).normal(size=(3, 4, 2)))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(tf.zeros([])).mean(), model(tf.zeros([])).mean())
    np.testing.assert_array_equal(loaded(tf.zeros([])).stddev(), model(tf.zeros([])).stddev())
