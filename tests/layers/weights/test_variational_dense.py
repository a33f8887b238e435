"""Dense layers of random kernels: moments of their outputs against closed forms, correlations, a point mass."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae.layers import (
    DenseFlipout,
    DenseLocalReparameterization,
    DenseReparameterization,
    default_mean_field_normal_fn,
)

CLASSES = [DenseReparameterization, DenseLocalReparameterization, DenseFlipout]
EPS = np.finfo("float32").eps
NUM_DRAWS = 4000
RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 4)).astype("float32")
LOC = RNG.normal(size=(4, 2)).astype("float32")
RAW_SCALE = RNG.normal(size=(4, 2)).astype("float32")
SCALE = EPS + np.logaddexp(0, RAW_SCALE.astype("float64"))
BIAS = np.array([0.5, -2.0], "float32")


def make(cls, **kwargs):
    layer = cls(2, seed=3, **kwargs)
    layer.build([None, 4])
    layer.set_weights([LOC, RAW_SCALE, BIAS])
    return layer


def draw(layer, x=X):
    """Return many outputs [NUM_DRAWS, *batch, units] as float64."""
    function = tf.function(lambda: tf.map_fn(lambda _: layer(x), tf.range(NUM_DRAWS), fn_output_signature=tf.float32))
    return np.asarray(function(), "float64")


@pytest.fixture(scope="module")
def draws():
    return {cls: draw(make(cls)) for cls in CLASSES}


def point_mass(value):
    return default_mean_field_normal_fn(untransformed_scale_initializer=keras.initializers.Constant(value))


@pytest.mark.parametrize("cls", CLASSES)
def test_the_outputs_have_the_mean_and_variance_of_a_random_kernel(draws, cls):
    """Within 4 standard errors: mean = x @ loc + bias, variance = x**2 @ scale**2."""
    y = draws[cls]
    variance = X**2 @ SCALE**2
    assert np.all(np.abs(y.mean(0) - (X @ LOC + BIAS)) < 4 * np.sqrt(variance / NUM_DRAWS))
    centred = (y - (X @ LOC + BIAS)) ** 2
    assert np.all(np.abs(centred.mean(0) - variance) < 4 * centred.std(0) / np.sqrt(NUM_DRAWS))


def test_examples_share_the_kernel_of_reparameterization(draws):
    """Their covariance is x_i x_j' weighted by scale**2, within 4 standard errors."""
    y = draws[DenseReparameterization] - (X @ LOC + BIAS)
    product = y[:, 0] * y[:, 1]
    covariance = (X[0] * X[1]) @ SCALE**2
    standard_error = product.std(0) / np.sqrt(NUM_DRAWS)
    assert np.all(np.abs(covariance) > 8 * standard_error)  # or this could not tell shared kernels from others
    assert np.all(np.abs(product.mean(0) - covariance) < 4 * standard_error)


@pytest.mark.parametrize("cls", [DenseLocalReparameterization, DenseFlipout])
def test_examples_are_uncorrelated_and_so_are_units(draws, cls):
    y = draws[cls] - (X @ LOC + BIAS)
    for product in (y[:, 0] * y[:, 1], y[:, 0] * y[:, 2], y[..., 0] * y[..., 1]):
        assert np.all(np.abs(product.mean(0)) < 4 * product.std(0) / np.sqrt(NUM_DRAWS))


def test_examples_of_flipout_share_the_size_of_their_perturbation():
    """For one input and one unit the perturbation is x * scale * noise * r * s: equal up to its sign."""
    layer = DenseFlipout(1, seed=3, bias_posterior_fn=None)
    x = np.ones([64, 1], "float32")
    perturbation = layer(x) - layer.kernel_posterior.mean()
    np.testing.assert_allclose(np.abs(perturbation), np.abs(perturbation[0, 0]), rtol=64 * EPS)
    assert 16 < np.sum(perturbation > 0) < 48  # 4 standard deviations of 64 fair signs


