"""Convolutions of random kernels: against those of Keras, moments and signs, arguments of TFP, errors."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import layers
from keras_vae.layers import default_mean_field_normal_fn

EPS = np.finfo("float32").eps
RNG = np.random.default_rng(0)
ESTIMATORS = ["Reparameterization", "Flipout"]
SPACES = {1: (7,), 2: (6, 5), 3: (5, 4, 4)}
TINY = default_mean_field_normal_fn(untransformed_scale_initializer=keras.initializers.Constant(-1e4))
CASES = [
    {"padding": "valid"},
    {"padding": "SAME"},
    {"padding": "same", "strides": 2},
    {"padding": "valid", "dilation_rate": 2},
]


def make(rank, estimator, *args, **kwargs):
    return getattr(layers, f"Convolution{rank}D{estimator}")(*args, **kwargs)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize(
    ("rank", "case"), [*((rank, case) for rank in SPACES for case in CASES), (1, {"padding": "causal", "strides": 2})]
)
def test_with_a_tiny_scale_it_is_the_convolution_of_keras(rank, estimator, case):
    layer = make(rank, estimator, 3, 2, activation="tanh", kernel_posterior_fn=TINY, seed=1, **case)
    theirs = getattr(keras.layers, f"Conv{rank}D")(3, 2, activation="tanh", **case)
    x = RNG.normal(size=(2, *SPACES[rank], 2)).astype("float32")
    layer.build(x.shape)
    theirs.build(x.shape)
    bias = np.array([0.5, -1.0, 2.0], "float32")
    layer.weights[2].assign(bias)
    theirs.set_weights([layer.weights[0], bias])
    np.testing.assert_allclose(layer(x), theirs(x), rtol=0, atol=64 * EPS)
    assert layer.compute_output_shape((None, *x.shape[1:])) == theirs.compute_output_shape((None, *x.shape[1:]))


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_channels_first_is_channels_last_transposed(estimator):
    """Where the device has such convolutions."""
    x = RNG.normal(size=(2, 7, 2)).astype("float32")
    kwargs = {"kernel_posterior_fn": TINY, "seed": 1}
    last, first = make(1, estimator, 3, 2, **kwargs), make(1, estimator, 3, 2, data_format="channels_first", **kwargs)
    last.build(x.shape)
    first.build((2, 2, 7))
    assert first.compute_output_shape((None, 2, 7)) == (None, 3, 6)
    weights = [*last.get_weights()[:2], np.array([0.5, -1.0, 2.0])]
    last.set_weights(weights)
    first.set_weights(weights)
    try:
        outputs = first(x.transpose(0, 2, 1))
    except (tf.errors.UnimplementedError, tf.errors.InvalidArgumentError) as error:
        pytest.skip(f"no channels_first convolution here: {str(error)[:80]}")
    np.testing.assert_allclose(outputs, np.transpose(last(x), [0, 2, 1]), rtol=0, atol=64 * EPS)


@pytest.fixture(scope="module", params=ESTIMATORS)
def draws(request):
    """Return estimator, layer, inputs [2, 4, 4, 2] and outputs [2000, 2, 3, 3, 2] of a convolution over two axes."""
    layer = make(2, request.param, 2, 2, bias_posterior_fn=None, seed=3)
    x = np.random.default_rng(1).normal(size=(2, 4, 4, 2)).astype("float32")
    layer(x)
    graph = tf.function(lambda: tf.map_fn(lambda _: layer(x), tf.range(2000), fn_output_signature=tf.float32))
    return request.param, layer, x, np.asarray(graph(), "float64")


def test_the_outputs_have_the_mean_and_variance_of_a_random_kernel(draws):
    """Within 4 standard errors: the variance is conv(x**2, scale**2)."""
    _, layer, x, y = draws
    loc, scale = layer.kernel_posterior.mean(), layer.kernel_posterior.stddev()
    mean, variance = (tf.nn.conv2d(*xs, 1, "VALID").numpy() for xs in [(x, loc), (x**2, scale**2)])
    assert np.all(np.abs(y.mean(0) - mean) < 4 * np.sqrt(variance / len(y)))
    square = (y - mean) ** 2
    assert np.all(np.abs(square.mean(0) - variance) < 4 * square.std(0) / np.sqrt(len(y)))


def test_examples_are_correlated_by_reparameterization_alone(draws):
    estimator, layer, x, y = draws
    scale = layer.kernel_posterior.stddev()
    y = y - tf.nn.conv2d(x, layer.kernel_posterior.mean(), 1, "VALID").numpy()
    product = y[:, 0] * y[:, 1]
    covariance = tf.nn.conv2d(x[:1] * x[1:], scale**2, 1, "VALID")[0] if estimator == "Reparameterization" else 0
    standard_error = product.std(0) / np.sqrt(len(y))
    assert np.all(np.abs(product.mean(0) - covariance) < 4 * standard_error)
    if estimator == "Reparameterization":
        assert np.abs(covariance / standard_error).max() > 8  # or this could not tell shared kernels from others


def test_positions_of_one_example_share_its_perturbed_kernel():
    """One input and one output channel: at equal inputs the perturbation is the same at every position."""
    layer = make(2, "Flipout", 1, 2, seed=3)
    y = np.asarray(layer(np.ones([16, 4, 4, 1], "float32")))
    flat = y.reshape(16, -1)
    np.testing.assert_allclose(flat, np.tile(flat[:, :1], (1, 9)), rtol=0, atol=64 * EPS)
    assert len(np.unique(np.round(flat[:, 0], 4))) == 2


def test_each_channel_of_flipout_has_signs_of_its_own():
    """With a window of 1: |a s_1 + b s_2| has two values, and two filters do not always change sign together."""
    two_channels = make(1, "Flipout", 1, 1, bias_posterior_fn=None, seed=3)
    perturbation = two_channels(np.ones([64, 2, 2])) - tf.reduce_sum(two_channels.kernel_posterior.mean())
    assert len(np.unique(np.round(np.abs(perturbation), 5))) == 2
    two_filters = make(1, "Flipout", 2, 1, bias_posterior_fn=None, seed=3)
    perturbation = two_filters(np.ones([64, 1, 1])) - two_filters.kernel_posterior.mean()
    assert 16 < np.sum(np.prod(perturbation, axis=-1) > 0) < 48


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("rank", SPACES)
def test_the_example_of_tfp_works(rank, estimator):
    size = {1: [16, 1], 2: [4, 4, 1], 3: [4, 2, 2, 1]}[rank]
    model = keras.Sequential(
        [
            keras.layers.Reshape(size),
            make(rank, estimator, 4, kernel_size=3, padding="SAME", activation=tf.nn.relu),
            keras.layers.Flatten(),
            getattr(layers, f"Dense{estimator}")(10),
        ]
    )
    features, labels = RNG.normal(size=(3, 16)).astype("float32"), np.array([0, 9, 3])
    with tf.GradientTape() as tape:
        logits = model(features)
        neg_log_likelihood = tf.reduce_sum(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
        kl = sum(model.losses)
        loss = neg_log_likelihood + kl
    assert len(model.losses) == 2
    assert loss > kl > 0
    assert all(gradient is not None for gradient in tape.gradient(loss, model.trainable_variables))


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_graph_of_unknown_batch_and_length_draws_as_eager_execution(estimator):
    x = RNG.normal(size=(2, 7, 2)).astype("float32")
    outputs = []
    for wrap in (lambda f: f, lambda f: tf.function(f, input_signature=[tf.TensorSpec([None, None, 2])])):
        keras.utils.set_random_seed(1)
        layer = make(1, estimator, 3, 2, seed=3)
        layer.build(x.shape)
        outputs.append(wrap(layer)(x))
    np.testing.assert_allclose(outputs[1], outputs[0], rtol=64 * EPS, atol=64 * EPS)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"filters": 0}, "`filters` must be 1 or more. Received: filters=0"),
        (
            {"kernel_size": 0},
            r"`kernel_size` must be whole numbers, each 1 or more. Received: kernel_size=0",
        ),
        ({"kernel_size": [1, 2, 3]}, r"`kernel_size` must be .* Received: kernel_size=\[1, 2, 3\]"),
        ({"kernel_size": 1.5}, "`kernel_size` must be"),
        ({"strides": "2"}, "`strides` must be"),
        ({"dilation_rate": -1}, "`dilation_rate` must be"),
        ({"strides": 2, "dilation_rate": 2}, r"cannot both be above 1. Received: strides=\(2, 2\)"),
        ({"padding": "causal"}, r"`padding` must be one of \['valid', 'same'\]. Received: padding='causal'"),
        ({"data_format": "last"}, "`data_format` must be one of .* Received: data_format='last'"),
    ],
)
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_other_arguments_raise(estimator, kwargs, message):
    with pytest.raises(ValueError, match=message):
        make(2, estimator, **{"filters": 2, "kernel_size": 2, **kwargs})


def test_inputs_of_another_rank_or_unknown_channels_raise():
    with pytest.raises(ValueError, match="expected ndim=4, found ndim=3"):
        make(2, "Flipout", 2, 2)(np.zeros([2, 3, 3]))
    with pytest.raises(ValueError, match=r"number of channels must be known. Received: \(None, 4, None\)"):
        make(1, "Flipout", 2, 2).build([None, 4, None])
