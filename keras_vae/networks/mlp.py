"""Fully connected bodies."""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras

from keras_vae.networks.initializers import initializer

__all__ = ["mlp_decoder", "mlp_encoder"]


def mlp_encoder(
    event_shape: Sequence[int],
    params_size: int,
    hidden_units: Sequence[int] = (400,),
    activation: str = "relu",
    initial: str = "glorot_uniform",
    scale: float = 1.0,
) -> keras.Sequential:
    """Return a network from x [B, *event] to the parameters [B, params_size] of q(z|x).

    Args:
        event_shape: shape of x.
        params_size: how many parameters q(z|x) takes.
        hidden_units: width of each hidden layer.
        activation: of the hidden layers.
        initial: of the kernels, see `keras_vae.networks.initializer`.
        scale: factor on x, 1 / (num_levels - 1) for integer levels.

    Example:

    >>> mlp_encoder((28, 28, 1), 40).output_shape
    (None, 40)
    """
    return keras.Sequential(
        [
            keras.Input(tuple(event_shape)),
            keras.layers.Rescaling(scale),
            keras.layers.Flatten(),
            *(keras.layers.Dense(units, activation, kernel_initializer=initializer(initial)) for units in hidden_units),
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
) -> keras.Sequential:
    """Return a network from z [B, latent_dim] to the parameters [B, prod(event_shape) * params_per_entry] of p(x|z)."""
    return keras.Sequential(
        [
            keras.Input((latent_dim,)),
            *(keras.layers.Dense(units, activation, kernel_initializer=initializer(initial)) for units in hidden_units),
            keras.layers.Dense(math.prod(event_shape) * params_per_entry, kernel_initializer=initializer(initial)),
        ]
    )
