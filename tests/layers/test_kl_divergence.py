"""The added loss is weight * mean KL(a, b), once: against closed forms, in models, on replicas, after saving."""

import inspect
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

import keras_vae as kv
from keras_vae.layers import DistributionLambda, KLDivergenceAddLoss, KLDivergenceRegularizer, MultivariateNormalDiag
from keras_vae.losses import NegativeLogLikelihood

EPS = np.finfo("float32").eps
RNG = np.random.default_rng(0)
X = RNG.normal(size=(7, 3)).astype("float32")
PARAMS = RNG.normal(size=(7, 4)).astype("float32")
KINDS = ["regularizer", "add_loss"]


def p_z(dtype="float32"):
    return tfd.MultivariateNormalDiag(tf.constant([0.5, -1.0], dtype), tf.constant([2.0, 0.5], dtype))


def kl_of(params, loc=(0.5, -1.0), scale=(2.0, 0.5)):
    """Return KL(q, p) [B] of diagonal normals, in float64."""
    loc_q, scale_q = params[:, :2].astype("float64"), 1e-5 + np.logaddexp(0, params[:, 2:].astype("float64"))
    loc, scale = np.asarray(loc), np.asarray(scale)
    return (np.log(scale / scale_q) + (scale_q**2 + (loc_q - loc) ** 2) / (2 * scale**2) - 0.5).sum(-1)


def posterior(kind, distribution_b=None, convert="sample", dtype=None, **kwargs):
    """Return layers of q(z|x) and its KL: parameters [B, 4] -> DistributionTensor."""
    distribution_b = p_z() if distribution_b is None else distribution_b
    if kind == "regularizer":
        regularizer = KLDivergenceRegularizer(distribution_b, **kwargs)
        return [MultivariateNormalDiag(2, convert, seed=1, activity_regularizer=regularizer, dtype=dtype)]
    return [MultivariateNormalDiag(2, convert, seed=1, dtype=dtype), KLDivergenceAddLoss(distribution_b, **kwargs)]


def kl_layer(model):
    """Return the layer that computes the KL."""
    last = model.layers[-1]
    return last.activity_regularizer or last


def losses_of(layers, params=PARAMS, **kwargs):
    model = keras.Sequential(layers)
    model(params, **kwargs)
    return model.losses


@keras.saving.register_keras_serializable(package="keras_vae_tests")
def ten_samples(distribution):
    return kv.random.sample(distribution, 10, seed=3)


@keras.saving.register_keras_serializable(package="keras_vae_tests")
def half():
    return 0.5


