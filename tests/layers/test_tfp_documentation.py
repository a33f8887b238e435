"""What TFP's documentation does with `tfp.layers` runs with `keras_vae.layers` after a change of imports alone."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae import layers as tfpl

tfk, tfkl = keras, keras.layers
SCALE_TRIL = np.array([[1.6, 0.0], [-2.7, 3.1]], "float32")


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(size=(64, 2)).astype("float32")


def negative_log_likelihood(y, rv_y):
    return -rv_y.log_prob(y)


def fit(model, x, y, learning_rate=0.1, epochs=5, loss=negative_log_likelihood):
    """Return the loss before and after training on the whole batch."""
    eager = epochs < 10  # a graph takes the time of some ten steps to make
    optimizer = tfk.optimizers.Adam(learning_rate)
    model.compile(optimizer=optimizer, loss=loss, metrics=[], run_eagerly=eager, jit_compile=False)
    losses = model.fit(x, y, batch_size=len(x), epochs=epochs, shuffle=True, verbose=False).history["loss"]
    assert np.all(np.isfinite(losses))
    return losses[0], losses[-1]


def assert_falls(losses):
    assert losses[1] < losses[0]


def test_distribution_lambda_with_named_arguments_and_five_samples(x):
    model = tfk.Sequential(
        [
            tfkl.Dense(2),
            tfpl.DistributionLambda(
                make_distribution_fn=lambda t: tfd.Normal(loc=t[..., 0], scale=tf.exp(t[..., 1])),
                convert_to_tensor_fn=lambda s: s.sample(5),
            ),
        ]
    )
    y = model(x)
    assert isinstance(y, tfd.Distribution)
    assert (y.batch_shape, y.event_shape) == ([64], [])
    assert tf.convert_to_tensor(y).shape == (5, 64)


def test_multivariate_normal_tril_regression(x):
    y = x @ SCALE_TRIL
    d = y.shape[-1]
    model = tfk.Sequential([tfkl.Dense(tfpl.MultivariateNormalTriL.params_size(d)), tfpl.MultivariateNormalTriL(d)])
    assert_falls(fit(model, x, y))
    assert model(x).covariance().shape == (64, 2, 2)


@pytest.mark.parametrize(
    "convert",
    [
        tfd.Distribution.sample,
        tfd.Distribution.mean,
        tfd.Distribution.mode,
        lambda s: s.mean() + 0.1 * s.stddev(),
    ],
)
def test_concretisations_of_multivariate_normal_tril(x, convert):
    y = tfpl.MultivariateNormalTriL(2, convert)(np.concatenate([x, x, x[:, :1]], -1))
    value = tf.convert_to_tensor(y)
    assert value.shape == (64, 2)
    if convert is tfd.Distribution.sample:
        assert np.all(value != y.mean())
    else:
        np.testing.assert_array_equal(value, convert(y.tensor_distribution))


def one_hot(x):
    """Return draws of a binary variable as unit vectors, and the logits' linear function of x."""
    logits = tf.pad(0.3 + 1.6 * x[..., :1] - 2.7 * x[..., 1:], paddings=[[0, 0], [1, 0]])
    return tfd.OneHotCategorical(logits=logits, dtype=tf.float32).sample(seed=[1, 2]).numpy()


def test_one_hot_categorical_regression_with_a_padded_logit(x):
    y = one_hot(x)
    d = y.shape[-1]
    model = tfk.Sequential(
        [
            tfkl.Dense(tfpl.OneHotCategorical.params_size(d) - 1),
            tfkl.Lambda(lambda x: tf.pad(x, paddings=[[0, 0], [1, 0]])),
            tfpl.OneHotCategorical(d),
        ]
    )
    assert_falls(fit(model, x, y, 0.5))
    assert np.all(np.sum(model(x), -1) == 1)


def test_one_hot_categorical_becomes_its_logits(x):
    np.testing.assert_array_equal(tfpl.OneHotCategorical(2, tfd.OneHotCategorical.logits)(x), x)


