"""One case for each public name of `keras_vae.layers` and `keras_vae.losses`, and for each prior.

A case says how the name is made, and what is true of it.

`DISTRIBUTIONS` are layers from parameters to a distribution that TFP can build by hand (the oracle), `LAYERS` the
other ones that stand in a model, `PARTS` what is given to a layer.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from keras_vae import VAE, AdversarialAutoencoder, ConditionalVAE, SemiSupervisedVAE, layers, losses, priors, random
from keras_vae.distributions import latents
from keras_vae.objectives import ELBO
from tests.contracts import functions

EPS = np.finfo("float64").eps
RNG = np.random.default_rng(0)
softplus = tf.math.softplus

EXEMPT = {
    "MissingIndicator": "it makes no distribution: tests/models/test_missing_entries.py",
    "DistributionTensor": "the output of every layer here, so it is in every test",
    "Stacked": "two stochastic layers: tests/models/test_stacked.py",
    "as_distribution": "a function of that output, in every test too",
}


@dataclasses.dataclass(frozen=True)
class Distribution:
    """A layer from parameters to a distribution.

    Args:
        arguments: the documented arguments without a default, and an event of more than one entry.
        variant: arguments with other values than their defaults.
        size_arguments: arguments of `params_size`.
        size: what `params_size` must return, None for a layer without it.
        x: data the distribution can score [3, *event].
        oracle: function of the parameters [3, size] in float64 that returns the TFP distribution.
        same_under_xla: whether samples are drawn from `keras_vae.random`'s own noise.
    """

    arguments: Callable[[], dict[str, Any]]
    variant: Callable[[], dict[str, Any]]
    size_arguments: dict[str, Any] | None
    size: int
    x: np.ndarray
    oracle: Callable[[tf.Tensor], tfd.Distribution]
    same_under_xla: bool = True

    @property
    def event_shape(self) -> list[int]:
        return list(self.x.shape[1:])


@dataclasses.dataclass(frozen=True)
class Layer:
    """A layer from tensors to tensors, or between distributions.

    Args:
        arguments: the documented arguments without a default.
        variant: arguments with other values than their defaults.
        input_shape: shape of one example, of what `before` returns where there is one.
        output_shape: shape of one example's output.
        before: function that makes the layers before it; by default nothing.
        same_under_xla: whether samples are drawn from `keras_vae.random`'s own noise.
    """

    arguments: Callable[[], dict[str, Any]]
    variant: Callable[[], dict[str, Any]]
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    before: Callable[[], list[keras.layers.Layer]] = list
    same_under_xla: bool = True


def _constant(**kwargs: Any) -> Callable[[], dict[str, Any]]:
    return lambda: dict(kwargs)


def _independent(entries: Callable[..., tfd.Distribution], number: int, shape: tuple[int, ...] = (2, 2)) -> Callable:
    """Return the oracle of parameters in `number` equal blocks."""

    def oracle(p: tf.Tensor) -> tfd.Distribution:
        blocks = [tf.reshape(block, [-1, *shape]) for block in tf.split(p, number, axis=-1)]
        return tfd.Independent(entries(*blocks), len(shape))

    return oracle


def _mixture(num_components: int, components: Callable[[tf.Tensor], tfd.Distribution]) -> Callable:
    def oracle(p: tf.Tensor) -> tfd.Distribution:
        rest = tf.reshape(p[:, num_components:], [len(p), num_components, -1])
        return tfd.MixtureSameFamily(tfd.Categorical(p[:, :num_components]), components(rest))

    return oracle


def _location_scale(family: Any, ndims: int = 2) -> Callable[[tf.Tensor], tfd.Distribution]:
    """Return the distribution of parameters [..., 2 D], with event [D]."""

    def make(p: tf.Tensor) -> tfd.Distribution:
        loc, raw_scale = tf.split(p, 2, axis=-1)
        return tfd.Independent(family(loc, softplus(raw_scale)), 1)

    return make


def _mvn_tril(p: tf.Tensor) -> tfd.Distribution:
    """A lower triangle [[a2, 0], [a1, a0]] of 3 numbers: TFP fills it clockwise from the last one."""
    loc, a = p[..., :2], tf.unstack(p[..., 2:], axis=-1)
    zero = tf.zeros_like(a[0])
    rows = [[1e-5 + softplus(a[2]), zero], [a[1], 1e-5 + softplus(a[0])]]
    return tfd.MultivariateNormalTriL(loc, tf.stack([tf.stack(row, -1) for row in rows], -2))


def _levels(loc: tf.Tensor, raw_scale: tf.Tensor, num_levels: int) -> tfd.Distribution:
    """Logistic [-1, 1] -> [0, num_levels - 1], rounded to the nearest level."""
    half = (num_levels - 1) / 2
    logistic = tfd.Logistic((loc + 1) * half, (0.2 / (num_levels - 1) + softplus(raw_scale) / 4) * half)
    below = tfd.TransformedDistribution(logistic, tfb.Shift(tf.constant(-0.5, loc.dtype)))
    return tfd.QuantizedDistribution(below, low=0, high=num_levels - 1)


def _quantized(p: tf.Tensor) -> tfd.Distribution:
    p = tf.reshape(p, [-1, 2, 2, 2])
    return tfd.Independent(_levels(p[..., 0], p[..., 1], 8), 2)


class _MixtureOfLevels:
    """Sum over components by hand: TFP's mixture refuses a quantised distribution in float64."""

    def __init__(self, p: tf.Tensor):
        self.logits, self.loc, self.raw_scale = tf.unstack(tf.reshape(p, [-1, 2, 3, 3]), axis=-2)

    def log_prob(self, x: Any) -> tf.Tensor:
        log_probs = _levels(self.loc, self.raw_scale, 8).log_prob(tf.convert_to_tensor(x)[..., tf.newaxis])
        return tf.reduce_sum(tf.reduce_logsumexp(tf.nn.log_softmax(self.logits) + log_probs, -1), -1)