@keras.saving.register_keras_serializable(package="keras_vae_tests")
class LearnedNormal(kv.priors.Prior):
    """Normal(loc, I) with a learned loc."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.loc = self.add_weight((2,), "ones", name="loc")

    def distribution(self):
        return tfd.MultivariateNormalDiag(tf.convert_to_tensor(self.loc), tf.ones(2))


@keras.saving.register_keras_serializable(package="keras_vae_tests")
class Parameters(keras.layers.Layer):
    """Weights, whatever the input is."""

    def build(self, input_shape):
        self.values = self.add_weight((4,), "ones", name="values")

    def call(self, inputs):
        return tf.convert_to_tensor(self.values)

    def compute_output_shape(self, input_shape):
        return (4,)


# The value.


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch_size", [1, 2, 7])
def test_the_added_loss_is_the_mean_kl_in_closed_form(kind, batch_size):
    (loss,) = losses_of(posterior(kind, use_exact_kl=True), PARAMS[:batch_size])
    np.testing.assert_allclose(loss, kl_of(PARAMS[:batch_size]).mean(), rtol=32 * EPS)


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_mean_kl_of_a_batch_whose_size_is_unknown(kind):
    model = keras.Sequential(posterior(kind, use_exact_kl=True))
    model(PARAMS)
    graph = tf.function(lambda t: [model(t), model.losses][1], input_signature=[tf.TensorSpec([None, 4])])
    for size in (1, 2, 7):
        (loss,) = graph(PARAMS[:size])
        np.testing.assert_allclose(loss, kl_of(PARAMS[:size]).mean(), rtol=32 * EPS)


@pytest.mark.parametrize("kind", KINDS)
def test_without_the_closed_form_it_is_the_mean_log_ratio_at_the_concretisation(kind):
    model = keras.Sequential(posterior(kind))
    q_z = model(PARAMS)
    z = tf.convert_to_tensor(q_z)
    log_ratio = np.asarray(q_z.log_prob(z) - p_z().log_prob(z), "float64")
    np.testing.assert_allclose(model.losses, [log_ratio.mean()], rtol=0, atol=16 * EPS * np.abs(log_ratio).max())


@pytest.mark.parametrize("kind", KINDS)
def test_the_estimate_is_the_kl_within_four_standard_errors(kind):
    model = keras.Sequential(posterior(kind, convert=lambda d: kv.random.sample(d, 4000, seed=2)))
    q_z = model(PARAMS)
    z = tf.convert_to_tensor(q_z)
    means = np.asarray(q_z.log_prob(z) - p_z().log_prob(z), "float64").mean(-1)
    assert abs(model.losses[0] - kl_of(PARAMS).mean()) < 4 * means.std() / np.sqrt(len(means))


@pytest.mark.parametrize("axis", [None, (), 0, 1, (0, 1)])
@pytest.mark.parametrize("kind", KINDS)
def test_ten_samples_first_count_as_samples_and_not_as_the_batch(kind, axis):
    model = keras.Sequential(posterior(kind, convert=ten_samples, test_points_reduce_axis=axis))
    q_z = model(PARAMS)
    z = ten_samples(q_z)
    assert z.shape == [10, 7, 2]
    expected = np.mean(q_z.log_prob(z) - p_z().log_prob(z), dtype="float64")
    np.testing.assert_allclose(model.losses, [expected], rtol=64 * EPS)


def test_test_points_fn_chooses_the_points():
    model = keras.Sequential(posterior("add_loss", convert="mean", test_points_fn=ten_samples))
    z = ten_samples(model(PARAMS))
    q_z = MultivariateNormalDiag.new(PARAMS, 2)
    np.testing.assert_allclose(model.losses, [np.mean(q_z.log_prob(z) - p_z().log_prob(z))], rtol=64 * EPS)


def test_a_distribution_whose_value_is_a_scalar_has_its_own_kl():
    """Keras divides by the first axis only where there is one."""
    regularizer = KLDivergenceRegularizer(tfd.Normal(0.0, 1.0), use_exact_kl=True)
    layer = DistributionLambda(lambda t: tfd.Normal(tf.reduce_sum(t), 1.0), activity_regularizer=regularizer)
    layer(tf.fill([2, 3], 0.5))
    np.testing.assert_allclose(layer.losses, [4.5], rtol=8 * EPS)


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_is_that_of_the_closed_form(kind):
    model, params = keras.Sequential(posterior(kind, use_exact_kl=True)), tf.constant(PARAMS)
    with tf.GradientTape() as tape:
        tape.watch(params)
        model(params)
        loss = tf.add_n(model.losses)
    raw, variance = PARAMS[:, 2:].astype("float64"), np.array([2.0, 0.5]) ** 2
    scale, slope = 1e-5 + np.logaddexp(0, raw), 1 / (1 + np.exp(-raw))
    of_loc, of_raw = (PARAMS[:, :2] - [0.5, -1.0]) / variance, (scale / variance - 1 / scale) * slope
    expected = np.concatenate([of_loc, of_raw], -1) / len(PARAMS)
    np.testing.assert_allclose(tape.gradient(loss, params), expected, rtol=32 * EPS, atol=32 * EPS)


# In models.


def vae(kind, jit_compile=False, run_eagerly=False, **kwargs):
    """Return a compiled VAE of dense layers: its loss is the negative ELBO."""
    keras.utils.set_random_seed(1)
    encoder = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, name="q"), *posterior(kind, **kwargs)])
    x = keras.Input((3,))
    p_x = MultivariateNormalDiag(3)(keras.layers.Dense(6, name="p")(encoder(x)))
    model = keras.Model(x, p_x)
    options = {"jit_compile": jit_compile, "run_eagerly": run_eagerly}
    model.compile(keras.optimizers.SGD(0.1), loss=NegativeLogLikelihood(), **options)
    return model


def minus_elbo(model, **prior):
    """Return the negative ELBO of X from the weights of `vae`, with the sample that is drawn next."""
    _, encoder, decoder, _ = model.layers
    dense = encoder.get_layer("q")
    params = X @ dense.kernel.numpy() + dense.bias.numpy()
    q_z = MultivariateNormalDiag(2, seed=1)(params)
    p_x = MultivariateNormalDiag.new(decoder(tf.convert_to_tensor(q_z)), 3)
    return -np.mean(p_x.log_prob(X)) + kl_of(params, **prior).mean()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("run_eagerly", [False, True], ids=["graph", "eager"])
def test_the_loss_of_a_compiled_model_is_the_negative_elbo(kind, run_eagerly):
    model = vae(kind, use_exact_kl=True)
    model.run_eagerly = run_eagerly
    expected = minus_elbo(model)
    loss = model.fit(X, X, batch_size=7, shuffle=False, verbose=0).history["loss"]
    np.testing.assert_allclose(loss, [expected], rtol=64 * EPS)


def test_xla_computes_the_same_loss():
    model = vae("regularizer", jit_compile=True, use_exact_kl=True)
    expected = minus_elbo(model)
    np.testing.assert_allclose(model.fit(X, X, shuffle=False, verbose=0).history["loss"], [expected], rtol=64 * EPS)


def test_the_layer_and_the_regularizer_train_a_model_alike():
    models = [vae(kind, run_eagerly=True) for kind in KINDS]
    start = models[0].get_weights()
    histories = [model.fit(X, X, batch_size=7, epochs=3, verbose=0).history["loss"] for model in models]
    np.testing.assert_array_equal(*histories)
    for before, one, other in zip(start, *(model.get_weights() for model in models), strict=True):
        np.testing.assert_array_equal(one, other)
        assert np.any(one != before)


def test_what_the_layer_adds_is_public():
    encoder, add_loss = posterior("add_loss", use_exact_kl=True, weight=0.5)
    np.testing.assert_allclose(add_loss.weighted_kl(encoder(PARAMS)), 0.5 * kl_of(PARAMS).mean(), rtol=32 * EPS)


def test_the_layer_passes_the_distribution_through():
    x = keras.Input((4,))
    q_z = MultivariateNormalDiag(2, "mean")(x)
    y = KLDivergenceAddLoss(p_z())(q_z)
    assert (y.shape, y.dtype) == (q_z.shape, q_z.dtype)
    model = keras.Model(x, y)
    output = model(PARAMS)
    assert isinstance(output, kv.layers.DistributionTensor)
    np.testing.assert_array_equal(output, PARAMS[:, :2])


def train_with_two_divergences(convert):
    """Return losses, weights and the count of the steps."""
    schedule = keras.optimizers.schedules.PolynomialDecay(0.0, 4, 1.0)
    _, add_loss = posterior("add_loss", LearnedNormal(), convert, use_exact_kl=True, weight=schedule)
    (q_z,) = posterior("regularizer", LearnedNormal(), convert, weight=0.5)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, kernel_initializer="zeros"), q_z, add_loss])
    one_device = tf.distribute.get_strategy().num_replicas_in_sync == 1
    model.compile(keras.optimizers.SGD(0.05), loss=NegativeLogLikelihood(), run_eagerly=one_device)
    fit = model.fit(X[:6], X[:6, :2], batch_size=6, epochs=3, shuffle=False, verbose=0)
    weights = np.concatenate([w.numpy().ravel() for w in model.trainable_variables])
    return [*fit.history["loss"], *weights, add_loss.iterations.numpy()]


@pytest.mark.parametrize("convert", ["mean", "sample"])
def test_two_replicas_train_as_one(strategy, convert):
    """Where they exchange no values in the forward pass, and where they do: samples, and steps that are counted."""
    one = train_with_two_divergences(convert)
    with strategy.scope():
        two = train_with_two_divergences(convert)
    assert len(one) == 3 + 16 + 2 + 2 + 1
    np.testing.assert_allclose(two, one, rtol=256 * EPS, atol=256 * EPS)  # three steps, each of some 64 roundings
    assert two[-1] == 3


# Precision.


@pytest.mark.parametrize("make", [p_z, lambda: LearnedNormal()], ids=["plain", "learned"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_kl_is_computed_in_float32_under_mixed_precision(kind, make):
    """Weights of a learned prior and of the KL are not rounded either."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        prior = make()
        if isinstance(prior, LearnedNormal):
            prior.loc.assign([1 / 3, 1 / 3])
        losses = losses_of(posterior(kind, prior, use_exact_kl=True, weight=keras.Variable(1 / 3)))
    finally:
        keras.config.set_dtype_policy(before)
    assert losses[0].dtype == tf.float32
    rounded = PARAMS.astype("float16").astype("float32")  # as Keras casts the model's input
    expected = kl_of(rounded, (1 / 3, 1 / 3), (1, 1)) if isinstance(prior, LearnedNormal) else kl_of(rounded)
    np.testing.assert_allclose(losses[0], expected.mean() / 3, rtol=32 * EPS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_float64_posterior_is_trained_beside_a_float32_loss(kind):
    layers = posterior(kind, distribution_b=p_z("float64"), dtype="float64", use_exact_kl=True)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4, dtype="float64"), *layers])
    model.compile("sgd", loss=NegativeLogLikelihood())
    before = model.layers[0].kernel.numpy()
    assert np.isfinite(model.fit(PARAMS, PARAMS[:, :2], verbose=0).history["loss"][0])
    assert np.any(model.layers[0].kernel.numpy() != before)
    assert (model(PARAMS).dtype, model.losses[0].dtype) == (tf.float64, tf.float32)