def test_categorical_mixture_of_one_hot_categorical_regression(x):
    y = one_hot(x)
    d, k = y.shape[-1], 2
    model = tfk.Sequential(
        [
            tfkl.Dense(tfpl.CategoricalMixtureOfOneHotCategorical.params_size(d, k)),
            tfpl.CategoricalMixtureOfOneHotCategorical(d, k),
        ]
    )
    losses = fit(model, x, y, 0.5, loss=lambda y, rv_y: -tf.reduce_mean(rv_y.log_prob(y)))
    assert_falls(losses)


def test_categorical_mixture_of_one_hot_categorical_becomes_its_log_mean(x):
    params = np.concatenate([x, x, x], -1)
    y = tfpl.CategoricalMixtureOfOneHotCategorical(2, 2, lambda s: s.log_mean())(params)
    tolerance = 16 * np.finfo("float32").eps
    np.testing.assert_allclose(np.sum(np.exp(y), -1), 1, rtol=tolerance)
    np.testing.assert_allclose(y, tf.nn.log_softmax(x), rtol=tolerance, atol=tolerance)  # both components have logits x


def test_independent_bernoulli_regression(x):
    y = tfd.Bernoulli(logits=tf.reshape(x @ SCALE_TRIL, [64, 1, 2, 1])).sample(seed=[1, 2])
    event_shape = y.shape[1:].as_list()
    model = tfk.Sequential(
        [tfkl.Dense(tfpl.IndependentBernoulli.params_size(event_shape)), tfpl.IndependentBernoulli(event_shape)]
    )
    assert_falls(fit(model, x, y, 0.5))
    assert model(x).event_shape == event_shape


def test_independent_bernoulli_becomes_its_logits(x):
    np.testing.assert_array_equal(tfpl.IndependentBernoulli(2, tfd.Bernoulli.logits)(x), x)


@pytest.mark.parametrize("name", ["IndependentLogistic", "IndependentNormal"])
def test_stochastic_encoders(name):
    layer, encoded_shape = getattr(tfpl, name), 2
    encoder = tfk.Sequential(
        [
            tfkl.InputLayer(shape=[4, 4, 1]),
            tfkl.Flatten(),
            tfkl.Dense(10, activation="relu"),
            tfkl.Dense(layer.params_size(encoded_shape)),
            layer(encoded_shape),
        ]
    )
    z = encoder(np.zeros([3, 4, 4, 1], "float32"))
    assert z.shape == z.mean().shape == (3, 2)
    assert z.log_prob(z).shape == (3,)


def test_poisson_regression():
    rng = np.random.default_rng(0)
    x = rng.uniform(0.1, 1.0, size=(64, 4)).astype("float32")
    log_rate = x @ np.array([[3.1], [2.7], [-1.6], [0.6]], "float32") - 0.1
    y = rng.poisson(np.exp(log_rate)).astype("float32")
    model = tfk.Sequential([tfkl.Dense(tfpl.IndependentPoisson.params_size(1)), tfpl.IndependentPoisson(1)])
    assert_falls(fit(model, x, y))


def cardioid():
    rng = np.random.default_rng(0)
    t = rng.uniform(-np.pi, np.pi, size=(64, 1))
    r = 2 * (1 - np.cos(t))
    return [(r * side(t) + rng.normal(scale=0.1, size=t.shape)).astype("float32") for side in (np.sin, np.cos)]


def _same_family():
    size = tfpl.MixtureSameFamily.params_size(5, component_params_size=tfpl.IndependentNormal.params_size([1]))
    return size, tfpl.MixtureSameFamily(5, tfpl.IndependentNormal([1]))


MIXTURES = {
    "MixtureSameFamily": _same_family,
    "MixtureNormal": lambda: (tfpl.MixtureNormal.params_size(5, [1]), tfpl.MixtureNormal(5, [1])),
    "MixtureLogistic": lambda: (tfpl.MixtureLogistic.params_size(5, [1]), tfpl.MixtureLogistic(5, [1])),
}


