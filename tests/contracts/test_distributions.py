"""Every layer that makes a distribution: its sizes, density, samples, precision and training."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae import layers, random
from keras_vae.layers import DistributionTensor
from tests.contracts import cases
from tests.contracts.cases import DISTRIBUTIONS, make, params_of, result_of

EPS = np.finfo("float32").eps
EPS64 = np.finfo("float64").eps
NAMES = cases.present(DISTRIBUTIONS)
every_layer = pytest.mark.parametrize("name", NAMES)


def x_of(name, dtype):
    return tf.cast(DISTRIBUTIONS[name].x, dtype)


def close(actual, expected, number_of_roundings=256, eps=EPS):
    """Numbers of up to a few hundred, each a sum of a few terms of their own size after at most so many roundings."""
    expected = np.asarray(expected)
    tolerance = number_of_roundings * eps
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance * max(1, np.abs(expected).max()))


# Shapes.


@every_layer
def test_params_size_is_the_number_of_inputs_of_one_distribution(name):
    case = DISTRIBUTIONS[name]
    if case.size_arguments is None:
        pytest.skip("it has no `params_size`: its function takes any number of inputs")
    assert getattr(layers, name).params_size(**case.size_arguments) == case.size
    assert getattr(layers, name).params_size(*case.size_arguments.values()) == case.size
    with pytest.raises(ValueError, match=r"Received: params\.shape="):
        make(name)(tf.zeros([3, case.size + 1]))


@pytest.mark.parametrize("batch_shape", [(1,), (3,), (2, 3)])
@every_layer
def test_every_axis_of_the_parameters_before_the_last_is_batch(name, batch_shape):
    case = DISTRIBUTIONS[name]
    y = make(name)(tf.zeros([*batch_shape, case.size]))
    assert isinstance(y, tfd.Distribution)
    assert isinstance(y, DistributionTensor)
    assert (y.batch_shape, y.event_shape) == (batch_shape, case.event_shape)
    assert y.shape == y.log_prob(y).shape + case.event_shape == (*batch_shape, *case.event_shape)


@every_layer
def test_arguments_may_be_given_by_position(name):
    arguments = DISTRIBUTIONS[name].arguments()
    y = getattr(layers, name)(*arguments.values())(params_of(name))
    np.testing.assert_array_equal(y.log_prob(x_of(name, y.dtype)), numbers_of(name)["log_prob"])


@every_layer
def test_new_makes_the_distribution_of_the_layer(name):
    if name == "DistributionLambda":
        pytest.skip("it has no `new`: its function makes the distribution")
    d = getattr(layers, name).new(params_of(name), **DISTRIBUTIONS[name].arguments())
    assert not isinstance(d, DistributionTensor)
    np.testing.assert_array_equal(d.log_prob(x_of(name, d.dtype)), numbers_of(name)["log_prob"])


# Density.


@every_layer
def test_log_prob_in_float64_is_that_of_the_distribution_made_by_hand(name):
    params = tf.cast(params_of(name), tf.float64)
    y = make(name, dtype="float64")(params)
    log_prob = y.log_prob(DISTRIBUTIONS[name].x)
    assert (y.dtype, log_prob.dtype) == (tf.float64, tf.float64)
    # special functions of float64 are good to about 1e-14, differences of them to 1e-12
    close(log_prob, DISTRIBUTIONS[name].oracle(params).log_prob(DISTRIBUTIONS[name].x), 2**13, EPS64)


@every_layer
def test_log_prob_in_float32_is_that_in_float64(name):
    params = tf.cast(params_of(name), tf.float64)
    expected = DISTRIBUTIONS[name].oracle(params).log_prob(DISTRIBUTIONS[name].x)
    assert numbers_of(name)["log_prob"].dtype == np.float32
    close(numbers_of(name)["log_prob"], expected)


@every_layer
def test_a_float64_layer_may_be_asked_for_with_the_dtype_of_tensorflow(name):
    y = make(name, dtype=tf.float64)(params_of(name))
    assert (y.dtype, tf.convert_to_tensor(y).dtype) == (tf.float64, tf.float64)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@every_layer
def test_densities_are_float32_under_mixed_precision(name, policy):
    layer = make(name, dtype=policy)
    low = tf.cast(params_of(name), layer.compute_dtype)
    y = layer(low)
    assert (y.dtype, y.log_prob(y).dtype) == (tf.float32, tf.float32)
    expected = make(name)(tf.cast(low, tf.float32)).log_prob(x_of(name, tf.float32))
    np.testing.assert_array_equal(y.log_prob(x_of(name, tf.float32)), expected)


@every_layer
def test_gradients_of_the_log_probability_are_finite(name):
    layer = make(name)
    with tf.GradientTape() as tape:
        params = tf.Variable(params_of(name))
        log_prob = layer(params).log_prob(x_of(name, tf.float32))
    gradient = tape.gradient(log_prob, params)
    assert np.all(np.isfinite(gradient))
    assert np.any(gradient != 0)


# Eager, graph, XLA.


def _numbers(name, layer, params):
    y = layer(params)
    return {"log_prob": y.log_prob(x_of(name, y.dtype)), "samples": random.sample(y, 2, seed=9)}


@functools.cache
def numbers_of(name):
    """Return density and samples, computed eagerly."""
    return {key: value.numpy() for key, value in _numbers(name, make(name), params_of(name)).items()}


def _compile(names, jit_compile):
    """Return the numbers of all layers from one function of a batch of unknown size."""
    made = {name: make(name) for name in names}
    signature = {name: tf.TensorSpec([None, DISTRIBUTIONS[name].size]) for name in names}
    graph = tf.function(
        lambda params: {name: _numbers(name, made[name], params[name]) for name in names},
        input_signature=[signature],
        autograph=False,
        jit_compile=jit_compile,
    )
    return graph({name: tf.constant(params_of(name)) for name in names})


@pytest.fixture(scope="module")
def graph():
    return cases.all_or_each(lambda names: _compile(names, jit_compile=False), NAMES)


@pytest.fixture(scope="module")
def xla():
    return cases.all_or_each(lambda names: _compile(names, jit_compile=True), NAMES)


@every_layer
def test_log_prob_in_a_graph_of_unknown_batch_is_that_of_eager_execution(name, graph):
    close(result_of(graph, name)["log_prob"], numbers_of(name)["log_prob"])


@every_layer
def test_log_prob_with_xla_is_that_of_eager_execution(name, xla):
    close(result_of(xla, name)["log_prob"], numbers_of(name)["log_prob"])


@every_layer
def test_samples_in_a_graph_of_unknown_batch_are_those_of_eager_execution(name, graph):
    close(result_of(graph, name)["samples"], numbers_of(name)["samples"])


@every_layer
def test_samples_with_xla_are_those_of_eager_execution(name, xla):
    samples = result_of(xla, name)["samples"]
    if DISTRIBUTIONS[name].same_under_xla:
        close(samples, numbers_of(name)["samples"])
    else:
        assert samples.shape == numbers_of(name)["samples"].shape
        assert np.all(np.isfinite(samples))


# Training.


def loss(x, y):
    return -y.log_prob(x)


def metric(x, y):
    return 2.0 * loss(x, y)


@every_layer
def test_fit_trains_the_parameters_and_metrics_see_the_distribution(name):
    case = DISTRIBUTIONS[name]
    model = keras.Sequential([keras.layers.Dense(case.size), make(name, seed=5)])
    expected = -np.mean(model(cases.X).log_prob(x_of(name, tf.float32)))
    before = model.layers[0].kernel.numpy()
    model.compile(keras.optimizers.SGD(1e-3), loss=loss, metrics=[metric], run_eagerly=True)
    logs = model.train_on_batch(cases.X, case.x.astype("float32"), return_dict=True)
    close([logs["loss"], logs["metric"]], [expected, 2.0 * expected])
    assert np.any(model.layers[0].kernel.numpy() != before)
    assert isinstance(model.predict(cases.X, verbose=0), np.ndarray)


class Branches(keras.Model):
    """A subclassed model of a layer of every class."""

    def __init__(self, names):
        super().__init__()
        self.denses = [keras.layers.Dense(DISTRIBUTIONS[name].size) for name in names]
        self.made = [make(name, seed=5) for name in names]
        self.names = names

    def call(self, x):
        branches = zip(self.names, self.denses, self.made, strict=True)
        return {name: layer(dense(x)) for name, dense, layer in branches}


def _functional(names):
    x = keras.Input((4,))
    outputs = {}
    for name in names:
        dense = keras.layers.Dense(DISTRIBUTIONS[name].size)
        outputs[name] = keras.Sequential([dense, make(name, seed=5)], name=name)(x)
    return keras.Model(x, outputs)


def _fit(model, names, **options):
    """Return the loss of every branch of a model, what it must be, and whether one step moves its kernel."""
    x = {name: DISTRIBUTIONS[name].x.astype("float32") for name in names}
    expected = {name: -np.mean(y.log_prob(x[name])) for name, y in model(cases.X).items()}
    kernels = [w for w in model.trainable_variables if w.name == "kernel"]
    before = [w.numpy() for w in kernels]
    model.compile(keras.optimizers.SGD(1e-3), loss=dict.fromkeys(names, loss), **options)
    logs = model.train_on_batch(cases.X, x, return_dict=True)
    losses = [logs[f"{name}_loss" if len(names) > 1 else "loss"] for name in names]
    moved = [np.any(w.numpy() != old) for w, old in zip(kernels, before, strict=True)]
    return {name: (losses[i], expected[name], moved[i]) for i, name in enumerate(names)}


FITS = {
    "functional": (_functional, {"jit_compile": False}),
    "subclassed": (Branches, {"run_eagerly": True}),
    "xla": (Branches, {"jit_compile": True}),
}


@pytest.fixture(scope="module", params=["functional", "subclassed", pytest.param("xla", marks=pytest.mark.slow)])
def fitted(request):
    make_model, options = FITS[request.param]
    return cases.all_or_each(lambda names: _fit(make_model(names), names, **options), NAMES)


@every_layer
def test_a_step_of_fit_in_a_model_of_all_layers_trains_each(name, fitted):
    loss, expected, moved = result_of(fitted, name)
    close([loss], [expected])
    assert moved