REAL = RNG.normal(size=(3, 2, 2))
UNIT = RNG.uniform(0.1, 0.9, size=(3, 2, 2))
BITS = RNG.integers(0, 2, size=(3, 2, 2)).astype("float64")
COUNTS = RNG.integers(0, 6, size=(3, 2, 2)).astype("float64")
ONE_HOT = np.eye(4)[[0, 3, 1]]
SIMPLEX = RNG.dirichlet(np.ones(4), size=3)
CHECKED = {"validate_args": True}

DISTRIBUTIONS: dict[str, Distribution] = {
    "CategoricalMixtureOfOneHotCategorical": Distribution(
        _constant(event_size=4, num_components=3),
        _constant(event_size=4, num_components=3, sample_dtype="int32", **CHECKED),
        {"event_size": 4, "num_components": 3},
        15,
        ONE_HOT,
        _mixture(3, lambda p: tfd.OneHotCategorical(p, dtype=tf.float64)),
    ),
    "Columns": Distribution(
        lambda: {
            "parts": [layers.IndependentNormal(1), layers.IndependentCategorical(1, 3), layers.IndependentBernoulli(1)],
            "params_sizes": [2, 3, 1],
        },
        lambda: {
            "parts": [layers.IndependentNormal(1), layers.IndependentCategorical(1, 3), layers.IndependentBernoulli(1)],
            "params_sizes": [2, 3, 1],
            "convert_to_tensor_fn": "mean",
        },
        None,
        6,
        np.array([[0.3, 2.0, 1.0], [-1.0, 0.0, 0.0], [2.0, 1.0, 1.0]]),
        lambda p: tfd.Blockwise(
            [
                tfd.Independent(tfd.Normal(p[:, :1], softplus(p[:, 1:2])), 1),
                tfd.Independent(tfd.Categorical(p[:, None, 2:5], dtype=tf.float64), 1),
                tfd.Independent(tfd.Bernoulli(p[:, 5:], dtype=tf.float64), 1),
            ]
        ),
    ),
    "DistributionLambda": Distribution(
        _constant(make_distribution_fn=functions.normal),
        _constant(make_distribution_fn=functions.normal, convert_to_tensor_fn="stddev"),
        None,
        4,
        REAL[:, 0],
        lambda p: tfd.MultivariateNormalDiag(p[:, :2], tf.exp(p[:, 2:])),
    ),
    "IndependentBernoulli": Distribution(
        _constant(event_shape=(2, 2)),
        _constant(event_shape=(2, 2), sample_dtype="int32", **CHECKED),
        {"event_shape": (2, 2)},
        4,
        BITS,
        _independent(lambda logits: tfd.Bernoulli(logits, dtype=tf.float64), 1),
    ),
    "IndependentBeta": Distribution(
        _constant(event_shape=(2, 2)),
        _constant(event_shape=(2, 2), **CHECKED),
        {"event_shape": (2, 2)},
        8,
        UNIT,
        _independent(lambda raw1, raw0: tfd.Beta(softplus(raw1), softplus(raw0)), 2),
    ),
    "IndependentCategorical": Distribution(
        _constant(event_shape=(2, 2), num_levels=8),
        _constant(event_shape=(2, 2), num_levels=8, sample_dtype="int32", **CHECKED),
        {"event_shape": (2, 2), "num_levels": 8},
        32,
        COUNTS,
        lambda p: tfd.Independent(tfd.Categorical(tf.reshape(p, [-1, 2, 2, 8]), dtype=tf.float64), 2),
    ),
    "IndependentContinuousBernoulli": Distribution(
        _constant(event_shape=(2, 2)),
        _constant(event_shape=(2, 2), **CHECKED),
        {"event_shape": (2, 2)},
        4,
        UNIT,
        _independent(lambda logits: tfd.ContinuousBernoulli(logits, dtype=tf.float64), 1),
    ),
    "IndependentLaplace": Distribution(
        _constant(event_shape=(2, 2)),
        _constant(event_shape=(2, 2), **CHECKED),
        {"event_shape": (2, 2)},
        8,
        REAL,
        _independent(lambda loc, raw: tfd.Laplace(loc, softplus(raw)), 2),
    ),
    "IndependentLogistic": Distribution(
        _constant(event_shape=(2, 2)),
        _constant(event_shape=(2, 2), **CHECKED),
        {"event_shape": (2, 2)},
        8,
        REAL,
        _independent(lambda loc, raw: tfd.Logistic(loc, softplus(raw)), 2),
    ),
    "IndependentNegativeBinomial": Distribution(
        _constant(event_shape=(2, 2)),
        _constant(event_shape=(2, 2), **CHECKED),
        {"event_shape": (2, 2)},
        8,
        COUNTS,
        _independent(lambda raw, logits: tfd.NegativeBinomial(softplus(raw), logits), 2),
    ),
    "IndependentNormal": Distribution(
        _constant(event_shape=(2, 2)),
        _constant(event_shape=(2, 2), **CHECKED),
        {"event_shape": (2, 2)},
        8,
        REAL,
        _independent(lambda loc, raw: tfd.Normal(loc, softplus(raw)), 2),
    ),
    "IndependentPoisson": Distribution(
        _constant(event_shape=(2, 2)),
        _constant(event_shape=(2, 2), **CHECKED),
        {"event_shape": (2, 2)},
        4,
        COUNTS,
        _independent(lambda log_rate: tfd.Poisson(log_rate=log_rate), 1),
    ),
    "IndependentSoftBernoulli": Distribution(
        _constant(event_shape=(2, 2)),
        _constant(event_shape=(2, 2), sample_dtype="float64"),
        {"event_shape": (2, 2)},
        4,
        UNIT,
        _independent(lambda logits: tfd.Bernoulli(logits, dtype=tf.float64), 1),
    ),
    "IndependentStudentT": Distribution(
        _constant(event_shape=(2, 2)),
        _constant(event_shape=(2, 2), **CHECKED),
        {"event_shape": (2, 2)},
        12,
        REAL,
        _independent(lambda raw_df, loc, raw: tfd.StudentT(2 * (1 + softplus(raw_df)), loc, softplus(raw)), 3),
    ),
    "MixtureLogistic": Distribution(
        _constant(num_components=3, event_shape=(2,)),
        _constant(num_components=3, event_shape=(2,), **CHECKED),
        {"num_components": 3, "event_shape": (2,)},
        15,
        REAL[:, 0],
        _mixture(3, _location_scale(tfd.Logistic)),
    ),
    "MixtureNormal": Distribution(
        _constant(num_components=3, event_shape=(2,)),
        _constant(num_components=3, event_shape=(2,), **CHECKED),
        {"num_components": 3, "event_shape": (2,)},
        15,
        REAL[:, 0],
        _mixture(3, _location_scale(tfd.Normal)),
    ),
    "MixtureQuantizedLogistic": Distribution(
        _constant(event_shape=(2,), num_components=3, num_levels=8),
        _constant(event_shape=(2,), num_components=3, num_levels=8, **CHECKED),
        {"event_shape": (2,), "num_components": 3},
        18,
        COUNTS[:, 0],
        _MixtureOfLevels,
    ),
    "MixtureSameFamily": Distribution(
        lambda: {"num_components": 3, "component_layer": layers.MultivariateNormalTriL(2)},
        lambda: {"num_components": 3, "component_layer": layers.MultivariateNormalTriL(2), **CHECKED},
        {"num_components": 3, "component_params_size": 5},
        18,
        REAL[:, 0],
        _mixture(3, _mvn_tril),
    ),
    "MultivariateNormalDiag": Distribution(
        _constant(event_size=2),
        _constant(event_size=2, **CHECKED),
        {"event_size": 2},
        4,
        REAL[:, 0],
        lambda p: tfd.MultivariateNormalDiag(p[:, :2], 1e-5 + softplus(p[:, 2:])),
    ),
    "MultivariateNormalTriL": Distribution(
        _constant(event_size=2),
        _constant(event_size=2, **CHECKED),
        {"event_size": 2},
        5,
        REAL[:, 0],
        _mvn_tril,
    ),
    "OneHotCategorical": Distribution(
        _constant(event_size=4),
        _constant(event_size=4, sample_dtype="int32", **CHECKED),
        {"event_size": 4},
        4,
        ONE_HOT,
        lambda p: tfd.OneHotCategorical(p, dtype=tf.float64),
    ),
    "IndependentOneHotCategorical": Distribution(
        _constant(event_shape=(2, 2)),
        _constant(event_shape=(2, 2), **CHECKED),
        {"event_shape": (2, 2)},
        4,
        np.eye(2, dtype="float32")[[[0, 1], [1, 1], [0, 0]]],
        lambda p: tfd.Independent(tfd.OneHotCategorical(tf.reshape(p, [-1, 2, 2]), dtype=tf.float64), 1),
    ),
    "QuantizedLogistic": Distribution(
        _constant(event_shape=(2, 2), num_levels=8),
        _constant(event_shape=(2, 2), num_levels=8, **CHECKED),
        {"event_shape": (2, 2)},
        8,
        COUNTS,
        _quantized,
    ),
    "RelaxedOneHotCategorical": Distribution(
        _constant(event_size=4, temperature=0.7),
        _constant(event_size=4, temperature=0.7, **CHECKED),
        {"event_size": 4},
        4,
        SIMPLEX,
        lambda p: tfd.RelaxedOneHotCategorical(tf.constant(0.7, tf.float64), p),
    ),
}


