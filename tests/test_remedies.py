"""Each error message here names a remedy: the test provokes the error, and then does what the message says."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

import keras_vae as kv
from keras_vae import layers, objectives

RNG = np.random.default_rng(0)
X = (RNG.random((8, 3)) < 0.5).astype("float32")
ENTRIES = RNG.random((8, 3)).astype("float32")


def encoder(head=None):
    size = 2 if head is not None else 4
    head = layers.MultivariateNormalDiag(2) if head is None else head
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(size), head])


def decoder(head=None):
    head = layers.IndependentBernoulli(3) if head is None else head
    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(head.params_size(3)), head])


def vae(q=None, p=None, prior=None, **options):
    model = kv.VAE(q or encoder(), p or decoder(), prior or kv.priors.StandardNormal(2), seed=0, **options)
    model.compile("sgd", run_eagerly=True)
    return model


def fit(model, *data, **options):
    assert np.all(np.isfinite(model.fit(*data, verbose=0, **options).history["loss"]))


def keras_model(head, size):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(size), head])
    model.compile("sgd", loss=kv.losses.NegativeLogLikelihood(), run_eagerly=True)
    return model


class Coins(kv.priors.Prior):
    def distribution(self):
        return tfd.Independent(tfd.Bernoulli(tf.zeros(2), dtype=tf.float32), 1)


class OfAVariable(kv.priors.Prior):
    def __init__(self):
        super().__init__()
        self.loc = tf.Variable([0.0, 0.0])

    def distribution(self):
        return tfd.MultivariateNormalDiag(self.loc)


class OfAWeight(kv.priors.Prior):
    def __init__(self):
        super().__init__()
        self.loc = self.add_weight((2,), "zeros", name="loc")

    def distribution(self):
        return tfd.MultivariateNormalDiag(tf.convert_to_tensor(self.loc))


def coins(**options):
    objective = objectives.ELBO(num_samples=2, form="log_ratio", **options)
    return vae(encoder(layers.IndependentBernoulli(2)), prior=Coins(), objective=objective)


def examples(*parts):
    return tf.data.Dataset.from_tensor_slices(parts if len(parts) > 1 else parts[0])


def regularized(prior):
    return layers.MultivariateNormalDiag(2, activity_regularizer=layers.KLDivergenceRegularizer(prior))


def own_posterior(dtype, shape, name, trainable, add_variable_fn):
    loc = tf.Variable(tf.zeros(shape))
    return tfd.Independent(tfd.Normal(loc, 1.0), len(shape))


def given_posterior(dtype, shape, name, trainable, add_variable_fn):
    loc = add_variable_fn(name=name + "_loc", shape=shape, dtype=dtype, initializer="zeros", trainable=trainable)
    return tfd.Independent(tfd.Normal(loc, 1.0), len(shape))


def normal_of_weights():
    return keras.Sequential([layers.VariableLayer(2), layers.DistributionLambda(tfd.MultivariateNormalDiag)])


def full():
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(5), layers.MultivariateNormalTriL(2)])


# The words of the error, what raises it, and the remedy.
CASES = {
    "map it to x": (
        lambda: kv.training.train(vae(), examples(X, X[:, 0]), verbose=0),
        lambda: kv.training.train(vae(), examples(X, X[:, 0]).map(lambda x, y: x), verbose=0),
    ),
    "or batch it and call `fit`": (
        lambda: kv.training.train(vae(), examples(X, X[:, 0]), verbose=0),
        lambda: fit(vae(), examples(X, X[:, 0]).batch(4)),
    ),
    "apply tf.data.experimental.assert_cardinality": (
        lambda: kv.training.train(vae(), examples(X).filter(lambda x: True), verbose=0),
        lambda: kv.training.train(
            vae(), examples(X).filter(lambda x: True).apply(tf.data.experimental.assert_cardinality(8)), verbose=0
        ),
    ),
    "An endless data set needs `steps_per_epoch`": (
        lambda: fit(vae(), examples(X).batch(4).repeat()),
        lambda: fit(vae(), examples(X).batch(4).repeat(), steps_per_epoch=2),
    ),
    "or an (x, y) of it": (
        lambda: fit(vae(), examples({"pixels": X, "digit": X[:, 0]}).batch(4)),
        lambda: fit(vae(), examples({"pixels": X, "digit": X[:, 0]}).map(lambda d: (d["pixels"], d["digit"])).batch(4)),
    ),
    "fit the clean images alone, with corruption=keras_vae.corruptions.SaltAndPepperNoise(0.2)": (
        lambda: fit(vae(), 1 - X, X),
        lambda: fit(vae(corruption=kv.corruptions.SaltAndPepperNoise(0.2)), X),
    ),
    "To predict y from another x, train a Keras model that ends in a layer of keras_vae.layers": (
        lambda: fit(vae(), 1 - X, X),
        lambda: fit(keras_model(layers.IndependentBernoulli(3), 3), 1 - X, X),
    ),
    "give one weight an example": (
        lambda: fit(vae(p=decoder(layers.MultivariateNormalTriL(3))), X, sample_weight=ENTRIES),
        lambda: fit(vae(), X, sample_weight=ENTRIES[:, 0]),
    ),
    'pass gradient="score_function"': (
        lambda: fit(coins(), X),
        lambda: fit(coins(gradient="score_function"), X),
    ),
    'differentiates the form "log_ratio": pass it': (
        lambda: objectives.ELBO(gradient="sticking_the_landing"),
        lambda: fit(vae(objective=objectives.ELBO(gradient="sticking_the_landing", form="log_ratio")), X),
    ),
    'pass per="total"': (
        lambda: fit(vae(full(), objective=objectives.FreeBits(0.1)), X),
        lambda: fit(vae(full(), objective=objectives.FreeBits(0.1, per="total")), X),
    ),
    "use `log_marginal`": (
        lambda: kv.evaluation.annealed_log_marginal(coins(gradient="score_function"), X),
        lambda: kv.evaluation.log_marginal(coins(gradient="score_function"), X, num_samples=5),
    ),
    "of OfAVariable with `self.add_weight`": (
        lambda: vae(prior=OfAVariable()),
        lambda: fit(vae(prior=OfAWeight()), X),
    ),
    "DistributionLambda\\(function of the n weights\\)": (
        lambda: regularized(tfd.MultivariateNormalDiag(tf.Variable([0.0, 0.0]))),
        lambda: fit(keras_model(regularized(normal_of_weights()), 4), X, X[:, :2]),
    ),
    "make them with its argument `add_variable_fn`": (
        lambda: layers.DenseReparameterization(2, kernel_posterior_fn=own_posterior)(X),
        lambda: layers.DenseReparameterization(2, kernel_posterior_fn=given_posterior)(X),
    ),
    "pass the widths to the network's object": (
        lambda: kv.VAE.for_vectors((3,), 2, network=kv.networks.MLP((4,)), hidden=(5,)),
        lambda: kv.VAE.for_vectors((3,), 2, network=kv.networks.MLP((5,))),
    ),
}


@pytest.mark.parametrize("words", CASES)
def test_what_an_error_tells_the_user_to_do_works(words):
    refused, remedy = CASES[words]
    pattern = words if "\\" in words else words.replace("(", r"\(").replace(")", r"\)")
    with pytest.raises((TypeError, ValueError), match=pattern):
        refused()
    remedy()


def test_a_joint_distribution_as_blockwise_is_trained_with_the_loss():
    """The other remedy for joint distributions; the first is tested with the layer."""
    head = layers.DistributionLambda(lambda t: tfd.Blockwise([tfd.Normal(t[..., 0], 1.0), tfd.Normal(t[..., 1], 1.0)]))
    model = keras_model(head, 2)
    before = model.get_weights()
    fit(model, X, X[:, :2])
    assert all(np.any(now != old) for now, old in zip(model.get_weights(), before, strict=True))


@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`")
def test_a_lambda_that_imports_what_it_uses_inside_it_survives_a_file(tmp_path):
    def make(function):
        return keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), layers.DistributionLambda(function)])

    make(lambda t: tfd.Normal(t, 1.0)).save(tmp_path / "outside.keras")
    with pytest.raises(NameError, match="import what it uses inside it"):
        keras.saving.load_model(tmp_path / "outside.keras", safe_mode=False)(X)
    inside = make(lambda t: __import__("tensorflow_probability").distributions.Normal(t, 1.0))
    inside.save(tmp_path / "inside.keras")
    loaded = keras.saving.load_model(tmp_path / "inside.keras", safe_mode=False)
    np.testing.assert_array_equal(loaded(X).mean(), inside(X).mean())
