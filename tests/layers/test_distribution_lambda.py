"""The base of the distribution layers, and what every layer made of it does in a Keras model."""

import inspect
import json

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae import layers, random
from keras_vae.layers import DistributionLambda, DistributionTensor
from keras_vae.losses import NegativeLogLikelihood

EPS = np.finfo("float32").eps
RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 4)).astype("float32")


@keras.saving.register_keras_serializable(package="keras_vae_tests")
def normal(params):
    """Return Normal [..., D] of params [..., 2 D]: locations, then logarithms of scales."""
    loc, log_scale = tf.split(params, 2, axis=-1)
    return tfd.Independent(tfd.Normal(loc, tf.exp(log_scale)), 1)


@keras.saving.register_keras_serializable(package="keras_vae_tests")
def twice_the_mean(distribution):
    return 2 * distribution.mean()


# One layer of each class with a non-default value for every argument, the size of its input, and data it can score.
LAYERS = {
    "DistributionLambda": (lambda **kw: DistributionLambda(normal, **kw), 4, [[0.5, -1.0]]),
    "MultivariateNormalDiag": (
        lambda **kw: layers.MultivariateNormalDiag(2, validate_args=True, **kw),
        4,
        [[0.5, -1.0]],
    ),
    "MultivariateNormalTriL": (
        lambda **kw: layers.MultivariateNormalTriL(2, validate_args=True, **kw),
        5,
        [[0.5, -1.0]],
    ),
    "OneHotCategorical": (
        lambda **kw: layers.OneHotCategorical(3, sample_dtype="int32", validate_args=True, **kw),
        3,
        [[0, 1, 0]],
    ),
    "RelaxedOneHotCategorical": (
        lambda **kw: layers.RelaxedOneHotCategorical(2, 0.5, validate_args=True, **kw),
        2,
        [[0.25, 0.75]],
    ),
    "MixtureSameFamily": (
        lambda **kw: layers.MixtureSameFamily(
            2, layers.MultivariateNormalTriL(2, name="component"), validate_args=True, **kw
        ),
        12,
        [[0.5, -1.0]],
    ),
    "MixtureNormal": (
        lambda **kw: layers.MixtureNormal(2, (2,), validate_args=True, **kw),
        10,
        [[0.5, -1.0]],
    ),
    "MixtureLogistic": (
        lambda **kw: layers.MixtureLogistic(2, (2,), validate_args=True, **kw),
        10,
        [[0.5, -1.0]],
    ),
    "CategoricalMixtureOfOneHotCategorical": (
        lambda **kw: layers.CategoricalMixtureOfOneHotCategorical(3, 2, sample_dtype="int32", validate_args=True, **kw),
        8,
        [[0, 1, 0]],
    ),
    "QuantizedLogistic": (
        lambda **kw: layers.QuantizedLogistic((2, 2), 4, validate_args=True, **kw),
        8,
        [[[0, 3], [1, 2]]],
    ),
    "MixtureQuantizedLogistic": (
        lambda **kw: layers.MixtureQuantizedLogistic((2,), 2, 4, validate_args=True, **kw),
        12,
        [[0, 3]],
    ),
    "IndependentBernoulli": (
        lambda **kw: layers.IndependentBernoulli((2, 2), sample_dtype="int32", validate_args=True, **kw),
        4,
        [[[0, 1], [1, 1]]],
    ),
    "IndependentSoftBernoulli": (
        lambda **kw: layers.IndependentSoftBernoulli((2, 2), sample_dtype="float64", validate_args=True, **kw),
        4,
        [[[0.0, 1.0], [1.0, 1.0]]],
    ),
    "IndependentCategorical": (
        lambda **kw: layers.IndependentCategorical((2,), 3, sample_dtype="int32", validate_args=True, **kw),
        6,
        [[0, 2]],
    ),
}


def make(name, /, **kwargs):
    return LAYERS[name][0](**{"convert_to_tensor_fn": "mean", "seed": 5, **kwargs})


def params_of(name):
    return np.random.default_rng(1).normal(size=(3, LAYERS[name][1])).astype("float32")