def _convolution(rank: int) -> Layer:
    return Layer(
        _constant(filters=3, kernel_size=2),
        _constant(filters=3, kernel_size=[2] * rank, padding="same", activation="tanh", strides=2, seed=5),
        (*[4] * rank, 2),
        (*[3] * rank, 3),
    )


def _dense() -> Layer:
    return Layer(_constant(units=3), _constant(units=3, activation="tanh", bias_posterior_fn=None, seed=5), (4,), (3,))


def _posterior() -> list[keras.layers.Layer]:
    return [keras.layers.Dense(4), layers.MultivariateNormalDiag(2, seed=5)]


def _prior() -> tfd.Distribution:
    zeros = tf.zeros(2, keras.config.dtype_policy().variable_dtype)
    return tfd.MultivariateNormalDiag(zeros, tf.ones_like(zeros))


LAYERS: dict[str, Layer] = {
    "AutoregressiveFlow": Layer(
        _constant(event_size=2, context_size=3),
        _constant(
            event_size=2, context_size=3, num_flows=3, hidden_units=[4], activation="tanh", inverse=False, seed=5
        ),
        (7,),
        (2,),
    ),
    "AutoregressiveNetwork": Layer(
        _constant(params=2, event_shape=[3]),
        _constant(params=2, event_shape=[3], hidden_units=[4], activation="tanh", use_bias=False),
        (3,),
        (3, 2),
    ),
    "AutoregressiveTransform": Layer(
        lambda: {"made": layers.AutoregressiveNetwork(params=2, event_shape=[2], hidden_units=[4])},
        lambda: {
            "made": layers.AutoregressiveNetwork(params=2, event_shape=[2], hidden_units=[4], activation="tanh"),
            "seed": 5,
        },
        (0,),
        (2,),
        before=lambda: [layers.DistributionLambda(functions.standard_normal, seed=5)],
    ),
    **{
        f"Convolution{rank}D{estimator}": _convolution(rank)
        for rank in (1, 2, 3)
        for estimator in ("Flipout", "Reparameterization")
    },
    "DenseFlipout": _dense(),
    "DenseLocalReparameterization": _dense(),
    "DenseReparameterization": _dense(),
    "DenseVariational": Layer(
        _constant(units=3, make_posterior_fn=functions.mean_field_posterior, make_prior_fn=functions.trainable_prior),
        _constant(
            units=3,
            make_posterior_fn=functions.mean_field_posterior,
            make_prior_fn=functions.trainable_prior,
            kl_weight=0.25,
            kl_use_exact=True,
            activation="tanh",
            use_bias=False,
        ),
        (4,),
        (3,),
    ),
    "KLDivergenceAddLoss": Layer(
        lambda: {"distribution_b": _prior()},
        lambda: {"distribution_b": _prior(), "use_exact_kl": True, "weight": 0.5},
        (4,),
        (2,),
        before=_posterior,
    ),
    "VariableLayer": Layer(
        _constant(shape=[3, 2]),
        lambda: {
            "shape": [3, 2],
            "initializer": layers.BlockwiseInitializer(["zeros", "ones"], [1, 1]),
            "activation": "softplus",
        },
        (4,),
        (2,),  # of a weight [3, 2], whatever the batch
    ),
    "VariationalGaussianProcess": Layer(
        lambda: {
            "num_inducing_points": 4,
            "kernel_provider": functions.RBFKernel(),
            "inducing_index_points_initializer": keras.initializers.RandomNormal(seed=1),
        },
        lambda: {
            "num_inducing_points": 4,
            "kernel_provider": functions.RBFKernel(),
            "event_shape": (2,),
            "inducing_index_points_initializer": keras.initializers.RandomNormal(seed=1),
            "unconstrained_observation_noise_variance_initializer": keras.initializers.Constant(-3.0),
            "jitter": 1e-4,
            "seed": 5,
        },
        (2,),
        (1,),
        same_under_xla=False,
    ),
}

