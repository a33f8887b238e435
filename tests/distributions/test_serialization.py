"""Distributions come back from JSON as they were: class, shapes and every bit of every parameter."""

import json

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from keras_vae import distributions as kvd
from keras_vae import layers
from keras_vae.distributions.serialization import deserialize_distribution, serialize_distribution

RNG = np.random.default_rng(0)
LOC = RNG.normal(size=(2, 3)).astype("float32")
SCALE = RNG.uniform(0.1, 2.0, size=(2, 3)).astype("float32")

# Distributions, and a point they can score.
DISTRIBUTIONS = {
    "standard": (lambda: tfd.MultivariateNormalDiag(tf.zeros(3)), LOC),
    "diag": (lambda: tfd.MultivariateNormalDiag(LOC, SCALE, validate_args=True, name="prior"), LOC + 1),
    "tril": (lambda: tfd.MultivariateNormalTriL(LOC, scale_tril=tf.linalg.diag(SCALE)), LOC + 1),
    "independent": (lambda: tfd.Independent(tfd.Normal(LOC, SCALE), 1), LOC + 1),
    "sample": (lambda: tfd.Sample(tfd.StudentT(3.0, 0.0, 1.0), [3]), LOC),
    "dtype": (lambda: tfd.Bernoulli(logits=LOC, dtype=tf.float32), np.ones_like(LOC)),
    "mixture_same_family": (
        lambda: tfd.MixtureSameFamily(tfd.Categorical(logits=[0.1, 0.7]), tfd.MultivariateNormalDiag(LOC, SCALE)),
        LOC,
    ),
    "mixture": (
        lambda: tfd.Mixture(tfd.Categorical(probs=[0.25, 0.75]), [tfd.Normal(0.0, 1.0), tfd.Laplace(1.0, 2.0)]),
        0.3,
    ),
    "transformed": (
        lambda: tfd.TransformedDistribution(
            tfd.MultivariateNormalDiag(LOC, SCALE),
            tfb.Chain([tfb.Shift(LOC[0]), tfb.Invert(tfb.Softplus(low=0.5)), tfb.Exp(), tfb.Permute([2, 0, 1])]),
        ),
        LOC,
    ),
    "log_normal": (lambda: tfd.LogNormal(LOC, SCALE), SCALE),
    "levels": (lambda: kvd.CategoricalLevels(logits=LOC), [0, 2]),
    "bernoulli": (lambda: kvd.Bernoulli(logits=LOC), np.ones_like(LOC)),
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_a_distribution_is_the_same_after_json(name):
    make, x = DISTRIBUTIONS[name]
    distribution = make()
    config = json.loads(json.dumps(serialize_distribution(distribution)))
    twin = deserialize_distribution(config)
    assert type(twin) is type(distribution)
    assert (twin.dtype, twin.batch_shape, twin.event_shape) == (
        distribution.dtype,
        distribution.batch_shape,
        distribution.event_shape,
    )
    assert (twin.name, twin.validate_args) == (distribution.name, distribution.validate_args)
    np.testing.assert_array_equal(twin.log_prob(x), distribution.log_prob(x))
    assert serialize_distribution(twin) == config


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_every_bit_of_a_tensor_survives(dtype):
    values = tf.cast(tf.constant([1 / 3, -np.pi, 1e-30, 1e30, np.inf, 0.0, -0.0], tf.float64), dtype)
    config = json.loads(json.dumps(serialize_distribution(tfd.Deterministic(values))))
    twin = deserialize_distribution(config)
    assert twin.dtype == dtype
    assert twin.loc.numpy().tobytes() == values.numpy().tobytes()


def test_variables_are_kept_as_their_values():
    loc = tf.Variable([1.0, 2.0])
    config = serialize_distribution(tfd.MultivariateNormalDiag(loc, [1.0, 1.0]))
    loc.assign([3.0, 4.0])
    np.testing.assert_array_equal(deserialize_distribution(config).loc, [1.0, 2.0])


def test_the_output_of_a_layer_is_saved_as_its_distribution():
    y = layers.MultivariateNormalDiag(3)(np.concatenate([LOC, SCALE], -1))
    twin = deserialize_distribution(serialize_distribution(y))
    assert type(twin) is tfd.MultivariateNormalDiag
    np.testing.assert_array_equal(twin.mean(), y.mean())
    np.testing.assert_array_equal(twin.stddev(), y.stddev())


def test_defaults_are_left_out():
    assert serialize_distribution(tfd.Normal(0.0, 1.0)) == {
        "class": "tfp.distributions.Normal",
        "parameters": {"loc": 0.0, "scale": 1.0},
    }


class Foreign(tfd.Normal):
    pass


class Normal(tfd.Normal):
    """Has the name of another."""


@pytest.mark.parametrize(
    ("make", "parameter"),
    [
        (lambda: tfd.Autoregressive(lambda x: tfd.Normal(x, 1.0), tf.zeros([])), "Autoregressive.distribution_fn"),
        (lambda: tfd.Independent(Foreign(0.0, 1.0), 0), "Independent.distribution"),
        (lambda: Normal(0.0, 1.0), "Normal"),
        (lambda: tfd.Mixture(tfd.Categorical(probs=[1.0]), [Foreign(0.0, 1.0)]), r"Mixture.components\[0\]"),
        (
            lambda: tfd.TransformedDistribution(tfd.Normal(0.0, 1.0), tfb.Inline(tf.exp, forward_min_event_ndims=0)),
            "TransformedDistribution.bijector.forward_fn",
        ),
        (
            lambda: tfd.MultivariateNormalLinearOperator(LOC[0], tf.linalg.LinearOperatorIdentity(3)),
            "MultivariateNormalLinearOperator.scale",
        ),
    ],
)
def test_what_cannot_be_told_in_json_raises_and_is_named(make, parameter):
    with pytest.raises(ValueError, match=rf"'{parameter}' cannot be saved: .*keras_vae.priors.Prior.*Received: "):
        serialize_distribution(make())


def test_a_tensor_of_a_graph_raises():
    @tf.function
    def serialize(loc):
        return serialize_distribution(tfd.Normal(loc, 1.0))["parameters"]["scale"]

    with pytest.raises(ValueError, match=r"'Normal.loc' cannot be saved: .* tensor of a known value"):
        serialize(tf.constant(1.0))


@pytest.mark.parametrize(
    "config",
    [
        {"class": "os.system", "parameters": {}},
        {"class": "tfp.distributions.kl_divergence", "parameters": {}},
        {"class": "tfp.distributions.no_such_class", "parameters": {}},
        {"class": "keras_vae.distributions.tf", "parameters": {}},
        {"class": "Normal", "parameters": {}},
        {"class": None},
        {"class": "tfp.bijectors.Exp", "parameters": {}},
        {},
        [],
        "tfp.distributions.Normal",
    ],
)
def test_only_distributions_of_the_known_modules_are_loaded(config):
    with pytest.raises(ValueError, match=r"Expected .*distribution.*Received: "):
        deserialize_distribution(config)
