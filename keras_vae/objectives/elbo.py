"""The evidence lower bound."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae import random, replicas
from keras_vae.objectives.kl import kl_divergence
from keras_vae.saving.registration import register

if TYPE_CHECKING:
    from keras_vae.models.vae import VAE

__all__ = ["ELBO", "LossTerms", "bits_per_dim"]


class LossTerms(NamedTuple):
    """What an objective returns; everything in nats.

    Attributes:
        loss: [], to be minimised: `loss_per_example` averaged over the (global) batch.
        loss_per_example: [B].
        log_likelihood: [B], E_q log p(x|z), event dimensions summed, constants kept.
        kl: [B], KL(q(z|x), p(z)).
        elbo: [B], log_likelihood - kl, a lower bound of log p(x): up is better.
    """

    loss: tf.Tensor
    loss_per_example: tf.Tensor
    log_likelihood: tf.Tensor
    kl: tf.Tensor
    elbo: tf.Tensor


def bits_per_dim(log_prob: tf.Tensor, event_shape: tuple[int, ...]) -> tf.Tensor:
    """Return -log_prob / (log(2) * prod(event_shape)): nats per example to bits per dimension, down is better.

    Example:

    >>> round(float(bits_per_dim(-784 * math.log(2), (28, 28, 1))), 6)
    1.0
    """
    return -log_prob / (math.log(2) * math.prod(event_shape))


@register
class ELBO:
    """ELBO = E_q[log p(x|z)] - KL(q(z|x), p(z)), with the reparameterised gradient.

    loss = mean over the batch of (-log_likelihood + beta * kl)

    Args:
        beta: weight of the KL in the loss: 1 is the ELBO, above 1 the beta-VAE. `LossTerms.elbo` is always
            the ELBO itself.
        num_samples: S, posterior draws per example.

    Call arguments:
        vae: the `VAE` (anything with `encode`, `log_likelihood` and `prior`).
        x: [B, *event].
        seed: of the posterior's noise, see `keras_vae.random.as_seed`.
        sample_weight: [B] or None.
        first_row: number of the first row of `x` in the global batch.
        training: passed to the networks.

    Returns:
        `LossTerms`.

    Raises:
        ValueError: if beta < 0 or num_samples < 1, or if the posterior is not reparameterised.

    References:
        Kingma & Welling (2014), "Auto-Encoding Variational Bayes", Eq. 7 (the estimator with the KL in closed
        form). Higgins et al. (2017), "beta-VAE", Eq. 4.
    """

    def __init__(self, beta: float = 1.0, num_samples: int = 1):
        if beta < 0:
            raise ValueError(f"`beta` must not be negative. Received: beta={beta}")
        if num_samples < 1:
            raise ValueError(f"`num_samples` must be 1 or more. Received: num_samples={num_samples}")
        self.beta = beta
        self.num_samples = num_samples

    def __call__(
        self,
        vae: VAE,
        x: tf.Tensor,
        seed: Any,
        sample_weight: tf.Tensor | None = None,
        first_row: Any = 0,
        training: bool = False,
    ) -> LossTerms:
        q_z = vae.encode(x, training=training)
        if q_z.reparameterization_type != tfd.FULLY_REPARAMETERIZED:
            raise ValueError(
                "The gradient of this objective goes through the draws of z, which the posterior does not "
                f"reparameterise. Received: {type(q_z).__name__}"
            )
        z = random.sample(q_z, self.num_samples, seed, first_row)
        log_likelihood = tf.reduce_mean(vae.log_likelihood(x, z, training=training), axis=0)
        kl = kl_divergence(q_z, vae.prior(), z)
        losses = -log_likelihood + self.beta * kl
        return LossTerms(
            loss=replicas.batch_mean(losses, sample_weight),
            loss_per_example=losses,
            log_likelihood=log_likelihood,
            kl=kl,
            elbo=log_likelihood - kl,
        )

    def get_config(self) -> dict[str, Any]:
        return {"beta": self.beta, "num_samples": self.num_samples}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> ELBO:
        return cls(**config)
