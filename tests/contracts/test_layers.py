"""Every other layer, and what is given to layers: shapes, precision, and the same numbers however they are run."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tests.contracts import cases
from tests.contracts.cases import LAYERS, inputs_of, model_of, result_of

EPS = np.finfo("float32").eps
NAMES = cases.present([*LAYERS, *cases.PARTS])
every_layer = pytest.mark.parametrize("name", cases.present(LAYERS))
every_model = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(autouse=True)
def _mixed_precision_ends_with_its_test():
    before = keras.config.dtype_policy()
    yield
    keras.config.set_dtype_policy(before)


def close(actual, expected):
    """Outputs of about 1, sums of at most a few dozen products."""
    expected = np.asarray(expected)
    np.testing.assert_allclose(actual, expected, rtol=256 * EPS, atol=256 * EPS * np.abs(expected).max(initial=1))


@pytest.mark.parametrize("batch_size", [1, 3])
@every_layer
def test_the_output_has_the_shape_of_the_documentation(name, batch_size):
    model, x = model_of(name), inputs_of(name, batch_size)
    model.compile(run_eagerly=True)
    leading = 3 if name == "VariableLayer" else batch_size
    assert model(x).shape == (leading, *LAYERS[name].output_shape)
    assert model.output_shape[1:] == LAYERS[name].output_shape
    assert model.predict(x, verbose=0).shape == (leading, *LAYERS[name].output_shape)


@pytest.mark.parametrize("policy", ["float64", "mixed_float16", "mixed_bfloat16"])
@every_model
def test_the_dtype_of_the_output_is_that_of_the_policy_and_of_distributions_float32_or_more(name, policy):
    keras.config.set_dtype_policy(policy)
    y = model_of(name)(tf.cast(inputs_of(name), keras.config.dtype_policy().compute_dtype))
    of_densities = isinstance(y, tfd.Distribution) or name in ("AutoregressiveNetwork", "VariableLayer")
    policy = keras.config.dtype_policy()
    assert tf.convert_to_tensor(y).dtype == (policy.variable_dtype if of_densities else policy.compute_dtype)


class Subclassed(keras.Model):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def call(self, x):
        return self.model(x)


WRAPPERS = {"functional": lambda m: m, "sequential": lambda m: keras.Sequential([m]), "subclassed": Subclassed}


@pytest.mark.parametrize("kind", WRAPPERS)
@every_model
def test_a_step_of_fit_trains_every_weight(name, kind):
    model, x = WRAPPERS[kind](model_of(name)), inputs_of(name)
    y = model(x)
    before = [w.numpy() for w in model.trainable_variables]

    def loss(x, y):
        return -y.log_prob(x) if isinstance(y, tfd.Distribution) else tf.square(x - y)

    model.compile(keras.optimizers.SGD(0.01), loss=loss, run_eagerly=True)
    target = np.random.default_rng(3).normal(size=y.shape).astype("float32")
    assert np.isfinite(model.train_on_batch(x, target))
    moved = [np.any(w.numpy() != old) for w, old in zip(model.trainable_variables, before, strict=True)]
    assert moved
    assert all(moved)


# Eager, graph, XLA: two models of the same weights and seeds.


def _model(name):
    keras.utils.set_random_seed(0)
    return model_of(name, name in LAYERS)


@functools.cache
def _eager_numbers(name):
    """Return the weights of a model and what it computes eagerly, at its first call."""
    model = _model(name)
    return model.get_weights(), _numbers(model, inputs_of(name))


def _numbers(model, x):
    return {"value": tf.identity(model(x)), "losses": [tf.identity(loss) for loss in model.losses]}


def _compile(names, jit_compile):
    """Return for each name `jit_compile`, what one function of all models computes, and what eager execution does."""
    models, xs = {name: _model(name) for name in names}, {name: inputs_of(name) for name in names}
    for name, model in models.items():
        model.set_weights(_eager_numbers(name)[0])
    graph = tf.function(
        lambda xs: {name: _numbers(models[name], x) for name, x in xs.items()},
        input_signature=[{name: tf.TensorSpec([None, *x.shape[1:]]) for name, x in xs.items()}],
        autograph=False,
        jit_compile=jit_compile,
    )
    actual = graph({name: tf.constant(x) for name, x in xs.items()})
    return {name: (jit_compile, actual[name], _eager_numbers(name)[1]) for name in names}


@pytest.fixture(scope="module", params=[False, True], ids=["graph", "xla"])
def compiled(request):
    return cases.all_or_each(lambda names: _compile(names, request.param), NAMES)


@every_model
def test_output_and_losses_are_the_same_in_a_graph_of_unknown_batch_and_with_xla(name, compiled):
    under_xla, actual, expected = result_of(compiled, name)
    if not under_xla or getattr(cases.CASES[name], "same_under_xla", True):
        close(actual["value"], expected["value"])
    assert actual["value"].shape == expected["value"].shape
    assert np.all(np.isfinite(actual["value"]))
    close(actual["losses"], expected["losses"])
