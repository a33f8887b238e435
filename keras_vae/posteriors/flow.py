"""Posteriors beyond the Gaussian."""

from __future__ import annotations

import dataclasses

from keras_vae import layers
from keras_vae.arguments import check_counts

__all__ = ["Flow"]


@dataclasses.dataclass(frozen=True)
class Flow:
    """Inverse autoregressive flow of a Gaussian whose entries are independent.

    Args:
        context_size: Int, number of context values that the encoder gives to every step of the flow. 64.
        num_flows: Int, number of steps. 2.

    Example:

    >>> Flow(context_size=16).params_size(20)
    56
    """

    context_size: int = 64
    num_flows: int = 2

    def __post_init__(self) -> None:
        check_counts(context_size=self.context_size, num_flows=self.num_flows)

    def params_size(self, latent_dim: int) -> int:
        """Return 2 D + context_size."""
        return layers.AutoregressiveFlow.params_size(latent_dim, self.context_size)

    def layer(self, latent_dim: int) -> layers.AutoregressiveFlow:
        """Return the layer of q(z|x), see `keras_vae.layers.AutoregressiveFlow`."""
        return layers.AutoregressiveFlow(latent_dim, self.context_size, self.num_flows)