# What is given to a layer: a layer that has it.
PARTS: dict[str, Callable[[], keras.layers.Layer]] = {
    "BlockwiseInitializer": lambda: keras.layers.Dense(
        3, kernel_initializer=layers.BlockwiseInitializer(["zeros", "ones"], [1, 2], True)
    ),
    "KLDivergenceRegularizer": lambda: keras.Sequential(
        [
            keras.layers.Dense(4),
            layers.MultivariateNormalDiag(
                2, seed=5, activity_regularizer=layers.KLDivergenceRegularizer(_prior(), use_exact_kl=True, weight=0.5)
            ),
        ]
    ),
    "default_loc_scale_fn": lambda: layers.DenseReparameterization(
        3, kernel_posterior_fn=functions.Posterior(layers.default_loc_scale_fn(loc_initializer="zeros")), seed=5
    ),
    "default_mean_field_normal_fn": lambda: layers.DenseReparameterization(
        3, kernel_posterior_fn=layers.default_mean_field_normal_fn(loc_initializer="ones"), seed=5
    ),
    "default_multivariate_normal_fn": lambda: layers.DenseReparameterization(
        3,
        bias_posterior_fn=layers.default_mean_field_normal_fn(),
        bias_prior_fn=layers.default_multivariate_normal_fn,
        seed=5,
    ),
    "scaled_kl_divergence_fn": lambda: layers.DenseReparameterization(
        3, kernel_divergence_fn=layers.scaled_kl_divergence_fn(0.5), seed=5
    ),
}

