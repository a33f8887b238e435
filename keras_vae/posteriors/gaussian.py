"""Gaussian posteriors."""

from __future__ import annotations

import dataclasses

from keras_vae import layers

__all__ = ["Diagonal", "Full"]


@dataclasses.dataclass(frozen=True)
class Diagonal:
    """Gaussian whose entries are independent.

    Example:

    >>> Diagonal().params_size(20)
    40
    """

    def params_size(self, latent_dim: int) -> int:
        """Return 2 D: locations and scales."""
        return layers.MultivariateNormalDiag.params_size(latent_dim)

    def layer(self, latent_dim: int) -> layers.MultivariateNormalDiag:
        """Return the layer of q(z|x)."""
        return layers.MultivariateNormalDiag(latent_dim)


@dataclasses.dataclass(frozen=True)
class Full:
    """Gaussian whose entries are correlated.

    Example:

    >>> Full().params_size(20)
    230
    """

    def params_size(self, latent_dim: int) -> int:
        """Return D + D (D + 1) / 2: locations and a lower triangle."""
        return layers.MultivariateNormalTriL.params_size(latent_dim)

    def layer(self, latent_dim: int) -> layers.MultivariateNormalTriL:
        """Return the layer of q(z|x)."""
        return layers.MultivariateNormalTriL(latent_dim)
