"""Mixtures: densities against log-sum-exp of SciPy, means, samples, component layers, saving, errors."""

import keras
import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from keras_vae import layers, random
from keras_vae.distributions.kl import has_closed_form_kl
from keras_vae.distributions.sets import BINARY, ONE_HOT, REAL
from keras_vae.distributions.support import support_of
from keras_vae.layers import (
    CategoricalMixtureOfOneHotCategorical,
    DistributionLambda,
    DistributionTensor,
    IndependentBernoulli,
    IndependentNormal,
    MixtureLogistic,
    MixtureNormal,
    MixtureSameFamily,
    MultivariateNormalTriL,
)

RNG = np.random.default_rng(0)
PARAMS = RNG.normal(size=(5, 3 * (1 + 2 * 4)))  # 3 components, events of 2 x 2
LOGITS, COMPONENTS = PARAMS[:, :3], PARAMS[:, 3:].reshape(5, 3, 2, 2, 2)
LOC, SCALE = COMPONENTS[:, :, 0], np.logaddexp(0, COMPONENTS[:, :, 1])
X = RNG.normal(size=(5, 2, 2))
ONE_HOT_PARAMS = RNG.normal(scale=2.0, size=(5, 2 * (1 + 3)))
DTYPES = ["float32", "float64"]
NORMAL, LOGISTIC = (MixtureNormal, scipy.stats.norm), (MixtureLogistic, scipy.stats.logistic)


@keras.saving.register_keras_serializable(package="keras_vae_tests")
def minus_log_prob(x, y):
    return -y.log_prob(x)


def triangular(**kwargs):
    return MixtureSameFamily(3, MultivariateNormalTriL(2), **kwargs)