LOSSES: dict[str, Callable[[], keras.losses.Loss]] = {
    "NegativeLogLikelihood": lambda: losses.NegativeLogLikelihood(reduction="sum", name="nll", dtype="float64"),
}


def lent(prior: priors.Prior) -> priors.Prior:
    """Return the prior of a model of x [4] and z [3]: the model lends it an encoder."""
    encoder = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(6, kernel_initializer="ones"), layers.MultivariateNormalDiag(3)]
    )

    def encode(x, training):
        return latents.as_latents(encoder(x, training=training))

    prior.lend(types.SimpleNamespace(encoder=encoder, encode=encode, event_shape=(4,)))
    return prior


# Priors over z [3], made with other arguments than their defaults; and one from outside of the package.
PRIORS: dict[str, Callable[[], priors.Prior]] = {
    "MixtureOfNormals": lambda: priors.MixtureOfNormals(3, num_components=4),
    "SecondStage": lambda: priors.SecondStage(VAE.for_vectors((3,), 2, "gaussian-shared", hidden=(4,), seed=0)),
    "StandardNormal": lambda: priors.StandardNormal(3),
    "VampPrior": lambda: priors.VampPrior(num_components=4),
    "MAF": lambda: priors.MAF(3, num_flows=2, hidden_units=(4,), activation="tanh"),
    "RealNVP": lambda: priors.RealNVP(3, num_flows=2, hidden_units=(4,), activation="tanh"),
    "Autoregressive": lambda: priors.Autoregressive(3, num_components=2, hidden_units=(4,), activation="tanh"),
}
USER_PRIORS: dict[str, Callable[[], priors.Prior]] = {
    "LearnedNormal": lambda: functions.LearnedNormal(3, initial_scale=2.0),
}
DISCRETE = ("bernoulli", "categorical", "two-layer-bernoulli")  # posteriors, whose models are in `VAES` too
VAES = (*PRIORS, *DISCRETE, "adversarial", "conditional", "semi-supervised")


