"""The scale of normal entries: predicted, fixed or learned."""

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from keras_vae.layers import IndependentNormal

EPS = np.finfo("float32").eps
LOC = np.random.default_rng(0).normal(size=(5, 6)).astype("float32")
X = np.random.default_rng(1).normal(size=(5, 2, 3)).astype("float32")


@pytest.mark.parametrize(("scale", "weights"), [(None, []), (0.3, []), ("shared", [()]), ("per_dimension", [(2, 3)])])
def test_learned_scales_are_weights_of_the_layer(scale, weights):
    layer = IndependentNormal((2, 3), scale=scale)
    assert [tuple(weight.shape) for weight in layer.trainable_weights] == weights
    assert layer.params_size((2, 3), scale=scale) == (12 if scale is None else 6)


@pytest.mark.parametrize(("scale", "value"), [(0.3, 0.3), (2, 2.0), ("shared", 1.0), ("per_dimension", 1.0)])
def test_log_prob_is_that_of_scipy_with_the_fixed_or_initial_scale(scale, value):
    y = IndependentNormal((2, 3), scale=scale)(LOC)
    np.testing.assert_allclose(y.stddev(), np.full([5, 2, 3], value), rtol=4 * EPS)
    expected = scipy.stats.norm.logpdf(X, LOC.reshape(5, 2, 3), value).sum((1, 2))
    # rounding of x - loc and of the scale, squared and divided by scale**2
    atol = 16 * EPS * (((np.abs(X) + np.abs(LOC.reshape(X.shape))) / value) ** 2).sum((1, 2)).max()
    np.testing.assert_allclose(y.log_prob(X), expected, rtol=16 * EPS, atol=atol)


def test_a_scale_per_dimension_belongs_to_its_entry():
    layer = IndependentNormal((2, 3), scale="per_dimension")
    raw = np.arange(6, dtype="float32").reshape(2, 3)
    layer.set_weights([raw])
    np.testing.assert_allclose(layer(LOC).stddev(), np.tile(np.logaddexp(0, raw), [5, 1, 1]), rtol=4 * EPS)


@pytest.mark.parametrize("scale", ["shared", "per_dimension"])
def test_a_learned_scale_is_never_zero(scale):
    layer = IndependentNormal((2, 3), scale=scale)
    layer.raw_scale.assign(tf.fill(layer.raw_scale.shape, -1e4))
    np.testing.assert_array_equal(layer(LOC).stddev(), np.full([5, 2, 3], EPS))
    assert np.all(np.isfinite(layer(LOC).log_prob(X)))


@pytest.mark.parametrize("scale", ["shared", "per_dimension"])
def test_a_gradient_step_on_a_learned_scale_raises_the_log_probability(scale):
    layer, optimizer = IndependentNormal((2, 3), scale=scale), keras.optimizers.SGD(1e-3)
    with tf.GradientTape() as tape:
        loss = -tf.reduce_mean(layer(LOC).log_prob(10 * X))
    optimizer.apply(tape.gradient(loss, layer.trainable_weights), layer.trainable_weights)
    assert -tf.reduce_mean(layer(LOC).log_prob(10 * X)) < loss


def test_the_gradient_of_a_shared_scale_is_zero_at_the_maximum_likelihood_scale():
    """The root of the mean square (Dai & Wipf 2019)."""
    layer, residual = IndependentNormal((2, 3), scale="shared"), 3 * X
    scale = np.sqrt(np.mean(residual.astype("float64") ** 2))
    layer.raw_scale.assign(np.log(np.expm1(scale)))
    with tf.GradientTape() as tape:
        log_prob = tf.reduce_sum(layer(tf.zeros([5, 6])).log_prob(residual))
    # d log_prob / d scale = (mean square / scale**2 - 1) * 30 / scale, a difference of ones
    assert abs(tape.gradient(log_prob, layer.raw_scale.value)) < 16 * EPS * 30 / scale


@pytest.mark.parametrize("scale", [0.3, "shared", "per_dimension"])
def test_models_with_a_scale_save_and_load_in_safe_mode(scale, tmp_path):
    layer = IndependentNormal((2, 3), "mean", scale=scale)
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(6), layer])
    layer.set_weights([np.full(weight.shape, 0.7, "float32") for weight in layer.weights])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    assert loaded.layers[-1].scale == scale
    np.testing.assert_array_equal(loaded(LOC).log_prob(X), model(LOC).log_prob(X))
    np.testing.assert_array_equal(loaded(LOC).stddev(), model(LOC).stddev())


@pytest.mark.parametrize("scale", [None, 0.3, "shared", "per_dimension"])
def test_the_scale_is_in_the_config(scale):
    layer = IndependentNormal((2, 3), scale=scale)
    assert layer.get_config()["scale"] == scale
    assert keras.layers.deserialize(keras.layers.serialize(layer)).get_config() == layer.get_config()


def test_a_learned_scale_is_not_rounded_by_mixed_precision():
    layer = IndependentNormal((2, 3), scale="shared", dtype="mixed_bfloat16")
    layer.raw_scale.assign(0.7001)
    for y in (layer(LOC), keras.Sequential([layer], name="model")(LOC)):
        assert y.dtype == tf.float32
        np.testing.assert_allclose(y.stddev(), np.full([5, 2, 3], np.logaddexp(0, 0.7001)), rtol=4 * EPS)


def test_a_learned_scale_has_the_dtype_of_the_layer():
    layer = IndependentNormal((2, 3), scale="shared", dtype="float64")
    assert layer.raw_scale.dtype == "float64"
    assert layer(LOC).dtype == tf.float64
    np.testing.assert_allclose(layer(LOC).stddev(), np.ones([5, 2, 3]), rtol=EPS)  # Keras' Constant is a float32


@pytest.mark.parametrize("scale", [0.3, tf.constant(0.3), np.full([2, 3], 0.3)], ids=["number", "tensor", "array"])
def test_new_takes_a_scale_that_broadcasts_with_the_event(scale):
    y = IndependentNormal.new(LOC, (2, 3), scale=scale)
    np.testing.assert_array_equal(y.mean(), LOC.reshape(5, 2, 3))
    np.testing.assert_allclose(y.stddev(), np.full([5, 2, 3], 0.3), rtol=EPS)


@pytest.mark.parametrize("scale", ["learned", ""])
def test_a_scale_of_no_meaning_raises(scale):
    with pytest.raises(ValueError, match='`scale` must be None, a positive number, "shared" or .* Received: scale='):
        IndependentNormal((2, 3), scale=scale)


def test_params_of_a_predicted_scale_raise_where_the_scale_is_given():
    with pytest.raises(ValueError, match="The layer needs 6 parameters per example"):
        IndependentNormal((2, 3), scale="shared")(tf.zeros([5, 12]))
