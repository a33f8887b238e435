"""The ELBO and its parts over a whole split, with standard errors."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from keras_vae import random
from keras_vae.arguments import as_count
from keras_vae.data.images import as_batches
from keras_vae.evaluation.examples import checked_batches
from keras_vae.objectives import ELBO, bits_per_dim
from keras_vae.protocols import Batch, LatentVariableModel
from keras_vae.random import Noise, Stream

__all__ = ["Estimate", "elbo_gain", "estimate", "evaluate"]


class Estimate(NamedTuple):
    """A mean over examples and the standard error of that mean."""

    mean: float
    standard_error: float


def estimate(values: np.ndarray) -> Estimate:
    """Return the mean of one value an example, [N], and its standard error, s / sqrt(N).

    Example:

    >>> estimate(np.array([1.0, 3.0]))
    Estimate(mean=2.0, standard_error=1.0)
    """
    spread = values.std(ddof=1) if values.size > 1 else math.nan
    return Estimate(float(values.mean()), float(spread / math.sqrt(values.size)))


def evaluate(
    vae: LatentVariableModel, data: Any, num_samples: int = 1, batch_size: int = 500, seed: Any = 0
) -> dict[str, Estimate]:
    """Estimate the ELBO and its parts over a data set; the result does not depend on the batch size.

    With the model's seed and the objective's number of draws, these are the numbers of `vae.evaluate`, as long as its
    objective has the KL in closed form and its data has no weights: here all examples count alike.

    Args:
        vae: built model.
        data: array, tensor, `keras_vae.data.Split` or unbatched `tf.data.Dataset`; the tuple (x, y) of a conditional
            model.
        num_samples: posterior draws per example.
        batch_size: examples at a time.
        seed: of the pixels' draws and of the posterior's noise.

    Returns:
        `elbo`, `reconstruction_loss` and `kl` in nats per example, `bits_per_dim` (see `keras_vae.objectives`): the
        mean over the examples, and its standard error from their spread. Where grey targets are
        scored by a cross-entropy (`keras_vae.layers.IndependentSoftBernoulli`): `cross_entropy_plus_kl`,
        `cross_entropy` and `kl`.

    Raises:
        ValueError: if a count is not a positive integer, or if the data lies outside the likelihood's support.

    Example:

    >>> vae = kv.VAE.for_images((4, 4, 1), latent_dim=2, seed=0)
    >>> sorted(evaluate(vae, np.ones([10, 4, 4, 1])))
    ['bits_per_dim', 'elbo', 'kl', 'reconstruction_loss']
    """
    log_likelihood, kl = _per_example(vae, data, num_samples, batch_size, seed)
    elbo = log_likelihood - kl
    if not vae.is_normalized:
        values = {"cross_entropy_plus_kl": -elbo, "cross_entropy": -log_likelihood, "kl": kl}
    else:
        values = {"elbo": elbo, "reconstruction_loss": -log_likelihood, "kl": kl}
        values["bits_per_dim"] = bits_per_dim(elbo, vae.event_shape, vae.dequantized_levels)
    return {name: estimate(value) for name, value in values.items()}


def elbo_gain(
    before: LatentVariableModel,
    after: LatentVariableModel,
    data: Any,
    num_samples: int = 10,
    batch_size: int = 500,
    seed: Any = 0,
) -> Estimate:
    """Return by how many nats per example the ELBO of one model is above that of another.

    Both see the same pixels and the same noise: of two models that share an encoder the draws of z are the same, and
    the standard error is that of the difference.

    Args:
        before: Built model.
        after: Built model of the same x.
        data: Array, tensor, `keras_vae.data.Split` or unbatched `tf.data.Dataset`.
        num_samples: Int, posterior draws per example. 10.
        batch_size: Int, examples at a time. 500.
        seed: Seed of the pixels' draws and of the posterior's noise. 0.

    Raises:
        ValueError: if a count is not a positive integer, or if the data lies outside the likelihood's support.

    Example:

    >>> vae = kv.VAE.for_images((4, 4, 1), latent_dim=2, seed=0)
    >>> elbo_gain(vae, vae, np.ones([10, 4, 4, 1]))
    Estimate(mean=0.0, standard_error=0.0)
    """
    seed = random.as_seed(seed)  # a generator gives another one each time
    elbos = [np.subtract(*_per_example(vae, data, num_samples, batch_size, seed)) for vae in (before, after)]
    return estimate(elbos[1] - elbos[0])


def _per_example(
    vae: LatentVariableModel, data: Any, num_samples: int, batch_size: int, seed: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Return the log-likelihood and the KL of each example, [N]."""
    num_samples = as_count(num_samples=num_samples)
    seed = random.as_seed(seed)
    batches = as_batches(data, batch_size, seed, training=False)
    terms_of = vae.compiled_function(("evaluate", num_samples), lambda: _terms_of(vae, num_samples))
    log_likelihoods, kls = [], []
    for first_row, batch in checked_batches(vae, batches, "ELBO"):
        log_likelihood, kl = terms_of(batch, seed, first_row)
        log_likelihoods.append(log_likelihood.numpy())
        kls.append(kl.numpy())
    return np.concatenate(log_likelihoods).astype(np.float64), np.concatenate(kls).astype(np.float64)


def _terms_of(vae: LatentVariableModel, num_samples: int) -> Callable:
    """Return a compiled function of a batch, seed and first row: log-likelihood and KL of each example, [B]."""
    objective = ELBO(num_samples=num_samples)

    @tf.function(autograph=False, reduce_retracing=True)
    def terms_of(batch: Batch, seed: tf.Tensor, first_row: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        draws = vae.draw(batch, num_samples, Noise(seed, first_row).of(Stream.EVALUATION))
        terms = objective.terms(draws)
        return terms.log_likelihood, terms.kl

    return terms_of