@pytest.fixture(params=["mixed_bfloat16", "mixed_float16"])
def mixed_precision(request):
    """Set the global policy, and set it back after the test."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_dtype_policy(before)


# In models.


def _sequential(layer):
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(4, name="dense"), layer])


def _functional(layer):
    x = keras.Input((4,))
    return keras.Model(x, layer(keras.layers.Dense(4, name="dense")(x)))


def _nested(layer):
    x = keras.Input((4,))
    return keras.Model(x, keras.Sequential([_sequential(layer)])(x))


class Subclassed(keras.Model):
    def __init__(self, layer):
        super().__init__()
        self.dense, self.layer = keras.layers.Dense(4, name="dense"), layer

    def call(self, x):
        return self.layer(self.dense(x))


def _subclassed(layer):
    model = Subclassed(layer)
    model(X)
    return model


MODELS = {"sequential": _sequential, "functional": _functional, "nested": _nested, "subclassed": _subclassed}


def weights_of(model):
    """Return kernel and bias of the only dense layer."""
    kernel, bias = (w.numpy() for w in model.trainable_variables)
    return kernel, bias


@pytest.mark.parametrize("kind", MODELS)
def test_models_of_every_kind_return_the_distribution_of_their_last_parameters(kind):
    model = MODELS[kind](DistributionLambda(normal, "mean"))
    y = model(X)
    kernel, bias = weights_of(model)
    params = X @ kernel + bias
    assert isinstance(y, tfd.Distribution)
    assert isinstance(y, DistributionTensor)
    assert (y.batch_shape, y.event_shape) == ([6], [2])
    expected = scipy.stats.norm.logpdf(0.5, params[:, :2], np.exp(params[:, 2:])).sum(-1)
    # the condition of (x - loc)**2 / scale**2 is about 2 (|log_prob| + |params|); 16 roundings on the way
    np.testing.assert_allclose(y.log_prob([0.5, 0.5]), expected, rtol=64 * EPS, atol=64 * EPS)
    np.testing.assert_allclose(y, params[:, :2], rtol=16 * EPS, atol=16 * EPS)


@pytest.mark.parametrize("kind", MODELS)
def test_predict_returns_the_concretisation_as_an_array(kind):
    model = MODELS[kind](DistributionLambda(normal, "mean"))
    prediction = model.predict(X, batch_size=4, verbose=0)
    assert isinstance(prediction, np.ndarray)
    np.testing.assert_allclose(prediction, model(X).mean(), rtol=16 * EPS, atol=16 * EPS)


@pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "xla"])
@pytest.mark.parametrize("kind", MODELS)
def test_fit_takes_the_gradient_step_of_minus_the_log_probability(kind, jit_compile):
    """With d(-log p)/d(loc) = (loc - x) / scale**2 and d(-log p)/d(log_scale) = 1 - (x - loc)**2 / scale**2."""
    model = MODELS[kind](DistributionLambda(normal))
    kernel, bias = weights_of(model)
    loc, log_scale = np.split(X @ kernel + bias, 2, axis=-1)
    target = X[:, :2]
    residual = (target - loc) / np.exp(log_scale)
    gradient = np.concatenate([-residual / np.exp(log_scale), 1 - residual**2], -1) / len(X)
    losses = -scipy.stats.norm.logpdf(target, loc, np.exp(log_scale)).sum(-1)

    model.compile(keras.optimizers.SGD(0.5), loss=lambda x, y: -y.log_prob(x), jit_compile=jit_compile)
    history = model.fit(X, target, batch_size=6, verbose=0).history

    np.testing.assert_allclose(history["loss"], [losses.mean()], rtol=64 * EPS)
    new_kernel, new_bias = weights_of(model)
    atol = 64 * EPS * np.abs(gradient).max() * len(X)
    np.testing.assert_allclose(new_kernel, kernel - 0.5 * X.T @ gradient, rtol=16 * EPS, atol=atol)
    np.testing.assert_allclose(new_bias, bias - 0.5 * gradient.sum(0), rtol=16 * EPS, atol=atol)


@pytest.mark.parametrize("run_eagerly", [False, True], ids=["graph", "eager"])
def test_fit_trains_the_layers_before_a_sample(run_eagerly):
    """The gradient flows through loc + scale * noise: a loss on samples moves every parameter, eagerly too."""
    model = keras.Sequential([_sequential(layers.MultivariateNormalDiag(2, seed=1)), keras.layers.Dense(1)])
    before = [w.numpy() for w in model.trainable_variables]
    model.compile("sgd", loss="mse", run_eagerly=run_eagerly)
    model.fit(X, X[:, :1], batch_size=6, verbose=0)
    for w, old in zip(model.trainable_variables, before, strict=True):
        assert np.all(w.numpy() != old), w.path


def test_layers_after_it_see_its_value_and_the_model_returns_the_distribution():
    x = keras.Input((4,))
    q_z = DistributionLambda(normal, "mean")(x)
    model = keras.Model(x, [q_z, keras.layers.Rescaling(2.0)(q_z)])
    y, doubled = model(X)
    assert isinstance(y, DistributionTensor)
    np.testing.assert_array_equal(doubled, 2 * X[:, :2])


def test_one_sample_feeds_every_layer_of_a_functional_model():
    x = keras.Input((4,))
    q_z = DistributionLambda(normal, "sample")(x)
    model = keras.Model(x, [q_z, keras.layers.Identity()(q_z), keras.layers.Rescaling(2.0)(q_z)])
    for outputs in (model(X), model.predict(X, verbose=0), tf.function(model, jit_compile=True)(X)):
        first, second, doubled = (np.asarray(y) for y in outputs)
        np.testing.assert_array_equal(first, second)
        np.testing.assert_array_equal(2 * first, doubled)


@pytest.mark.parametrize("rows", [None, 3])
def test_the_symbolic_output_has_the_shape_and_dtype_of_the_value(rows):
    for convert, shape, dtype in [("mean", (rows, 2), "float32"), (lambda d: tf.shape(d.mean()), (2,), "int32")]:
        output = DistributionLambda(normal, convert)(keras.KerasTensor((rows, 4)))
        assert isinstance(output, keras.KerasTensor)
        assert (output.shape, output.dtype) == (shape, dtype)


def test_the_input_may_be_several_tensors():
    loc, scale = keras.Input((2,)), keras.Input((2,))
    layer = DistributionLambda(lambda t: tfd.Independent(tfd.Normal(t[0], t[1]), 1), "mean")
    model = keras.Model([loc, scale], layer([loc, scale]))
    y = model([X[:, :2], np.exp(X[:, 2:])])
    np.testing.assert_allclose(y.stddev(), np.exp(X[:, 2:]), rtol=4 * EPS)


@pytest.mark.parametrize("convert", ["sample", lambda d: d.sample(5)], ids=["sample", "five samples"])
@pytest.mark.parametrize(
    ("make_distribution", "size", "target"),
    [
        (lambda t: tfd.Independent(tfd.Normal(t, 1.0), 1), 1, X[:, :1]),  # event [1]
        (lambda t: tfd.Normal(t[..., 0], 1.0), 1, X[:, 0]),  # Keras makes targets [6, 1] of [6]
        (lambda t: tfd.Independent(tfd.Bernoulli(t, dtype=tf.int32), 1), 2, (X[:, :2] > 0).astype("int32")),
    ],
    ids=["event of one", "scalar event", "integers"],
)
def test_losses_and_metrics_see_the_distribution_whatever_keras_makes_of_its_value(
    make_distribution, size, target, convert
):
    seen = set()

    def observed_by(name):
        def function(x, y):
            seen.add((name, isinstance(y, DistributionTensor), y.log_prob(x).dtype))
            return -y.log_prob(x)

        return function

    model = keras.Sequential([keras.layers.Dense(size), DistributionLambda(make_distribution, convert)])
    model.compile("sgd", loss=observed_by("loss"), metrics=[observed_by("metric")], run_eagerly=True)
    model.train_on_batch(X, target)
    assert seen == {("loss", True, tf.float32), ("metric", True, tf.float32)}


def test_a_float64_layer_is_trained_by_a_loss_of_keras_own_precision():
    model = keras.Sequential([keras.layers.Dense(4, dtype="float64"), DistributionLambda(normal, dtype="float64")])
    x, target = X.astype("float64"), X[:, :2].astype("float64")
    expected = -np.mean(model(x).log_prob(target))
    before = model.layers[0].kernel.numpy()
    model.compile("sgd", loss=lambda x, y: -y.log_prob(x), run_eagerly=True)
    np.testing.assert_allclose(model.train_on_batch(x, target), expected, rtol=64 * EPS)
    assert np.all(model.layers[0].kernel.numpy() != before)


# Call arguments.


def scaled_normal(loc, scale=1.0, training=None):
    return tfd.Independent(tfd.Normal(loc, 2.0 * scale if training else scale * tf.ones([])), 1)


def test_call_arguments_after_the_first_go_to_the_function():
    layer, scale = DistributionLambda(scaled_normal, "stddev"), tf.constant([3.0, 4.0, 5.0, 6.0])
    for y in (layer(X, scale), layer(X, scale=scale)):
        np.testing.assert_array_equal(y.stddev(), np.broadcast_to(scale, X.shape))
    np.testing.assert_array_equal(layer(X, scale=2.0), np.full_like(X, 2))


def test_call_arguments_after_the_first_may_be_symbolic():
    loc, scale = keras.Input((4,)), keras.Input((4,))
    output = DistributionLambda(scaled_normal, "stddev")(loc, scale=scale)
    assert output.shape == (None, 4)
    np.testing.assert_array_equal(keras.Model([loc, scale], output)([X, X**2]), X**2)


@pytest.mark.parametrize("training", [False, True])
def test_a_function_that_names_training_gets_it(training):
    model = keras.Sequential([keras.Input((4,)), DistributionLambda(scaled_normal, "stddev")])
    np.testing.assert_array_equal(model(X, training=training), np.full_like(X, 2 if training else 1))


def test_integers_are_passed_on_as_they_are():
    table = tf.constant([1.0, 2.0, 3.0])
    y = DistributionLambda(lambda index: tfd.Normal(tf.gather(table, index), 1.0), "mean")(np.array([2, 0]))
    np.testing.assert_array_equal(y, [3, 1])


def test_a_function_may_return_the_output_of_another_layer():
    inner = layers.MultivariateNormalDiag(2)
    y = DistributionLambda(lambda t: inner(t), "mean")(X)
    assert isinstance(y.tensor_distribution, tfd.MultivariateNormalDiag)


def test_a_function_that_returns_no_distribution_raises():
    with pytest.raises(TypeError, match="Expected a TFP distribution"):
        DistributionLambda(lambda t: 2 * t)(X)


def test_the_shape_of_the_value_is_computed_for_any_batch():
    layer = DistributionLambda(normal, lambda d: d.sample(5))
    assert layer.compute_output_shape((None, 4)) == (5, None, 2)
    assert keras.layers.TimeDistributed(DistributionLambda(normal))(keras.Input((3, 4))).shape == (None, 3, 2)


# Precision.


@pytest.mark.parametrize("name", LAYERS)
def test_densities_are_float32_under_mixed_precision(name, mixed_precision):
    """And exactly those of the parameters, once these are rounded."""
    layer = make(name)
    low = tf.cast(params_of(name), layer.compute_dtype)
    assert low.dtype == mixed_precision.removeprefix("mixed_")
    y = layer(low)
    x = tf.cast(LAYERS[name][2], y.dtype)
    log_prob = y.log_prob(x)
    assert log_prob.dtype == tf.float32
    float32_layer = make(name, dtype="float32")
    np.testing.assert_array_equal(log_prob, float32_layer(tf.cast(low, tf.float32)).log_prob(x))


def test_float32_parameters_are_not_rounded_under_mixed_precision(mixed_precision):
    np.testing.assert_array_equal(DistributionLambda(normal)(X).mean(), X[:, :2])


def test_models_are_trained_under_mixed_precision(mixed_precision):
    model = _sequential(layers.MultivariateNormalDiag(2))
    dtypes = []

    def loss(x, y):
        dtypes.append(y.log_prob(x).dtype)
        return -y.log_prob(x)

    model.compile("sgd", loss=loss)
    before = weights_of(model)[0]
    losses = model.fit(X, X[:, :2], batch_size=6, epochs=10, verbose=0).history[
        "loss"
    ]  # float16 first halves its scale
    assert np.all(np.isfinite(losses))
    assert losses[-1] < losses[0]
    assert np.any(weights_of(model)[0] != before)
    assert set(dtypes) == {tf.float32}


def test_a_float64_layer_computes_in_float64():
    params = X.astype("float64")
    y = DistributionLambda(normal, "mean", dtype="float64")(params)
    assert (y.dtype, tf.convert_to_tensor(y).dtype) == (tf.float64, tf.float64)
    expected = scipy.stats.norm.logpdf(0.5, params[:, :2], np.exp(params[:, 2:])).sum(-1)
    np.testing.assert_allclose(y.log_prob(tf.constant([0.5, 0.5], tf.float64)), expected, rtol=64 * 2**-52)


@pytest.mark.parametrize("name", [name for name in LAYERS if name != "DistributionLambda"])
def test_every_layer_computes_in_float64_when_asked(name):
    """A change of the parameters that is lost in float32 changes the log-probability."""
    layer, params = make(name, dtype="float64"), params_of(name).astype("float64")
    y, changed = layer(params), layer(params * (1 + 2.0**-40))
    x = tf.cast(LAYERS[name][2], y.dtype)
    assert y.log_prob(x).dtype == tf.float64
    assert np.all(changed.log_prob(x) != y.log_prob(x))


# Concretisation.


@pytest.mark.parametrize(
    ("convert", "expected"),
    [
        ("mean", lambda d: d.mean()),
        ("mode", lambda d: d.mode()),
        ("stddev", lambda d: d.stddev()),
        ("entropy", lambda d: d.entropy()),
        ("loc", lambda d: d.distribution.loc),
        (tfd.Distribution.mean, lambda d: d.mean()),
        (tfd.Normal.stddev, lambda d: d.stddev()),
        (twice_the_mean, twice_the_mean),
        (lambda d: d.quantile(0.5) if hasattr(d, "no") else 3 * d.mean(), lambda d: 3 * d.mean()),
    ],
)
def test_the_value_is_what_convert_to_tensor_fn_names(convert, expected):
    value = DistributionLambda(normal, convert)(X)
    np.testing.assert_array_equal(value, expected(normal(X)))


@pytest.mark.parametrize("name", ["sample", "mean", "mode"])
def test_a_method_of_distribution_is_kept_by_name(name):
    assert DistributionLambda(normal, getattr(tfd.Distribution, name)).convert_to_tensor_fn == name


@pytest.mark.parametrize("logits", ["logits", tfd.Bernoulli.logits])
def test_the_parameter_of_an_independent_distribution_is_found_by_name_or_property(logits):
    layer = layers.IndependentBernoulli(4, logits)
    assert layer.get_config()["convert_to_tensor_fn"] == "logits"
    np.testing.assert_array_equal(layer(X), X)


def test_a_name_the_distribution_lacks_raises():
    y = DistributionLambda(normal, "no_such_method")(X)
    with pytest.raises(AttributeError, match="no_such_method"):
        tf.convert_to_tensor(y)


@pytest.mark.parametrize("convert", [None, 3, X])
def test_a_convert_to_tensor_fn_that_is_no_function_raises(convert):
    with pytest.raises(TypeError, match=r"`convert_to_tensor_fn` must be the name .* Received: convert_to_tensor_fn="):
        DistributionLambda(normal, convert)


def test_a_layer_without_make_distribution_fn_raises():
    with pytest.raises(ValueError, match="`make_distribution_fn` is required"):
        DistributionLambda()


def test_a_subclass_without_distribution_raises():
    class Nothing(DistributionLambda):
        pass

    with pytest.raises(NotImplementedError, match="Nothing must override `distribution`"):
        Nothing()(X)


# Seeds.


def test_layers_of_one_seed_draw_the_same_samples_and_a_layer_new_ones_each_call():
    first, second = DistributionLambda(normal, seed=7), DistributionLambda(normal, seed=7)
    draws = [np.asarray(first(X)) for _ in range(3)]
    for draw in draws:
        np.testing.assert_array_equal(second(X), draw)
    assert len({draw.tobytes() for draw in draws}) == 3
    assert np.all(np.asarray(DistributionLambda(normal, seed=8)(X)) != draws[0])


def test_the_first_sample_is_that_of_its_seed_generator():
    expected = random.sample(normal(X), 1, keras.random.SeedGenerator(7))[0]
    np.testing.assert_array_equal(DistributionLambda(normal, seed=7)(X), expected)
    np.testing.assert_array_equal(DistributionLambda(normal, seed=keras.random.SeedGenerator(7))(X), expected)


def test_without_a_seed_the_global_seed_decides():
    draws = []
    for seed in (1, 1, 2):
        keras.utils.set_random_seed(seed)
        draws.append(np.asarray(DistributionLambda(normal)(X)))
    np.testing.assert_array_equal(draws[0], draws[1])
    assert np.all(draws[0] != draws[2])


@pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "xla"])
def test_a_compiled_model_draws_the_samples_of_eager_execution_and_new_ones_each_call(jit_compile):
    eager, compiled = DistributionLambda(normal, seed=7), DistributionLambda(normal, seed=7)
    graph = tf.function(lambda t: tf.identity(compiled(t)), jit_compile=jit_compile)
    draws = [np.asarray(graph(X)) for _ in range(3)]
    for draw in draws:
        np.testing.assert_allclose(draw, eager(X), rtol=16 * EPS, atol=16 * EPS)
    assert len({draw.tobytes() for draw in draws}) == 3


# Configuration.


def own_arguments(layer):
    """Return the named arguments of the constructors of `layer`'s classes up to `DistributionLambda`."""
    names = set()
    for cls in type(layer).mro()[: type(layer).mro().index(DistributionLambda) + 1]:
        names |= {
            p.name for p in inspect.signature(cls.__init__).parameters.values() if p.kind == p.POSITIONAL_OR_KEYWORD
        }
    return names - {"self"} - ({"make_distribution_fn"} if type(layer) is not DistributionLambda else set())