CASES = {**DISTRIBUTIONS, **LAYERS, **PARTS}
X = RNG.normal(size=(3, 4)).astype("float32")


def present(names: Any) -> list[str]:
    """Return those of `names` that the package has: those that it lacks fail in `test_complete.py` alone."""
    return [name for name in names if hasattr(layers, name)]


def all_or_each(function: Callable[[list[str]], dict[str, Any]], names: list[str]) -> dict[str, Any]:
    """Return `function(names)`, or where that fails what it returns for each name alone: its result, or its error.

    Tracing, compiling and exporting all layers together takes a fraction of the time.
    """
    try:
        return function(names)
    except Exception as error:
        if len(names) == 1:
            return {names[0]: error}
        return {name: all_or_each(function, [name])[name] for name in names}


def result_of(results: dict[str, Any], name: str) -> Any:
    """Return what `all_or_each` has for `name`, or raise its error."""
    if isinstance(results[name], Exception):
        raise results[name]
    return results[name]


def params_of(name: str, batch_size: int = 3) -> np.ndarray:
    """Return parameters [batch_size, size] of a distribution layer, in float32."""
    return np.random.default_rng(1).normal(size=(batch_size, DISTRIBUTIONS[name].size)).astype("float32")


def make(name: str, /, variant: bool = False, **kwargs: Any) -> keras.layers.Layer:
    """Return the layer of a case with its plain arguments, or with the variant's, and `kwargs` on top."""
    case = CASES[name]
    return getattr(layers, name)(**{**(case.variant if variant else case.arguments)(), **kwargs})


