"""What a network is to the rest of the package."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import keras

__all__ = ["Network"]


@runtime_checkable
class Network(Protocol):
    """A recipe for the bodies of an encoder and a decoder; any object with these two methods is a network.

    A network knows neither posterior nor likelihood: it is given the number of parameters that they need. The
    methods return new models at each call. One whose encoder takes images alone, and no vectors, has an attribute
    `sees_axes`, which is True: a condition joins the channels of its x then.

    Example:

    >>> class Linear:
    ...     def encoder(self, event_shape, params_size, scale=1.0):
    ...         flat = keras.layers.Flatten()
    ...         return keras.Sequential([keras.Input(event_shape), flat, keras.layers.Dense(params_size)])
    ...
    ...     def decoder(self, latent_dim, event_shape, params_per_entry):
    ...         size = int(np.prod(event_shape)) * params_per_entry
    ...         return keras.Sequential([keras.Input((latent_dim,)), keras.layers.Dense(size)])
    >>> isinstance(Linear(), Network)
    True
    >>> kv.VAE.for_vectors((3,), latent_dim=2, network=Linear()).latent_dim
    2
    """

    def encoder(self, event_shape: Sequence[int], params_size: int, scale: float = 1.0) -> keras.Sequential:
        """Return a model from x [B, *event_shape] to the parameters [B, params_size] of q(z|x).

        Args:
            event_shape: Integers, the shape of x.
            params_size: Int, number of parameters of q(z|x).
            scale: Float, factor on x, such as 1 / (num_levels - 1) for integer levels. 1.
        """
        ...

    def decoder(self, latent_dim: int, event_shape: Sequence[int], params_per_entry: int) -> keras.Sequential:
        """Return a model from z [B, latent_dim] to the parameters of p(x|z), [B, prod(event_shape) * params_per_entry].

        The parameters of one entry of x stand together.

        Args:
            latent_dim: Int, D.
            event_shape: Integers, the shape of x.
            params_per_entry: Int, number of parameters of one entry of x.
        """
        ...
