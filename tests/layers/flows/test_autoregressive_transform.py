"""Masked autoregressive flow: change of variables by numerical Jacobians, integrals, samples, training, saving."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

import keras_vae as kv
from keras_vae import random
from keras_vae.layers import AutoregressiveNetwork, AutoregressiveTransform, DistributionLambda, MultivariateNormalDiag

EPS = np.finfo("float32").eps
RNG = np.random.default_rng(0)
X = RNG.normal(size=(5, 3))


def made(**kwargs):
    arguments = {"hidden_units": [16], "activation": "tanh", "bias_initializer": "random_normal", **kwargs}
    return AutoregressiveNetwork(2, **arguments)


@keras.saving.register_keras_serializable(package="keras_vae_tests")
def standard_normal(inputs):
    """Return N(0, I) of two dimensions for every row of an input without columns."""
    zeros = tf.zeros(tf.concat([tf.shape(inputs)[:-1], [2]], 0))
    return tfd.MultivariateNormalDiag(zeros, tf.ones(2))


def flow(*networks, **kwargs):
    """Return a model of an input without columns: N(0, I), transformed by each of `networks`."""
    return keras.Sequential(
        [
            keras.Input((0,)),
            DistributionLambda(standard_normal),
            *(AutoregressiveTransform(network, **kwargs) for network in networks),
        ]
    )


def p_x(size=3, **kwargs):
    """Return a flow over float64 vectors, from a normal with parameters of its own."""
    base = MultivariateNormalDiag(size, dtype="float64")(RNG.normal(size=(1, 2 * size)))
    return AutoregressiveTransform(made(dtype="float64", **kwargs), seed=1, dtype="float64")(base)


# Density.


@pytest.mark.parametrize("order", ["left-to-right", "right-to-left", "random"])
def test_log_prob_is_that_of_the_base_plus_the_log_determinant_of_the_numerical_jacobian(order):
    p = p_x(input_order=order)
    to_base = p.tensor_distribution.bijector.inverse
    step = 2 ** (-52 / 3)
    columns = [(to_base(X + step * e) - to_base(X - step * e)) / (2 * step) for e in np.eye(3)]
    _, log_det = np.linalg.slogdet(np.stack(columns, -1))
    expected = p.tensor_distribution.distribution.log_prob(to_base(X)) + log_det
    np.testing.assert_allclose(p.log_prob(X), expected, atol=1e3 * step**2)  # third derivatives are below 1e3


def test_shift_and_log_scale_are_the_two_outputs_of_made():
    base = MultivariateNormalDiag(3, dtype="float64")(RNG.normal(size=(1, 6)))
    network = made(dtype="float64")
    p = AutoregressiveTransform(network, dtype="float64")(base)
    shift, log_scale = np.moveaxis(np.asarray(network(X)), -1, 0)
    u = (X - shift) * np.exp(-log_scale)
    expected = base.log_prob(u) - log_scale.sum(-1)
    np.testing.assert_allclose(p.log_prob(X), expected, rtol=1e3 * 2**-52)


def test_forward_and_inverse_are_inverse_to_each_other():
    bijector = p_x().tensor_distribution.bijector
    np.testing.assert_allclose(bijector.forward(tf.identity(bijector.inverse(X))), X, rtol=1e4 * 2**-52)


@pytest.mark.parametrize("size", [1, 2])
def test_the_density_integrates_to_one(size):
    """By the trapezoid rule, exact up to the tails for a smooth density."""
    axis = np.linspace(-30, 30, 20001 if size == 1 else 1201)
    grid = np.stack(np.meshgrid(*[axis] * size, indexing="ij"), -1)
    density = np.exp(p_x(size).log_prob(grid))
    np.testing.assert_allclose(density.sum() * (axis[1] - axis[0]) ** size, 1, rtol=1e-6)


# Samples.


def test_samples_are_the_base_draws_sent_forward():
    p = p_x()
    base, bijector = p.tensor_distribution.distribution, p.tensor_distribution.bijector
    np.testing.assert_array_equal(random.sample(p, 4, 7), bijector.forward(random.sample(base, 4, 7)))
    expected = random.sample(p, 1, keras.random.SeedGenerator(1))[0]
    np.testing.assert_array_equal(p, expected)


def test_the_mean_of_samples_is_that_of_the_density():
    """Within 4 standard errors of the mean by the trapezoid rule."""
    p, axis = p_x(1), np.linspace(-30, 30, 20001)
    mean = np.sum(axis * np.exp(p.log_prob(axis[:, None]))) * (axis[1] - axis[0])
    x = np.asarray(random.sample(p, 4000, 3)).ravel()
    assert abs(x.mean() - mean) < 4 * x.std() / np.sqrt(len(x))


def test_samples_are_the_same_in_eager_execution_and_xla():
    model = flow(made())
    p = model(np.zeros((3, 0)))
    draw = tf.function(lambda: random.sample(p, 2, 5), jit_compile=True)
    np.testing.assert_allclose(draw(), random.sample(p, 2, 5), rtol=64 * EPS, atol=64 * EPS)


def test_a_distribution_whose_bijector_adds_a_batch_is_drawn_by_tfp():
    gumbel = tfd.Gumbel([0.0, 10.0, 20.0], 1.0)
    x = np.asarray(random.sample(gumbel, 5, 0))
    assert x.shape == (5, 3)
    assert np.all(np.diff(x) > 1)
    np.testing.assert_array_equal(x, gumbel.sample(5, random.as_noise(0).of(random.Stream.ROWS, 0).seed))
    normal = tfd.Normal([0.0, 1.0], 1.0)
    np.testing.assert_array_equal(
        random.sample(tfd.LogNormal([0.0, 1.0], 1.0), 5, 0), tf.exp(random.sample(normal, 5, 0))
    )


# In models.


def banana(n=1000):
    """Return points of Figure 1 of Papamakarios et al. (2017)."""
    rng = np.random.default_rng(1)
    x2 = 2 * rng.normal(size=n)
    return np.stack([rng.normal(size=n) + x2**2 / 4, x2], -1).astype("float32")


def test_fit_raises_the_log_probability_of_the_banana():
    """The entropy of the data is 2 log(2 pi e) / 2 + log(2) = 3.53 nats; that of the best normal 4.05."""
    x = banana()
    model = flow(AutoregressiveNetwork(2, hidden_units=[32], activation="relu", input_order="right-to-left"))
    model.compile(keras.optimizers.Adam(0.02), loss=lambda y, p: -p.log_prob(y))
    losses = model.fit(np.zeros((len(x), 0)), x, batch_size=50, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    p = model(np.zeros((1, 0)))
    best_normal = 0.5 * np.linalg.slogdet(2 * np.pi * np.e * np.cov(x.T))[1]
    assert -np.mean(p.log_prob(x)) < best_normal
    assert p.sample(4).shape == (4, 1, 2)
    assert p.log_prob(np.zeros((5, 3, 2), "float32")).shape == (5, 3)


def test_an_input_without_batch_gives_a_distribution_without_batch():
    """Keras' own models take no input of rank 1, their layers do."""
    p = tf.zeros([0])
    for layer in flow(made(), made()).layers:
        p = layer(p)
    assert (p.batch_shape, p.event_shape, p.sample(4).shape) == ([], [2], [4, 2])
    assert p.log_prob(tf.zeros([5, 3, 2])).shape == (5, 3)


