"""What all layers with a distribution of kernel and bias do: losses, live distributions, draws, saving, replicas."""

import contextlib
import inspect
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from keras_vae import layers
from keras_vae.layers import default_mean_field_normal_fn, default_multivariate_normal_fn, scaled_kl_divergence_fn
from keras_vae.layers.weights.variational import Variational

EPS = np.finfo("float32").eps
RNG = np.random.default_rng(0)

# One layer of each class with a non-default value for its own arguments, and the shape of an input.
DENSE, WINDOW = {"units": 3}, {"filters": 3, "kernel_size": 2, "padding": "same"}
LAYERS = {
    "DenseReparameterization": (DENSE, (4,)),
    "DenseLocalReparameterization": (DENSE, (4,)),
    "DenseFlipout": (DENSE, (4,)),
    "Convolution1DReparameterization": ({**WINDOW, "dilation_rate": 2}, (4, 2)),
    "Convolution2DReparameterization": ({**WINDOW, "strides": 2}, (4, 4, 2)),
    "Convolution3DReparameterization": (WINDOW, (3, 3, 3, 1)),
    "Convolution1DFlipout": ({**WINDOW, "padding": "causal"}, (4, 2)),
    "Convolution2DFlipout": (WINDOW, (4, 4, 2)),
    "Convolution3DFlipout": (WINDOW, (3, 3, 3, 1)),
}
ONE_OF_EACH_ESTIMATOR = [
    "DenseReparameterization",
    "DenseLocalReparameterization",
    "DenseFlipout",
    "Convolution1DReparameterization",
    "Convolution1DFlipout",
]
BAYESIAN_BIAS = {"bias_posterior_fn": default_mean_field_normal_fn(), "bias_prior_fn": default_multivariate_normal_fn}


def make(name, /, **kwargs):
    return getattr(layers, name)(**{**LAYERS[name][0], "seed": 5, **kwargs})


def inputs_of(name, rows=6, dtype="float32"):
    return np.random.default_rng(1).normal(size=(rows, *LAYERS[name][1])).astype(dtype)


def kl_to_standard_normal(distribution):
    loc, scale = (np.asarray(x, "float64") for x in (distribution.mean(), distribution.stddev()))
    return np.sum((scale**2 + loc**2 - 1) / 2 - np.log(scale))


@keras.saving.register_keras_serializable(package="variational_tests")
def scaled_normal(dtype, shape, name, trainable, add_variable_fn):
    """A posterior as users of TFP write it: named weights, NumPy's dtype, a deferred scale."""
    loc = add_variable_fn(
        name=name + "/loc",
        shape=shape,
        initializer=tf.random_normal_initializer(stddev=0.5),
        regularizer=None,
        constraint=None,
        dtype=dtype,
        trainable=trainable,
    )
    raw = add_variable_fn(name + "/raw", shape, dtype, "zeros", trainable=trainable)
    scale = tfp.util.DeferredTensor(raw, lambda x: dtype.as_numpy_dtype(0.5) + tf.nn.softplus(x))
    return tfd.Independent(tfd.Normal(loc=loc, scale=scale), reinterpreted_batch_ndims=len(shape))


@keras.saving.register_keras_serializable(package="variational_tests")
def log_ratio(q, p, sample):
    return q.log_prob(sample) - p.log_prob(sample)


def test_every_variational_class_is_here():
    assert set(LAYERS) == {
        name
        for name in layers.__all__
        if inspect.isclass(getattr(layers, name)) and issubclass(getattr(layers, name), Variational)
    }


# Losses.


@pytest.mark.parametrize("name", LAYERS)
def test_a_call_adds_the_closed_form_of_the_kernels_divergence_once(name):
    layer = make(name)
    for rows in (6, 1):
        layer(inputs_of(name, rows))
        (loss,) = layer.losses
        kl = kl_to_standard_normal(layer.kernel_posterior)
        assert (loss.shape, loss.dtype) == ([], tf.float32)
        np.testing.assert_allclose(loss, kl, rtol=16 * EPS)


@pytest.mark.parametrize("name", ONE_OF_EACH_ESTIMATOR)
def test_a_bias_with_a_prior_adds_its_own_divergence(name):
    layer = make(name, **BAYESIAN_BIAS)
    layer(inputs_of(name))
    expected = [kl_to_standard_normal(q) for q in (layer.kernel_posterior, layer.bias_posterior)]
    np.testing.assert_allclose(layer.losses, expected, rtol=16 * EPS)


