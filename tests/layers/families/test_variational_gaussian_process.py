"""Sparse Gaussian process: TFP's own distribution of the same numbers, training, saving."""

import inspect
import json

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from keras_vae import random
from keras_vae.layers import DistributionTensor, VariationalGaussianProcess

EPS = np.finfo("float32").eps
RNG = np.random.default_rng(0)
X = np.sort(RNG.uniform(-1, 1, size=(12, 1)), axis=0).astype("float32")
Y = np.concatenate([np.sin(3 * X), np.cos(3 * X), X**2], -1).astype("float32")


@keras.saving.register_keras_serializable(package="keras_vae_tests")
class RBF(keras.layers.Layer):
    """Exponentiated quadratic kernel of learned amplitude and length scale."""

    def __init__(self, feature_ndims=1, **kwargs):
        super().__init__(**kwargs)
        self.feature_ndims = feature_ndims
        self.amplitude = self.add_weight((), "ones", name="amplitude")
        self.length_scale = self.add_weight((), keras.initializers.Constant(0.5), name="length_scale")

    @property
    def kernel(self):
        return tfp.math.psd_kernels.ExponentiatedQuadratic(
            tf.math.softplus(tf.convert_to_tensor(self.amplitude)),
            tf.math.softplus(tf.convert_to_tensor(self.length_scale)),
            feature_ndims=self.feature_ndims,
        )

    def get_config(self):
        return {**super().get_config(), "feature_ndims": self.feature_ndims}


@keras.saving.register_keras_serializable(package="keras_vae_tests")
def twice_the_first(x):
    return 2 * x[..., 0]


def layer(size=1, dtype="float32", **kwargs):
    """Return a layer of four inducing points in reach of the data."""
    arguments = {
        "inducing_index_points_initializer": keras.initializers.RandomUniform(-1, 1, seed=1),
        "unconstrained_observation_noise_variance_initializer": keras.initializers.Constant(-2.0),
        "jitter": 1e-4,
        "seed": 3,
        **kwargs,
    }
    return VariationalGaussianProcess(4, RBF(dtype=dtype), (size,), **arguments)


def layer_weights(**kwargs):
    made = layer(**kwargs)
    made(X)
    return made.weights


def weight(made, name):
    (found,) = (w for w in made.weights if w.name == name)
    return found


# Against TFP.


@pytest.mark.parametrize("size", [1, 3])
def test_numbers_are_those_of_tfp_s_process_for_every_function(size):
    made = layer(size)
    made(X)
    weight(made, "variational_inducing_observations_loc").assign(RNG.normal(size=(size, 4)))
    weight(made, "variational_inducing_observations_scale").assign(0.3 * np.stack([np.eye(4)] * size))
    weight(made, "mean").assign(0.7)
    y = made(X)
    log_prob, loss, kl, mean, variance = 0.0, [], [], [], []
    for e in range(size):
        process = tfd.VariationalGaussianProcess(
            made.kernel_provider.kernel,
            X,
            weight(made, "inducing_index_points")[e],
            weight(made, "variational_inducing_observations_loc")[e],
            weight(made, "variational_inducing_observations_scale")[e],
            mean_fn=lambda _: 0.7,
            observation_noise_variance=np.logaddexp(0, np.float32(-2)),
            jitter=1e-4,
        )
        log_prob += process.log_prob(Y[:, e])
        loss.append(process.variational_loss(Y[:, e], kl_weight=0.5) - len(X) / 2)  # see the test of the loss
        kl.append(process.surrogate_posterior_kl_divergence_prior())
        mean.append(process.mean())
        variance.append(process.variance())
    tolerance = {"rtol": 1e4 * EPS, "atol": 1e4 * EPS}  # the covariances' condition number is below 1e4
    np.testing.assert_allclose(y.log_prob(Y[:, :size]), log_prob, **tolerance)
    np.testing.assert_allclose(y.variational_loss(Y[:, :size], kl_weight=0.5), loss, **tolerance)
    np.testing.assert_allclose(y.surrogate_posterior_kl_divergence_prior(), kl, **tolerance)
    base = y.tensor_distribution.distribution
    np.testing.assert_allclose(base.mean(), mean, **tolerance)
    np.testing.assert_allclose(base.variance(), variance, **tolerance)