# The weight.


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "make",
    [
        lambda: 0.5,
        lambda: np.float32(0.5),
        lambda: tf.constant(0.5),
        lambda: tf.Variable(0.5),
        lambda: tf.Variable(0.5, dtype=tf.float64),
        lambda: keras.Variable(0.5),
        lambda: half,
        lambda: keras.optimizers.schedules.PolynomialDecay(0.5, 10, 0.0),
    ],
    ids=["float", "numpy", "tensor", "tf", "tf_float64", "keras", "function", "schedule"],
)
def test_the_weight_multiplies_the_kl(kind, make):
    (loss,) = losses_of(posterior(kind, use_exact_kl=True, weight=make()))
    np.testing.assert_allclose(loss, 0.5 * kl_of(PARAMS).mean(), rtol=32 * EPS)


@pytest.mark.parametrize(
    "make", [tf.Variable, keras.Variable, lambda value: (lambda v: (lambda: v, v))(tf.Variable(value))]
)
@pytest.mark.parametrize("kind", KINDS)
def test_a_variable_weight_may_change_while_a_compiled_model_is_trained(kind, make):
    made = make(1.0)
    weight, variable = made if isinstance(made, tuple) else (made, made)
    model = keras.Sequential([keras.Input((4,)), *posterior(kind, use_exact_kl=True, weight=weight)])
    model.compile("sgd", loss=lambda y, q_z: 0 * q_z.log_prob(y))
    annealing = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: variable.assign(0.5 * variable))
    assert model.trainable_variables == []
    with pytest.warns(UserWarning, match="does not have any trainable weights"):
        losses = model.fit(PARAMS, PARAMS[:, :2], batch_size=7, epochs=3, verbose=0, callbacks=[annealing]).history[
            "loss"
        ]
    np.testing.assert_allclose(losses, kl_of(PARAMS).mean() * np.array([1, 0.5, 0.25]), rtol=32 * EPS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_schedule_counts_the_calls_in_training_and_no_others(kind):
    schedule = keras.optimizers.schedules.PolynomialDecay(0.0, 10, 1.0)  # weight = step / 10
    layers = posterior(kind, distribution_b=LearnedNormal(), use_exact_kl=True, weight=schedule, convert="mean")
    model = keras.Sequential([keras.Input((4,)), *layers])
    model.compile(keras.optimizers.SGD(0.0), loss=lambda y, q_z: 0 * q_z.log_prob(y))
    kl = kl_of(PARAMS, (1, 1), (1, 1)).mean()
    losses = model.fit(PARAMS, PARAMS[:, :2], batch_size=7, epochs=3, verbose=0).history["loss"]
    np.testing.assert_allclose(losses, kl * np.array([0.0, 0.1, 0.2]), rtol=32 * EPS)
    for _ in range(2):
        model(PARAMS)
        model.predict(PARAMS, verbose=0)
        np.testing.assert_allclose(model.evaluate(PARAMS, PARAMS[:, :2], verbose=0), kl * 0.3, rtol=32 * EPS)
    model(PARAMS, training=True)
    assert kl_layer(model).iterations == 4


# A learned prior.


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "make",
    [LearnedNormal, lambda: keras.Sequential([Parameters(), MultivariateNormalDiag(2)])],
    ids=["prior", "sequential"],
)
def test_a_learned_prior_is_trained_and_saved_with_the_model(kind, make, tmp_path):
    model = vae(kind, distribution_b=make(), use_exact_kl=True, convert="mean", run_eagerly=True)
    (weight,) = kl_layer(model.layers[1]).distribution_b.trainable_variables
    assert any(weight is w for w in model.trainable_variables)
    before = weight.numpy()
    model.fit(X, X, verbose=0)
    assert np.all(weight.numpy() != before)

    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    assert len(loaded.trainable_variables) == len(model.trainable_variables) == 5
    np.testing.assert_array_equal(kl_layer(loaded.layers[1]).distribution_b.weights[0], weight)
    model(X), loaded(X)
    np.testing.assert_array_equal(loaded.losses, model.losses)