# Density and moments.


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("cls", "family"), [NORMAL, LOGISTIC])
def test_log_prob_is_the_log_sum_exp_of_scipys_components(cls, family, dtype):
    y = cls(3, (2, 2), dtype=dtype)(PARAMS.astype(dtype))
    assert (y.batch_shape, y.event_shape, y.dtype) == ([5], [2, 2], dtype)
    terms = family.logpdf(X[:, None], LOC, SCALE)
    expected = scipy.special.logsumexp(scipy.special.log_softmax(LOGITS, -1) + terms.sum((2, 3)), axis=-1)
    # rounding of loc, of x and of the scale (which has an epsilon of its own), magnified by (x - loc) / scale**2
    magnified = 1 + ((np.abs(X[:, None]) + np.abs(LOC) + 1) / SCALE) ** 2
    tolerance = 8 * np.finfo(dtype).eps * magnified.sum((2, 3)).max()
    np.testing.assert_allclose(y.log_prob(X.astype(dtype)), expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize(("cls", "family"), [NORMAL, LOGISTIC])
def test_mean_and_variance_follow_the_laws_of_total_expectation_and_variance(cls, family):
    y = cls(3, (2, 2), dtype="float64")(PARAMS)
    weights = scipy.special.softmax(LOGITS, -1)[..., None, None]
    mean = (weights * LOC).sum(1)
    variance = (weights * (family.var(LOC, SCALE) + (LOC - mean[:, None]) ** 2)).sum(1)
    np.testing.assert_allclose(y.mean(), mean, rtol=0, atol=64 * 2**-52)
    np.testing.assert_allclose(y.variance(), variance, rtol=64 * 2**-52)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_layout_of_params_is_that_of_tfp(dtype):
    """TFP's scales lack the machine epsilon that the components' scales have here."""
    params = tf.constant(PARAMS, dtype)
    for name in ("MixtureNormal", "MixtureLogistic"):
        ours, theirs = getattr(layers, name).new(params, 3, (2, 2)), getattr(tfp.layers, name).new(params, 3, (2, 2))
        np.testing.assert_array_equal(ours.mean(), theirs.mean())
        np.testing.assert_allclose(ours.stddev(), theirs.stddev(), rtol=16 * np.finfo(dtype).eps)
    theirs = tfp.layers.CategoricalMixtureOfOneHotCategorical.new(tf.constant(ONE_HOT_PARAMS, dtype), 3, 2)
    ours = CategoricalMixtureOfOneHotCategorical(3, 2, dtype=dtype)(ONE_HOT_PARAMS.astype(dtype))
    np.testing.assert_allclose(ours.mean(), theirs.mean(), rtol=8 * np.finfo(dtype).eps)
    np.testing.assert_allclose(ours.log_mean(), theirs.log_mean(), rtol=16 * np.finfo(dtype).eps)


def test_a_mixture_of_a_layer_is_tfps_mixture_made_by_hand():
    params = tf.constant(RNG.normal(size=(4, 3 * (1 + 5))))
    y = triangular(dtype="float64")(params)
    components = MultivariateNormalTriL.new(tf.reshape(params[:, 3:], [4, 3, 5]), 2)
    expected = tfd.MixtureSameFamily(tfd.Categorical(logits=params[:, :3]), components)
    for statistic in ("mean", "variance", "covariance"):
        np.testing.assert_array_equal(getattr(y, statistic)(), getattr(expected, statistic)())
    x = RNG.normal(size=(7, 4, 2))
    np.testing.assert_array_equal(y.log_prob(x), expected.log_prob(x))


def test_log_prob_has_the_gradient_of_central_differences():
    """In float64; the third derivatives of the log-probability are below 1000 at these parameters."""
    params, x, step = tf.constant(PARAMS[:1]), tf.constant(X[:1]), 2 ** (-52 / 3)
    with tf.GradientTape() as tape:
        tape.watch(params)
        log_prob = MixtureNormal.new(params, 3, (2, 2)).log_prob(x)
    shifts = step * np.eye(params.shape[-1])
    above, below = (MixtureNormal.new(params + s, 3, (2, 2)).log_prob(x) for s in (shifts, -shifts))
    difference = (above - below) / (2 * step)
    np.testing.assert_allclose(tape.gradient(log_prob, params)[0], difference, rtol=0, atol=1000 * step**2)


@pytest.mark.parametrize("size", [100.0, 1e4])
def test_log_prob_and_its_gradient_are_finite_at_extreme_params(size):
    params = size * tf.sign(tf.constant(PARAMS, tf.float32))
    with tf.GradientTape() as tape:
        tape.watch(params)
        log_prob = MixtureLogistic.new(params, 3, (2, 2)).log_prob(X.astype("float32"))
    assert np.all(np.isfinite(log_prob))
    assert np.all(np.isfinite(tape.gradient(log_prob, params)))


def test_a_mixture_of_one_component_is_the_component():
    component = PARAMS[:, :8]
    y = MixtureNormal(1, (2, 2), dtype="float64")(np.concatenate([PARAMS[:, -1:], component], -1))
    expected = IndependentNormal((2, 2), dtype="float64")(component)
    np.testing.assert_allclose(y.log_prob(X), expected.log_prob(X), rtol=8 * 2**-52)
    np.testing.assert_allclose(y.mean(), expected.mean(), rtol=8 * 2**-52)


def test_the_kl_of_mixtures_has_no_closed_form():
    y = triangular()(tf.zeros([1, 18]))
    assert not has_closed_form_kl(y, y)
    assert not has_closed_form_kl(y, tfd.MultivariateNormalDiag(tf.zeros(2), tf.ones(2)))


# One-hot vectors.


@pytest.mark.parametrize("batch", [(), (5,), (1, 5)])
def test_the_mean_of_a_mixture_of_one_hot_vectors_is_the_probability_of_each(batch):
    params = ONE_HOT_PARAMS[0] if batch == () else ONE_HOT_PARAMS.reshape(*batch, 8)
    y = CategoricalMixtureOfOneHotCategorical(3, 2, dtype="float64")(params)
    assert isinstance(y, DistributionTensor)
    weights, probs = (scipy.special.softmax(t, -1) for t in (params[..., :2], params[..., 2:].reshape(*batch, 2, 3)))
    expected = (weights[..., None] * probs).sum(-2)
    np.testing.assert_allclose(y.mean(), expected, rtol=16 * 2**-52)
    np.testing.assert_allclose(y.log_mean(), np.log(expected), rtol=1e3 * 2**-52)
    np.testing.assert_allclose(y.mean(), tf.stack([y.prob(unit) for unit in np.eye(3)], -1), rtol=16 * 2**-52)
    np.testing.assert_array_equal(y.mode(), np.eye(3)[expected.argmax(-1)])


@pytest.mark.parametrize("convert", ["mean", "mode", "log_mean", lambda s: s.log_mean(), tfd.Distribution.mode])
def test_mean_mode_and_log_mean_of_one_hot_vectors_may_be_the_value(convert):
    y = CategoricalMixtureOfOneHotCategorical(3, 2, convert)(ONE_HOT_PARAMS.astype("float32"))
    name = convert if isinstance(convert, str) else convert.__name__
    np.testing.assert_array_equal(y, getattr(y, name if name in ("mean", "mode") else "log_mean")())


def test_log_mean_is_finite_where_the_mean_is_zero():
    y = CategoricalMixtureOfOneHotCategorical(2, 1)(tf.constant([[0.0, 500.0, -500.0]]))
    np.testing.assert_array_equal(y.mean(), [[1, 0]])
    np.testing.assert_array_equal(y.log_mean(), [[0, -1000]])


@pytest.mark.parametrize("dtype", ["int32", "float64"])
def test_samples_and_mode_of_one_hot_vectors_have_the_sample_dtype(dtype):
    y = CategoricalMixtureOfOneHotCategorical(3, 2, sample_dtype=dtype)(ONE_HOT_PARAMS)
    x = random.sample(y, 4, 0)
    assert (x.dtype, y.mode().dtype, y.dtype) == (dtype, dtype, dtype)
    np.testing.assert_array_equal(tf.reduce_sum(x, -1), np.ones((4, 5)))


# Samples.

FULL = MultivariateNormalTriL(2)
FAMILIES = {
    "normal": (lambda t: MixtureNormal.new(t, 3, (2, 2)), PARAMS),
    "logistic": (lambda t: MixtureLogistic.new(t, 3, (2, 2)), PARAMS),
    "full": (lambda t: MixtureSameFamily.new(t, 3, FULL), RNG.normal(size=(4, 18))),
    "one-hot": (lambda t: CategoricalMixtureOfOneHotCategorical.new(t, 3, 2), ONE_HOT_PARAMS),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_samples_have_the_mixtures_mean_and_variance(name):
    """Within 4 standard errors, which 1 of 16,000 correct numbers is not (60 numbers here)."""
    make, params = FAMILIES[name]
    y = make(tf.constant(params))
    x = np.asarray(random.sample(y, 10_000, 0))
    mean = np.asarray(y.mean())
    assert np.all(np.abs(x.mean(0) - mean) < 4 * x.std(0) / 100)
    square = (x - mean) ** 2
    assert np.all(np.abs(square.mean(0) - y.variance()) < 4 * square.std(0) / 100)


def test_samples_come_from_each_component_as_often_as_it_weighs_and_from_all_of_it():
    """Components 40 scales apart, so that a sample tells its own; two of float64 fill a block of random bits a row."""
    probs = np.array([0.2, 0.8])
    mixture = tfd.MixtureSameFamily(tfd.Categorical(probs=probs), tfd.Logistic(np.array([0.0, 40.0]), 1.0))
    x = np.concatenate([random.sample(mixture, 10_000, seed) for seed in range(10)])
    component = np.round(x / 40).astype(int)
    frequency = np.bincount(component) / len(x)
    assert np.all(np.abs(frequency - probs) < 4 * np.sqrt(probs * (1 - probs) / len(x)))
    for i in range(2):
        residual = x[component == i] - 40 * i
        assert scipy.stats.kstest(residual, scipy.stats.logistic.cdf).pvalue > 6e-5


@pytest.mark.parametrize("name", FAMILIES)
def test_samples_of_a_row_depend_on_its_global_number_only(name):
    make, params = FAMILIES[name]
    whole = random.sample(make(params), 4, seed=3)
    np.testing.assert_array_equal(random.sample(make(params[2:4]), 4, seed=3, first_row=2), whole[:, 2:4])


def test_the_first_samples_of_a_mixture_without_batch_are_those_of_fewer():
    prior = MixtureNormal.new(PARAMS[0], 3, (2, 2))
    np.testing.assert_array_equal(random.sample(prior, 10, 0), random.sample(prior, 64, 0)[:10])


@pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "xla"])
@pytest.mark.parametrize("name", ["logistic", "full"])
def test_compiled_samples_and_their_gradients_are_those_of_eager_execution(name, jit_compile):
    make, params = FAMILIES[name]
    params = params.astype("float32")

    def samples_and_gradient(t):
        with tf.GradientTape() as tape:
            tape.watch(t)
            x = random.sample(make(t), 4, seed=3)
        return x, tape.gradient(x, t)

    signature = [tf.TensorSpec([None, params.shape[-1]], tf.float32)]
    graph = tf.function(samples_and_gradient, input_signature=signature, jit_compile=jit_compile, autograph=False)
    for value, expected in zip(graph(params), samples_and_gradient(tf.constant(params)), strict=True):
        np.testing.assert_allclose(value, expected, rtol=64 * 2**-23, atol=64 * 2**-23)