@pytest.mark.parametrize("name", LAYERS)
def test_the_loss_is_the_same_at_any_batch_size(name):
    layer = make(name)
    losses = []
    for rows in (1, 2, 7):
        layer(inputs_of(name, rows))
        losses.append(float(layer.losses[0]))
    assert len(set(losses)) == 1


def test_fit_adds_the_scaled_divergence_to_the_loss():
    layer = layers.DenseReparameterization(1, kernel_divergence_fn=scaled_kl_divergence_fn(1 / 6), seed=5)
    model = keras.Sequential([keras.Input((4,)), layer])
    x = inputs_of("DenseReparameterization")
    kl = kl_to_standard_normal(layer.kernel_posterior)
    twin = layers.DenseReparameterization.from_config(layer.get_config())
    twin.build([None, 4])
    twin.set_weights(layer.get_weights())
    model.compile("sgd", "mse")
    loss = model.fit(x, np.zeros([6, 1]), batch_size=6, verbose=0).history["loss"][0]
    np.testing.assert_allclose(loss, np.mean(np.square(twin(x))) + kl / 6, rtol=16 * EPS)


@pytest.mark.parametrize("without", [{"kernel_prior_fn": None}, {"kernel_divergence_fn": None}])
@pytest.mark.parametrize("name", ONE_OF_EACH_ESTIMATOR)
def test_without_a_prior_or_divergence_there_is_no_loss(name, without):
    layer = make(name, **without)
    layer(inputs_of(name))
    assert layer.losses == []
    assert (layer.kernel_prior is None) == ("kernel_prior_fn" in without)


def test_a_divergence_of_the_draw_sees_the_kernel_drawn():
    """Within 4 standard errors of 400 draws, the log-ratio has the closed form as its mean."""
    layer = make("DenseReparameterization", kernel_divergence_fn=log_ratio)
    x = inputs_of("DenseReparameterization", 1)

    @tf.function
    def log_ratio_of_a_draw():
        layer(x)
        return layer.losses[0]

    ratios = np.array([log_ratio_of_a_draw() for _ in range(400)])
    standard_error = np.std(ratios) / np.sqrt(len(ratios))
    assert abs(np.mean(ratios) - kl_to_standard_normal(layer.kernel_posterior)) < 4 * standard_error
    layer(x)
    expected = log_ratio(layer.kernel_posterior, layer.kernel_prior, layer.kernel_posterior_tensor)
    np.testing.assert_array_equal(layer.losses[0], expected)


def test_flipout_and_local_reparameterization_have_no_one_kernel_to_show():
    seen = []
    for name in ("DenseFlipout", "DenseLocalReparameterization", "DenseReparameterization"):
        make(name, kernel_divergence_fn=lambda q, p, sample: seen.append(sample) or tf.zeros([]))(inputs_of(name))
    assert (seen[0], seen[1], seen[2].shape) == (None, None, [4, 3])


def test_regularizers_of_weights_and_of_the_activity_add_their_losses():
    layer = make(
        "DenseReparameterization",
        kernel_posterior_fn=default_mean_field_normal_fn(loc_regularizer="l2", loc_initializer="ones"),
        activity_regularizer=lambda y: 0.0 * tf.reduce_sum(y) + 7.0,  # Keras divides it by the batch size
    )
    layer(inputs_of("DenseReparameterization", 2))
    np.testing.assert_allclose(layer.losses[1:], [3.5, 0.01 * 12], rtol=4 * EPS)


# Distributions.


@pytest.mark.parametrize("posterior_fn", [default_mean_field_normal_fn(), scaled_normal])
@pytest.mark.parametrize("name", ONE_OF_EACH_ESTIMATOR)
def test_the_posterior_follows_its_weights(name, posterior_fn):
    layer = make(name, kernel_posterior_fn=posterior_fn)
    layer(inputs_of(name))
    traced = tf.function(lambda: layer.kernel_posterior.mean())
    traced()
    loc, raw = layer.weights[:2]
    stddev = np.asarray(layer.kernel_posterior.stddev())
    loc.assign(np.full(loc.shape, 7.0))
    raw.assign(raw + 1.0)
    np.testing.assert_array_equal(layer.kernel_posterior.mean(), loc)
    np.testing.assert_array_equal(traced(), loc)
    assert np.all(layer.kernel_posterior.stddev() > stddev)
    layer(inputs_of(name))
    np.testing.assert_allclose(layer.losses[0], kl_to_standard_normal(layer.kernel_posterior), rtol=16 * EPS)


