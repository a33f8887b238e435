"""The log-probability of each entry of an event, where a family is independent over its entries."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.distributions.wrappers import Blockwise, Independent

__all__ = ["bernoulli_entries", "blocks_of_columns", "has_independent_entries", "normal_entries", "weighted_log_prob"]


def normal_entries(distribution: Any) -> tfd.Normal | None:
    """Return the normal distributions of the entries, batch + event shape, where they are independent; else None.

    Example:

    >>> normal_entries(tfd.MultivariateNormalDiag(tf.zeros([3, 2]))).batch_shape
    TensorShape([3, 2])
    """
    is_whole = isinstance(distribution, Independent) and distribution.distribution.event_shape.rank == 0
    if is_whole and isinstance(distribution.distribution, tfd.Normal):
        return distribution.distribution
    diagonal = (tf.linalg.LinearOperatorDiag, tf.linalg.LinearOperatorIdentity, tf.linalg.LinearOperatorScaledIdentity)
    if isinstance(distribution, tfd.MultivariateNormalLinearOperator) and isinstance(distribution.scale, diagonal):
        scale = distribution.scale.diag_part()
        return tfd.Normal(tf.zeros_like(scale) if distribution.loc is None else distribution.loc, tf.abs(scale))
    return None


def bernoulli_entries(distribution: Any) -> tfd.Bernoulli | None:
    """Return the Bernoulli distributions of the entries, batch + event shape, where they are independent; else None.

    Example:

    >>> bernoulli_entries(tfd.Independent(tfd.Bernoulli(logits=tf.zeros([3, 2])), 1)).batch_shape
    TensorShape([3, 2])
    """
    entries = getattr(distribution, "distribution", None) if isinstance(distribution, Independent) else None
    return entries if isinstance(entries, tfd.Bernoulli) else None


def weighted_log_prob(distribution: tfd.Distribution, x: tf.Tensor, weight: Any) -> tf.Tensor:
    """Return sum_e w_e log p(x_e), of batch shape, in nats, where entries e of an event are independent.

    Args:
        distribution: Batch + event shape, a `tfd.Independent` or a diagonal normal.
        x: Batch + event shape.
        weight: A weight for each entry: batch + event shape, or axes of size 1 in it. 0 leaves out an entry whose
            log-probability is finite.

    Raises:
        ValueError: if the entries are not independent, or if the weights have other axes.

    Example:

    >>> p = tfd.Independent(tfd.Normal(tf.zeros([1, 2]), 1.0), 1)
    >>> float(weighted_log_prob(p, tf.constant([[0.0, 9.0]]), [[2.0, 0.0]])[0])
    -1.8378770351409912
    """
    log_prob = _log_prob_of_entries(distribution, x)
    weight = tf.cast(weight, log_prob.dtype)
    if weight.shape.rank != log_prob.shape.rank or not _broadcasts(weight.shape, log_prob.shape):
        raise ValueError(
            "Weights of entries must have the shape of the entries, whose log-probabilities they multiply. "
            f"Received: weights of shape {weight.shape}, entries of shape {log_prob.shape}"
        )
    return tf.reduce_sum(weight * log_prob, axis=list(range(distribution.batch_shape.rank, log_prob.shape.rank)))


def blocks_of_columns(distribution: Any) -> list[Any] | None:
    """Return the independent vectors of which a `tfd.Blockwise` puts the columns side by side; else None.

    Example:

    >>> p = tfd.Independent(tfd.Normal(tf.zeros([3, 2]), 1.0), 1)
    >>> len(blocks_of_columns(tfd.Blockwise([p, p])))
    2
    """
    distribution = getattr(distribution, "tensor_distribution", distribution)
    blocks = distribution.distributions if isinstance(distribution, Blockwise) else None
    return blocks if isinstance(blocks, list) and all(block.event_shape.rank == 1 for block in blocks) else None


def has_independent_entries(distribution: Any) -> bool:
    """Return whether each number in an event has a probability of its own: `weighted_log_prob` takes a weight for each.

    Example:

    >>> has_independent_entries(tfd.Independent(tfd.Poisson(tf.ones([3, 2])), 1))
    True
    """
    if (blocks := blocks_of_columns(distribution)) is not None:
        return all(has_independent_entries(part) for part in blocks)
    if isinstance(distribution, Independent):
        return distribution.distribution.event_shape.rank == 0
    return normal_entries(distribution) is not None


def _log_prob_of_entries(distribution: Any, x: tf.Tensor) -> tf.Tensor:
    if (blocks := blocks_of_columns(distribution)) is not None:
        parts = tf.split(x, [block.event_shape[0] for block in blocks], axis=-1)
        return tf.concat([_log_prob_of_entries(*pair) for pair in zip(blocks, parts, strict=True)], axis=-1)
    entries = distribution.distribution if isinstance(distribution, Independent) else normal_entries(distribution)
    if entries is not None:
        return entries.log_prob(x)
    raise ValueError(
        "Weights of entries need a likelihood that is independent over its entries, such as those of "
        f"keras_vae.layers.Independent...: give one weight an example. Received: {type(distribution).__name__}"
    )


def _broadcasts(shape: tf.TensorShape, to: tf.TensorShape) -> bool:
    return all(size in (1, None) or limit in (size, None) for size, limit in zip(shape, to, strict=True))