def test_a_sample_passes_gradients_to_the_component_it_comes_from_only():
    params = tf.constant([[0.0, 0.0, 0.0, 1.0, 20.0, 1.0]])  # weights 1/2, locations 0 and 20
    with tf.GradientTape() as tape:
        tape.watch(params)
        x = random.sample(MixtureNormal.new(params, 2), 100, 0)
    gradient = np.asarray(tape.gradient(x, params))[0]
    of_second = int(np.sum(np.asarray(x) > 10))
    np.testing.assert_array_equal(gradient[[0, 1, 2, 4]], [0, 0, 100 - of_second, of_second])


@pytest.mark.parametrize(
    "mixture",
    [
        tfd.MixtureSameFamily(tfd.Categorical(logits=LOGITS), tfd.Normal(np.zeros(3), 1.0)),
        tfd.MixtureSameFamily(tfd.Categorical(logits=LOGITS), tfd.Normal(LOC[..., 0, 0], 1.0), reparameterize=True),
    ],
    ids=["components without batch", "implicit gradients"],
)
def test_mixtures_that_only_tfp_can_sample_are_sampled_by_tfp(mixture):
    x = np.asarray(random.sample(mixture, 4000, 0))
    np.testing.assert_array_equal(x, mixture.sample(4000, random.as_noise(0).of(random.Stream.ROWS, 0).seed))
    assert x.shape == (4000, 5)
    assert np.all(np.abs(x.mean(0) - mixture.mean()) < 4 * x.std(0) / np.sqrt(4000))