def test_each_input_and_each_unit_of_flipout_has_signs_of_its_own():
    """The size |a s_1 + b s_2| has two values, and two units do not always change sign together."""
    two_inputs = DenseFlipout(1, seed=3, bias_posterior_fn=None)
    perturbation = two_inputs(np.ones([64, 2])) - tf.reduce_sum(two_inputs.kernel_posterior.mean())
    assert len(np.unique(np.round(np.abs(perturbation), 5))) == 2
    two_units = DenseFlipout(2, seed=3, bias_posterior_fn=None)
    perturbation = two_units(np.ones([64, 1])) - two_units.kernel_posterior.mean()
    assert 16 < np.sum(np.prod(perturbation, axis=1) > 0) < 48


@pytest.mark.parametrize("cls", [DenseLocalReparameterization, DenseFlipout])
def test_positions_of_a_sequence_are_examples_of_their_own(cls):
    y = make(cls)(np.tile(X[:1], (2, 5, 1)))
    assert y.shape == [2, 5, 2]
    number = len(np.unique(np.round(np.reshape(y, (10, 2)), 5), axis=0))
    if cls is DenseFlipout:  # up to signs, see above: ten draws of 32 values
        assert number > 5  # as many as positions that shared their signs over the batch would have
    else:
        assert number == 10


@pytest.mark.parametrize("cls", CLASSES)
def test_a_graph_of_unknown_batch_and_length_draws_as_eager_execution(cls):
    x = RNG.normal(size=(2, 3, 4)).astype("float32")
    signature = [tf.TensorSpec([None, None, 4])]
    np.testing.assert_allclose(
        tf.function(make(cls), input_signature=signature)(x), make(cls)(x), rtol=64 * EPS, atol=64 * EPS
    )


@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 4), (0, 4)])
@pytest.mark.parametrize("cls", CLASSES)
def test_with_a_tiny_scale_it_is_the_dense_layer_of_keras(cls, shape):
    layer = cls(2, activation="tanh", kernel_posterior_fn=point_mass(-1e4))
    dense = keras.layers.Dense(2, activation="tanh")
    x = RNG.normal(size=shape).astype("float32")
    layer.build(shape)
    dense.build(shape)
    layer.weights[2].assign(BIAS)
    dense.set_weights([layer.weights[0], BIAS])
    np.testing.assert_allclose(layer(x), dense(x), rtol=0, atol=64 * EPS)


@pytest.mark.parametrize("cls", CLASSES)
def test_the_gradient_reaches_location_scale_and_inputs(cls):
    layer, x = make(cls), tf.constant(X)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(layer(x) ** 2)
    for gradient in tape.gradient(y, [x, *(w.value for w in layer.trainable_weights)]):
        assert np.all(np.isfinite(gradient))
        assert np.all(gradient != 0)


def test_the_gradient_of_local_reparameterization_is_finite_at_zero_inputs():
    """Where the standard deviation sqrt(x**2 @ scale**2) is zero."""
    layer = make(DenseLocalReparameterization)
    with tf.GradientTape() as tape:
        y = tf.reduce_sum(layer(tf.zeros([3, 4])))
    for gradient in tape.gradient(y, [w.value for w in layer.trainable_weights]):
        assert np.all(np.isfinite(gradient))


@pytest.mark.parametrize("cls", CLASSES)
def test_the_example_of_tfp_works(cls):
    model = keras.Sequential([cls(16, activation=tf.nn.relu), cls(10)])
    features, labels = X, np.array([0, 9, 3])
    with tf.GradientTape() as tape:
        logits = model(features)
        neg_log_likelihood = tf.reduce_sum(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
        kl = sum(model.losses)
        loss = neg_log_likelihood + kl
    gradients = tape.gradient(loss, model.trainable_variables)
    keras.optimizers.Adam().apply_gradients(zip(gradients, model.trainable_variables, strict=True))
    assert len(model.losses) == 2
    assert loss > kl > 0
    assert all(gradient is not None for gradient in gradients)


@pytest.mark.parametrize("cls", CLASSES)
def test_a_number_of_units_below_one_raises(cls):
    with pytest.raises(ValueError, match="`units` must be 1 or more. Received: units=0"):
        cls(0)


def test_inputs_of_another_or_unknown_size_raise():
    with pytest.raises(ValueError, match="expected axis -1 of input shape to have value 4"):
        make(DenseFlipout)(np.zeros([2, 3]))
    with pytest.raises(ValueError, match="The last axis of the inputs must be known"):
        DenseFlipout(2).build([None, None])
