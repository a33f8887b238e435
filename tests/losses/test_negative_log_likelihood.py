"""The loss is the mean of -log p(y) over the batch, in nats, with all that `keras.losses.Loss` promises."""

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae import layers
from keras_vae.layers import DistributionLambda, MultivariateNormalDiag
from keras_vae.losses import NegativeLogLikelihood

EPS = np.finfo("float32").eps
RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 3)).astype("float32")
Y = RNG.normal(size=(6, 2)).astype("float32")
PARAMS = RNG.normal(size=(6, 4)).astype("float32")
WEIGHTS = np.array([1.0, 0.0, 2.0, 0.5, 1.0, 3.0], "float32")
LOSSES = -scipy.stats.norm.logpdf(Y, PARAMS[:, :2], 1e-5 + np.logaddexp(0, PARAMS[:, 2:].astype("float64"))).sum(-1)


def p_y(params=PARAMS, **kwargs):
    return MultivariateNormalDiag(2, "mean", **kwargs)(params)


def model_of(*layers_, size=4):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(size), *layers_])
    model.compile("sgd", loss=NegativeLogLikelihood())
    return model


@pytest.fixture(params=["mixed_bfloat16", "mixed_float16"])
def _mixed_precision(request):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(request.param)
    yield
    keras.config.set_dtype_policy(before)


# The value.


@pytest.mark.parametrize(
    ("reduction", "expected"),
    [("sum_over_batch_size", LOSSES.mean()), ("mean", LOSSES.mean()), ("sum", LOSSES.sum()), (None, LOSSES)],
)
def test_it_is_the_mean_sum_or_vector_of_scipys_minus_log_densities(reduction, expected):
    loss = NegativeLogLikelihood(reduction)(Y, p_y())
    np.testing.assert_allclose(loss, expected, rtol=32 * EPS, atol=32 * EPS * np.abs(LOSSES).max())


@pytest.mark.parametrize(
    ("reduction", "expected"),
    [
        ("sum_over_batch_size", (WEIGHTS * LOSSES).mean()),
        ("mean_with_sample_weight", np.average(LOSSES, weights=WEIGHTS)),
        (None, WEIGHTS * LOSSES),
    ],
)
@pytest.mark.parametrize("shape", [(6,), (6, 1)])
def test_sample_weights_are_those_of_keras(reduction, expected, shape):
    loss = NegativeLogLikelihood(reduction)(Y, p_y(), WEIGHTS.reshape(shape))
    np.testing.assert_allclose(np.ravel(loss), np.ravel(expected), rtol=32 * EPS, atol=32 * EPS * np.abs(LOSSES).max())


def test_a_plain_distribution_is_scored_too():
    np.testing.assert_array_equal(
        NegativeLogLikelihood()(Y, MultivariateNormalDiag.new(PARAMS, 2)), NegativeLogLikelihood()(Y, p_y())
    )


def test_masked_steps_do_not_count():
    steps = np.concatenate([np.ones((2, 3, 3), "float32"), np.zeros((2, 2, 3), "float32")], 1)
    y = RNG.normal(size=(2, 5, 2)).astype("float32")
    model = keras.Sequential(
        [keras.layers.Masking(), keras.layers.LSTM(4, return_sequences=True), MultivariateNormalDiag(2)]
    )
    output = model(steps)
    assert output.batch_shape == [2, 5]
    expected = -np.mean(output.log_prob(y)[:, :3])
    np.testing.assert_allclose(NegativeLogLikelihood()(y, output), expected, rtol=16 * EPS)


def test_a_mask_inside_an_event_raises():
    layer = DistributionLambda(lambda t: tfd.Independent(tfd.Normal(t, 1.0), 2), "mean")
    output = keras.Sequential([keras.layers.Masking(), layer])(np.ones((2, 5, 3), "float32"))
    with pytest.raises(
        ValueError, match=r"The mask must have the axes .* Received: mask.shape=\(2, 5\), batch_shape=\(2,\)"
    ):
        NegativeLogLikelihood()(tf.zeros([2, 5, 3]), output)


# Dtypes.


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64", "float32", "float64"])
@pytest.mark.parametrize("sample_dtype", ["int32", "float32"])
def test_levels_of_any_type_are_scored_by_a_categorical(dtype, sample_dtype):
    y = layers.IndependentCategorical(2, 4, sample_dtype=sample_dtype)(RNG.normal(size=(3, 8)).astype("float32"))
    levels = np.array([[0, 3], [1, 2], [3, 3]], dtype)
    expected = -np.mean(y.log_prob(tf.cast(levels, y.dtype)))
    np.testing.assert_allclose(NegativeLogLikelihood()(levels, y), expected, rtol=8 * EPS)


