"""Encoder and decoder for images, from names."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from keras_vae import layers, networks

__all__ = ["LIKELIHOODS", "NETWORKS", "image_decoder", "image_encoder"]

LIKELIHOODS = ("bernoulli", "categorical", "soft-bernoulli")
NETWORKS = ("mlp", "conv")

_HIDDEN = {"mlp": (400,), "conv": (32, 64)}


def image_encoder(
    event_shape: Sequence[int],
    latent_dim: int,
    network: str = "mlp",
    hidden: Sequence[int] | None = None,
    activation: str = "relu",
    num_levels: int = 2,
    initial: str = "glorot_uniform",
) -> keras.Sequential:
    """Return x [B, *event] -> diagonal Gaussian q(z|x); integer levels are scaled to [0, 1] first.

    Args:
        event_shape: shape of x.
        latent_dim: D.
        network: "mlp" or "conv".
        hidden: widths of the hidden layers, or filters of the convolutions; None is (400,) or (32, 64).
        activation: of the hidden layers.
        num_levels: x has the levels 0 ... num_levels-1; 2 for values in [0, 1].
        initial: of the kernels, see `keras_vae.networks.initializer`.
    """
    _check_name("network", network, NETWORKS)
    make = networks.mlp_encoder if network == "mlp" else networks.conv_encoder
    params_size = layers.MultivariateNormalDiag.params_size(latent_dim)
    body = make(event_shape, params_size, hidden or _HIDDEN[network], activation, initial, 1 / (num_levels - 1))
    body.add(layers.MultivariateNormalDiag(latent_dim))
    return body


def image_decoder(
    event_shape: Sequence[int],
    latent_dim: int,
    likelihood: str = "bernoulli",
    network: str = "mlp",
    hidden: Sequence[int] | None = None,
    activation: str = "relu",
    num_levels: int = 2,
    initial: str = "glorot_uniform",
) -> keras.Sequential:
    """Return z [B, D] -> p(x|z); arguments as in `image_encoder`, whose `hidden` runs backwards here.

    `likelihood` is "bernoulli"; "categorical", over `num_levels` levels; or "soft-bernoulli", for grey targets.
    """
    _check_name("likelihood", likelihood, LIKELIHOODS)
    _check_name("network", network, NETWORKS)
    event_shape = tuple(event_shape)
    if likelihood == "categorical":
        params_per_entry, layer = num_levels, layers.IndependentCategorical(event_shape, num_levels)
    elif likelihood == "bernoulli":
        params_per_entry, layer = 1, layers.IndependentBernoulli(event_shape)
    else:
        params_per_entry, layer = 1, layers.IndependentSoftBernoulli(event_shape)
    make = networks.mlp_decoder if network == "mlp" else networks.conv_decoder
    backwards = tuple(reversed(hidden or _HIDDEN[network]))
    body = make(latent_dim, event_shape, params_per_entry, backwards, activation, initial)
    body.add(layer)
    return body


def _check_name(argument: str, name: str, names: Sequence[str]) -> None:
    if name not in names:
        raise ValueError(f"`{argument}` must be one of {', '.join(names)}. Received: {argument}={name!r}")
