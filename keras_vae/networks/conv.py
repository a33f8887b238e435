"""Convolutional bodies for images of any size: each layer halves (or doubles) height and width."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

import keras

from keras_vae.arguments import sizes_of
from keras_vae.networks.initializers import check_names, initializer

__all__ = ["Conv", "conv_decoder", "conv_encoder"]

_KERNEL = 3


@dataclasses.dataclass(frozen=True)
class Conv:
    """Convolutional network for images.

    The decoder has the filters of the encoder backwards, in transposed convolutions.

    Args:
        filters: Integers, filters of each convolution of stride 2 of the encoder. (32, 64).
        activation: Str, activation of the hidden layers. "relu".
        initial: Str, initial values of the kernels, see `keras_vae.networks.initializer`. "glorot_uniform".

    Raises:
        ValueError: if `filters` is empty or has another entry than a positive integer, if there is no such activation
            or initializer, or if the event shape of an encoder or decoder is not (H, W, C).

    Example:

    >>> Conv().encoder((28, 20, 1), params_size=40).output_shape
    (None, 40)
    >>> Conv().decoder(20, (28, 20, 1), params_per_entry=2).output_shape
    (None, 1120)
    """

    filters: Sequence[int] = (32, 64)
    activation: str = "relu"
    initial: str = "glorot_uniform"
    sees_axes: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "filters", sizes_of("filters", self.filters))  # the way of frozen dataclasses
        if not self.filters:
            raise ValueError(f"`filters` must have one entry or more. Received: filters={self.filters!r}")
        check_names(self.activation, self.initial)

    @property
    def widths(self) -> Sequence[int]:
        """What a flag or `hidden` of `keras_vae.networks.get` sets."""
        return self.filters

    def with_hidden(self, hidden: Sequence[int]) -> Conv:
        """Return the same network with other filters."""
        return dataclasses.replace(self, filters=hidden)

    def encoder(self, event_shape: Sequence[int], params_size: int, scale: float = 1.0) -> keras.Sequential:
        """Return a model from x [B, H, W, C] to [B, params_size], see `keras_vae.networks.Network`."""
        _check_image(event_shape)
        return keras.Sequential(
            [
                keras.Input(tuple(event_shape)),
                keras.layers.Rescaling(scale),
                *(self._halving(keras.layers.Conv2D, filters) for filters in self.filters),
                keras.layers.Flatten(),
                keras.layers.Dense(params_size, kernel_initializer=initializer(self.initial)),
            ]
        )

    def decoder(self, latent_dim: int, event_shape: Sequence[int], params_per_entry: int) -> keras.Sequential:
        """Return a model from z to the parameters of p(x|z), see `keras_vae.networks.Network`."""
        _check_image(event_shape)
        height, width, channels = event_shape
        sizes = [(height, width)]
        for _ in self.filters:
            sizes.append((-(-sizes[-1][0] // 2), -(-sizes[-1][1] // 2)))
        start = (*sizes.pop(), self.filters[-1])

        layers = [
            keras.Input((latent_dim,)),
            keras.layers.Dense(
                start[0] * start[1] * start[2], self.activation, kernel_initializer=initializer(self.initial)
            ),
            keras.layers.Reshape(start),
        ]
        for filters in self.filters[::-1]:
            height, width = sizes.pop()
            layers.append(self._halving(keras.layers.Conv2DTranspose, filters))
            layers.append(keras.layers.Cropping2D(((0, height % 2), (0, width % 2))))  # 2 ceil(n / 2) back to n
        last = {"padding": "same", "kernel_initializer": initializer(self.initial)}
        layers.append(keras.layers.Conv2D(channels * params_per_entry, _KERNEL, **last))
        layers.append(keras.layers.Flatten())
        return keras.Sequential(layers)

    def _halving(self, kind: type[keras.layers.Layer], filters: int) -> keras.layers.Layer:
        """Return a hidden layer of stride 2; a transposed convolution doubles the size."""
        options = {"activation": self.activation, "kernel_initializer": initializer(self.initial)}
        return kind(filters, _KERNEL, strides=2, padding="same", **options)


def conv_encoder(
    event_shape: Sequence[int],
    params_size: int,
    filters: Sequence[int] = (32, 64),
    activation: str = "relu",
    initial: str = "glorot_uniform",
    scale: float = 1.0,
) -> keras.Sequential:
    """Return `Conv(filters, activation, initial).encoder(event_shape, params_size, scale)`.

    Example:

    >>> conv_encoder((28, 20, 1), 40).output_shape
    (None, 40)
    """
    return Conv(filters, activation, initial).encoder(event_shape, params_size, scale)


def conv_decoder(
    latent_dim: int,
    event_shape: Sequence[int],
    params_per_entry: int = 1,
    filters: Sequence[int] = (64, 32),
    activation: str = "relu",
    initial: str = "glorot_uniform",
) -> keras.Sequential:
    """Return the decoder of a `Conv`; `filters` stand in the decoder's order.

    Example:

    >>> conv_decoder(20, (28, 20, 1)).output_shape
    (None, 560)
    """
    return Conv(filters[::-1], activation, initial).decoder(latent_dim, event_shape, params_per_entry)


def _check_image(event_shape: Sequence[int]) -> None:
    if len(event_shape) != 3:
        raise ValueError(f"Convolutions need images of shape (H, W, C). Received: event_shape={tuple(event_shape)}")