def test_weights_without_batch_are_every_rows():
    mixture = tfd.MixtureSameFamily(tfd.Categorical(logits=LOGITS[0]), tfd.Normal(LOC[..., 0, 0], 1.0))
    x = np.asarray(random.sample(mixture, 4000, 0))
    assert np.all(np.abs(x.mean(0) - mixture.mean()) < 4 * x.std(0) / np.sqrt(4000))


# Component layers.


@pytest.mark.parametrize("convert", ["mean", lambda d: 1 / 0, "no_such_method"])
def test_the_components_convert_to_tensor_fn_does_not_matter(convert):
    params = RNG.normal(size=(4, 18)).astype("float32")
    mixture = MixtureSameFamily(3, MultivariateNormalTriL(2, convert), seed=1)
    expected = MixtureSameFamily(3, MultivariateNormalTriL(2), seed=1)
    np.testing.assert_array_equal(mixture(params), expected(params))


def test_the_component_layer_computes_in_the_dtype_of_the_mixture():
    mixture = MixtureSameFamily(3, MultivariateNormalTriL(2, dtype="float32"), dtype="float64")
    params = RNG.normal(size=(4, 18))
    expected = MixtureSameFamily.new(tf.constant(params), 3, MultivariateNormalTriL(2))
    np.testing.assert_array_equal(mixture(params).log_prob([0.5, 1.0]), expected.log_prob([0.5, 1.0]))


def test_a_component_layer_may_have_weights_which_are_trained_and_saved(tmp_path):
    component = keras.Sequential(
        [keras.layers.Dense(4, activation="relu"), keras.layers.Dense(4), IndependentNormal(2)]
    )
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2 * (1 + 3)), MixtureSameFamily(2, component)])
    assert len(model.trainable_variables) == 6
    model.compile("sgd", loss=minus_log_prob)
    x = RNG.normal(size=(8, 3)).astype("float32")
    before = [w.numpy() for w in component.trainable_variables]
    model.fit(x, x[:, :2], verbose=0)
    assert all(np.any(w.numpy() != old) for w, old in zip(component.trainable_variables, before, strict=True))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(x).log_prob(x[:, :2]), model(x).log_prob(x[:, :2]))


def test_a_component_may_be_a_function_or_another_mixture():
    params = RNG.normal(size=(4, 3 * (1 + 4)))
    by_function = MixtureSameFamily(3, lambda t: tfd.Independent(tfd.Normal(t[..., :2], tf.exp(t[..., 2:])), 1))(params)
    by_layer = MixtureSameFamily(
        3, DistributionLambda(lambda t: tfd.Independent(tfd.Normal(t[..., :2], tf.exp(t[..., 2:])), 1))
    )(params)
    np.testing.assert_array_equal(by_function.log_prob([0.5, 0.0]), by_layer.log_prob([0.5, 0.0]))
    size = MixtureSameFamily.params_size(2, MixtureNormal.params_size(3, 2))
    nested = MixtureSameFamily(2, MixtureNormal(3, 2), seed=1)(tf.zeros([4, size]))
    np.testing.assert_allclose(
        nested.log_prob([0.0, 0.0]), np.full(4, -2 * np.log(np.sqrt(2 * np.pi) * np.log(2))), 1e-6
    )
    assert nested.shape == (4, 2)


