"""The importance-weighted bound."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from keras_vae import random, replicas
from keras_vae.objectives.gradients import check_reparameterized, log_prob_of_draws, scale_gradient
from keras_vae.objectives.loss_terms import LossTerms
from keras_vae.registration import register

if TYPE_CHECKING:
    from keras_vae.models.vae import VAE

__all__ = ["IWAE"]

_GRADIENTS = ("pathwise", "sticking_the_landing", "doubly_reparameterized")


@register
class IWAE:
    """Importance-weighted bound: log p(x) >= E[log(mean_k w_k)], w_k = p(x|z_k) p(z_k) / q(z_k|x), z_k ~ q(z|x).

    loss = -mean over the batch of log(mean_k w_k). With one draw it is the ELBO; with more it is tighter.

    Args:
        num_samples: K, posterior draws per example.
        gradient: "pathwise" is automatic differentiation, whose signal for the encoder drowns in noise as K
            grows; "doubly_reparameterized" (DReG) does not, and is as unbiased; "sticking_the_landing" leaves
            the score of q out, which for K > 1 is biased.

    Call arguments:
        vae: the `VAE`.
        x: [B, *event].
        seed: of the posterior's noise, see `keras_vae.random.as_seed`.
        sample_weight: [B] or None.
        first_row: number of the first row of `x` in the global batch.
        training: passed to the networks.

    Returns:
        `LossTerms`, of which `loss` is the bound and the others are of the ELBO, by the same draws.

    Raises:
        ValueError: if num_samples < 1, `gradient` is not known or the posterior is not reparameterised.

    Example:

    >>> vae = kv.VAE.for_images((4, 4, 1), latent_dim=2, objective=IWAE(5), seed=0)
    >>> terms = vae.objective(vae, tf.zeros([3, 4, 4, 1]), seed=0)
    >>> bool(tf.reduce_all(-terms.loss_per_example >= terms.elbo))
    True

    References:
        Burda, Grosse & Salakhutdinov (2016), "Importance Weighted Autoencoders", Eq. 8 and 14. Tucker et al.
        (2019), "Doubly Reparameterized Gradient Estimators for Monte Carlo Objectives", Eq. 8, and Sec. 3 on
        the bias. Rainforth et al. (2018), "Tighter variational bounds are not necessarily better".
    """

    def __init__(self, num_samples: int = 5, gradient: str = "pathwise"):
        if num_samples < 1:
            raise ValueError(f"`num_samples` must be 1 or more. Received: num_samples={num_samples}")
        if gradient not in _GRADIENTS:
            raise ValueError(f"`gradient` must be one of {', '.join(_GRADIENTS)}. Received: gradient={gradient!r}")
        self.num_samples = num_samples
        self.gradient = gradient

    def __call__(
        self,
        vae: VAE,
        x: tf.Tensor,
        seed: Any,
        sample_weight: tf.Tensor | None = None,
        first_row: Any = 0,
        training: bool = False,
    ) -> LossTerms:
        q_z, p_z = vae.encode(x, training=training), vae.prior()
        check_reparameterized(q_z)
        z = random.sample(q_z, self.num_samples, seed, first_row)
        if self.gradient == "doubly_reparameterized":
            z = scale_gradient(z, lambda: normalized[..., None])
        log_q = q_z.log_prob(z) if self.gradient == "pathwise" else log_prob_of_draws(q_z, z)
        log_likelihood = vae.log_likelihood(x, z, training=training)
        kl = log_q - p_z.log_prob(z)
        log_w = log_likelihood - kl
        normalized = tf.stop_gradient(tf.nn.softmax(log_w, axis=0))  # w_k / sum_k w_k
        losses = math.log(self.num_samples) - tf.reduce_logsumexp(log_w, axis=0)
        return LossTerms(
            loss=replicas.batch_mean(losses, sample_weight),
            loss_per_example=losses,
            log_likelihood=tf.reduce_mean(log_likelihood, axis=0),
            kl=tf.reduce_mean(kl, axis=0),
            elbo=tf.reduce_mean(log_w, axis=0),
        )

    def get_config(self) -> dict[str, Any]:
        return {"num_samples": self.num_samples, "gradient": self.gradient}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> IWAE:
        return cls(**config)
