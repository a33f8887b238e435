"""Encoders and decoders, each put together from the body of a network and the layer of a distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras

from keras_vae import layers, likelihoods, networks, posteriors, priors
from keras_vae.arguments import as_count, check_counts, sizes_of
from keras_vae.likelihoods import Likelihood
from keras_vae.networks import Network
from keras_vae.networks.first_entries import FirstEntries
from keras_vae.posteriors import DiscretePosterior, Posterior
from keras_vae.priors import Prior

__all__ = [
    "image_decoder",
    "image_encoder",
    "latent_shape_and_prior",
    "make_classifier",
    "make_decoder",
    "make_encoder",
]


def make_encoder(
    event_shape: Sequence[int],
    latent_dim: int,
    network: str | Network = "mlp",
    posterior: str | Posterior = "diagonal",
    scale: float = 1.0,
    missing: bool = False,
    condition_shape: Sequence[int] | None = None,
) -> keras.Model:
    """Return the model x [B, *event] -> q(z|x), or [x, y] -> q(z|x, y).

    Args:
        event_shape: Integers, the shape of x.
        latent_dim: Int, D.
        network: Str or object, see `keras_vae.networks.get`. "mlp".
        posterior: Str or object, see `keras_vae.posteriors.get`. "diagonal".
        scale: Float, factor on x. 1.
        missing: Bool, whether x may have missing entries, which are NaN: it begins with a
            `keras_vae.layers.MissingIndicator` then. False.
        condition_shape: Integers, the shape of y, which joins the entries of x, or their channels where the network
            says that it `sees_axes`. None: there is no y.

    Example:

    >>> make_encoder((30,), latent_dim=5)(np.zeros([3, 30])).event_shape.as_list()
    [5]
    """
    event_shape, latent_dim = sizes_of("event_shape", event_shape), as_count(latent_dim=latent_dim)
    family = posteriors.get(posterior)
    params_size = as_count(params_size=family.params_size(latent_dim))
    body = networks.get(network)
    if condition_shape is not None:
        first = [keras.layers.Rescaling(scale), *([layers.MissingIndicator()] if missing else [])]
        x, y = keras.Input(event_shape, name="x"), keras.Input(tuple(condition_shape), name="y")
        joined = _joined(_through(first, x), y, getattr(body, "sees_axes", False))
        rest = [*body.encoder(tuple(joined.shape[1:]), params_size).layers, family.layer(latent_dim)]
        return keras.Model([x, y], _through(rest, joined))
    encoder = make_classifier(event_shape, params_size, body, scale, missing)
    encoder.add(family.layer(latent_dim))
    return encoder


def make_classifier(
    event_shape: Sequence[int],
    num_classes: int,
    network: str | Network = "mlp",
    scale: float = 1.0,
    missing: bool = False,
) -> keras.Sequential:
    """Return the model x [B, *event] -> logits [B, K]: an encoder without its last layer; arguments as there.

    Example:

    >>> make_classifier((30,), num_classes=3).output_shape
    (None, 3)
    """
    body = networks.get(network)
    if not missing:
        return body.encoder(event_shape, num_classes, scale=scale)
    rest = body.encoder((*event_shape[:-1], 2 * event_shape[-1]), num_classes).layers
    first = [keras.Input(event_shape), keras.layers.Rescaling(scale), layers.MissingIndicator()]
    return keras.Sequential([*first, *rest])


def _through(layers_in_order: Sequence[keras.layers.Layer], x: keras.KerasTensor) -> keras.KerasTensor:
    for layer in layers_in_order:
        x = layer(x)
    return x


def _joined(x: keras.KerasTensor, y: keras.KerasTensor, along_channels: bool) -> keras.KerasTensor:
    """Return the entries of x and y as one vector; or y as further channels of the images x, at each pixel the same."""
    if not along_channels:
        return keras.layers.Concatenate()([keras.layers.Flatten()(part) for part in (x, y)])
    height, width, _ = x.shape[1:]
    if y.shape[1:-1] != (height, width):
        flat = keras.layers.Flatten()(y)
        y = keras.layers.Reshape((height, width, flat.shape[-1]))(keras.layers.RepeatVector(height * width)(flat))
    return keras.layers.Concatenate()([x, y])


def make_decoder(
    event_shape: Sequence[int],
    latent_dim: int | Sequence[int],
    likelihood: str | Likelihood = "bernoulli",
    network: str | Network = "mlp",
    num_seen: int | None = None,
    condition_shape: Sequence[int] | None = None,
) -> keras.Model:
    """Return the model z [B, D] -> p(x|z), or [z, y] -> p(x|z, y).

    Args:
        event_shape: Integers, the shape of x.
        latent_dim: Int, D; or integers, the shape of a z that is no vector, whose entries the network sees as one.
        likelihood: Str or object, see `keras_vae.likelihoods.get`. "bernoulli".
        network: Str or object, see `keras_vae.networks.get`. "mlp".
        num_seen: Int, how many of the first entries of z it sees, see `keras_vae.priors.Prior.num_seen`. None: all.
        condition_shape: Integers, the shape of y, whose entries join those of z. None: there is no y.

    Example:

    >>> make_decoder((30,), latent_dim=5, likelihood="gaussian")(np.zeros([3, 5])).event_shape.as_list()
    [30]
    """
    event_shape = sizes_of("event_shape", event_shape)
    latent_shape = sizes_of("latent_dim", latent_dim)
    family = likelihoods.get(likelihood)
    size = math.prod(latent_shape) if num_seen is None else as_count(num_seen=num_seen)
    if size > math.prod(latent_shape):
        raise ValueError(
            f"`num_seen` must be at most `latent_dim`. Received: num_seen={num_seen}, latent_dim={latent_dim}"
        )
    if condition_shape is not None:
        size += math.prod(condition_shape)
    params_size = family.params_size(event_shape)
    params_per_entry = as_count(params_per_entry=family.params_per_entry)
    if params_size == math.prod(event_shape) * params_per_entry:
        decoder = networks.get(network).decoder(size, event_shape, params_per_entry)
    else:  # of columns that differ
        decoder = networks.get(network).decoder(size, (params_size,), 1)
    first = [FirstEntries(num_seen)] if num_seen is not None else []
    if len(latent_shape) > 1:
        first.append(keras.layers.Flatten())
    rest = decoder.layers
    if family.in_blocks and params_per_entry > 1:
        rest.append(keras.layers.Reshape((math.prod(event_shape), params_per_entry)))
        rest.append(keras.layers.Permute((2, 1)))
        rest.append(keras.layers.Flatten())
    rest.append(family.layer(event_shape))
    if condition_shape is None:
        return keras.Sequential([keras.Input(latent_shape), *first, *rest])
    z, y = keras.Input(latent_shape, name="z"), keras.Input(tuple(condition_shape), name="y")
    return keras.Model([z, y], _through(rest, _joined(_through(first, z), y, along_channels=False)))


def image_encoder(
    event_shape: Sequence[int],
    latent_dim: int,
    network: str | Network = "mlp",
    hidden: Sequence[int] | None = None,
    num_levels: int = 2,
    posterior: str | Posterior = "diagonal",
    missing: bool = False,
    condition_shape: Sequence[int] | None = None,
) -> keras.Model:
    """Return the model x [B, *event] -> q(z|x), in which levels are scaled to [0, 1] first.

    Args:
        event_shape: Integers, the shape of x.
        latent_dim: Int, D.
        network: Str or object, see `keras_vae.networks.get`. "mlp".
        hidden: Integers, widths or filters of a network that is given by name. None: those of its table.
        num_levels: Int, number of levels of x; 2 for x in [0, 1]. 2.
        posterior: Str or object, see `keras_vae.posteriors.get`. "diagonal".
        missing: Bool, see `make_encoder`. False.
        condition_shape: Integers, see `make_encoder`. None.
    """
    check_counts(least=2, num_levels=num_levels)
    body = networks.get(network, hidden)
    scale = 1 / (num_levels - 1)
    return make_encoder(event_shape, latent_dim, body, posterior, scale, missing, condition_shape)


def image_decoder(
    event_shape: Sequence[int],
    latent_dim: int | Sequence[int],
    likelihood: str | Likelihood = "bernoulli",
    network: str | Network = "mlp",
    hidden: Sequence[int] | None = None,
    num_levels: int | None = None,
    num_seen: int | None = None,
    condition_shape: Sequence[int] | None = None,
) -> keras.Model:
    """Return the model z [B, D] -> p(x|z); the arguments are those of `image_encoder`.

    Args:
        event_shape: Integers, the shape of x.
        latent_dim: Int or integers, see `make_decoder`.
        likelihood: Str or object, see `keras_vae.likelihoods.get`. "bernoulli".
        network: Str or object, see `keras_vae.networks.get`. "mlp".
        hidden: Integers, widths or filters of the encoder; the decoder runs backwards. None: those of the table.
        num_levels: Int, number of levels of a likelihood that counts them. None: that of the likelihood.
        num_seen: Int or None, see `make_decoder`.
        condition_shape: Integers or None, see `make_decoder`.
    """
    family = likelihoods.get(likelihood, num_levels)
    return make_decoder(event_shape, latent_dim, family, networks.get(network, hidden), num_seen, condition_shape)


def latent_shape_and_prior(
    posterior: str | Posterior, prior: str | Prior | None, latent_dim: int
) -> tuple[tuple[int, ...], Prior]:
    """Return the shape of one z, and the prior: that which is given, or that which goes with the posterior."""
    family = posteriors.get(posterior)
    if isinstance(family, DiscretePosterior):
        shape, prior = family.latent_shape(latent_dim), family.prior(latent_dim) if prior is None else prior
    else:
        shape, prior = (latent_dim,), "standard-normal" if prior is None else prior
    return shape, priors.get(prior, latent_dim)
