"""Bernoulli distributions of pixels, faster than TFP's, and for grey targets."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow_probability import distributions as tfd

__all__ = ["Bernoulli", "SoftBernoulli"]


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
    def gradients(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        for_x, for_logits = upstream * logits, upstream * (x - tf.sigmoid(logits))
        axes = tf.raw_ops.BroadcastGradientArgs(s0=tf.shape(x), s1=tf.shape(logits))
        return (
            tf.reshape(tf.reduce_sum(for_x, axes.r0), tf.shape(x)),
            tf.reshape(tf.reduce_sum(for_logits, axes.r1), tf.shape(logits)),
        )

    # (x - [logits > 0]) logits is 0 where a pixel is as certain as can be, with logits of infinity too.
    wrong = tf.math.multiply_no_nan(logits, x - tf.cast(logits > 0, logits.dtype))
    return wrong - tf.math.softplus(-tf.abs(logits)), gradients


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

    def _sample_control_dependencies(self, x: tf.Tensor) -> list[Any]:
        if not self.validate_args:
            return []
        return [tf.debugging.assert_non_negative(x), tf.debugging.assert_less_equal(x, tf.ones([], x.dtype))]
