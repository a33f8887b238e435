"""What the ELBO is made of over a data set."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from scipy.special import logsumexp

from keras_vae import random
from keras_vae.data.images import as_batches
from keras_vae.distributions import latents
from keras_vae.distributions.discrete import has_discrete_values
from keras_vae.distributions.estimated_density import has_density
from keras_vae.evaluation.aggregate_posterior import posterior_densities
from keras_vae.evaluation.elbo import Estimate, estimate
from keras_vae.evaluation.examples import checked_examples
from keras_vae.protocols import Batch, LatentVariableModel
from keras_vae.random import Noise, Stream

__all__ = ["Decomposition", "decompose"]

_ACTIVE_VARIANCE = 0.01  # Burda et al. (2016), App. C


class Decomposition(NamedTuple):
    """elbo = -reconstruction_loss - mutual_information - marginal_kl, in nats per example.

    N examples bound both terms of the KL from two sides. The bounds hold for the mean over data sets. The lower bound
    of one term and the upper bound of the other add up to the KL, unless the lower bound of the marginal KL is set to
    0.

    Attributes:
        reconstruction_loss: -E_q log p(x|z).
        mutual_information_lower: Lower bound of I(x; z) under q(z|x) and the data. It cannot exceed log N.
        mutual_information_upper: Upper bound of I(x; z).
        marginal_kl_lower: Lower bound of KL(q(z), p(z)), of the aggregate posterior q(z) = E_x q(z|x). Above 0, the
            prior draws z where no posterior is (holes), or does not reach some posteriors. It is 0, which is always
            true, where log p(z) is a lower bound itself (`keras_vae.priors.SecondStage`).
        marginal_kl_upper: Upper bound of KL(q(z), p(z)).
        variance_of_means: [D], of the posterior's means over the data set: a dimension with less than 0.01 is
            inactive. Of one-hot vectors [N], the sum over the entries of each.
        kl_per_dimension: [D], mean over the data set; empty unless the entries of z are independent under posterior
            and prior.
        draws: [N, D], one z of each posterior: draws of the aggregate posterior.
    """

    reconstruction_loss: Estimate
    mutual_information_lower: Estimate
    mutual_information_upper: Estimate
    marginal_kl_lower: Estimate
    marginal_kl_upper: Estimate
    variance_of_means: np.ndarray
    kl_per_dimension: np.ndarray
    draws: np.ndarray

    @property
    def active_units(self) -> int:
        """Dimensions of z whose posterior mean depends on x: its variance over the data is above 0.01."""
        return int(np.sum(self.variance_of_means > _ACTIVE_VARIANCE))


def decompose(vae: LatentVariableModel, data: Any, batch_size: int = 500, seed: Any = 0) -> Decomposition:
    """Split the ELBO over a data set of N examples into reconstruction, mutual information and marginal KL.

        mean_n KL(q(z|x_n), p(z)) = I(x; z) + KL(q(z), p(z))

    Both are estimated from one draw z_n of each posterior. The density q(z_n) of the aggregate posterior is the mean
    of q(z_n|x_m) over m, in N^2 evaluations of bounded memory. Over all m it is too large where N is small, as
    m = n is among them: KL(q(z), p(z)) is then an upper bound. Over m != n it is unbiased, and its logarithm too small
    (Jensen): a lower bound. Where posteriors hardly overlap, as in many dimensions, the two bounds are far apart.

    The standard errors count that each x_m takes part in every q(z_n) (the infinitesimal jackknife). With an
    inverse autoregressive flow, each density takes D passes through the networks: pass a few hundred examples.

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
    >>> parts.marginal_kl_lower.mean <= parts.marginal_kl_upper.mean, len(parts.kl_per_dimension)
    (True, 2)

    References:
        Hoffman & Johnson (2016), "ELBO surgery: yet another way to carve up the variational evidence lower
        bound", Eq. 8. Poole et al. (2019), "On variational bounds of mutual information", Sec. 2.5 (both bounds).
        Burda et al. (2016), "Importance Weighted Autoencoders", App. C (active units). Efron & Stein (1981), "The
        jackknife estimate of variance".
    """
    seed = random.as_seed(seed)
    batches = as_batches(data, batch_size, seed, training=False)
    draw = vae.compiled_function("decompose: draw", lambda: _draw(vae))

    drawn = [draw(x, seed, first_row) for first_row, x in checked_examples(vae, batches, "posteriors")]
    values, z = (
        tf.nest.map_structure(lambda *parts: np.concatenate(parts), *structures)
        for structures in zip(*drawn, strict=True)
    )
    num_examples = len(values["log_q"])
    log_sums: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])  # with and without m = n
    shares = np.zeros([2, num_examples])
    for rows, log_densities in posterior_densities(vae, batches, z):  # log q(z_n|x_m), [C, N]
        for i in range(2):
            log_sums[i].append(logsumexp(log_densities, axis=1))
            shares[i] += _shares(log_densities, log_sums[i][-1])
            log_densities[np.arange(len(rows)), rows] = -math.inf

    with_own = np.concatenate(log_sums[0]) - math.log(num_examples)
    without_own = np.concatenate(log_sums[1]) - math.log(max(num_examples - 1, 1))

    def bound(values: np.ndarray, share: np.ndarray, sign: int) -> Estimate:
        """Return the mean, with the standard error of what each example does to it."""
        with np.errstate(invalid="ignore"):  # an infinite bound has no error
            return Estimate(float(values.mean()), estimate(values + sign * share).standard_error)

    p_z, variance = vae.prior_distribution(), values["mean"].astype(np.float64).var(axis=0)
    if has_discrete_values(p_z) and p_z.event_shape.rank > 1:
        variance = variance.reshape(-1, p_z.event_shape[-1]).sum(axis=1)
    is_exact = has_density(p_z)
    log_q, log_p = values["log_q"].astype(np.float64), values["log_p"].astype(np.float64)
    return Decomposition(
        reconstruction_loss=estimate(-values["log_likelihood"].astype(np.float64)),
        mutual_information_lower=bound(log_q - with_own, shares[0], -1),
        mutual_information_upper=bound(log_q - without_own, shares[1], -1),
        marginal_kl_lower=bound(without_own - log_p, shares[1], +1) if is_exact else Estimate(0.0, 0.0),
        marginal_kl_upper=bound(with_own - log_p, shares[0], +1),
        variance_of_means=variance,
        kl_per_dimension=values["kl"].astype(np.float64).mean(axis=0),
        draws=values["draws"],
    )


def _shares(log_q: np.ndarray, log_sum: np.ndarray) -> np.ndarray:
    """Return the share of each x_m in the aggregate density at z_n, summed over n: [N], of log q(z_n|x_m) [C, N]."""
    with np.errstate(invalid="ignore"):  # a z that no other x can have: the bound is infinite, and has no error
        return np.exp(log_q - log_sum[:, None]).sum(axis=0)


def _draw(vae: LatentVariableModel) -> Callable:
    """Return a compiled function of x, seed and first row: one draw of each posterior, scored, and the draws."""

    @tf.function(autograph=False, reduce_retracing=True)
    def draw(x: tf.Tensor, seed: tf.Tensor, first_row: tf.Tensor) -> tuple[dict[str, tf.Tensor], Any]:
        draws = vae.draw(Batch(x), 1, Noise(seed, first_row).of(Stream.EVALUATION))
        z = tf.nest.map_structure(lambda part: part[0], draws.z)
        means = random.mean_of(draws.posterior)
        divides = all(kl.shape.rank > 1 for kl in draws.kl.values())
        values = {
            "log_likelihood": draws.log_likelihood[0],
            "log_q": draws.log_posterior[0],
            "log_p": draws.log_prior[0],
            "draws": latents.entries(z),
            "mean": latents.entries(means),
            "kl": latents.entries(draws.kl) if divides else tf.zeros([tf.shape(x)[0], 0], draws.log_prior.dtype),
        }
        return values, z

    return draw
