"""Distributions over finitely many z: whether one is, all its states, and its continuous relaxation."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from keras_vae.distributions.entries import bernoulli_entries
from keras_vae.distributions.one_hot import RelaxedOneHotCategorical
from keras_vae.distributions.stacked import Stacked
from keras_vae.distributions.wrappers import Independent

__all__ = ["LARGEST_NUM_STATES", "all_states", "harden", "has_discrete_values", "is_discrete", "relax"]

LARGEST_NUM_STATES = 4096


def is_discrete(distribution: Any) -> bool:
    """Return whether z has binary entries, or is one-hot vectors, or two layers of such."""
    part = distribution.first if isinstance(distribution, Stacked) else distribution
    return bernoulli_entries(part) is not None or _one_hot(part) is not None


def has_discrete_values(distribution: Any) -> bool:
    """Return whether z is discrete: under a family that `is_discrete`, or a mixture of such."""
    return is_discrete(getattr(distribution, "components_distribution", distribution))


def _one_hot(distribution: Any) -> tfd.OneHotCategorical | None:
    """Return the one-hot vectors of a distribution of one or several independent ones; else None."""
    vectors = distribution.distribution if isinstance(distribution, Independent) else distribution
    return vectors if isinstance(vectors, tfd.OneHotCategorical) else None


def _check(distribution: Any) -> None:
    if isinstance(distribution, Stacked) or not is_discrete(distribution):
        raise ValueError(
            "This needs one layer of independent Bernoulli entries or of independent one-hot vectors: "
            f'gradient="score_function" does not. Received: {type(distribution).__name__}'
        )


def all_states(distribution: tfd.Distribution) -> tf.Tensor:
    """Return every z that has a probability, [M, *event]: 2^D binary vectors, or K^N of N one-hot vectors of K entries.

    Raises:
        ValueError: if the family is another one, or if there are more than 4,096 states.

    Example:

    >>> all_states(tfd.Independent(tfd.Bernoulli(logits=tf.zeros([3, 2])), 1)).numpy().tolist()
    [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
    """
    _check(distribution)
    event_shape, vectors = distribution.event_shape.as_list(), _one_hot(distribution)
    choices = 2 if vectors is None else event_shape[-1]
    number = int(np.prod(event_shape)) // (1 if vectors is None else choices)
    if choices**number > LARGEST_NUM_STATES:
        raise ValueError(
            f"All states of z can be enumerated where there are at most {LARGEST_NUM_STATES:,} of them: estimate from "
            f'draws, as gradient="score_function" does. Received: {choices}^{number} states'
        )
    index = np.stack(np.meshgrid(*[np.arange(choices)] * number, indexing="ij"), axis=-1).reshape(-1, number)
    states = index if vectors is None else np.eye(choices)[index]
    return tf.constant(
        states.reshape(-1, *event_shape), tf.float32 if distribution.dtype.is_integer else distribution.dtype
    )


def relax(distribution: tfd.Distribution, temperature: Any) -> tfd.Distribution:
    """Return the binary Concrete or Gumbel-softmax distribution that `harden` makes draws of `distribution` of.

    Example:

    >>> q = tfd.Independent(tfd.Bernoulli(logits=tf.zeros([3, 2])), 1)
    >>> relax(q, 0.5).event_shape.as_list()
    [2]

    References:
        Maddison et al. (2017), "The Concrete distribution", Sec. 3.1 and Appendix B.
    """
    _check(distribution)
    rank, one_hot = distribution.event_shape.rank, _one_hot(distribution)
    if one_hot is not None:
        logits = one_hot.logits_parameter()
        return tfd.Independent(RelaxedOneHotCategorical(tf.cast(temperature, logits.dtype), logits), rank - 1)
    logits = distribution.distribution.logits_parameter()
    temperature = tf.cast(temperature, logits.dtype)
    logistic = tfd.Logistic(logits / temperature, 1 / temperature)
    return tfd.Independent(tfd.TransformedDistribution(logistic, _Sigmoid()), rank)


class _Sigmoid(tfb.Sigmoid):
    """`tfb.Sigmoid`, of which the gradient is NaN where exp(x) is infinite, as from 89 in float32."""

    def _forward(self, x: tf.Tensor) -> tf.Tensor:
        return tf.sigmoid(x)


def harden(distribution: tfd.Distribution, soft: tf.Tensor) -> tf.Tensor:
    """Return the discrete z nearest to each relaxed one: a draw of `distribution`, if `soft` is one of `relax`."""
    if bernoulli_entries(distribution) is not None:
        return tf.cast(soft > 0.5, soft.dtype)
    return tf.one_hot(tf.argmax(soft, axis=-1), soft.shape[-1], dtype=soft.dtype)