@pytest.mark.parametrize(
    ("name", "run_eagerly"),
    [*((name, True) for name in ONE_OF_EACH_ESTIMATOR), ("DenseFlipout", False), ("DenseReparameterization", False)],
)
def test_fit_moves_every_weight_and_the_posterior_with_them(name, run_eagerly):
    layer = make(name, kernel_posterior_fn=scaled_normal, **BAYESIAN_BIAS)
    model = keras.Sequential([keras.Input(LAYERS[name][1]), layer, keras.layers.Flatten()])
    before = [w.numpy() for w in layer.trainable_weights]
    model.compile("sgd", "mse", run_eagerly=run_eagerly)
    x = inputs_of(name)
    model.fit(x, np.ones_like(model(x)), verbose=0)
    assert len(layer.trainable_weights) == 4
    for weight, old in zip(layer.trainable_weights, before, strict=True):
        assert np.all(weight.numpy() != old), weight.path
    np.testing.assert_array_equal(layer.kernel_posterior.mean(), layer.trainable_weights[0])


def test_a_trainable_prior_is_trained():
    layer = make("DenseFlipout", kernel_prior_fn=default_mean_field_normal_fn())
    with tf.GradientTape() as tape:
        layer(inputs_of("DenseFlipout"))
        loss = layer.losses[0]
    gradients = tape.gradient(loss, [w.value for w in layer.trainable_weights[:4]])
    np.testing.assert_array_equal(layer.kernel_prior.mean(), layer.trainable_weights[2])
    for gradient in gradients:
        assert gradient is not None
        assert np.all(gradient != 0)


@pytest.mark.parametrize("name", ["DenseReparameterization", "Convolution2DFlipout"])
def test_distributions_have_the_shape_of_kernel_and_bias(name):
    layer = make(name, **BAYESIAN_BIAS)
    layer(inputs_of(name))
    kernel = [4, 3] if name.startswith("Dense") else [2, 2, 2, 3]
    assert layer.kernel_posterior.event_shape == layer.kernel_prior.event_shape == kernel
    assert layer.bias_posterior.event_shape == layer.bias_prior.event_shape == [3]


@pytest.mark.parametrize("attribute", ["kernel_posterior", "kernel_prior", "bias_posterior", "bias_prior"])
def test_there_is_no_distribution_before_the_layer_is_built(attribute):
    with pytest.raises(AttributeError, match=f"`{attribute}` is there once the layer 'name' is built"):
        getattr(make("DenseFlipout", name="name"), attribute)


def test_a_frozen_layer_can_be_trained_later():
    model = keras.Sequential([keras.Input((4,)), make("DenseFlipout", trainable=False)])
    assert model.trainable_weights == []
    model.layers[0].trainable = True
    assert len(model.trainable_weights) == 3


# Outputs.


@pytest.mark.parametrize("name", LAYERS)
def test_the_mean_of_many_outputs_is_that_of_the_mean_kernel(name):
    """Within 4 standard errors of 400 draws (and rounding); the kernel enters the output linearly."""
    layer, twin = make(name, **BAYESIAN_BIAS), make(name, kernel_posterior_tensor_fn="mean", **BAYESIAN_BIAS)
    x = inputs_of(name, 2)
    layer(x)
    twin.build(x.shape)
    twin.set_weights(layer.get_weights())
    twin.bias_posterior_tensor_fn = "mean"
    draw = tf.function(lambda: layer(x))
    draws = np.stack([draw() for _ in range(400)])
    standard_error = draws.std(0) / np.sqrt(len(draws))
    assert np.all(np.abs(draws.mean(0) - twin(x)) < 4 * standard_error + 64 * EPS)


@pytest.mark.parametrize("name", LAYERS)
def test_layers_of_one_seed_draw_the_same_and_a_layer_anew_at_each_call(name):
    first, second = make(name, **BAYESIAN_BIAS), make(name, **BAYESIAN_BIAS)
    x = inputs_of(name)
    first.build(x.shape)
    second.build(x.shape)
    second.set_weights(first.get_weights())
    graph = tf.function(second)
    draws = [np.asarray(first(x)) for _ in range(3)]
    for draw in draws:
        np.testing.assert_allclose(graph(x), draw, rtol=64 * EPS, atol=64 * EPS)
    assert np.all(draws[0] != draws[1])


