"""Bernoulli distributions of pixels, faster than TFP's, and for grey targets."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow_probability import distributions as tfd

__all__ = ["Bernoulli", "IndependentBernoulli", "SoftBernoulli"]

_FACTORS = 64  # of a product in [1, 2**64], which float32 holds with ease


class Bernoulli(tfd.Bernoulli):
    """`tfd.Bernoulli` whose log-probability and gradient take fewer passes over the logits.

    log_prob(x) = x * logits - log(1 + exp(logits)),   d log_prob / d logits = x - sigmoid(logits)

    Example:

    >>> float(Bernoulli(logits=0.).log_prob(1.))
    -0.6931471824645996
    """

    def _log_prob(self, x: tf.Tensor) -> tf.Tensor:
        logits = self.logits_parameter()
        return _log_prob(tf.cast(x, logits.dtype), logits)


@tf.custom_gradient
def _log_prob(x: tf.Tensor, logits: tf.Tensor) -> tuple[tf.Tensor, Any]:
    return _wrong(x, logits) - tf.math.softplus(-tf.abs(logits)), lambda upstream: _gradients(x, logits, upstream)


def _wrong(x: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Return (x - [logits > 0]) logits: 0 where a pixel is as certain as can be, with logits of infinity too."""
    return tf.math.multiply_no_nan(logits, x - tf.cast(logits > 0, logits.dtype))


def _gradients(x: tf.Tensor, logits: tf.Tensor, upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return what `upstream` gives x and logits, in their own shapes."""
    for_x, for_logits = upstream * logits, upstream * (x - tf.sigmoid(logits))
    axes = tf.raw_ops.BroadcastGradientArgs(s0=tf.shape(x), s1=tf.shape(logits))
    return (
        tf.reshape(tf.reduce_sum(for_x, axes.r0), tf.shape(x)),
        tf.reshape(tf.reduce_sum(for_logits, axes.r1), tf.shape(logits)),
    )


class IndependentBernoulli(tfd.Independent):
    """`tfd.Independent` of `Bernoulli` entries, whose log-probability takes a logarithm for 64 entries together.

    log_prob(x) = sum_i x_i logits_i - log(1 + exp(logits_i)),   d log_prob / d logits_i = x_i - sigmoid(logits_i)

    An entry that is all but certain counts with an absolute precision of the machine epsilon, not a relative one.

    Example:

    >>> round(float(IndependentBernoulli(Bernoulli(logits=tf.zeros([28, 28])), 2).log_prob(tf.ones([28, 28]))), 2)
    -543.43
    """

    def _log_prob(self, x: tf.Tensor) -> tf.Tensor:
        logits, rank = self.distribution.logits_parameter(), tf.get_static_value(self.reinterpreted_batch_ndims)
        x = tf.cast(x, logits.dtype)
        if self.distribution.validate_args or not _can_sum(x, logits, rank):
            return super()._log_prob(x)
        return _sum_log_prob(x, logits, int(rank))


def _can_sum(x: tf.Tensor, logits: tf.Tensor, rank: int | None) -> bool:
    """Return whether `_sum_log_prob` takes these: an event of known shape to which x broadcasts, in float32 or more."""
    if not rank or None in (x.shape.rank, logits.shape.rank) or logits.dtype not in (tf.float32, tf.float64):
        return False
    event = logits.shape[-rank:]
    return event.is_fully_defined() and tf.broadcast_static_shape(x.shape[-rank:], event) == event


def _sum_log_prob(x: tf.Tensor, logits: tf.Tensor, rank: int) -> tf.Tensor:
    """Return the log-probabilities of `_log_prob` summed over the last `rank` axes."""
    event, axes = logits.shape[-rank:], list(range(-rank, 0))
    factors = max(n for n in range(1, _FACTORS + 1) if event.num_elements() % n == 0)

    @tf.custom_gradient
    def summed(x: tf.Tensor, logits: tf.Tensor) -> tuple[tf.Tensor, Any]:
        def gradients(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return _gradients(x, logits, tf.reshape(upstream, tf.concat([tf.shape(upstream), [1] * rank], 0)))

        batch = tf.shape(logits)[:-rank]
        groups = tf.reshape(1 + tf.exp(-tf.abs(logits)), tf.concat([batch, [-1, factors]], 0))
        log_normaliser = tf.reduce_sum(tf.math.log(tf.reduce_prod(groups, -1)), -1)
        return tf.reduce_sum(_wrong(x, logits), axes) - log_normaliser, gradients

    return summed(x, logits)


class SoftBernoulli(Bernoulli):
    """Bernoulli whose targets may be grey, in [0, 1]: `log_prob` is then a negative cross-entropy.

    log_prob(x) = x log(probs) + (1 - x) log(1 - probs)

    For x in {0, 1} this is the Bernoulli log-probability. For grey x it is no log-density (it does not
    integrate to one over [0, 1]), so numbers made of it must not be compared with log-likelihoods. It is the
    habit of most tutorials, and here so that their numbers can be met.
    """

    def __init__(
        self,
        logits: Any = None,
        probs: Any = None,
        dtype: Any = tf.float32,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "SoftBernoulli",
    ):
        super().__init__(logits, probs, dtype, validate_args, allow_nan_stats, name)

    @classmethod
    def _parameter_properties(cls, dtype: Any, num_classes: int | None = None) -> dict[str, Any]:
        return super()._parameter_properties(dtype, num_classes)  # TFP warns where an own `__init__` stands without it

    def _sample_control_dependencies(self, x: tf.Tensor) -> list[Any]:
        if not self.validate_args:
            return []
        return [tf.debugging.assert_non_negative(x), tf.debugging.assert_less_equal(x, tf.ones([], x.dtype))]
