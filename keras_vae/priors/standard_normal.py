"""The prior of the original VAE."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.arguments import check_counts
from keras_vae.priors.prior import Prior
from keras_vae.registration import register

__all__ = ["StandardNormal"]


@register
class StandardNormal(Prior):
    """p(z) = Normal(0, I).

    Args:
        latent_dim: D.
        **kwargs: of `keras.layers.Layer`.

    Returns:
        `tfd.MultivariateNormalDiag` with batch [] and event [D].

    Example:

    >>> p_z = StandardNormal(2)()
    >>> round(float(p_z.log_prob([0., 0.])), 4)
    -1.8379
    """

    def __init__(self, latent_dim: int, **kwargs: Any):
        super().__init__(**kwargs)
        check_counts(latent_dim=latent_dim)
        self.latent_dim = int(latent_dim)

    def distribution(self) -> tfd.MultivariateNormalDiag:
        zeros = tf.zeros([self.latent_dim], self.variable_dtype)
        return tfd.MultivariateNormalDiag(zeros, tf.ones_like(zeros))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "latent_dim": self.latent_dim}
