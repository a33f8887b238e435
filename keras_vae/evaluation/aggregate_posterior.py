"""The density of the aggregate posterior, and where it is lowest beside the prior."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from scipy.special import logsumexp

from keras_vae import random
from keras_vae.arguments import as_count
from keras_vae.data import Batches
from keras_vae.data.images import as_batches
from keras_vae.distributions import latents
from keras_vae.distributions.estimated_density import scored_with
from keras_vae.evaluation.examples import checked_examples
from keras_vae.evaluation.progress import progress
from keras_vae.protocols import LatentVariableModel, as_batch
from keras_vae.random import Stream

__all__ = ["PriorDraws", "draws_of", "posterior_densities", "prior_draws"]

_DENSITIES_AT_ONCE = 2_500_000
_DRAWS_AT_ONCE = 500


class PriorDraws(NamedTuple):
    """Draws of the prior in the order of log q(z) - log p(z): the first lie in its holes.

    Attributes:
        z: [S, *latent], or a structure of such.
        log_ratio: [S], log q(z) - log p(z) in nats, of the aggregate posterior q(z) = mean_n q(z|x_n) and the prior;
            with an estimate of log p(z) for a `keras_vae.priors.SecondStage`.
    """

    z: Any
    log_ratio: np.ndarray


def prior_draws(
    vae: LatentVariableModel, data: Any, num_samples: int = 1_000, batch_size: int = 500, seed: Any = 0
) -> PriorDraws:
    """Draw from the prior, and say where the data is: which draws lie where no posterior is.

    Args:
        vae: Built model.
        data: Array, tensor, `keras_vae.data.Split` or unbatched `tf.data.Dataset` of the examples x_n.
        num_samples: Int, S. 1,000.
        batch_size: Int, examples at a time. 500.
        seed: Seed of the pixels' draws and of the prior's. 0.

    Raises:
        ValueError: if `num_samples` is not a positive integer, or if the data lies outside the likelihood's support.

    Example:

    >>> vae = kv.VAE.for_images((4, 4, 1), latent_dim=2, seed=0)
    >>> draws = prior_draws(vae, np.random.default_rng(0).integers(0, 2, [50, 4, 4, 1]), num_samples=100)
    >>> draws.z.shape, bool(draws.log_ratio[0] < draws.log_ratio[-1])
    (TensorShape([100, 2]), True)
    """
    num_samples, seed = as_count(num_samples=num_samples), random.as_seed(seed)
    batches = as_batches(data, batch_size, seed, training=False)
    num_examples = sum(len(x) for _, x in checked_examples(vae, batches, "examples"))
    p_z, noise = vae.prior_distribution(), random.as_noise(seed)
    z = draws_of(p_z, num_samples, noise.of(Stream.PRIOR))
    p_z = scored_with(p_z, noise.of(Stream.EVALUATION))
    log_q = [logsumexp(log_densities, axis=1) for _, log_densities in posterior_densities(vae, batches, z)]
    log_ratio = np.concatenate(log_q) - math.log(num_examples) - latents.log_prob(p_z, z).numpy()
    order = np.argsort(log_ratio, kind="stable")
    return PriorDraws(tf.nest.map_structure(lambda part: tf.gather(part, order), z), log_ratio[order])


def draws_of(p_z: Any, num_samples: int, noise: random.Noise) -> Any:
    """Return z [S, *latent], drawn a part at a time: a mixture of any family draws all of its components."""
    parts = [
        random.sample(p_z, min(_DRAWS_AT_ONCE, num_samples - first), noise._replace(first_row=first))
        for first in range(0, num_samples, _DRAWS_AT_ONCE)
    ]
    return tf.nest.map_structure(lambda *draws: tf.concat(draws, 0), *parts)


def posterior_densities(vae: LatentVariableModel, batches: Batches, z: Any) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield some numbers n and log q(z_n|x_m), [C, N], of the examples x_m, until all of z [S, *latent] are done."""
    log_posteriors = vae.compiled_function("posterior_densities", lambda: _log_posteriors(vae))
    num_draws, num_examples = len(tf.nest.flatten(z)[0]), batches.split.num_examples
    chunks = np.array_split(np.arange(num_draws), -(-num_draws * num_examples // _DENSITIES_AT_ONCE))
    for rows in progress(chunks, len(chunks), "aggregate posterior"):
        some = tf.nest.map_structure(lambda part, rows=rows: tf.gather(part, rows), z)
        of_batches = [log_posteriors(as_batch(batch).x, some).numpy() for batch in batches.epoch(0)]
        yield rows, np.concatenate(of_batches, axis=1).astype(np.float64)


def _log_posteriors(vae: LatentVariableModel) -> Callable:
    @tf.function(autograph=False, reduce_retracing=True)
    def log_posteriors(x: tf.Tensor, z: Any) -> tf.Tensor:
        """Return log q(z|x_m), [C, B], for z [C, *latent] and the examples x_m [B, *event]."""
        return latents.log_prob(vae.encode(x), tf.nest.map_structure(lambda part: part[:, None], z))

    return log_posteriors
