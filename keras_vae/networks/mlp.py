"""Fully connected bodies."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence

import keras

from keras_vae.arguments import sizes_of
from keras_vae.networks.gated_linear_unit import GatedLinearUnit
from keras_vae.networks.initializers import ACTIVATIONS, check_names, initializer

__all__ = ["MLP", "mlp_decoder", "mlp_encoder"]

_GATED = "glu"
_MOMENTUM = 0.9  # of the moving averages of batch normalisation: Keras' 0.99 is slow for small sets


@dataclasses.dataclass(frozen=True)
class MLP:
    """Fully connected network for x of any shape.

    The decoder has the hidden layers of the encoder backwards.

    Args:
        hidden: Integers, width of each hidden layer of the encoder. (400,).
        activation: Str, activation of the hidden layers. "glu" makes gated layers, h = (A x + a) sigmoid(B x + b), as
            Tomczak & Welling (2018), "VAE with a VampPrior", have them. "relu".
        initial: Str, initial values of the kernels, see `keras_vae.networks.initializer`. "glorot_uniform".
        batch_norm: Bool, whether each hidden layer is normalised over the batch before its activation. False.

    Raises:
        ValueError: if a width is not a positive integer, or if there is no such activation or initializer.

    Example:

    >>> network = MLP((300, 200), activation="tanh")
    >>> network.encoder((28, 28, 1), params_size=40).output_shape
    (None, 40)
    >>> [layer.units for layer in network.decoder(20, (28, 28, 1), params_per_entry=1).layers]
    [200, 300, 784]
    """

    hidden: Sequence[int] = (400,)
    activation: str = "relu"
    initial: str = "glorot_uniform"
    batch_norm: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", sizes_of("hidden", self.hidden))  # the way of frozen dataclasses
        check_names(self.activation, self.initial, (*ACTIVATIONS, _GATED))

    @property
    def widths(self) -> Sequence[int]:
        """What a flag or `hidden` of `keras_vae.networks.get` sets."""
        return self.hidden

    def with_hidden(self, hidden: Sequence[int]) -> MLP:
        """Return the same network with other widths."""
        return dataclasses.replace(self, hidden=hidden)

    def encoder(self, event_shape: Sequence[int], params_size: int, scale: float = 1.0) -> keras.Sequential:
        """Return a model from x [B, *event_shape] to [B, params_size], see `keras_vae.networks.Network`."""
        return keras.Sequential(
            [
                keras.Input(tuple(event_shape)),
                keras.layers.Rescaling(scale),
                keras.layers.Flatten(),
                *self._hidden_layers(self.hidden),
                keras.layers.Dense(params_size, kernel_initializer=initializer(self.initial)),
            ]
        )

    def decoder(self, latent_dim: int, event_shape: Sequence[int], params_per_entry: int) -> keras.Sequential:
        """Return a model from z to the parameters of p(x|z), see `keras_vae.networks.Network`."""
        size = math.prod(event_shape) * params_per_entry
        return keras.Sequential(
            [
                keras.Input((latent_dim,)),
                *self._hidden_layers(self.hidden[::-1]),
                keras.layers.Dense(size, kernel_initializer=initializer(self.initial)),
            ]
        )

    def _hidden_layers(self, widths: Sequence[int]) -> Iterator[keras.layers.Layer]:
        gated = self.activation == _GATED
        for width in widths:
            units, initial = 2 * width if gated else width, initializer(self.initial)
            if not self.batch_norm and not gated:
                yield keras.layers.Dense(units, self.activation, kernel_initializer=initial)
                continue
            yield keras.layers.Dense(units, use_bias=not self.batch_norm, kernel_initializer=initial)
            if self.batch_norm:
                yield keras.layers.BatchNormalization(momentum=_MOMENTUM, synchronized=True)  # over all replicas
            yield GatedLinearUnit() if gated else keras.layers.Activation(self.activation)


def mlp_encoder(
    event_shape: Sequence[int],
    params_size: int,
    hidden_units: Sequence[int] = (400,),
    activation: str = "relu",
    initial: str = "glorot_uniform",
    scale: float = 1.0,
    batch_norm: bool = False,
) -> keras.Sequential:
    """Return `MLP(hidden_units, activation, initial, batch_norm).encoder(event_shape, params_size, scale)`.

    Example:

    >>> mlp_encoder((28, 28, 1), 40).output_shape
    (None, 40)
    """
    return MLP(hidden_units, activation, initial, batch_norm).encoder(event_shape, params_size, scale)


def mlp_decoder(
    latent_dim: int,
    event_shape: Sequence[int],
    params_per_entry: int = 1,
    hidden_units: Sequence[int] = (400,),
    activation: str = "relu",
    initial: str = "glorot_uniform",
    batch_norm: bool = False,
) -> keras.Sequential:
    """Return the decoder of an `MLP`; `hidden_units` stand in the decoder's order.

    Example:

    >>> [layer.units for layer in mlp_decoder(20, (28, 28, 1), hidden_units=(200, 300)).layers]
    [200, 300, 784]
    """
    network = MLP(hidden_units[::-1], activation, initial, batch_norm)
    return network.decoder(latent_dim, event_shape, params_per_entry)