def test_a_layer_that_ignores_its_input_may_be_the_prior():
    (loss,) = losses_of(
        posterior("add_loss", keras.Sequential([Parameters(), MultivariateNormalDiag(2)]), use_exact_kl=True)
    )
    np.testing.assert_allclose(loss, kl_of(PARAMS, (1, 1), [1e-5 + np.logaddexp(0, 1)] * 2).mean(), rtol=32 * EPS)


# Configuration and saving.


@keras.saving.register_keras_serializable(package="keras_vae_tests")
def mixture():
    return tfd.MixtureSameFamily(
        tfd.Categorical(probs=[0.25, 0.75]), tfd.MultivariateNormalDiag(tf.constant([[0.0, 1.0], [2.0, 3.0]]))
    )


SAVED = {
    "distribution": {"distribution_b": mixture(), "weight": 0.5},
    "flow": {"distribution_b": tfd.TransformedDistribution(p_z(), tfb.Shift([1.0, 2.0])), "weight": half},
    "prior": {"distribution_b": kv.priors.StandardNormal(2), "use_exact_kl": True, "weight": tf.Variable(0.5)},
    "function": {"distribution_b": mixture, "test_points_fn": ten_samples, "weight": keras.Variable(0.5)},
    "schedule": {
        "distribution_b": p_z(),
        "test_points_reduce_axis": 0,
        "weight": keras.optimizers.schedules.PolynomialDecay(1.0, 4, 0.0),
    },
}