@pytest.mark.parametrize("name", ["DenseReparameterization", "DenseLocalReparameterization", "DenseFlipout"])
def test_what_a_call_drew_is_kept_under_the_names_of_tfps_layers(name):
    layer, x = make(name, **BAYESIAN_BIAS), inputs_of(name)
    assert layer.kernel_posterior_tensor is layer.kernel_posterior_affine is layer.bias_posterior_tensor is None
    y = layer(x)
    q = layer.kernel_posterior.distribution
    if name == "DenseReparameterization":
        outputs = x @ layer.kernel_posterior_tensor
    elif name == "DenseLocalReparameterization":
        outputs, affine = layer.kernel_posterior_affine_tensor, layer.kernel_posterior_affine
        np.testing.assert_allclose(affine.loc, x @ q.loc, rtol=64 * EPS, atol=64 * EPS)
        np.testing.assert_allclose(affine.scale, np.sqrt(x**2 @ q.scale**2), rtol=64 * EPS)
    else:  # of rows x, whose perturbations have the signs r s: their difference from the mean, up to signs
        np.testing.assert_array_equal(layer.kernel_posterior_affine.scale, q.scale)
        eye = layer(np.eye(4, dtype="float32"))
        perturbed = np.abs(eye - layer.bias_posterior_tensor - q.loc)
        np.testing.assert_allclose(perturbed, np.abs(layer.kernel_posterior_affine_tensor), atol=256 * EPS)
        return
    np.testing.assert_allclose(y, outputs + layer.bias_posterior_tensor, rtol=64 * EPS, atol=64 * EPS)


@pytest.mark.parametrize("name", ["DenseLocalReparameterization", "Convolution1DFlipout"])
def test_fit_under_xla_draws_what_eager_execution_does(name):
    losses = []
    for kwargs in ({"jit_compile": True}, {"run_eagerly": True}):
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.Input(LAYERS[name][1]), make(name), keras.layers.Flatten()])
        model.compile("sgd", "mse", **kwargs)
        x = inputs_of(name)
        losses.append(model.fit(x, np.ones(model.compute_output_shape(x.shape)), epochs=2, verbose=0).history["loss"])
    np.testing.assert_allclose(losses[0], losses[1], rtol=256 * EPS)


@pytest.mark.parametrize("name", LAYERS)
def test_the_symbolic_output_has_the_shape_and_dtype_of_the_outputs(name):
    layer = make(name, dtype="mixed_bfloat16")
    symbolic, outputs = layer(keras.Input(LAYERS[name][1])), layer(inputs_of(name))
    assert (symbolic.shape, symbolic.dtype) == ((None, *outputs.shape[1:]), "bfloat16")
    assert outputs.dtype == tf.bfloat16
    assert layer.compute_output_shape((None, *LAYERS[name][1])) == symbolic.shape


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("name", LAYERS)
def test_under_mixed_precision_the_divergence_and_weights_are_float32(name, policy):
    layer, full = make(name, dtype=policy), make(name)
    x = inputs_of(name)
    low = layer(x)
    full.build(x.shape)
    full.set_weights(layer.get_weights())
    outputs = full(x)
    assert (low.dtype, layer.losses[0].dtype) == (layer.compute_dtype, tf.float32)
    assert {weight.dtype for weight in layer.weights} == {"float32"}
    np.testing.assert_array_equal(layer.losses[0], full.losses[0])
    # inputs, kernel and each sum are rounded to the precision of the compute dtype
    eps = {"mixed_bfloat16": 2.0**-7, "mixed_float16": 2.0**-10}[policy]
    np.testing.assert_allclose(tf.cast(low, "float32"), outputs, rtol=0, atol=8 * eps * np.abs(outputs).max())


@pytest.mark.parametrize("name", LAYERS)
def test_a_float64_layer_is_float64_throughout(name):
    layer = make(name, dtype="float64", **BAYESIAN_BIAS)
    outputs = layer(inputs_of(name, dtype="float64"))
    assert {outputs.dtype, *(loss.dtype for loss in layer.losses)} == {tf.float64}
    assert {weight.dtype for weight in layer.weights} == {"float64"}
    np.testing.assert_allclose(layer.losses[0], kl_to_standard_normal(layer.kernel_posterior), rtol=64 * 2**-52)


