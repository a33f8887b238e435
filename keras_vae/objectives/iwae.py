"""The importance-weighted bound."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

from keras_vae.objectives.estimators import Estimator
from keras_vae.objectives.loss_terms import LossTerms
from keras_vae.objectives.objective import Objective
from keras_vae.protocols import LatentDraws
from keras_vae.registration import register

__all__ = ["IWAE"]


@register
class IWAE(Objective):
    """Importance-weighted bound: log p(x) >= E[log(mean_k w_k)], w_k = p(x|z_k) p(z_k) / q(z_k|x), z_k ~ q(z|x).

    loss = -mean over the batch of log(mean_k w_k). With one draw it is the ELBO; with more it is tighter.

    Args:
        num_samples: K, posterior draws per example.
        gradient: "pathwise" is automatic differentiation, whose signal for the encoder drowns in noise as K
            grows; "doubly_reparameterized" (DReG) does not, and is as unbiased; "sticking_the_landing" leaves
            the score of q out, which for K > 1 is biased; "vimco" needs no reparameterised posterior.

    Call arguments as in `keras_vae.objectives.Objective`.

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

    gradients = ("pathwise", "sticking_the_landing", "doubly_reparameterized", "vimco")

    def __init__(self, num_samples: int = 5, gradient: str | Estimator = "pathwise"):
        super().__init__(num_samples, gradient)

    def terms(self, draws: LatentDraws, sample_weight: tf.Tensor | None = None, step: Any = 0) -> LossTerms:
        kl = draws.log_posterior - draws.log_prior
        log_w = draws.log_weights
        losses = math.log(self.num_samples) - tf.reduce_logsumexp(log_w, axis=0)
        losses -= draws.estimator.surrogate(draws, tf.stop_gradient(log_w))
        return LossTerms.of(
            losses, tf.reduce_mean(draws.log_likelihood, axis=0), tf.reduce_mean(kl, axis=0), sample_weight
        )