def test_the_loss_is_minus_the_expected_log_likelihood_plus_the_weighted_kl():
    """E_q(f) log N(y; f, s^2) = sum log N(y; m, s^2) - v / (2 s^2), where v is the variance of f without the noise.

    TFP's loss has v + s^2 for v, which adds 1/2 a point.
    """
    made = layer()
    made(X)
    weight(made, "variational_inducing_observations_loc").assign(RNG.normal(size=(1, 4)))
    weight(made, "variational_inducing_observations_scale").assign(0.3 * np.eye(4)[None])
    y = made(X)
    noise_variance = np.logaddexp(0, -2)
    base = y.tensor_distribution.distribution
    mean, variance = (np.float64(moment)[0] for moment in (base.mean(), base.variance()))
    log_prob = scipy.stats.norm(mean, np.sqrt(noise_variance)).logpdf(Y[:, 0])
    expected = np.sum(log_prob - (variance - noise_variance) / (2 * noise_variance))
    np.testing.assert_allclose(y.variational_loss(Y[:, :1], kl_weight=0.0), [-expected], rtol=1e3 * EPS)
    none, half, one = (y.variational_loss(Y[:, :1], kl_weight=w) for w in (0.0, 0.5, 1.0))
    kl = y.surrogate_posterior_kl_divergence_prior()
    np.testing.assert_allclose(one - none, kl, rtol=64 * EPS, atol=64 * EPS * np.abs(one).max())
    np.testing.assert_allclose(half - none, 0.5 * kl, rtol=64 * EPS, atol=64 * EPS * np.abs(one).max())
    np.testing.assert_array_equal(y.variational_loss(Y[:, :1]), one)


def test_the_loss_is_refused_without_noise():
    y = layer(unconstrained_observation_noise_variance_initializer=None)(X)
    with pytest.raises(ValueError, match="Without noise y has no density: .*Received: unconstrained_obs"):
        y.variational_loss(Y[:, :1])


# Shapes.


@pytest.mark.parametrize("size", [1, 3])
def test_the_event_is_the_batch_by_the_functions(size):
    y = layer(size)(X)
    assert isinstance(y, DistributionTensor)
    assert (y.batch_shape, y.event_shape, y.shape) == ([], [12, size], [12, size])
    assert y.sample(5).shape == (5, 12, size)
    assert y.log_prob(Y[:, :size]).shape == []
    assert y.variational_loss(Y[:, :size]).shape == [size]


def test_inputs_may_have_several_feature_axes():
    made = VariationalGaussianProcess(4, RBF(feature_ndims=2))
    assert made(tf.zeros([5, 2, 3])).event_shape == [5, 1]
    assert weight(made, "inducing_index_points").shape == (1, 4, 2, 3)


def test_the_prior_mean_is_a_trained_constant_or_a_function_of_the_input():
    assert any(w.name == "mean" and w.trainable for w in layer_weights())
    made = layer(mean_fn=twice_the_first)
    far = made(X + 1000)
    np.testing.assert_allclose(far.tensor_distribution.distribution.mean()[0], 2 * (X[:, 0] + 1000), rtol=64 * EPS)
    assert all(w.name != "mean" for w in made.weights)


def test_without_an_initializer_there_is_no_noise():
    made = layer(unconstrained_observation_noise_variance_initializer=None)
    process = made(X).tensor_distribution.distribution.distribution
    assert process.observation_noise_variance == 0
    names = [w.name for w in made.weights]
    assert "observation_noise_variance" not in names
    assert len(names) == len(layer_weights()) - 1


def test_the_value_is_a_sample_that_the_seed_decides():
    first, second, other = layer(), layer(), layer(seed=4)
    for made in (first, second, other):
        made.build(X.shape)
    np.testing.assert_array_equal(first(X), second(X))
    assert np.any(np.asarray(other(X)) != np.asarray(layer()(X)))
    np.testing.assert_array_equal(layer()(X), random.sample(layer()(X), 1, keras.random.SeedGenerator(3))[0])


