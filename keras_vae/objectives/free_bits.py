"""The ELBO with a floor under the KL, against posterior collapse."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from keras_vae import replicas
from keras_vae.arguments import check_numbers
from keras_vae.objectives.elbo import ELBO
from keras_vae.protocols import LatentDraws
from keras_vae.registration import register

__all__ = ["FreeBits"]


@register
class FreeBits(ELBO):
    """ELBO whose loss charges no less than a floor for the KL, so that nothing is gained by collapsing it.

    per "dimension": loss = -log_likelihood + beta * sum_j max(free_bits, mean over the batch of KL_j)
    per "total":     loss = -log_likelihood + beta * max(free_bits, KL), example by example

    Args:
        free_bits: the floor, in nats (per latent dimension, or for all of them together).
        per: see above; "dimension" needs a diagonal normal posterior and prior.
        beta: see `ELBO`.
        num_samples: see `ELBO`.

    Raises:
        ValueError: if free_bits < 0 or `per` is not known.

    Example:

    >>> vae = kv.VAE.for_images((4, 4, 1), latent_dim=2, objective=FreeBits(0.5), seed=0)
    >>> terms = vae.objective(vae, tf.zeros([3, 4, 4, 1]), seed=0)
    >>> bool(tf.reduce_all(terms.loss_per_example >= 2 * 0.5 - terms.log_likelihood))
    True

    References:
        Kingma et al. (2016), "Improving Variational Inference with Inverse Autoregressive Flow", Eq. 15 (with
        each dimension a group of its own).
    """

    def __init__(self, free_bits: float, per: str = "dimension", beta: Any = 1.0, num_samples: int = 1):
        super().__init__(beta, num_samples)
        check_numbers(positive=False, free_bits=free_bits)
        if per not in ("dimension", "total"):
            raise ValueError(f"`per` must be dimension or total. Received: per={per!r}")
        self.free_bits = free_bits
        self.per = per

    def penalty(self, draws: LatentDraws, kl: tf.Tensor, sample_weight: tf.Tensor | None) -> tf.Tensor:
        if self.per == "total":
            return tf.maximum(kl, self.free_bits)
        return sum(self._penalty_per_dimension(name, part, sample_weight) for name, part in draws.kl.items())

    def _penalty_per_dimension(self, name: str, kl: tf.Tensor, sample_weight: tf.Tensor | None) -> tf.Tensor:
        if kl.shape.rank < 2:
            raise ValueError(
                'per="dimension" needs a KL that divides into dimensions, as that of a MultivariateNormalDiag '
                f'posterior and prior does: pass per="total". Received: KL of {name} with shape {kl.shape}'
            )
        mean = replicas.sum_over_replicas(replicas.batch_mean(kl, sample_weight))
        return tf.reduce_sum(tf.where(mean > self.free_bits, kl, self.free_bits), axis=list(range(1, kl.shape.rank)))

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return {
            "free_bits": self.free_bits,
            "per": self.per,
            **{name: config[name] for name in ("beta", "num_samples")},
        }
