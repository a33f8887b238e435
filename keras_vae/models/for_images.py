"""Encoder and decoder for images, from names."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import keras

from keras_vae import layers, networks

__all__ = ["LIKELIHOODS", "NETWORKS", "POSTERIORS", "Likelihood", "Posterior", "image_decoder", "image_encoder"]

NETWORKS = ("mlp", "conv")

_HIDDEN = {"mlp": (400,), "conv": (32, 64)}
_NUM_COMPONENTS = 5
_CONTEXT_SIZE = 64


class Likelihood(NamedTuple):
    """How a family of p(x|z) is made for images.

    Attributes:
        pixels: how pixels become x, by default: see `keras_vae.data.pixels`.
        make_layer: function of event_shape, num_levels and sigma that returns the layer.
        params_size: function of the same that returns the number of parameters of one entry.
        in_blocks: whether the parameters of one kind stand together in the layer's input, as TFP has them, instead
            of those of one entry.
    """

    pixels: str
    make_layer: Callable[[tuple[int, ...], int, float], keras.layers.Layer]
    params_size: Callable[[int], int] = lambda num_levels: 1
    in_blocks: bool = False


LIKELIHOODS = {
    "bernoulli": Likelihood("binarize=dynamic", lambda shape, *_: layers.IndependentBernoulli(shape)),
    "beta": Likelihood("dequantize", lambda shape, *_: layers.IndependentBeta(shape), lambda _: 2, in_blocks=True),
    "categorical": Likelihood(
        "quantize=16", lambda shape, num_levels, _: layers.IndependentCategorical(shape, num_levels), lambda k: k
    ),
    "continuous-bernoulli": Likelihood("dequantize", lambda shape, *_: layers.IndependentContinuousBernoulli(shape)),
    "gaussian": Likelihood(
        "dequantize", lambda shape, *_: layers.IndependentNormal(shape), lambda _: 2, in_blocks=True
    ),
    "gaussian-fixed": Likelihood("dequantize", lambda shape, _, sigma: layers.IndependentNormal(shape, scale=sigma)),
    "gaussian-shared": Likelihood("dequantize", lambda shape, *_: layers.IndependentNormal(shape, scale="shared")),
    "laplace": Likelihood(
        "dequantize", lambda shape, *_: layers.IndependentLaplace(shape), lambda _: 2, in_blocks=True
    ),
    "negative-binomial": Likelihood(
        "levels", lambda shape, *_: layers.IndependentNegativeBinomial(shape), lambda _: 2, in_blocks=True
    ),
    "poisson": Likelihood("levels", lambda shape, *_: layers.IndependentPoisson(shape)),
    "quantized-logistic": Likelihood(
        "levels", lambda shape, num_levels, _: layers.QuantizedLogistic(shape, num_levels), lambda _: 2
    ),
    "quantized-logistic-mixture": Likelihood(
        "levels",
        lambda shape, num_levels, _: layers.MixtureQuantizedLogistic(shape, _NUM_COMPONENTS, num_levels),
        lambda _: 3 * _NUM_COMPONENTS,
    ),
    "soft-bernoulli": Likelihood("unit", lambda shape, *_: layers.IndependentSoftBernoulli(shape)),
}


class Posterior(NamedTuple):
    """How a family of q(z|x) is made.

    Attributes:
        make_layer: function of latent_dim that returns the layer.
        params_size: function of latent_dim that returns the number of parameters.
    """

    make_layer: Callable[[int], keras.layers.Layer]
    params_size: Callable[[int], int]


POSTERIORS = {
    "diagonal": Posterior(layers.MultivariateNormalDiag, layers.MultivariateNormalDiag.params_size),
    "flow": Posterior(
        lambda latent_dim: layers.AutoregressiveFlow(latent_dim, _CONTEXT_SIZE),
        lambda latent_dim: layers.AutoregressiveFlow.params_size(latent_dim, _CONTEXT_SIZE),
    ),
    "full": Posterior(layers.MultivariateNormalTriL, layers.MultivariateNormalTriL.params_size),
}


def image_encoder(
    event_shape: Sequence[int],
    latent_dim: int,
    network: str = "mlp",
    hidden: Sequence[int] | None = None,
    activation: str = "relu",
    num_levels: int = 2,
    initial: str = "glorot_uniform",
    posterior: str = "diagonal",
    batch_norm: bool = False,
) -> keras.Sequential:
    """Return x [B, *event] -> q(z|x); integer levels are scaled to [0, 1] first.

    Args:
        event_shape: shape of x.
        latent_dim: D.
        network: "mlp" or "conv".
        hidden: widths of the hidden layers, or filters of the convolutions; None is (400,) or (32, 64).
        activation: of the hidden layers.
        num_levels: x has the levels 0 ... num_levels-1; 2 for values in [0, 1].
        initial: of the kernels, see `keras_vae.networks.initializer`.
        posterior: a name of `POSTERIORS`.
        batch_norm: see `keras_vae.networks.mlp_encoder`; of "mlp" only.
    """
    _check_network(network, batch_norm)
    _check_name("posterior", posterior, tuple(POSTERIORS))
    family = POSTERIORS[posterior]
    params_size = family.params_size(latent_dim)
    options = (event_shape, params_size, hidden or _HIDDEN[network], activation, initial, 1 / (num_levels - 1))
    body = networks.mlp_encoder(*options, batch_norm) if network == "mlp" else networks.conv_encoder(*options)
    body.add(family.make_layer(latent_dim))
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
    sigma: float = 0.1,
    batch_norm: bool = False,
) -> keras.Sequential:
    """Return z [B, D] -> p(x|z); arguments as in `image_encoder`, whose `hidden` runs backwards here.

    Args:
        event_shape: shape of x.
        latent_dim: D.
        likelihood: a name of `LIKELIHOODS`.
        network: "mlp" or "conv".
        hidden: as of the encoder.
        activation: of the hidden layers.
        num_levels: of a likelihood over levels.
        initial: of the kernels.
        sigma: of "gaussian-fixed".
        batch_norm: as of the encoder.
    """
    _check_name("likelihood", likelihood, tuple(LIKELIHOODS))
    _check_network(network, batch_norm)
    event_shape, family = tuple(event_shape), LIKELIHOODS[likelihood]
    params_per_entry = family.params_size(num_levels)
    options = (latent_dim, event_shape, params_per_entry, (hidden or _HIDDEN[network])[::-1], activation, initial)
    body = networks.mlp_decoder(*options, batch_norm) if network == "mlp" else networks.conv_decoder(*options)
    if family.in_blocks:
        body.add(keras.layers.Reshape((math.prod(event_shape), params_per_entry)))
        body.add(keras.layers.Permute((2, 1)))
        body.add(keras.layers.Flatten())
    body.add(family.make_layer(event_shape, num_levels, sigma))
    return body


def _check_name(argument: str, name: str, names: Sequence[str]) -> None:
    if name not in names:
        raise ValueError(f"`{argument}` must be one of {', '.join(names)}. Received: {argument}={name!r}")


def _check_network(network: str, batch_norm: bool) -> None:
    _check_name("network", network, NETWORKS)
    if batch_norm and network != "mlp":
        raise ValueError(f"`batch_norm` is of mlp only. Received: network={network!r}, batch_norm={batch_norm}")