@pytest.mark.parametrize("name", SAVED)
@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_model_loads_safely_and_adds_the_same_loss(kind, name, tmp_path):
    layers = posterior(kind, convert="mean", **SAVED[name])
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4), *layers])
    model(PARAMS, training=True)  # a schedule is at step 1
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    model(PARAMS), loaded(PARAMS)
    assert len(model.losses) == 1
    np.testing.assert_array_equal(loaded.losses, model.losses)
    layer, twin = kl_layer(model), kl_layer(loaded)
    assert twin.get_config() == layer.get_config()
    assert type(twin.weight) is (float if isinstance(layer.weight, tf.Variable) else type(layer.weight))


@pytest.mark.parametrize("cls", [KLDivergenceRegularizer, KLDivergenceAddLoss])
def test_config_holds_every_argument_as_json(cls):
    layer = cls(p_z(), True, 0, ten_samples, half, name="kl")
    config = layer.get_config()
    json.dumps(config)
    arguments = ["distribution_b", "use_exact_kl", "test_points_reduce_axis", "test_points_fn", "weight"]
    assert set(config) == {*arguments, "name", "trainable", "dtype"}
    twin = cls.from_config(json.loads(json.dumps(config)))
    assert twin.get_config() == config
    assert (twin.use_exact_kl, twin.test_points_reduce_axis) == (True, [0])
    assert (twin.test_points_fn, twin.weight, twin.name) == (ten_samples, half, "kl")
    np.testing.assert_array_equal(twin.distribution_b.mean(), p_z().mean())