def test_the_symbolic_output_has_the_shape_of_a_sample():
    assert flow(made()).output_shape == (None, 2)


def test_every_weight_is_trained_and_listed_once():
    model = flow(made(), made())
    assert len(model.trainable_variables) == 8
    with tf.GradientTape() as tape:
        loss = -tf.reduce_mean(model(np.zeros((5, 0))).log_prob(banana(5)))
    for w, gradient in zip(model.trainable_variables, tape.gradient(loss, model.trainable_variables), strict=True):
        assert np.any(gradient != 0), w.path


def test_a_conditional_flow_learns_the_mean_of_each_condition():
    c = np.repeat([[0.0], [1.0]], 200, axis=0).astype("float32")
    x = RNG.normal(size=(400, 1)).astype("float32") + 5 * c
    layer = AutoregressiveTransform(
        AutoregressiveNetwork(2, 1, conditional=True, conditional_event_shape=1, kernel_initializer="zeros")
    )
    p = layer(kv.layers.DistributionTensor(tfd.MultivariateNormalDiag(tf.zeros(1)), lambda d: d.mean()))
    optimizer = keras.optimizers.Adam(0.1)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(p.log_prob(x, bijector_kwargs={"conditional_input": c}))
        optimizer.apply(tape.gradient(loss, layer.trainable_variables), layer.trainable_variables)

    optimizer.build(layer.trainable_variables)
    for _ in range(150):
        step()
    for condition in (0.0, 1.0):
        kwargs = {"conditional_input": tf.fill([1000, 1], condition)}
        sample = p.sample(1000, seed=(1, 2), bijector_kwargs=kwargs)
        assert abs(np.mean(sample) - 5 * condition) < 0.5


# Precision and saving.


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_densities_are_float32_under_mixed_precision(policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        p = flow(made())(np.zeros((3, 0)))
        assert p.log_prob(tf.zeros([3, 2])).dtype == tf.convert_to_tensor(p).dtype == tf.float32
    finally:
        keras.config.set_dtype_policy(before)


def test_a_saved_flow_is_the_same_after_safe_loading(tmp_path):
    model = flow(made(input_order="random"), made(), seed=3)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    assert loaded.layers[-1].made.get_config() == model.layers[-1].made.get_config()
    assert keras.saving.get_registered_name(type(loaded.layers[-1])) == "keras_vae>AutoregressiveTransform"
    p, q = model(np.zeros((3, 0))), loaded(np.zeros((3, 0)))
    np.testing.assert_array_equal(q.log_prob(banana(3)), p.log_prob(banana(3)))
    np.testing.assert_array_equal(q, p)


# Errors.


def test_a_network_of_another_number_of_parameters_raises():
    with pytest.raises(ValueError, match="2 parameters for each dimension, shift and log_scale. Received: params=3"):
        AutoregressiveTransform(AutoregressiveNetwork(3))


def test_an_input_that_is_no_distribution_raises():
    with pytest.raises(TypeError, match="Expected a TFP distribution"):
        AutoregressiveTransform(made())(tf.zeros([3, 2]))


def test_a_distribution_of_scalars_raises():
    with pytest.raises(ValueError, match=r"a distribution of vectors. Received: inputs.event_shape=\(\)"):
        AutoregressiveTransform(made())(DistributionLambda(lambda t: tfd.Normal(t, 1.0))(tf.zeros([3, 2])))


def test_a_network_of_tf_keras_is_refused():
    made = tfb.AutoregressiveNetwork(params=2, event_shape=[2])
    with pytest.raises(TypeError, match=r"keras_vae.layers.AutoregressiveNetwork has the arguments of TFP's"):
        AutoregressiveTransform(made)
