"""Independent latents: one distribution, or a structure (tuple, list, dictionary) of independent ones, as one."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.distributions.distribution_tensor import as_distribution
from keras_vae.distributions.kl import closed_form_kl, monte_carlo_kl

__all__ = ["as_latents", "as_tuples", "entries", "entropy", "kl_by_latent", "latent_names", "latent_shape", "log_prob"]


def as_latents(outputs: Any) -> Any:
    """Return the plain distributions behind what a network returned; lists become tuples.

    Raises:
        TypeError: if a part is not a distribution.
    """
    return tf.nest.map_structure(as_distribution, as_tuples(outputs))


def as_tuples(structure: Any) -> Any:
    """Return `structure` with its lists as tuples, as the models' latents have them."""
    if isinstance(structure, list | tuple):
        return tuple(as_tuples(part) for part in structure)
    return {name: as_tuples(part) for name, part in structure.items()} if isinstance(structure, dict) else structure


def entries(values: Any) -> tf.Tensor:
    """Return tensors [B, ...], one for each latent, as one of all their entries, [B, D].

    Example:

    >>> entries((tf.zeros([3, 2]), tf.zeros([3, 2, 2]))).shape.as_list()
    [3, 6]
    """
    return tf.concat([tf.reshape(part, [tf.shape(part)[0], -1]) for part in tf.nest.flatten(values)], axis=1)


def latent_names(structure: Any) -> list[str]:
    """Return the name of each latent in the order of `tf.nest.flatten`: "z", or "z0", "z1", ..., or dictionary keys.

    Example:

    >>> latent_names((tfd.Normal(0., 1.), tfd.Normal(0., 1.)))
    ['z0', 'z1']
    """
    if isinstance(structure, dict) and not any(tf.nest.is_nested(part) for part in structure.values()):
        return sorted(structure)
    if not tf.nest.is_nested(structure):
        return ["z"]
    return [f"z{i}" for i in range(len(tf.nest.flatten(structure)))]


def latent_shape(latents: Any) -> Any:
    """Return the event shape of each latent as a tuple of ints, in the structure of `latents`."""
    return tf.nest.map_structure(lambda part: tuple(part.event_shape.as_list()), latents)


def log_prob(latents: Any, z: Any) -> tf.Tensor:
    """Return the log-probability of `z`, summed over the latents, in nats."""
    tf.nest.assert_same_structure(latents, z)
    parts = zip(tf.nest.flatten(latents), tf.nest.flatten(z), strict=True)
    return sum(part.log_prob(value) for part, value in parts)


def kl_by_latent(posterior: Any, prior: Any, z: Any) -> dict[str, tf.Tensor]:
    """Return KL(q, p) of each latent by its name, in nats: see `keras_vae.protocols.LatentDraws`.

    Args:
        posterior: batch [B].
        prior: batch [] or [B].
        z: draws of the posterior, [S, B, ...]; used where there is no closed form.
    """
    parts = zip(*(tf.nest.flatten(structure) for structure in (posterior, prior, z)), strict=True)
    return {name: _kl(q, p, values) for name, (q, p, values) in zip(latent_names(posterior), parts, strict=True)}


def _kl(q: tfd.Distribution, p: tfd.Distribution, z: tf.Tensor) -> tf.Tensor:
    kl = closed_form_kl(q, p)
    return monte_carlo_kl(q, p, z) if kl is None else kl


def entropy(latents: Any) -> tf.Tensor | None:
    """Return the entropy, summed over the latents, in nats; None where a family has no closed form."""
    try:
        return sum(part.entropy() for part in tf.nest.flatten(latents))
    except NotImplementedError:
        return None
