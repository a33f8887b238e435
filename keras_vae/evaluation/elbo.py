"""The ELBO and its parts over a whole split, with standard errors."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import tensorflow as tf

from keras_vae import random
from keras_vae.data.images import as_batches
from keras_vae.objectives import ELBO, bits_per_dim

if TYPE_CHECKING:
    from keras_vae.models import VAE

__all__ = ["Estimate", "estimate", "evaluate"]


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


def evaluate(vae: VAE, data: Any, num_samples: int = 1, batch_size: int = 500, seed: Any = 0) -> dict[str, Estimate]:
    """Estimate the ELBO and its parts over a data set; the result does not depend on the batch size.

    Args:
        vae: built model.
        data: array, tensor, `keras_vae.data.Split` or unbatched `tf.data.Dataset`.
        num_samples: posterior draws per example.
        batch_size: examples at a time.
        seed: of the pixels' draws and of the posterior's noise.

    Returns:
        `elbo`, `reconstruction_loss` and `kl` in nats per example, `bits_per_dim` (see `keras_vae.objectives`): the
        mean over the examples, and its standard error from their spread. Where the likelihood is none (soft
        Bernoulli targets): `cross_entropy_plus_kl`, `cross_entropy` and `kl`.

    Raises:
        ValueError: if the data lies outside the likelihood's support.

    Example:

    >>> vae = kv.VAE.for_images((4, 4, 1), latent_dim=2, seed=0)
    >>> sorted(evaluate(vae, np.ones([10, 4, 4, 1])))
    ['bits_per_dim', 'elbo', 'kl', 'reconstruction_loss']
    """
    batches = as_batches(data, batch_size, seed, training=False)
    objective = ELBO(num_samples=num_samples)
    noise_seed = random.as_seed(seed)

    @tf.function(autograph=False, reduce_retracing=True)
    def terms_of(x: tf.Tensor, first_row: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        terms = objective(vae, x, seed=noise_seed, first_row=first_row)
        return terms.log_likelihood, terms.kl

    log_likelihoods, kls = [], []
    for step, x in enumerate(batches.epoch(0)):
        log_likelihood, kl = terms_of(vae.check(x), tf.constant(step * batch_size))
        log_likelihoods.append(log_likelihood.numpy())
        kls.append(kl.numpy())
    log_likelihood = np.concatenate(log_likelihoods).astype(np.float64)
    kl = np.concatenate(kls).astype(np.float64)
    elbo = log_likelihood - kl
    if not vae.is_normalized:
        values = {"cross_entropy_plus_kl": -elbo, "cross_entropy": -log_likelihood, "kl": kl}
    else:
        values = {"elbo": elbo, "reconstruction_loss": -log_likelihood, "kl": kl}
        values["bits_per_dim"] = bits_per_dim(elbo, vae.event_shape, vae.dequantized_levels)
    return {name: estimate(value) for name, value in values.items()}
