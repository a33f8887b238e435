"""What the ELBO is made of over a data set, and what that says of the latent space."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from keras_vae import random
from keras_vae.data.images import as_batches
from keras_vae.distributions import latents
from keras_vae.evaluation.elbo import Estimate, estimate
from keras_vae.evaluation.examples import checked_examples
from keras_vae.evaluation.progress import progress
from keras_vae.protocols import Batch, LatentVariableModel, as_batch
from keras_vae.random import Noise, Stream

__all__ = ["Decomposition", "decompose", "diagnose"]

_ACTIVE_VARIANCE = 0.01  # Burda et al. (2016), App. C
_DRAWS_AT_ONCE = 100
_FEWEST_EXAMPLES = 50  # a variance over 50 normal values has a relative standard error of 20 %


class Decomposition(NamedTuple):
    """elbo = -reconstruction_loss - mutual_information - marginal_kl, in nats per example.

    Attributes:
        reconstruction_loss: -E_q log p(x|z).
        mutual_information: I(x; z) under q(z|x) and the data. Its estimate cannot exceed log N.
        marginal_kl: KL(q(z), p(z)) of the aggregate posterior q(z) = mean_n q(z|x_n): above 0 the prior draws z
            that no x has (holes), or misses some that x have.
        variance_of_means: [D], of the posterior's means over the data set: a dimension with less than 0.01 is
            inactive.
        kl_per_dimension: [D], mean over the data set; empty unless posterior and prior are diagonal normals.
        num_examples: N.
    """

    reconstruction_loss: Estimate
    mutual_information: Estimate
    marginal_kl: Estimate
    variance_of_means: np.ndarray
    kl_per_dimension: np.ndarray
    num_examples: int

    @property
    def active_units(self) -> int:
        """Dimensions of z whose posterior mean depends on x: its variance over the data is above 0.01."""
        return int(np.sum(self.variance_of_means > _ACTIVE_VARIANCE))


def decompose(vae: LatentVariableModel, data: Any, batch_size: int = 500, seed: Any = 0) -> Decomposition:
    """Split the ELBO over a data set of N examples into reconstruction, mutual information and marginal KL.

        mean_n KL(q(z|x_n), p(z)) = I(x; z) + KL(q(z), p(z))

    Both are estimated from one draw z_n of each posterior, with q(z_n) summed over all N posteriors, in N^2
    evaluations of bounded memory. (Of an inverse autoregressive flow each takes D passes through its networks: give it
    some hundred examples.)

    Args:
        vae: built model.
        data: array, tensor, `keras_vae.data.Split` or unbatched `tf.data.Dataset`.
        batch_size: examples at a time.
        seed: of the pixels' draws and of the posterior's noise.

    Returns:
        `Decomposition`.

    Raises:
        ValueError: if the data lies outside the likelihood's support.

    Example:

    >>> vae = kv.VAE.for_images((4, 4, 1), latent_dim=2, seed=0)
    >>> parts = decompose(vae, np.random.default_rng(0).integers(0, 2, [50, 4, 4, 1]))
    >>> parts.mutual_information.mean <= math.log(50), len(parts.kl_per_dimension)
    (True, 2)

    References:
        Hoffman & Johnson (2016), "ELBO surgery: yet another way to carve up the variational evidence lower
        bound", Eq. 8. Burda et al. (2016), "Importance Weighted Autoencoders", App. C (active units).
    """
    seed = random.as_seed(seed)
    batches = as_batches(data, batch_size, seed, training=False)
    draw = vae.compiled_function("decompose: draw", lambda: _draw(vae))
    add_posteriors = vae.compiled_function("decompose: add_posteriors", lambda: _add_posteriors(vae))

    drawn = [draw(x, seed, first_row) for first_row, x in checked_examples(vae, batches, "posteriors")]
    values, z = (
        tf.nest.map_structure(lambda *parts: np.concatenate(parts), *structures)
        for structures in zip(*drawn, strict=True)
    )
    num_examples = len(values["log_q"])
    log_sums = []
    chunks = np.array_split(np.arange(num_examples), -(-num_examples // _DRAWS_AT_ONCE))
    for rows in progress(chunks, len(chunks), "aggregate posterior"):
        some = tf.nest.map_structure(lambda part, rows=rows: tf.constant(part[rows]), z)
        log_sum = tf.fill([len(rows)], tf.constant(-math.inf, values["log_q"].dtype))
        for batch in batches.epoch(0):
            log_sum = add_posteriors(log_sum, as_batch(batch).x, some)
        log_sums.append(log_sum.numpy())
    log_marginal_q = np.concatenate(log_sums).astype(np.float64) - math.log(num_examples)
    return Decomposition(
        reconstruction_loss=estimate(-values["log_likelihood"].astype(np.float64)),
        mutual_information=estimate(values["log_q"] - log_marginal_q),
        marginal_kl=estimate(log_marginal_q - values["log_p"]),
        variance_of_means=values["mean"].astype(np.float64).var(axis=0),
        kl_per_dimension=values["kl"].astype(np.float64).mean(axis=0),
        num_examples=num_examples,
    )


def _draw(vae: LatentVariableModel) -> Callable:
    """Return a compiled function of x, seed and first row: one draw of each posterior, scored, and the draws."""

    def entries(values: Any) -> tf.Tensor:
        """Return a tensor [B, ...] for each latent as one of all entries, [B, D]."""
        return tf.concat([tf.reshape(part, [tf.shape(part)[0], -1]) for part in tf.nest.flatten(values)], axis=1)

    @tf.function(autograph=False, reduce_retracing=True)
    def draw(x: tf.Tensor, seed: tf.Tensor, first_row: tf.Tensor) -> tuple[dict[str, tf.Tensor], Any]:
        draws = vae.draw(Batch(x), 1, Noise(seed, first_row).of(Stream.EVALUATION))
        means = random.mean_of(draws.posterior)
        divides = all(kl.shape.rank > 1 for kl in draws.kl.values())
        values = {
            "log_likelihood": draws.log_likelihood[0],
            "log_q": draws.log_posterior[0],
            "log_p": draws.log_prior[0],
            "mean": entries(means),
            "kl": entries(draws.kl) if divides else tf.zeros([tf.shape(x)[0], 0], draws.log_prior.dtype),
        }
        return values, tf.nest.map_structure(lambda part: part[0], draws.z)

    return draw


def _add_posteriors(vae: LatentVariableModel) -> Callable:
    @tf.function(autograph=False, reduce_retracing=True)
    def add_posteriors(log_sum: tf.Tensor, x: tf.Tensor, z: Any) -> tf.Tensor:
        """Return log(exp(log_sum) + sum_m q(z|x_m)) for z [C, *latent] and the examples x_m."""
        log_q = latents.log_prob(vae.encode(x), tf.nest.map_structure(lambda part: part[:, None], z))
        return tf.reduce_logsumexp(tf.stack([log_sum, tf.reduce_logsumexp(log_q, axis=1)]), axis=0)

    return add_posteriors


def diagnose(parts: Decomposition) -> list[str]:
    """Return a sentence with its remedy for each thing that is wrong with the latent space; none if all is well.

    Fewer than 50 examples do not say how the posterior's means vary: then one sentence says so. The mutual information
    of N examples is estimated as log N at most. Where it comes near to that, within log 2, the estimate of
    KL(q(z), p(z)) is no more than an upper bound, and does not show that the prior has holes.
    """
    if parts.num_examples < _FEWEST_EXAMPLES:
        return [
            f"Whether z depends on x, and whether the prior fits, cannot be told with N={parts.num_examples} examples: "
            f"decompose the ELBO over {_FEWEST_EXAMPLES} examples or more."
        ]
    sentences = []
    latent_dim, active = len(parts.variance_of_means), parts.active_units
    if active == 0:
        sentences.append(
            "Posterior collapse: no dimension of z depends on x. Let the weight of the KL grow from 0 "
            "(keras.optimizers.schedules.PolynomialDecay as beta), give it free bits (keras_vae.objectives.FreeBits; "
            'per="total" where the posterior is no diagonal normal), or take a weaker decoder.'
        )
    elif active < latent_dim:
        sentences.append(
            f"{latent_dim - active} of {latent_dim} dimensions of z do not depend on x: they cost little and give "
            "nothing. A smaller latent_dim does as well; a KL weight that grows from 0, or free bits, may use them."
        )
    information = parts.mutual_information.mean
    if parts.marginal_kl.mean > 1 + 0.2 * information and information > math.log(parts.num_examples / 2):
        sentences.append(
            f"Whether the prior fits cannot be told with N={parts.num_examples:,} examples, whose mutual information "
            f"is log N = {math.log(parts.num_examples):.1f} nats at most: the aggregate posterior is "
            f"{parts.marginal_kl.mean:.1f} nats or less from the prior."
        )
    elif parts.marginal_kl.mean > 1 + 0.2 * information:
        sentences.append(
            f"The aggregate posterior is {parts.marginal_kl.mean:.1f} nats from the prior: the prior has holes, and "
            "samples of it may look worse than reconstructions. A learned prior fits it better."
        )
    return sentences
