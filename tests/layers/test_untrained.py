"""Variables that Keras does not own are tracked where a Keras layer has them, and refused elsewhere."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

import keras_vae as kv
from keras_vae import layers

X = np.random.default_rng(0).normal(size=(40, 2)).astype("float32")


def flow(network):
    return tfd.TransformedDistribution(
        tfd.MultivariateNormalDiag(tf.zeros(2), tf.ones(2)), tfb.MaskedAutoregressiveFlow(network)
    )


def made():
    return layers.AutoregressiveNetwork(2, event_shape=2, hidden_units=[4], activation="tanh")


def moved_by_fit(model, variables):
    """Return whether a step of `fit` moves every one of the variables that `variables()` gives afterwards."""
    model.compile(keras.optimizers.SGD(0.1), loss=kv.losses.NegativeLogLikelihood())
    model.predict(X, verbose=0)
    before = [variable.numpy() for variable in variables()]
    model.fit(X, X, verbose=0)
    assert before
    return all(np.any(old != new.numpy()) for old, new in zip(before, variables(), strict=True))


def test_a_network_in_the_bijector_of_a_regularizers_prior_is_trained():
    network = made()
    regularizer = layers.KLDivergenceRegularizer(flow(network))
    encoder = layers.MultivariateNormalDiag(2, activity_regularizer=regularizer)
    model = keras.Sequential([keras.layers.Dense(4), encoder])
    model(X)
    assert {id(v) for v in network.trainable_variables} <= {id(v) for v in model.trainable_variables}
    assert moved_by_fit(model, lambda: network.trainable_variables)


def test_a_network_in_the_closure_of_a_lambda_is_trained_and_its_weights_are_saved(tmp_path):
    network = keras.layers.Dense(2)

    def make():
        return keras.Sequential(
            [keras.Input((2,)), layers.DistributionLambda(lambda t: tfd.MultivariateNormalDiag(network(t)))]
        )

    model = make()
    assert moved_by_fit(model, lambda: network.trainable_variables)
    model.save_weights(tmp_path / "w.weights.h5")
    expected = network.get_weights()
    network.set_weights([np.zeros_like(w) for w in expected])
    make().load_weights(tmp_path / "w.weights.h5")
    for a, b in zip(expected, network.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


class FlowPrior(kv.priors.Prior):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.network = None
        self.flow = flow(made())

    def distribution(self):
        return self.flow


def test_a_network_in_a_bijector_of_a_prior_is_trained():
    vae = kv.VAE(
        kv.models.make_encoder((2,), 2), kv.models.make_decoder((2,), 2, likelihood="gaussian"), FlowPrior(), seed=0
    )
    vae.compile(keras.optimizers.SGD(0.1), jit_compile=False)
    vae.prior().log_prob([0.0, 0.0])
    weights = vae.prior.trainable_variables
    before = [w.numpy() for w in weights]
    vae.fit(X, verbose=0)
    assert len(before) == 4
    assert all(np.any(old != new.numpy()) for old, new in zip(before, weights, strict=True))


class WithTensorFlowVariable(kv.priors.Prior):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.loc = tf.Variable([3.0, 3.0], name="loc")

    def distribution(self):
        return tfd.MultivariateNormalDiag(self.loc)


def test_a_prior_with_a_variable_of_tensorflow_is_refused():
    with pytest.raises(
        ValueError, match=r"make `loc` of WithTensorFlowVariable with `self.add_weight`. Received: loc="
    ):
        WithTensorFlowVariable()()


def test_a_network_of_tf_keras_that_is_not_built_yet_is_refused():
    network = tfb.AutoregressiveNetwork(2, event_shape=[2], hidden_units=[4])
    with pytest.raises(ValueError, match="has trainable variables, which Keras would neither train nor save"):
        layers.KLDivergenceRegularizer(flow(network))


def test_a_posterior_function_that_makes_its_own_variables_is_refused():
    def posterior(dtype, shape, name, trainable, add_variable_fn):
        return tfd.Independent(tfd.Normal(tf.exp(tf.Variable(tf.zeros(shape), name="mine")), 1.0), len(shape))

    layer = layers.DenseReparameterization(3, kernel_posterior_fn=posterior)
    with pytest.raises(ValueError, match=r"`kernel_posterior_fn` makes variables of its own.*Received: \['.*mine:0'\]"):
        layer(X)
