"""KL(q, p) per example, in nats: in closed form where TFP registers it, else from draws of q."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.distributions.entries import normal_entries
from keras_vae.distributions.wrappers import Independent

__all__ = [
    "closed_form_kl",
    "entropy_kl",
    "has_closed_form_kl",
    "kl_divergence",
    "kl_per_dimension",
    "monte_carlo_kl",
]


def kl_divergence(q_z: tfd.Distribution, p_z: tfd.Distribution, z: tf.Tensor) -> tf.Tensor:
    """Return KL(q, p) per example, in nats: the closed form, or its estimate from `z` where there is none.

    Args:
        q_z: posterior, batch [B], event [D].
        p_z: prior, batch [] and event [D].
        z: draws of q, [S, B, D]; used only without a closed form (see `has_closed_form_kl`).

    Returns:
        kl [B].
    """
    kl = closed_form_kl(q_z, p_z)
    if kl is None:
        return monte_carlo_kl(q_z, p_z, z)
    return tf.reduce_sum(kl, axis=list(range(q_z.batch_shape.rank, kl.shape.rank)))


def monte_carlo_kl(q_z: tfd.Distribution, p_z: tfd.Distribution, z: tf.Tensor, axis: Any = 0) -> tf.Tensor:
    """Return mean_s log q(z_s) - log p(z_s), unbiased for KL(q, p) in nats; arguments as in `kl_divergence`.

    Of a normal q and its reparameterised draws z = loc + scale eps, the gradient of log q(z) is minus the entropy's,
    whatever eps is: only the value has the noise of log q(z), and the gradient that of log p(z) alone.

    `axis` says which axes of the log-ratio number the draws: one, several, or None for all.
    """
    return tf.reduce_mean(q_z.log_prob(z) - p_z.log_prob(z), axis=axis)


def entropy_kl(q_z: tfd.Distribution, p_z: tfd.Distribution, z: tf.Tensor) -> tf.Tensor:
    """Return -mean_s log p(z_s) - H[q], unbiased for KL(q, p) in nats; arguments as in `kl_divergence`.

    The entropy of q is in closed form: the posterior must have one.
    """
    return -tf.reduce_mean(p_z.log_prob(z), axis=0) - q_z.entropy()


def kl_per_dimension(q_z: tfd.Distribution, p_z: tfd.Distribution) -> tf.Tensor:
    """Return KL(q(z_j|x), p(z_j)), [B, D], in nats, of a posterior and a prior of independent normal entries.

    Raises:
        ValueError: if the entries of one of the two are not independent and normal.
    """
    entries = [normal_entries(distribution) for distribution in (q_z, p_z)]
    for name, distribution, normal in zip(("posterior", "prior"), (q_z, p_z), entries, strict=True):
        if normal is None:
            raise ValueError(
                f"The KL divides into dimensions only where the entries of the {name} are independent and normal, as "
                f"those of a MultivariateNormalDiag. Received: {type(distribution).__name__}"
            )
    return tfd.kl_divergence(*entries)


def closed_form_kl(q_z: tfd.Distribution, p_z: tfd.Distribution) -> tf.Tensor | None:
    """Return KL(q, p) in nats in closed form, undivided where it divides, or None where TFP registers none.

    Returns:
        kl [B]; or kl [B, *event], to be summed over the event, of independent normal entries or two `tfd.Independent`.

    Example:

    >>> closed_form_kl(tfd.MultivariateNormalDiag(tf.zeros([3, 2])), tfd.MultivariateNormalDiag(tf.zeros(2))).shape
    TensorShape([3, 2])
    """
    q_z, p_z = (getattr(d, "tensor_distribution", d) for d in (q_z, p_z))
    try:
        normal = [normal_entries(distribution) for distribution in (q_z, p_z)]
        if all(part is not None for part in normal) and q_z.event_shape == p_z.event_shape:
            return tfd.kl_divergence(*normal)
        independent = isinstance(q_z, Independent) and isinstance(p_z, Independent)
        if independent and q_z.distribution.event_shape == p_z.distribution.event_shape:
            return tfd.kl_divergence(q_z.distribution, p_z.distribution)
        return tfd.kl_divergence(q_z, p_z)
    except NotImplementedError:
        return None


def has_closed_form_kl(q_z: tfd.Distribution, p_z: tfd.Distribution) -> bool:
    """Return whether TFP registers KL(q, p) in closed form for this pair."""
    return closed_form_kl(q_z, p_z) is not None