@pytest.mark.parametrize("name", LAYERS)
def test_config_holds_every_named_argument_and_those_of_keras(name):
    layer = make(name)
    assert set(layer.get_config()) == own_arguments(layer) | {"name", "trainable", "dtype"}


@pytest.mark.parametrize("name", LAYERS)
def test_every_named_argument_is_an_attribute_and_in_the_config_under_its_value(name):
    layer = make(name, trainable=False, name="other", dtype="float64")
    config = layer.get_config()
    defaults = {
        p.name: p.default
        for cls in type(layer).mro()[: type(layer).mro().index(DistributionLambda) + 1]
        for p in inspect.signature(cls.__init__).parameters.values()
    }
    for key in own_arguments(layer) - {"make_distribution_fn"}:
        value = getattr(layer, key)
        assert config[key] in (value, keras.saving.serialize_keras_object(value))
        assert value != defaults[key], f"{key} has its default value: the round trips below would not see it"
    assert (config["name"], config["trainable"]) == ("other", False)


@pytest.mark.parametrize("name", LAYERS)
def test_config_is_json(name):
    config = make(name).get_config()
    assert json.loads(json.dumps(config)).keys() == config.keys()


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_made_of_its_config_behaves_as_the_layer(name):
    layer = make(name, convert_to_tensor_fn="sample", dtype="float64", trainable=False)
    twin = type(layer).from_config(layer.get_config())
    assert twin.get_config() == layer.get_config()
    assert (twin.name, twin.dtype, twin.trainable) == (layer.name, layer.dtype, layer.trainable)
    params = params_of(name).astype("float64")
    y, z = layer(params), twin(params)
    assert (z.dtype, z.validate_args) == (y.dtype, y.validate_args)
    np.testing.assert_array_equal(z, y)
    x = tf.cast(LAYERS[name][2], y.dtype)
    np.testing.assert_array_equal(z.log_prob(x), y.log_prob(x))