def test_the_defaults_are_those_of_tfp():
    assert KLDivergenceRegularizer(p_z()).test_points_reduce_axis == []
    assert KLDivergenceAddLoss(p_z()).test_points_reduce_axis is None
    for cls in (KLDivergenceRegularizer, KLDivergenceAddLoss):
        layer = cls(p_z())
        assert (layer.use_exact_kl, layer.test_points_fn, layer.weight) == (False, tf.convert_to_tensor, None)
        ours, theirs = (inspect.signature(c.__init__).parameters for c in (cls, getattr(tfp.layers, cls.__name__)))
        for name in ("use_exact_kl", "test_points_reduce_axis", "test_points_fn", "weight"):
            assert ours[name].default == theirs[name].default


def test_the_regularizer_is_one_to_keras():
    regularizer = KLDivergenceRegularizer(p_z())
    assert isinstance(regularizer, keras.Regularizer)
    assert keras.regularizers.get(regularizer) is regularizer


def test_a_regularized_layer_is_exported(tmp_path):
    layers = posterior("regularizer", convert="mean", weight=keras.Variable(0.5), use_exact_kl=True)
    model = keras.Sequential([keras.Input((4,)), *layers])
    model.export(tmp_path / "model", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.serve(PARAMS), PARAMS[:, :2])


# Errors.


@pytest.mark.parametrize("cls", [KLDivergenceRegularizer, KLDivergenceAddLoss])
@pytest.mark.parametrize(
    "make",
    [
        lambda: tfd.MultivariateNormalDiag(tf.Variable([0.0, 0.0], name="loc")),
        lambda: tfd.Independent(tfd.Normal(tf.Variable([0.0, 0.0], name="loc"), 1.0), 1),
        lambda: tfd.Sample(tfd.Normal(keras.Variable(0.0, name="loc"), 1.0), 2),
        lambda: tfd.TransformedDistribution(p_z(), tfb.Shift(tf.Variable([0.0, 0.0], name="loc"))),
    ],
)
def test_a_plain_distribution_of_trainable_variables_raises_and_names_the_remedy(cls, make):
    with pytest.raises(ValueError, match=r"trainable variables, .* keras_vae.priors.Prior, .*Received: \['loc"):
        cls(make())


def test_a_plain_distribution_of_variables_that_are_not_trained_is_fine():
    prior = tfd.MultivariateNormalDiag(tf.Variable([0.5, -1.0], trainable=False), [2.0, 0.5])
    layer = KLDivergenceAddLoss(prior, use_exact_kl=True)
    twin = KLDivergenceAddLoss.from_config(layer.get_config())
    for made in (layer, twin):
        np.testing.assert_allclose(losses_of([MultivariateNormalDiag(2), made]), [kl_of(PARAMS).mean()], rtol=32 * EPS)


@pytest.mark.parametrize("weight", ["half", [0.5, 0.5], {}])
def test_a_weight_that_is_no_weight_raises(weight):
    with pytest.raises(TypeError, match="`weight` must be a number, a variable, .*Received: weight="):
        KLDivergenceAddLoss(p_z(), weight=weight)


@pytest.mark.parametrize("prior", [3.0, lambda: 3.0, keras.layers.Identity()])
def test_a_prior_that_is_no_distribution_raises(prior):
    with pytest.raises(TypeError, match="Expected a TFP distribution"):
        KLDivergenceAddLoss(prior)


def test_an_input_that_is_no_distribution_raises():
    with pytest.raises(TypeError, match="Expected a TFP distribution"):
        KLDivergenceAddLoss(p_z())(tf.zeros([3, 2]))


def test_event_shapes_that_differ_raise():
    """log a [B, D] minus log b [B] would be broadcast where B is D."""
    layer = DistributionLambda(lambda t: tfd.Normal(t, 1.0))
    with pytest.raises(ValueError, match=r"one event shape. Received: a.event_shape=\(\), b.event_shape=\(2,\)"):
        KLDivergenceAddLoss(p_z())(layer(tf.zeros([2, 2])))


def test_a_closed_form_that_does_not_exist_raises():
    with pytest.raises(NotImplementedError, match="No KL"):
        losses_of(posterior("add_loss", mixture(), use_exact_kl=True))
