"""Quantiles of count distributions, by a search that eager execution and XLA share.

References:
    Giles (2016), "Algorithm 955: approximation of the inverse Poisson cumulative distribution function".
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf
import tensorflow_probability as tfp

__all__ = ["negative_binomial_quantile", "poisson_quantile"]

_LARGEST_COUNT = 2.0**52  # as far as float64 holds all half integers, which halving passes through
_LARGEST_SEARCHED_RATE = 1e5  # TensorFlow's igammac is accurate to 2e-10 up to here


def poisson_quantile(u: tf.Tensor, rate: tf.Tensor) -> tf.Tensor:
    """Return the least k with P(X <= k) > u, for X ~ Poisson(rate); rates above 2**52 count as 2**52.

    Above a rate of 1e5, where TensorFlow's incomplete gamma function fails, it is Giles' expansion Q_N2 in powers of
    1 / sqrt(rate), whose probabilities are within 1e-7 of the exact ones there.

    Args:
        u: float64, in (0, 1).
        rate: float64, of the same or a smaller shape.

    Returns:
        float64 integers.
    """
    rate = tf.minimum(rate, _LARGEST_COUNT)
    searched = tf.minimum(rate, _LARGEST_SEARCHED_RATE)
    exact = _quantile(lambda k: tf.math.igammac(k + 1, searched), u)
    w, root = tf.math.ndtri(u), tf.sqrt(rate)
    expansion = rate + root * w + 1 / 3 + w**2 / 6 - (w / 36 + w**3 / 72) / root
    return tf.where(rate > _LARGEST_SEARCHED_RATE, tf.floor(expansion), exact)


def negative_binomial_quantile(u: tf.Tensor, total_count: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Return the least k with P(X <= k) > u, at most 2**52, for X of `tfd.NegativeBinomial(total_count, logits)`.

    P(X <= k) = I(total_count, k + 1) at sigmoid(-logits), I the regularised incomplete beta function. Arguments and
    result as in `poisson_quantile`.
    """
    return _quantile(lambda k: tfp.math.betainc(total_count, k + 1, tf.sigmoid(-logits)), u)


def _quantile(cdf: Callable[[tf.Tensor], tf.Tensor], u: tf.Tensor) -> tf.Tensor:
    """Return the least k = 0, 1, ..., 2**52 with cdf(k) > u: steps double until one is too far, then brackets halve."""

    def search(low: tf.Tensor, high: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        middle = tf.minimum(tf.floor(low + (high - low) / 2), 2 * low)
        below = tf.ensure_shape(cdf(middle), u.shape) <= u
        return tf.where(below, middle + 1, low), tf.where(below, high, middle)

    bounds = tf.zeros_like(u), tf.zeros_like(u) + _LARGEST_COUNT
    low, _ = tf.while_loop(lambda low, high: tf.reduce_any(low < high), search, bounds)
    return low