@pytest.mark.parametrize("convert", ["mean", tfd.Distribution.stddev, twice_the_mean])
def test_convert_to_tensor_fn_survives_its_config(convert):
    layer = DistributionLambda(normal, convert)
    twin = DistributionLambda.from_config(layer.get_config())
    np.testing.assert_array_equal(twin(X), layer(X))


def test_a_seed_generator_survives_its_config():
    layer = layers.MultivariateNormalDiag(2, seed=keras.random.SeedGenerator(7))
    twin = layers.MultivariateNormalDiag.from_config(layer.get_config())
    np.testing.assert_array_equal(twin(X), layer(X))


# Saving.


@pytest.fixture
def all_layers():
    """Return a model whose outputs are one layer of each class."""
    x = keras.Input((4,))
    outputs = []
    for name, (_, size, _) in LAYERS.items():
        layer = make(name, convert_to_tensor_fn="sample", name=name)
        outputs.append(layer(keras.layers.Dense(size, name=f"params_{name}")(x)))
    return keras.Model(x, outputs)


def numbers_of(model):
    """Return the first value, log-probability and samples of each output of a model of all layers, as arrays."""
    numbers = {}
    for (name, (_, _, x)), y in zip(LAYERS.items(), model(X), strict=True):
        numbers[f"{name}/value"] = np.asarray(y)
        numbers[f"{name}/log_prob"] = np.asarray(y.log_prob(tf.cast(x, y.dtype)))
        numbers[f"{name}/samples"] = np.asarray(random.sample(y, 3, seed=9))
    return numbers


