"""Schedules of beta that Keras does not have."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from keras_vae.arguments import check_counts, check_numbers
from keras_vae.registration import register

__all__ = ["CyclicSchedule"]


@register
class CyclicSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """Rise from 0 to `maximum`, stay, fall back to 0, again and again; for `beta` of an objective.

    value(step) = maximum * min(1, t / rise),  t = (step mod period) / period

    Args:
        period: steps of one cycle.
        rise: part of a cycle in which the value grows, in (0, 1].
        maximum: of the value.

    Example:

    >>> schedule = CyclicSchedule(100, rise=0.5)
    >>> [float(schedule(step)) for step in (0, 25, 50, 99, 100)]
    [0.0, 0.5, 1.0, 1.0, 0.0]

    References:
        Fu et al. (2019), "Cyclical Annealing Schedule: A Simple Approach to Mitigating KL Vanishing", Eq. 6-7.
    """

    def __init__(self, period: int, rise: float = 0.5, maximum: float = 1.0):
        check_counts(period=period)
        check_numbers(rise=rise)
        check_numbers(positive=False, maximum=maximum)
        if rise > 1:
            raise ValueError(f"`rise` is a part of a cycle and must be 1 or less. Received: rise={rise!r}")
        self.period = period
        self.rise = rise
        self.maximum = maximum

    def __call__(self, step: Any) -> tf.Tensor:
        t = tf.cast(tf.math.floormod(tf.cast(step, tf.int64), self.period), tf.float32) / self.period
        return self.maximum * tf.minimum(1.0, t / self.rise)

    def get_config(self) -> dict[str, Any]:
        return {"period": self.period, "rise": self.rise, "maximum": self.maximum}
