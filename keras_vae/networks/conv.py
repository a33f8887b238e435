"""Convolutional bodies for images of any size: each layer halves (or doubles) height and width."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from keras_vae.networks.initializers import initializer

__all__ = ["conv_decoder", "conv_encoder"]

_KERNEL = 3


def conv_encoder(
    event_shape: Sequence[int],
    params_size: int,
    filters: Sequence[int] = (32, 64),
    activation: str = "relu",
    initial: str = "glorot_uniform",
    scale: float = 1.0,
) -> keras.Sequential:
    """Return a network from x [B, H, W, C] to the parameters [B, params_size] of q(z|x).

    Args:
        event_shape: (H, W, C).
        params_size: how many parameters q(z|x) takes.
        filters: of each convolution of stride 2.
        activation: of the hidden layers.
        initial: of the kernels, see `keras_vae.networks.initializer`.
        scale: factor on x, 1 / (num_levels - 1) for integer levels.

    Raises:
        ValueError: if `event_shape` is not (H, W, C).

    Example:

    >>> conv_encoder((28, 20, 1), 40).output_shape
    (None, 40)
    """
    _check_image(event_shape)
    options = {"strides": 2, "padding": "same", "activation": activation}
    return keras.Sequential(
        [
            keras.Input(tuple(event_shape)),
            keras.layers.Rescaling(scale),
            *(keras.layers.Conv2D(n, _KERNEL, kernel_initializer=initializer(initial), **options) for n in filters),
            keras.layers.Flatten(),
            keras.layers.Dense(params_size, kernel_initializer=initializer(initial)),
        ]
    )


def conv_decoder(
    latent_dim: int,
    event_shape: Sequence[int],
    params_per_entry: int = 1,
    filters: Sequence[int] = (64, 32),
    activation: str = "relu",
    initial: str = "glorot_uniform",
) -> keras.Sequential:
    """Return a network from z [B, latent_dim] to the parameters [B, H W C * params_per_entry] of p(x|z).

    Example:

    >>> conv_decoder(20, (28, 20, 1)).output_shape
    (None, 560)
    """
    _check_image(event_shape)
    height, width, channels = event_shape
    sizes = [(height, width)]
    for _ in filters:
        sizes.append((-(-sizes[-1][0] // 2), -(-sizes[-1][1] // 2)))
    start_height, start_width = sizes.pop()

    options = {"strides": 2, "padding": "same", "activation": activation}
    layers = [
        keras.Input((latent_dim,)),
        keras.layers.Dense(
            start_height * start_width * filters[0], activation, kernel_initializer=initializer(initial)
        ),
        keras.layers.Reshape((start_height, start_width, filters[0])),
    ]
    for n in filters:
        height, width = sizes.pop()
        layers.append(keras.layers.Conv2DTranspose(n, _KERNEL, kernel_initializer=initializer(initial), **options))
        layers.append(keras.layers.Cropping2D(((0, height % 2), (0, width % 2))))  # 2 ceil(n / 2) back to n
    layers.append(
        keras.layers.Conv2D(
            channels * params_per_entry, _KERNEL, padding="same", kernel_initializer=initializer(initial)
        )
    )
    layers.append(keras.layers.Flatten())
    return keras.Sequential(layers)


def _check_image(event_shape: Sequence[int]) -> None:
    if len(event_shape) != 3:
        raise ValueError(f"Convolutions need images of shape (H, W, C). Received: event_shape={tuple(event_shape)}")