def test_a_mixture_density_network_learns_two_branches():
    """x = +-1 with equal probability: the best single normal reaches log p = -1.42, the mixture much more."""
    keras.utils.set_random_seed(0)
    x = np.where(np.arange(64 * 60) % 2, 1.0, -1.0).astype("float32")[:, None]
    model = keras.Sequential(
        [keras.Input((1,)), keras.layers.Dense(MixtureNormal.params_size(2, 1)), MixtureNormal(2, 1)]
    )
    model.compile(keras.optimizers.Adam(0.1), loss=minus_log_prob, jit_compile=True)
    model.fit(np.ones_like(x), x, batch_size=64, verbose=0)
    assert np.mean(model(np.ones((1, 1))).log_prob([[-1.0], [1.0]])) > -0.5 * (1 + np.log(2 * np.pi)) + 0.5


def test_the_config_holds_the_component_layers():
    layer = MixtureSameFamily(3, IndependentBernoulli((2, 2), sample_dtype="int32", name="pixels"), "mean", True)
    twin = MixtureSameFamily.from_config(layer.get_config())
    assert type(twin.component_layer) is IndependentBernoulli
    assert twin.component_layer.get_config() == layer.component_layer.get_config()
    assert (twin.num_components, twin.convert_to_tensor_fn, twin.validate_args) == (3, "mean", True)


# Shapes, support, errors.


def test_params_size_is_that_of_the_logits_and_of_the_components():
    assert MixtureSameFamily.params_size(3, 5) == 18
    assert MixtureNormal.params_size(3, (2, 2)) == MixtureLogistic.params_size(3, (2, 2)) == 27
    assert MixtureNormal.params_size(3) == 9
    assert CategoricalMixtureOfOneHotCategorical.params_size(event_size=5, num_components=2) == 12


def test_the_support_of_a_mixture_is_that_of_its_components():
    assert support_of(MixtureNormal(3)(tf.zeros([9]))) is REAL
    assert support_of(MixtureSameFamily(3, IndependentBernoulli(2))(tf.zeros([9]))) is BINARY
    assert support_of(CategoricalMixtureOfOneHotCategorical(3, 2)(tf.zeros([8]))) is ONE_HOT


@pytest.mark.parametrize(
    ("layer", "size", "message"),
    [
        (triangular(), 17, r"needs 3 \* \(1 \+ those of a component\) parameters per example"),
        (triangular(), 3, r"needs 3 \* \(1 \+ those of a component\) parameters per example"),
        (triangular(), 21, r"needs 5 parameters per example"),
        (MixtureNormal(3, 2), 18, r"needs 4 parameters per example, for shape \(2, 2\)"),
        (CategoricalMixtureOfOneHotCategorical(3, 2), 6, r"needs 3 parameters per example"),
    ],
)
def test_params_of_another_size_raise(layer, size, message):
    with pytest.raises(ValueError, match=message + r".*`params_size`. Received: params.shape="):
        layer(tf.zeros([2, size]))


def test_bad_arguments_raise():
    for make in (lambda n: MixtureNormal(n), lambda n: MixtureSameFamily(n, MultivariateNormalTriL(2))):
        with pytest.raises(ValueError, match="`num_components` must be 1 or more. Received: num_components=0"):
            make(0)
    with pytest.raises(ValueError, match="`event_size` must be 1 or more. Received: event_size=0"):
        CategoricalMixtureOfOneHotCategorical(0, 2)
    with pytest.raises(ValueError, match="`event_shape` must be whole numbers"):
        MixtureLogistic(2, (0,))
    with pytest.raises(TypeError, match="`component_layer` must be a layer or function.* Received: component_layer=3"):
        MixtureSameFamily(2, 3)
    with pytest.raises(TypeError, match="Expected a TFP distribution"):
        MixtureSameFamily(2, lambda t: t)(tf.zeros([3, 4]))


def test_validate_args_reaches_the_components():
    y = CategoricalMixtureOfOneHotCategorical(3, 2, validate_args=True)(ONE_HOT_PARAMS)
    with pytest.raises(tf.errors.InvalidArgumentError, match="must sum to 1"):
        y.log_prob([1.0, 1.0, 0.0])
