"""Fully connected bodies."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import keras

from keras_vae.networks.initializers import initializer

__all__ = ["mlp_decoder", "mlp_encoder"]

_MOMENTUM = 0.9  # of the moving averages of batch normalisation: Keras' 0.99 is slow for small sets


def mlp_encoder(
    event_shape: Sequence[int],
    params_size: int,
    hidden_units: Sequence[int] = (400,),
    activation: str = "relu",
    initial: str = "glorot_uniform",
    scale: float = 1.0,
    batch_norm: bool = False,
) -> keras.Sequential:
    """Return a network from x [B, *event] to the parameters [B, params_size] of q(z|x).

    Args:
        event_shape: shape of x.
        params_size: how many parameters q(z|x) takes.
        hidden_units: width of each hidden layer.
        activation: of the hidden layers.
        initial: of the kernels, see `keras_vae.networks.initializer`.
        scale: factor on x, 1 / (num_levels - 1) for integer levels.
        batch_norm: normalise each hidden layer over the batch, before its activation.

    Example:

    >>> mlp_encoder((28, 28, 1), 40).output_shape
    (None, 40)
    """
    return keras.Sequential(
        [
            keras.Input(tuple(event_shape)),
            keras.layers.Rescaling(scale),
            keras.layers.Flatten(),
            *_hidden_layers(hidden_units, activation, initial, batch_norm),
            keras.layers.Dense(params_size, kernel_initializer=initializer(initial)),
        ]
    )


def mlp_decoder(
    latent_dim: int,
    event_shape: Sequence[int],
    params_per_entry: int = 1,
    hidden_units: Sequence[int] = (400,),
    activation: str = "relu",
    initial: str = "glorot_uniform",
    batch_norm: bool = False,
) -> keras.Sequential:
    """Return a network from z [B, latent_dim] to the parameters [B, prod(event_shape) * params_per_entry] of p(x|z)."""
    return keras.Sequential(
        [
            keras.Input((latent_dim,)),
            *_hidden_layers(hidden_units, activation, initial, batch_norm),
            keras.layers.Dense(math.prod(event_shape) * params_per_entry, kernel_initializer=initializer(initial)),
        ]
    )


def _hidden_layers(
    hidden_units: Sequence[int], activation: str, initial: str, batch_norm: bool
) -> Iterator[keras.layers.Layer]:
    for units in hidden_units:
        if batch_norm:
            yield keras.layers.Dense(units, use_bias=False, kernel_initializer=initializer(initial))
            yield keras.layers.BatchNormalization(momentum=_MOMENTUM, synchronized=True)  # over all replicas
            yield keras.layers.Activation(activation)
        else:
            yield keras.layers.Dense(units, activation, kernel_initializer=initializer(initial))