def inputs_of(name: str, batch_size: int = 3) -> np.ndarray:
    """Return an input of `model_of(name)`."""
    shape = LAYERS[name].input_shape if name in LAYERS else (4,)
    return np.random.default_rng(2).normal(size=(batch_size, *shape)).astype("float32")


def model_of(name: str, variant: bool = False) -> keras.Model:
    """Return a functional model with the case's layer, with reproducible samples; a VAE with the prior or posterior."""
    if name in PRIORS:
        return VAE.for_vectors((4,), 3, prior=PRIORS[name](), hidden=(5,), seed=0)
    if name in DISCRETE:
        objective = ELBO(num_samples=2, gradient="score_function")
        return VAE.for_vectors((4,), 3, posterior=name, objective=objective, hidden=(5,), seed=0)
    if name == "conditional":
        return ConditionalVAE.for_vectors((4,), 3, num_classes=2, hidden=(5,), seed=0)
    if name == "adversarial":
        return AdversarialAutoencoder.for_vectors((4,), 3, hidden=(5,), seed=0)
    if name == "semi-supervised":
        return SemiSupervisedVAE.for_vectors((4,), 3, num_classes=2, class_probs=(0.4, 0.6), hidden=(5,), seed=0)
    x = keras.Input(inputs_of(name).shape[1:])
    return keras.Model(x, output_of(name, x, variant))


def output_of(name: str, x: Any, variant: bool = False) -> Any:
    """Return the output of `model_of(name)` for its input x, made of new layers."""
    if name in DISTRIBUTIONS:
        before, layer = [keras.layers.Dense(DISTRIBUTIONS[name].size)], make(name, variant, seed=5)
    elif name in PARTS:
        before, layer = [], PARTS[name]()
    else:
        before, layer = LAYERS[name].before(), make(name, variant)
    for part in [*before, layer]:
        x = part(x)
    return x


def numbers_of(name: str, model: keras.Model) -> dict[str, np.ndarray]:
    """Return what a model computes that has not been called yet: its output, losses and, if it has one, density."""
    if name in VAES:
        labels = [[0, 1]] if model.takes_y else []
        elbo = model.elbo(np.ones([2, 4], "float32"), *labels, seed=9)  # of the prior's density too
        return {"elbo": np.asarray(elbo), "samples": np.asarray(model.sample(*(labels or [4]), seed=9))}
    y = model(inputs_of(name))
    numbers = {"value": np.asarray(y), "losses": np.asarray(model.losses)}
    if isinstance(y, tfd.Distribution):
        x = DISTRIBUTIONS[name].x if name in DISTRIBUTIONS else np.zeros(y.shape)
        numbers["log_prob"] = np.asarray(y.log_prob(tf.cast(x, y.dtype)))
        numbers["samples"] = np.asarray(random.sample(y, 2, seed=9))
    return numbers
