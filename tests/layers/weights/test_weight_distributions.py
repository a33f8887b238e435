"""The default functions of weights' distributions, their weights and their divergence."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.layers import (
    DenseReparameterization,
    default_loc_scale_fn,
    default_mean_field_normal_fn,
    default_multivariate_normal_fn,
    scaled_kl_divergence_fn,
)
from keras_vae.layers.weights.variational import MEAN_FIELD_NORMAL

UNSEEDED = keras.initializers.RandomNormal()
FACTORIES = [default_loc_scale_fn, default_mean_field_normal_fn]


class AddVariable:
    """Makes weights as a layer would, and keeps what it was asked for."""

    def __init__(self):
        self.asked = []

    def __call__(self, **kwargs):
        self.asked.append(kwargs)
        return tf.cast(kwargs["initializer"](kwargs["shape"]), kwargs["dtype"])


def make(function, dtype=tf.float32, shape=(2, 3)):
    add_variable = AddVariable()
    return function(dtype, list(shape), "kernel_posterior", True, add_variable), add_variable.asked


@pytest.mark.parametrize("dtype", [tf.float32, tf.float64])
def test_the_scale_is_softplus_above_the_machine_epsilon(dtype):
    function = default_loc_scale_fn(loc_initializer="ones", untransformed_scale_initializer="zeros")
    (loc, scale), _ = make(function, dtype)
    eps = np.finfo(dtype.as_numpy_dtype).eps
    np.testing.assert_array_equal(loc, np.ones([2, 3]))
    np.testing.assert_allclose(scale, np.full([2, 3], eps + np.log(2)), rtol=4 * eps)
    raw = keras.initializers.Constant(-1e4)
    assert np.all(make(default_loc_scale_fn(untransformed_scale_initializer=raw), dtype)[0][1] == eps)


@pytest.mark.parametrize("factory", FACTORIES)
def test_each_argument_reaches_its_weight(factory):
    function = factory(
        False, "ones", "zeros", "l1", "l2", loc_constraint="non_neg", untransformed_scale_constraint="unit_norm"
    )
    loc, raw = make(function)[1]
    assert (loc["name"], raw["name"]) == ("kernel_posterior_loc", "kernel_posterior_untransformed_scale")
    assert (loc["regularizer"], raw["regularizer"]) == ("l1", "l2")
    assert (loc["constraint"], raw["constraint"]) == ("non_neg", "unit_norm")
    np.testing.assert_array_equal([weight["initializer"]([3]) for weight in (loc, raw)], [[1, 1, 1], [0, 0, 0]])
    for weight in (loc, raw):
        assert (weight["shape"], weight["dtype"], weight["trainable"]) == ([2, 3], tf.float32, True)


def test_default_weights_have_the_moments_of_tfps():
    """Within 4 standard errors of 10,000 draws: loc ~ Normal(0, 0.1), raw scale ~ Normal(-3, 0.1)."""
    (loc, scale), _ = make(default_loc_scale_fn(), shape=(100, 100))
    raw = np.log(np.expm1(np.asarray(scale, "float64")))
    for values, mean in ((np.asarray(loc), 0.0), (raw, -3.0)):
        assert abs(values.mean() - mean) < 4 * 0.1 / 100
        assert abs(values.std() - 0.1) < 4 * 0.1 / np.sqrt(2 * 10_000)


def test_a_point_mass_has_no_scale():
    (_, scale), asked = make(default_loc_scale_fn(is_singular=True))
    assert scale is None
    assert len(asked) == 1
    distribution, _ = make(default_mean_field_normal_fn(is_singular=True, loc_initializer="ones"))
    assert isinstance(distribution.distribution, tfd.Deterministic)
    np.testing.assert_array_equal(distribution.sample(), np.ones([2, 3]))


@pytest.mark.parametrize("function", [default_mean_field_normal_fn(), default_multivariate_normal_fn])
@pytest.mark.parametrize("dtype", [tf.float32, tf.float64])
def test_the_distributions_are_independent_normals_over_the_whole_shape(function, dtype):
    distribution, _ = make(function, dtype)
    assert isinstance(distribution, tfd.Independent)
    assert isinstance(distribution.distribution, tfd.Normal)
    assert (distribution.dtype, distribution.batch_shape, distribution.event_shape) == (dtype, [], [2, 3])


def test_the_default_prior_is_standard_normal_without_weights():
    distribution, asked = make(default_multivariate_normal_fn)
    assert asked == []
    np.testing.assert_array_equal(distribution.mean(), np.zeros([2, 3]))
    np.testing.assert_array_equal(distribution.stddev(), np.ones([2, 3]))


@pytest.mark.parametrize("function", [default_mean_field_normal_fn(loc_initializer=UNSEEDED), MEAN_FIELD_NORMAL])
def test_layers_of_one_function_begin_with_different_weights(function):
    first, second = (DenseReparameterization(3, kernel_posterior_fn=function) for _ in range(2))
    for layer in (first, second):
        layer.build([None, 2])
    assert np.all(first.kernel_posterior.mean() != second.kernel_posterior.mean())


def test_the_global_seed_fixes_the_first_weights():
    keras.utils.set_random_seed(0)
    again = DenseReparameterization(3)
    again.build([None, 2])
    keras.utils.set_random_seed(0)
    twin = DenseReparameterization(3)
    twin.build([None, 2])
    np.testing.assert_array_equal(again.kernel_posterior.mean(), twin.kernel_posterior.mean())


@pytest.mark.parametrize("factory", FACTORIES)
def test_factories_survive_their_config(factory):
    normal = keras.initializers.RandomNormal(2.0, seed=3)
    function = factory(True, normal, "zeros", keras.regularizers.L2(0.5), "l1", "non_neg", "unit_norm")
    twin = keras.saving.deserialize_keras_object(json.loads(json.dumps(keras.saving.serialize_keras_object(function))))
    assert type(twin) is factory
    assert twin.get_config() == function.get_config()
    assert set(twin.get_config()) == set(vars(factory()))
    first, second = make(function)[1], make(twin)[1]
    np.testing.assert_array_equal(first[0]["initializer"]([3]), second[0]["initializer"]([3]))


@pytest.mark.parametrize("function", [default_multivariate_normal_fn, scaled_kl_divergence_fn(0.25)])
def test_other_functions_survive_their_config(function):
    twin = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(function))
    assert getattr(twin, "weight", twin) == getattr(function, "weight", function)


@pytest.mark.parametrize(
    "name", [*(f.__name__ for f in FACTORIES), "default_multivariate_normal_fn", "scaled_kl_divergence_fn"]
)
def test_functions_are_registered_under_the_name_of_the_package(name):
    assert keras.saving.get_registered_object(f"keras_vae>{name}").__name__ == name


def test_the_scaled_divergence_is_its_weight_times_the_closed_form():
    q, p = tfd.Normal([2.0, -1.0], [0.5, 3.0]), tfd.Normal(0.0, 1.0)
    kl = np.array([(0.25 + 4 - 1) / 2 - np.log(0.5), (9 + 1 - 1) / 2 - np.log(3)])
    eps = np.finfo("float32").eps
    np.testing.assert_allclose(scaled_kl_divergence_fn(0.01)(q, p, None), 0.01 * kl, rtol=8 * eps)
    np.testing.assert_allclose(scaled_kl_divergence_fn()(q, p, None), kl, rtol=8 * eps)


def test_a_negative_weight_raises():
    with pytest.raises(ValueError, match="`weight` must be finite and not negative. Received: weight=-1"):
        scaled_kl_divergence_fn(-1)