class Subclassed(keras.Model):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def call(self, x):
        return self.layer(x)


@pytest.mark.parametrize("name", ONE_OF_EACH_ESTIMATOR)
def test_a_model_that_is_built_symbolically_works_as_one_that_is_called(name):
    model = Subclassed(make(name))
    assert model(keras.Input(LAYERS[name][1])).shape[0] is None
    for rows in (2, 5):
        assert model(inputs_of(name, rows)).shape[0] == rows
        assert len(model.losses) == 1
    assert len(model.trainable_variables) == 3


def test_without_a_bias_posterior_there_is_no_bias():
    layer = make("DenseFlipout", bias_posterior_fn=None)
    np.testing.assert_array_equal(layer(np.zeros([2, 4])), np.zeros([2, 3]))
    assert layer.bias_posterior is None


def test_tensor_functions_are_names_or_functions_of_the_distribution():
    x = inputs_of("DenseReparameterization")
    outputs = []
    for tensor_fn in ("mean", "mode", lambda d: d.mean(), tfd.Distribution.mean):
        layer = make("DenseReparameterization", kernel_posterior_tensor_fn=tensor_fn)
        layer.build(x.shape)
        layer.set_weights([np.full([4, 3], 0.5), np.zeros([4, 3]), np.zeros(3)])
        outputs.append(np.asarray(layer(x)))
    for output in outputs:
        np.testing.assert_allclose(output, np.tile(0.5 * x.sum(-1, keepdims=True), 3), rtol=8 * EPS, atol=8 * EPS)


# Configuration and saving.


def arguments_of(name):
    parameters = inspect.signature(getattr(layers, name)).parameters.values()
    return {p.name for p in parameters if p.kind == p.POSITIONAL_OR_KEYWORD}


@pytest.mark.parametrize("name", LAYERS)
def test_config_is_json_and_holds_every_argument_under_the_name_of_its_attribute(name):
    layer = make(name, activation="relu")
    config = json.loads(json.dumps(layer.get_config()))
    assert set(config) == arguments_of(name) | {"name", "trainable", "dtype"}
    for argument in arguments_of(name):
        assert hasattr(layer, argument), argument


@pytest.mark.parametrize("name", LAYERS)
def test_the_positional_arguments_are_those_of_tfp(name):
    theirs = [
        p.name
        for p in inspect.signature(getattr(tfp.layers, name).__init__).parameters.values()
        if p.kind == p.POSITIONAL_OR_KEYWORD and p.name != "self"
    ]
    ours = list(inspect.signature(getattr(layers, name)).parameters)
    assert ours[: len(theirs)] == theirs


@pytest.mark.parametrize("name", LAYERS)
def test_a_saved_layer_with_arguments_of_its_own_is_the_same_after_safe_loading(name, tmp_path):
    layer = make(
        name,
        activation="softplus",
        activity_regularizer="l2",
        kernel_posterior_fn=scaled_normal,
        kernel_prior_fn=default_mean_field_normal_fn(loc_initializer="ones"),
        kernel_divergence_fn=scaled_kl_divergence_fn(0.5),
        **BAYESIAN_BIAS,
    )
    model = keras.Sequential([keras.Input(LAYERS[name][1]), layer])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    assert loaded.layers[0].get_config() == layer.get_config()
    x = inputs_of(name)
    np.testing.assert_array_equal(loaded(x), model(x))
    np.testing.assert_array_equal(loaded.losses, model.losses)
    np.testing.assert_array_equal(loaded.layers[0].kernel_posterior.stddev(), layer.kernel_posterior.stddev())


def test_a_python_lambda_is_loaded_with_safe_mode_off_only(tmp_path):
    layer = make("DenseReparameterization", kernel_divergence_fn=lambda q, p, _: 0.5 * q.kl_divergence(p))
    model = keras.Sequential([keras.Input((4,)), layer])
    with pytest.warns(UserWarning, match="you will have to pass `safe_mode=False`"):
        model.save(tmp_path / "model.keras")
    with pytest.raises(ValueError, match="deserialization of a Python lambda"):
        keras.saving.load_model(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=False)
    x = inputs_of("DenseReparameterization")
    np.testing.assert_array_equal(loaded(x), model(x))
    np.testing.assert_array_equal(loaded.losses, model.losses)


