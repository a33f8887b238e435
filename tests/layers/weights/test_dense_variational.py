"""The dense layer of one joint posterior: TFP's examples, the divergence, draws, saving."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from keras_vae import layers
from keras_vae.layers import DenseVariational

EPS = np.finfo("float32").eps
RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 3)).astype("float32")


@keras.saving.register_keras_serializable(package="dense_variational_tests")
def split_normal(t):
    """Return Normal(loc, 1e-5 + softplus(c + raw)) of t = [loc, raw], independent over the last axis."""
    loc, raw = tf.split(t, 2, axis=-1)
    c = np.log(np.expm1(1.0))
    return tfd.Independent(tfd.Normal(loc=loc, scale=1e-5 + tf.nn.softplus(c + raw)), reinterpreted_batch_ndims=1)


@keras.saving.register_keras_serializable(package="dense_variational_tests")
def unit_normal(t):
    return tfd.Independent(tfd.Normal(loc=t, scale=1), reinterpreted_batch_ndims=1)


@keras.saving.register_keras_serializable(package="dense_variational_tests")
def posterior_mean_field(kernel_size, bias_size=0, dtype=None):
    n = kernel_size + bias_size
    return keras.Sequential(
        [layers.VariableLayer(2 * n, dtype=dtype), layers.DistributionLambda(split_normal, seed=3, dtype=dtype)]
    )


@keras.saving.register_keras_serializable(package="dense_variational_tests")
def prior_trainable(kernel_size, bias_size=0, dtype=None):
    n = kernel_size + bias_size
    return keras.Sequential([layers.VariableLayer(n, dtype=dtype), layers.DistributionLambda(unit_normal, dtype=dtype)])


@keras.saving.register_keras_serializable(package="dense_variational_tests")
def mean_normal(t):
    return split_normal(tf.reduce_mean(t, axis=0))


@keras.saving.register_keras_serializable(package="dense_variational_tests")
def posterior_of_the_inputs(kernel_size, bias_size=0, dtype=None):
    """A posterior whose weights are made when it is built, of the whole batch of inputs."""
    n = kernel_size + bias_size
    return keras.Sequential([keras.layers.Dense(2 * n), layers.DistributionLambda(mean_normal, seed=3)])


def make(units=2, posterior=posterior_mean_field, prior=prior_trainable, **kwargs):
    return DenseVariational(units, posterior, prior, **kwargs)


def randomise(layer):
    layer.set_weights([np.random.default_rng(i).normal(size=w.shape) for i, w in enumerate(layer.get_weights())])


def parameters_of(layer):
    """Return posterior locations and scales, and prior locations, as float64."""
    posterior, prior = (w.numpy().astype("float64") for w in layer.trainable_weights)
    loc, raw = np.split(posterior, 2)
    return loc, 1e-5 + np.logaddexp(0, np.log(np.expm1(1.0)) + raw), prior


def closed_form(layer):
    loc, scale, prior = parameters_of(layer)
    return np.sum((scale**2 + (loc - prior) ** 2 - 1) / 2 - np.log(scale))


@pytest.mark.parametrize("use_bias", [True, False])
def test_the_draw_is_kernel_and_then_bias(use_bias):
    layer = make(use_bias=use_bias, activation="tanh")
    layer.build(X.shape)
    randomise(layer)
    layer._posterior.layers[-1].convert_to_tensor_fn = "mean"
    loc = parameters_of(layer)[0]
    assert loc.shape == ((8,) if use_bias else (6,))
    bias = loc[6:] if use_bias else 0
    np.testing.assert_allclose(layer(X), np.tanh(X @ loc[:6].reshape(3, 2) + bias), rtol=0, atol=64 * EPS)


@pytest.mark.parametrize("weight", [None, 1 / 150])
def test_the_exact_divergence_is_its_closed_form_at_any_batch_size(weight):
    layer = make(kl_weight=weight, kl_use_exact=True)
    layer.build(X.shape)
    randomise(layer)
    losses = []
    for rows in (6, 1, 3):
        layer(X[:rows])
        (loss,) = layer.losses
        losses.append(float(loss))
    np.testing.assert_allclose(losses, [(weight or 1) * closed_form(layer)] * 3, rtol=32 * EPS)
    assert len(set(losses)) == 1


def test_the_divergence_of_the_draw_is_the_log_ratio_at_the_weights_in_use():
    """The weights in use are read from the outputs: of inputs 1 and 0 one is the kernel and bias, one the bias."""
    layer = make(units=2, kl_weight=0.5)
    x = np.concatenate([np.eye(3), np.zeros([1, 3])]).astype("float32")
    layer.build(x.shape)
    randomise(layer)
    y = np.asarray(layer(x), "float64")
    w = np.concatenate([(y[:3] - y[3]).ravel(), y[3]])
    loc, scale, prior = parameters_of(layer)
    ratio = np.sum(-0.5 * ((w - loc) / scale) ** 2 - np.log(scale) + 0.5 * (w - prior) ** 2)
    atol = 64 * EPS * np.sum(((np.abs(w) + np.abs(loc)) / scale) ** 2)
    np.testing.assert_allclose(layer.losses[0], 0.5 * ratio, rtol=0, atol=atol)


def test_the_mean_divergence_of_draws_is_the_closed_form():
    """Within 4 standard errors of 1000 draws."""
    layer = make()
    layer.build(X.shape)
    randomise(layer)

    @tf.function
    def losses():
        def draw(_):
            layer(X[:1])
            return layer.losses[0]

        return tf.map_fn(draw, tf.range(1000), fn_output_signature=tf.float32)

    ratios = np.asarray(losses(), "float64")
    assert abs(ratios.mean() - closed_form(layer)) < 4 * ratios.std() / np.sqrt(len(ratios))


@pytest.mark.parametrize(
    ("exact", "kwargs"),
    [(True, {}), (False, {}), (True, {"run_eagerly": True}), (False, {"jit_compile": True})],
    ids=["exact", "graph", "eager", "xla"],
)
def test_fit_trains_posterior_and_prior(exact, kwargs):
    model = keras.Sequential([make(1, kl_weight=1 / 6, kl_use_exact=exact), layers.DistributionLambda(unit_normal)])
    model.compile(keras.optimizers.SGD(0.1), loss=lambda y, rv_y: -rv_y.log_prob(y), **kwargs)
    model.build(X.shape)
    randomise(model.layers[0])
    before = [w.numpy() for w in model.trainable_weights]
    model.fit(X, X[:, :1], verbose=0)
    assert len(model.trainable_weights) == 2
    for weight, old in zip(model.trainable_weights, before, strict=True):
        assert np.all(weight.numpy() != old)


class Subclassed(keras.Model):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def call(self, x):
        return self.layer(x)


@pytest.mark.parametrize("posterior", [posterior_mean_field, posterior_of_the_inputs])
def test_a_model_that_is_built_symbolically_works_as_one_that_is_called(posterior):
    model, called = Subclassed(make(posterior=posterior)), make(posterior=posterior)
    assert model(keras.Input((3,))).shape == (None, 2)
    called.build(X.shape)
    called.set_weights(model.get_weights())
    for rows in (2, 5):
        y, expected = model(X[:rows]), called(X[:rows])
        assert y.shape == [rows, 2]
        np.testing.assert_array_equal(y, expected)
        assert len(model.losses) == 1
        np.testing.assert_array_equal(model.losses, called.losses)


def test_a_prior_that_is_a_function_of_the_input_and_no_layer_serves_as_well():
    layer = make(
        posterior=lambda k, b, dtype: layers.DistributionLambda(
            lambda _: unit_normal(tf.zeros([k + b], dtype)), "mean"
        ),
        prior=lambda k, b, dtype: lambda _: unit_normal(tf.ones([k + b], dtype)),
        kl_use_exact=True,
    )
    np.testing.assert_array_equal(layer(X), np.zeros([6, 2]))
    np.testing.assert_allclose(layer.losses, [8 / 2], rtol=8 * EPS)


def test_a_batch_of_posteriors_gives_a_batch_of_outputs():
    loc = RNG.normal(size=(5, 8)).astype("float32")
    layer = make(posterior=lambda k, b, dtype: layers.DistributionLambda(lambda _: unit_normal(loc), "mean"))
    expected = X @ loc[:, :6].reshape(5, 3, 2) + loc[:, None, 6:]
    np.testing.assert_allclose(layer(X), expected, rtol=0, atol=16 * EPS * np.abs(expected).max())


def test_the_divergence_of_a_batch_of_posteriors_is_their_mean():
    loc = RNG.normal(size=(5, 8)).astype("float32")
    prior = unit_normal(tf.zeros([8]))
    layer = make(
        posterior=lambda *_: layers.DistributionLambda(lambda _: unit_normal(loc)),
        prior=lambda *_: lambda _: prior,
        kl_use_exact=True,
    )
    layer(X)
    np.testing.assert_allclose(layer.losses, [(loc**2).sum(-1).mean() / 2], rtol=64 * EPS)


def test_sequences_share_the_kernel():
    """Of one seed, a batch of sequences gives what all their steps give as the rows of one batch."""
    layer = make()
    x = RNG.normal(size=(2, 5, 3)).astype("float32")
    y = layer(x)
    assert y.shape == (2, 5, 2)
    np.testing.assert_allclose(np.reshape(y, (10, 2)), make()(x.reshape(10, 3)), rtol=16 * EPS, atol=16 * EPS)
    assert layer.compute_output_shape((None, 5, 3)) == (None, 5, 2)


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16", "float64"])
def test_the_divergence_is_computed_in_the_dtype_of_the_weights(dtype):
    layer = make(dtype=dtype, kl_use_exact=True)
    layer.build(X.shape)
    randomise(layer)
    y = layer(X)
    assert y.dtype == layer.compute_dtype
    assert {layer.losses[0].dtype.name, *(w.dtype for w in layer.trainable_weights)} == {layer.variable_dtype}
    np.testing.assert_allclose(layer.losses[0], closed_form(layer), rtol=32 * np.finfo(layer.variable_dtype).eps)


@pytest.mark.parametrize("posterior", [posterior_mean_field, posterior_of_the_inputs])
def test_a_saved_layer_is_the_same_after_safe_loading(posterior, tmp_path):
    layer = make(2, posterior, kl_weight=0.5, kl_use_exact=True, activation="tanh", activity_regularizer="l2")
    model = keras.Sequential([keras.Input((3,)), layer])
    randomise(layer)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    assert loaded.layers[0].get_config() == layer.get_config()
    for weight, other in zip(layer.trainable_weights, loaded.trainable_weights, strict=True):
        np.testing.assert_array_equal(other, weight)
    np.testing.assert_array_equal(loaded(X), model(X))
    np.testing.assert_array_equal(loaded.losses, model.losses)


def test_config_is_json_and_holds_every_argument():
    layer = make(2, kl_weight=0.5, kl_use_exact=True, activation="tanh", use_bias=False, name="other")
    config = json.loads(json.dumps(layer.get_config()))
    assert set(config) == {
        *("units", "make_posterior_fn", "make_prior_fn", "kl_weight", "kl_use_exact"),
        *("activation", "use_bias", "activity_regularizer", "name", "trainable", "dtype"),
    }
    twin = DenseVariational.from_config(config)
    assert twin.get_config() == layer.get_config()
    assert (twin.make_posterior_fn, twin.use_bias, twin.name) == (posterior_mean_field, False, "other")


def test_bad_input_raises():
    with pytest.raises(ValueError, match="`units` must be 1 or more. Received: units=0"):
        make(0)
    with pytest.raises(ValueError, match="The last axis of the inputs must be known"):
        make().build([None, None])
    with pytest.raises(ValueError, match="min_ndim=2, found ndim=1"):
        make()(X[0])


def test_what_keras_would_not_train_is_refused():
    scale = tf.Variable(1.0, name="scale")
    for posterior in (
        lambda *_: lambda _: tfd.Independent(tfd.Normal(tf.zeros([8]), scale), 1),
        lambda *_: tfb.Scale(scale),  # a tf.Module with a variable, as layers of tf_keras are
    ):
        with pytest.raises(TypeError, match=r"must return layers of Keras 3.* with the variables \['scale:0'\]"):
            make(posterior=posterior)(X)


def test_posterior_and_prior_are_public_and_name_their_weights():
    layer = make(kl_use_exact=True, name="layer")
    with pytest.raises(ValueError, match="Posterior and prior are there once the layer 'layer' is built or called"):
        layer.posterior()
    layer.build(X.shape)
    randomise(layer)
    layer(X)
    assert layer.posterior().event_shape == layer.prior().event_shape == [8]
    np.testing.assert_allclose(layer.losses[0], tfd.kl_divergence(layer.posterior(), layer.prior()), rtol=64 * EPS)
    assert [weight.path.split("/")[:2] for weight in layer.weights] == [["layer", "posterior"], ["layer", "prior"]]


def test_a_posterior_of_the_inputs_is_asked_for_with_them():
    layer = make(posterior=posterior_of_the_inputs)
    layer(X)
    expected = split_normal(tf.reduce_mean(layer._posterior.layers[0](X), 0))
    np.testing.assert_allclose(layer.posterior(X).mean(), expected.mean(), rtol=64 * EPS)