def assert_identical(numbers, others):
    assert numbers.keys() == others.keys()
    for key, array in numbers.items():
        assert others[key].dtype == array.dtype, key
        np.testing.assert_array_equal(others[key], array, err_msg=key)


def test_a_model_of_all_layers_is_the_same_after_safe_loading(all_layers, tmp_path):
    all_layers.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    for layer in LAYERS:
        assert type(loaded.get_layer(layer)) is type(all_layers.get_layer(layer))
    assert_identical(numbers_of(all_layers), numbers_of(loaded))


@pytest.mark.parametrize("name", LAYERS)
def test_classes_are_registered_under_the_name_of_the_package(name):
    cls = getattr(layers, name)
    assert keras.saving.get_registered_name(cls) == f"keras_vae>{name}"


def test_a_seed_generator_is_the_same_after_safe_loading(tmp_path):
    model = _sequential(layers.MultivariateNormalDiag(2, seed=keras.random.SeedGenerator(7)))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(X), model(X))


def test_a_python_lambda_is_loaded_with_safe_mode_off_only(tmp_path):
    make = lambda t: __import__("tensorflow_probability").distributions.Normal(t[..., 0], 1.0)  # noqa: E731
    model = _sequential(DistributionLambda(make, "mean"))
    with pytest.warns(UserWarning, match="you will have to pass `safe_mode=False`"):
        model.save(tmp_path / "model.keras")
    with pytest.raises(ValueError, match=r"deserialization of a Python lambda.*arbitrary code.*safe_mode=False"):
        keras.saving.load_model(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=False)
    np.testing.assert_array_equal(loaded(X).log_prob(0.5), model(X).log_prob(0.5))