# Errors.


@pytest.mark.parametrize("name", ["DenseFlipout", "DenseLocalReparameterization", "Convolution2DFlipout"])
@pytest.mark.parametrize("distribution", [tfd.Normal, tfd.Laplace])
def test_estimators_of_independent_normals_refuse_other_posteriors(name, distribution):
    def posterior(dtype, shape, name, trainable, add_variable_fn):
        weights = distribution(tf.zeros(shape), 1.0)
        return weights if distribution is tfd.Normal else tfd.Independent(weights, len(shape))

    with pytest.raises(TypeError, match=rf"{name} needs a `kernel_posterior_fn` that returns tfd.Independent of"):
        make(name, kernel_posterior_fn=posterior)(inputs_of(name))


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("kernel_posterior_fn", None),
        ("kernel_posterior_tensor_fn", None),
        ("kernel_prior_fn", "normal"),
        ("bias_divergence_fn", 0.5),
    ],
)
@pytest.mark.parametrize("name", ["DenseFlipout", "Convolution1DFlipout"])
def test_what_is_no_function_raises(name, argument, value):
    with pytest.raises(TypeError, match=rf"`{argument}` must be a function. Received: {argument}={value!r}"):
        make(name, **{argument: value})


# Two replicas.


def unit_normal(kernel_size, bias_size, dtype):
    """Normal(loc, 1) with a trained location, of which all replicas have one draw."""
    return keras.Sequential(
        [
            layers.VariableLayer(kernel_size + bias_size, initializer="random_normal"),
            layers.DistributionLambda(lambda t: tfd.Independent(tfd.Normal(t, 1.0), 1), seed=3),
        ]
    )


def fit_of_all_dense_layers(scope):
    """Return losses, and weights by their paths, after two steps."""
    with scope:
        keras.utils.set_random_seed(1)
        model = keras.Sequential(
            [
                keras.Input((4,)),
                layers.DenseReparameterization(3, seed=1),
                layers.DenseReparameterization(3, seed=2),
                layers.DenseLocalReparameterization(3, kernel_posterior_tensor_fn="mean", seed=3),
                layers.DenseFlipout(3, kernel_posterior_tensor_fn="mean", seed=4),
                layers.DenseVariational(2, unit_normal, unit_normal, kl_use_exact=True),
            ]
        )
        one_device = tf.distribute.get_strategy().num_replicas_in_sync == 1
        model.compile(keras.optimizers.SGD(0.1), "mse", run_eagerly=one_device)  # two steps: no graph pays
    x = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
    loss = model.fit(x, x[:, :2], batch_size=8, epochs=2, shuffle=False, verbose=0).history["loss"]
    return loss, [(w.path, w.numpy()) for w in model.trainable_variables]


def draws_of_replicas(name, strategy):
    with strategy.scope():
        layer = getattr(layers, name)(2, seed=1)
        layer.build([None, 4])
    outputs = tf.function(strategy.run)(lambda: layer(tf.ones([5, 4])))
    return [y.numpy() for y in strategy.experimental_local_results(outputs)]


@pytest.mark.slow
def test_two_replicas_train_as_one_device_and_count_the_divergence_once(strategy):
    """With draws that replicas share: the kernel's, and none where each row has its own."""
    one_loss, one = fit_of_all_dense_layers(contextlib.nullcontext())
    two_loss, two = fit_of_all_dense_layers(strategy.scope())
    np.testing.assert_allclose(two_loss, one_loss, rtol=64 * EPS)
    assert len(one) == 14
    for (path, first), (_, second) in zip(one, two, strict=True):
        np.testing.assert_allclose(second, first, rtol=256 * EPS, atol=256 * EPS, err_msg=path)


@pytest.mark.parametrize("name", ["DenseLocalReparameterization", "DenseFlipout"])
def test_replicas_draw_other_noise_for_their_rows(strategy, name):
    first, second = draws_of_replicas(name, strategy)
    assert np.any(first != second)


def test_replicas_share_the_kernel_where_the_batch_shares_it(strategy):
    first, second = draws_of_replicas("DenseReparameterization", strategy)
    np.testing.assert_array_equal(first, second)