def test_a_float64_distribution_is_scored_in_float64():
    """A float32 log-probability of 1 + 1e-9 against 1 would be that of 0."""
    y = DistributionLambda(lambda t: tfd.Normal(t, np.float64(1e-9)), dtype="float64")(np.ones(1))
    for loss_dtype in ("float64", "float32"):
        loss = NegativeLogLikelihood(dtype=loss_dtype)(np.array([1 + 1e-9]), y)
        assert loss.dtype == loss_dtype
        np.testing.assert_allclose(loss, -scipy.stats.norm.logpdf(1 + 1e-9, 1, 1e-9), rtol=1e-6)
    assert NegativeLogLikelihood()(np.array([1 + 1e-9]), y).dtype == tf.float32


@pytest.mark.usefixtures("_mixed_precision")
def test_the_log_probability_is_float32_under_mixed_precision():
    np.testing.assert_allclose(NegativeLogLikelihood()(Y, p_y()), LOSSES.mean(), rtol=32 * EPS)
    model = model_of(MultivariateNormalDiag(2))
    before = model.layers[0].kernel.numpy()
    losses = model.fit(X, Y, epochs=10, verbose=0).history["loss"]  # float16 first halves its scale
    assert np.all(np.isfinite(losses))
    assert np.any(model.layers[0].kernel.numpy() != before)


# In models.


@pytest.mark.parametrize("jit_compile", [False, True])
def test_fit_and_evaluate_report_it(jit_compile):
    model = model_of(MultivariateNormalDiag(2))
    model.jit_compile = jit_compile
    expected = -np.mean(model(X).log_prob(Y))
    np.testing.assert_allclose(model.fit(X, Y, verbose=0).history["loss"], [expected], rtol=64 * EPS)
    model.compile("sgd", loss=NegativeLogLikelihood(), weighted_metrics=[], jit_compile=jit_compile)
    expected = -np.mean(WEIGHTS * model(X).log_prob(Y))
    np.testing.assert_allclose(model.evaluate(X, Y, sample_weight=WEIGHTS, verbose=0), expected, rtol=64 * EPS)


def test_each_output_has_a_loss_of_its_own():
    x = keras.Input((3,))
    outputs = {
        "real": MultivariateNormalDiag(2, name="real")(keras.layers.Dense(4)(x)),
        "binary": layers.IndependentBernoulli(2, name="binary")(keras.layers.Dense(2)(x)),
        "point": keras.layers.Dense(1, name="point")(x),
    }
    model = keras.Model(x, outputs)
    loss = {"real": NegativeLogLikelihood(), "binary": NegativeLogLikelihood(), "point": "mse"}
    model.compile("sgd", loss=loss, loss_weights={"real": 1.0, "binary": 2.0, "point": 0.5})
    targets = {"real": Y, "binary": (Y > 0).astype("int32"), "point": Y[:, :1]}
    y = model(X)
    real, binary = -np.mean(y["real"].log_prob(Y)), -np.mean(y["binary"].log_prob(tf.cast(Y > 0, tf.float32)))
    point = np.mean((y["point"] - Y[:, :1]) ** 2)
    logs = model.fit(X, targets, verbose=0).history
    np.testing.assert_allclose(logs["real_loss"], [real], rtol=64 * EPS)
    np.testing.assert_allclose(logs["binary_loss"], [binary], rtol=64 * EPS)
    np.testing.assert_allclose(logs["loss"], [real + 2 * binary + 0.5 * point], rtol=64 * EPS)


def test_a_metric_sees_the_distribution_too():
    def rmse(y_true, y_pred):
        assert isinstance(y_pred, tfd.Distribution)
        return tf.sqrt(tf.reduce_mean((y_true - y_pred.mean()) ** 2, -1))

    model = model_of(MultivariateNormalDiag(2))
    model.compile("sgd", loss=NegativeLogLikelihood(), metrics=[rmse, "mse"])
    assert np.isfinite(model.fit(X, Y, verbose=0).history["rmse"][0])


