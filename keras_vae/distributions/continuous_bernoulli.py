"""The continuous Bernoulli, stable at any logits."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

__all__ = ["ContinuousBernoulli"]


class ContinuousBernoulli(tfd.ContinuousBernoulli):
    """`tfd.ContinuousBernoulli` with quantile and variance that are accurate, and have right gradients, at any logits.

    log_prob(x) = x * logits - A(logits),  A(t) = log((exp(t) - 1) / t),  mean = A'(logits),  variance = A''(logits)

    At logits near 0 both are differences of near numbers, which series replace. (TFP's gradient of samples is 0 at
    logits of 0, and not a number at +-100 in float32, as is that of its variance.)

    Example:

    >>> d = ContinuousBernoulli(logits=[-1e4, 0., 1e4])
    >>> d.quantile(0.5).numpy().round(4).tolist()
    [9.999999747378752e-05, 0.5, 0.9998999834060669]

    References:
        Loaiza-Ganem & Cunningham (2019), "The continuous Bernoulli: fixing a pervasive error in variational
        autoencoders".
    """

    def _quantile(self, p: tf.Tensor, logits: Any = None) -> tf.Tensor:
        """Return log(1 + p (exp(logits) - 1)) / logits: cumulants of Bernoulli(p) are its series."""
        logits = self._logits_parameter_no_checks() if logits is None else logits
        small = tf.abs(logits) < np.finfo(logits.dtype.as_numpy_dtype).eps ** (1 / 5)
        var = p * (1 - p)
        series = p + logits * var / 2 + logits**2 * var * (1 - 2 * p) / 6 + logits**3 * var * (1 - 6 * var) / 24

        logits = tf.where(small, tf.ones_like(logits), logits)
        minus_abs = -tf.abs(logits)
        passed = tf.where(logits < 0, p, 1 - p)
        distance = tf.maximum(tf.math.log1p(passed * tf.math.expm1(minus_abs)), minus_abs) / minus_abs
        return tf.where(small, series, tf.where(logits < 0, distance, 1 - distance))

    def _variance(self) -> tf.Tensor:
        logits = self._logits_parameter_no_checks()
        small = tf.abs(logits) < (5322240 * np.finfo(logits.dtype.as_numpy_dtype).eps) ** (1 / 8)
        square = logits**2
        series = 1 / 12 - square / 240 + square**2 / 6048 - square**3 / 172800  # next: logits**8 / 5322240

        logits = tf.where(small, tf.ones_like(logits), logits)
        minus_abs = -tf.abs(logits)
        return tf.where(small, series, 1 / logits**2 - tf.exp(minus_abs) / tf.math.expm1(minus_abs) ** 2)