@pytest.mark.parametrize("name", MIXTURES)
def test_mixture_density_networks_of_a_cardioid(name):
    x, y = cardioid()
    params_size, layer = MIXTURES[name]()
    model = tfk.Sequential([tfkl.Dense(12, activation="relu"), tfkl.Dense(params_size, activation=None), layer])
    assert_falls(fit(model, x, y, 0.02))


def prior():
    return tfd.MultivariateNormalDiag(loc=tf.zeros(2), scale_diag=tf.ones(2))


def _regularized():
    regularizer = tfpl.KLDivergenceRegularizer(prior(), weight=0.5)
    return [tfpl.MultivariateNormalTriL(2, lambda s: s.sample(10), activity_regularizer=regularizer)]


def _with_added_loss():
    layer = tfpl.MultivariateNormalTriL(2, lambda s: s.sample(10))
    return [layer, tfpl.KLDivergenceAddLoss(prior(), weight=0.5)]


@pytest.mark.parametrize("make_layers", [_regularized, _with_added_loss])
def test_variational_encoders_with_a_penalty(make_layers):
    encoder = tfk.Sequential(
        [
            tfkl.InputLayer(shape=[4, 4, 1]),
            tfkl.Flatten(),
            tfkl.Dense(10, activation="relu"),
            tfkl.Dense(tfpl.MultivariateNormalTriL.params_size(2)),
            *make_layers(),
        ]
    )
    z = encoder(np.ones([3, 4, 4, 1], "float32"))
    assert isinstance(z, tfd.Distribution)
    value = tf.convert_to_tensor(z)
    assert value.shape == (10, 3, 2)
    (penalty,) = encoder.losses
    np.testing.assert_allclose(penalty, 0.5 * np.mean(z.log_prob(value) - prior().log_prob(value)), rtol=1e-5)


def test_a_variable_layer_makes_a_trainable_distribution():
    model = tfk.Sequential(
        [
            tfpl.VariableLayer(shape=[4, 2], initializer=tfpl.BlockwiseInitializer(["zeros", "ones"], sizes=[1, 1])),
            tfpl.DistributionLambda(
                lambda t: tfd.Independent(
                    tfd.Normal(loc=t[..., 0], scale=tf.math.softplus(t[..., 1])), reinterpreted_batch_ndims=1
                )
            ),
        ]
    )
    x = np.random.default_rng(0).normal(3.0, size=(64, 4)).astype("float32")
    assert_falls(fit(model, np.zeros([64, 1], "float32"), x))
    assert model(np.zeros([64, 1], "float32")).event_shape == [4]


@pytest.mark.parametrize("name", ["DenseFlipout", "DenseLocalReparameterization", "DenseReparameterization"])
def test_bayesian_networks_of_dense_layers(name, x):
    layer, labels = getattr(tfpl, name), np.argmax(one_hot(x), -1)
    model = tfk.Sequential([layer(8, activation="relu"), layer(2)])
    loss = tfk.losses.SparseCategoricalCrossentropy(from_logits=True)
    model(x)
    assert len(model.losses) == 2
    losses = fit(model, x, labels, 0.05, epochs=20, loss=loss)
    assert_falls(losses)


def test_density_estimation_with_an_autoregressive_transform(x):
    model = tfk.Sequential(
        [
            tfkl.InputLayer(shape=(0,), dtype="float32"),
            tfpl.DistributionLambda(
                lambda t: tfd.MultivariateNormalDiag(
                    loc=tf.zeros(tf.concat([tf.shape(t)[:-1], [2]], axis=0)), scale_diag=[1.0, 1.0]
                )
            ),
            tfpl.AutoregressiveTransform(
                tfpl.AutoregressiveNetwork(params=2, hidden_units=[10], activation="relu", event_shape=[2])
            ),
        ]
    )
    y = np.stack([x[:, 0] + x[:, 1] ** 2, 2 * x[:, 1]], -1)
    assert_falls(fit(model, np.zeros((64, 0), "float32"), y, 0.02))
    distribution = model(np.zeros((3, 0), "float32"))
    assert distribution.sample(4).shape == (4, 3, 2)
    assert distribution.log_prob(np.zeros((5, 3, 2), "float32")).shape == (5, 3)