def test_a_saved_model_loads_with_its_loss(tmp_path):
    model = model_of(MultivariateNormalDiag(2))
    model.compile("sgd", loss=NegativeLogLikelihood("sum", name="nll"))
    model.fit(X, Y, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    assert type(loaded.loss) is NegativeLogLikelihood
    assert loaded.evaluate(X, Y, verbose=0) == model.evaluate(X, Y, verbose=0)


# Configuration.


def test_config_holds_every_argument():
    loss = NegativeLogLikelihood("sum", "nll", "float64")
    assert loss.get_config() == {"reduction": "sum", "name": "nll", "dtype": "float64"}
    twin = keras.losses.get({"class_name": "keras_vae>NegativeLogLikelihood", "config": loss.get_config()})
    assert type(twin) is NegativeLogLikelihood
    assert twin.get_config() == loss.get_config()


def test_it_is_serialised_by_name_in_safe_mode():
    config = keras.losses.serialize(NegativeLogLikelihood())
    assert config["registered_name"] == "keras_vae>NegativeLogLikelihood"
    assert type(keras.losses.deserialize(config)) is NegativeLogLikelihood


# Errors.


def test_an_output_that_is_no_distribution_raises():
    with pytest.raises(TypeError, match="Expected a TFP distribution: end the model in a layer of keras_vae.layers"):
        NegativeLogLikelihood()(Y, tf.zeros([6, 2]))
    with pytest.raises(TypeError, match="Expected a TFP distribution: end the model in a layer of keras_vae.layers"):
        model_of().fit(X, PARAMS, verbose=0)


@pytest.mark.parametrize(
    ("layer", "size", "y"),
    [
        (layers.IndependentNormal(1), 2, Y[:, 0]),
        (layers.MixtureNormal(2, [1]), 6, Y[:, 0]),
        (layers.DistributionLambda(lambda t: tfd.Normal(t[..., 0], 1.0)), 4, Y[:, :1]),
    ],
    ids=["an axis too few", "an axis too few, of a mixture", "an axis too many"],
)
def test_a_last_axis_of_size_one_may_be_missing_or_too_many_in_the_target(layer, size, y):
    """As with a loss that Keras wraps; broadcasting [B] against [B, 1] would score every pair."""
    model = model_of(layer, size=size)
    distribution = model(X)
    aligned = y.reshape([6, *distribution.event_shape])
    expected = -tf.reduce_mean(distribution.log_prob(aligned))
    np.testing.assert_allclose(model.evaluate(X, y, verbose=0), expected, rtol=1e-5)


def test_weights_of_examples_weigh_rows_also_where_the_batch_is_a_square():
    y, target = tfd.Normal(np.zeros((3, 3), "float32"), 1.0), np.arange(9, dtype="float32").reshape(3, 3)
    weights = np.array([1.0, 0.0, 0.0], "float32")
    loss = NegativeLogLikelihood()(target, y, sample_weight=weights)
    np.testing.assert_allclose(loss, (weights[:, None] * -y.log_prob(target).numpy()).mean(), rtol=1e-6)


def test_targets_of_an_unknown_number_of_axes_raise():
    @tf.function(input_signature=[tf.TensorSpec(None)])
    def loss(y):
        return NegativeLogLikelihood()(y, p_y())

    with pytest.raises(ValueError, match="The number of axes of `y_true` must be known"):
        loss.get_concrete_function()


@pytest.mark.parametrize("shape", [(6,), (2,), (6, 1, 2)])
def test_a_target_of_other_axes_raises(shape):
    with pytest.raises(ValueError, match="`y_true` must have the axes of the distribution's batch and event"):
        NegativeLogLikelihood()(np.zeros(shape, "float32"), p_y())


def test_weights_of_entries_weigh_the_entries():
    """With y = 0 ... 8 and the identity as weights: (3 log(2 pi) / 2 + (0 + 16 + 64) / 2) / 3."""
    y = np.arange(9, dtype="float32").reshape(3, 3)
    p = layers.IndependentNormal(3, scale=1.0)(np.zeros([3, 3], "float32"))
    loss = NegativeLogLikelihood()(y, p, np.eye(3))
    assert float(loss) == pytest.approx((1.5 * np.log(2 * np.pi) + 40) / 3, rel=1e-6)


def test_weights_of_entries_that_are_not_independent_are_refused():
    p = layers.MultivariateNormalTriL(2)(np.zeros([3, 5], "float32"))
    with pytest.raises(ValueError, match="Received: MultivariateNormalTriL"):
        NegativeLogLikelihood()(np.zeros([3, 2]), p, np.ones([3, 2]))