# In models.


def test_fit_lowers_the_variational_loss():
    model = keras.Sequential([keras.Input((1,)), layer(3)])
    model.compile(
        keras.optimizers.Adam(0.05), loss=lambda y, functions: functions.variational_loss(y), run_eagerly=True
    )
    before = [w.numpy() for w in model.trainable_variables]
    assert len(before) == 7  # mean, noise, points, loc, scale, and the two of the kernel
    losses = model.fit(X, Y, batch_size=len(X), epochs=5, verbose=0).history["loss"]
    assert losses[-1] < losses[0] - 0.1
    for w, old in zip(model.trainable_variables, before, strict=True):
        assert np.any(w.numpy() != old), w.path


def test_predict_samples_the_functions():
    model = keras.Sequential([keras.Input((1,)), layer(3)])
    first, second = (model.predict(X, verbose=0) for _ in range(2))
    assert first.shape == (12, 3)
    assert np.all(first != second)  # a mean would be the same each time


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_it_computes_in_float32_under_mixed_precision(policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        made = layer(dtype=None)
        y = made(X)
        assert y.log_prob(Y[:, :1]).dtype == tf.float32
        np.testing.assert_array_equal(y.log_prob(Y[:, :1]), layer()(X).log_prob(Y[:, :1]))
    finally:
        keras.config.set_dtype_policy(before)


def test_the_dtype_is_the_kernels():
    y = layer(dtype="float64")(X.astype("float64"))
    assert y.dtype == y.variational_loss(Y[:, :1]).dtype == tf.float64


# Configuration and saving.


def test_config_holds_every_argument_as_json():
    made = layer(
        2, mean_fn=twice_the_first, variational_inducing_observations_scale_initializer="zeros", name="functions"
    )
    config = json.loads(json.dumps(made.get_config()))
    named = {
        p.name
        for p in inspect.signature(VariationalGaussianProcess.__init__).parameters.values()
        if p.kind != p.VAR_KEYWORD
    }
    assert set(config) == named - {"self"} | {"trainable", "dtype", "seed"}
    twin = VariationalGaussianProcess.from_config(config)
    assert twin.get_config() == made.get_config()
    assert (twin.event_shape, twin.jitter, twin.mean_fn, twin.name) == ((2,), 1e-4, twice_the_first, "functions")


@pytest.mark.parametrize("mean_fn", [None, twice_the_first])
def test_a_saved_model_is_the_same_after_safe_loading(mean_fn, tmp_path):
    model = keras.Sequential([keras.Input((1,)), layer(2, mean_fn=mean_fn)])
    for w in model.trainable_variables:
        w.assign_add(tf.fill(w.shape, 0.1))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    assert keras.saving.get_registered_name(type(loaded.layers[0])) == "keras_vae>VariationalGaussianProcess"
    y, z = model(X), loaded(X)
    np.testing.assert_array_equal(z.log_prob(Y[:, :2]), y.log_prob(Y[:, :2]))
    np.testing.assert_array_equal(z.variational_loss(Y[:, :2]), y.variational_loss(Y[:, :2]))
    np.testing.assert_array_equal(z, y)


# Errors.


@pytest.mark.parametrize("provider", [None, keras.layers.Identity(), tfp.math.psd_kernels.ExponentiatedQuadratic()])
def test_a_kernel_provider_without_kernel_raises(provider):
    with pytest.raises(TypeError, match="`kernel_provider` must be a Keras layer with a property `kernel`. Received: "):
        VariationalGaussianProcess(4, provider)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_inducing_points": 0}, "`num_inducing_points` must be 1 or more. Received: num_inducing_points=0"),
        ({"num_inducing_points": 4, "event_shape": (2, 3)}, r"`event_shape` must be one size.*event_shape=\(2, 3\)"),
        ({"num_inducing_points": 4, "event_shape": ()}, r"`event_shape` must be one size.*event_shape=\(\)"),
    ],
)
def test_bad_arguments_raise(arguments, message):
    with pytest.raises(ValueError, match=message):
        VariationalGaussianProcess(kernel_provider=RBF(), **arguments)