@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`:UserWarning")
def test_a_loaded_lambda_that_lacks_a_name_says_what_to_do(tmp_path):
    model = keras.Sequential([keras.Input((2,)), DistributionLambda(lambda t: tfd.Normal(t, 1.0))])
    model.save(tmp_path / "model.keras")
    with pytest.raises(NameError, match=r"'tfd' is not defined in a lambda of .*register_keras_serializable"):
        keras.saving.load_model(tmp_path / "model.keras", safe_mode=False)(tf.zeros([1, 2]))


def test_a_trainable_variable_of_the_surroundings_is_warned_of():
    scale, fixed = tf.Variable(1.0, name="scale"), tf.Variable(1.0, trainable=False)
    with pytest.warns(UserWarning, match=r"uses the variables \['scale:0'\], which Keras will neither train nor save"):
        DistributionLambda(lambda t: tfd.Normal(t, scale))
    DistributionLambda(lambda t: tfd.Normal(t, fixed))  # no warning, which would be an error here


def test_a_joint_distribution_needs_a_function_to_be_a_tensor():
    def joint(t):
        return tfd.JointDistributionSequential([tfd.Normal(t[..., 0], 1.0), tfd.Normal(t[..., 1], 1.0)])

    with pytest.raises(TypeError, match="A joint distribution is several tensors.* Received: JointDistribution"):
        DistributionLambda(joint)(tf.zeros([3, 2]))
    y = DistributionLambda(joint, lambda d: tf.stack(d.sample(), -1))(tf.zeros([3, 2]))
    assert (y.shape, y.dtype) == ([3, 2], tf.float32)


@pytest.mark.parametrize("eager", [True, False], ids=["eager", "graph"])
@pytest.mark.parametrize("batch_ndims", [None, 1])
def test_a_joint_distribution_is_trained_with_the_functions_that_the_errors_name(batch_ndims, eager):
    def joint(t):
        parts = [tfd.Normal(t[..., 0], 1.0), tfd.Normal(t[..., 1], 1.0)]
        return tfd.JointDistributionSequential(parts, batch_ndims=batch_ndims)

    layer = DistributionLambda(joint, lambda d: tf.stack(d.sample(), -1))
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, kernel_initializer="zeros"), layer])
    y = np.random.default_rng(0).normal(size=(6, 2)).astype("float32")
    loss = lambda y, d: -d.log_prob(tf.unstack(y, axis=-1))  # noqa: E731
    model.compile("sgd", loss=loss, run_eagerly=eager)
    expected = -scipy.stats.norm.logpdf(y).sum(-1).mean()
    assert model.fit(X, y, verbose=0).history["loss"][0] == pytest.approx(expected, rel=1e-5)
    # from a kernel of zeros, by the gradient -y / 6 of the locations
    np.testing.assert_allclose(model.layers[0].kernel, 0.01 * X.T @ y / 6, rtol=16 * EPS, atol=EPS)
    model.compile("sgd", loss=NegativeLogLikelihood(), run_eagerly=eager)
    with pytest.raises(TypeError, match="Keras hands a loss one: give a function.* Received: JointDistribution"):
        model.fit(X, y, verbose=0)


def test_the_mask_of_the_parameters_is_that_of_the_distribution():
    x = np.array([[[1.0, 2.0], [0.0, 0.0], [3.0, 4.0]]], "float32")
    y = DistributionLambda(lambda t: tfd.Normal(t[..., 0], tf.exp(t[..., 1])))(keras.layers.Masking()(x))
    np.testing.assert_array_equal(y._keras_mask, [[True, False, True]])


# Two replicas, of 5 and 2 rows, with params [7, 4] of one distribution for all rows.

SAME = np.tile(X[:1], [7, 1])


def distribute(strategy):
    parts = [tf.constant(SAME[:5]), tf.constant(SAME[5:])]
    return strategy.experimental_distribute_values_from_function(lambda c: parts[c.replica_id_in_sync_group])


def draws_of_replicas(strategy, kind):
    """Return the first and the second draw [7, 2] of one layer."""
    with strategy.scope():
        model = keras.Sequential([keras.Input((4,)), layers.MultivariateNormalDiag(2, seed=7)])
    if kind == "predict":
        return [model.predict(SAME, verbose=0) for _ in range(2)]
    run = strategy.run if kind == "eager" else tf.function(strategy.run)
    parts = [run(lambda x: tf.identity(model(x)), args=(distribute(strategy),)) for _ in range(2)]
    return [np.concatenate(strategy.experimental_local_results(values)) for values in parts]


@pytest.mark.parametrize("kind", ["eager", "graph", "predict"])
def test_replicas_draw_the_samples_that_one_device_draws_for_the_global_batch(strategy, kind):
    layer = layers.MultivariateNormalDiag(2, seed=7)
    for draw in draws_of_replicas(strategy, kind):
        np.testing.assert_allclose(draw, layer(SAME), rtol=16 * EPS, atol=16 * EPS)


def test_rows_of_replicas_that_cannot_speak_to_each_other_have_noise_of_their_own(strategy):
    with strategy.scope():
        model = keras.Sequential([keras.Input((4,)), layers.MultivariateNormalDiag(2, seed=7)])
    nested = tf.function(lambda x: tf.identity(model(x)))  # where replicas cannot speak to each other
    parts = strategy.run(lambda x: nested(x), args=(distribute(strategy),))
    draws = np.concatenate(strategy.experimental_local_results(parts))
    assert draws.shape == (7, 2)
    assert len(np.unique(draws)) == 14


def shifted(d):
    return tfd.Normal(d.mean() + 1.0, d.stddev())


def scaled(inputs):
    t, d = inputs
    return tfd.Normal(d.mean() * t, 1.0)


def test_a_layer_may_take_the_distribution_of_another_in_functional_and_sequential_models():
    x = np.float32([[1.0, 2.0], [3.0, 4.0]])

    def first():
        return DistributionLambda(lambda t: tfd.Normal(t, 2.0))

    inputs = keras.Input((2,))
    functional = keras.Model(inputs, DistributionLambda(shifted)(first()(inputs)))
    sequential = keras.Sequential([keras.Input((2,)), first(), DistributionLambda(shifted)])
    deferred = keras.Sequential([first(), DistributionLambda(shifted)])
    for model in (functional, sequential, deferred):
        y = model(x)
        np.testing.assert_allclose(y.mean(), x + 1)
        np.testing.assert_allclose(y.stddev(), np.full_like(x, 2.0))
    pair = keras.Model(inputs, DistributionLambda(scaled)([inputs, first()(inputs)]))
    np.testing.assert_allclose(pair(x).mean(), x * x)


def test_outputs_of_layers_are_parts_of_distributions_of_tfp():
    logits, params = np.zeros([3, 2], "float32"), np.random.default_rng(0).normal(size=[3, 2, 2]).astype("float32")
    categorical = DistributionLambda(lambda t: tfd.Categorical(logits=t))(logits)
    normal = DistributionLambda(lambda t: tfd.Normal(t[..., 0], tf.exp(t[..., 1])))(params)
    mixture = tfd.MixtureSameFamily(categorical, normal)
    oracle = tfd.MixtureSameFamily(categorical.tensor_distribution, normal.tensor_distribution)
    y = np.float32([0.1, 0.2, 0.3])
    np.testing.assert_allclose(mixture.log_prob(y), oracle.log_prob(y), rtol=1e-6)
    np.testing.assert_allclose(mixture.mean(), oracle.mean(), rtol=1e-6)
    assert mixture.sample(4, seed=1).shape == [4, 3]
    independent = tfd.Independent(normal, 1)
    np.testing.assert_allclose(
        independent.log_prob(params[..., 0]), tf.reduce_sum(normal.tensor_distribution.log_prob(params[..., 0]), -1)
    )
