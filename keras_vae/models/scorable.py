"""The x that a model can score."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import tensorflow as tf

from keras_vae.distributions.sets import Support

__all__ = ["Scorable", "check_shape"]


@dataclasses.dataclass(frozen=True)
class Scorable:
    """Which x a likelihood scores: their shape and values, and whether entries may be missing, which are NaN.

    Attributes:
        event_shape: Integers, the shape of one x.
        dtype: Dtype in which floats are scored.
        support: Values of the entries that are not missing.
        family: Str, how messages call the likelihood.
        takes_missing: Bool, whether entries may be missing, but not all of a row.
    """

    event_shape: tuple[int, ...]
    dtype: tf.DType
    support: Support
    family: str
    takes_missing: bool = False

    def check(self, x: tf.Tensor) -> None:
        """Raise unless all of x [B, *event] can be scored.

        Raises:
            ValueError: with the first row that cannot be.
        """
        self.support.check(self._as_scored(x), self.family)
        if len(unobserved := np.flatnonzero(~self._has_observed(x))):
            raise ValueError(
                f"Every row must have an entry that was observed: leave the others out. Received: row {unobserved[0]} "
                "of x, where all entries are NaN"
            )

    def contains(self, x: tf.Tensor) -> tf.Tensor:
        """Return whether all of x can be scored, as a bool tensor []; also in a graph."""
        inside = self.support.contains(self._as_scored(x))
        return inside & tf.reduce_all(self._has_observed(x)) if self.takes_missing else inside

    def checked_in_graph(self, x: tf.Tensor, message: str = "") -> tf.Tensor:
        """Return `x`, which stops the graph where it cannot be scored, with `message` if there is one."""
        # A loaded graph may get another shape than it was traced for.
        shape = f"x must have the shape [B, *event_shape] with event_shape={self.event_shape}. Received: another shape"
        sizes = tf.raw_ops.Shape(input=x)
        has_rank = tf.size(sizes) == 1 + len(self.event_shape)
        fits = tf.cond(
            has_rank, lambda: tf.reduce_all(sizes[1:] == tf.constant(self.event_shape, tf.int32)), lambda: False
        )
        with tf.control_dependencies([tf.debugging.Assert(fits, [shape])]):
            x = tf.identity(x)
        message = message or (
            f"The {self.family} likelihood scores {self.support.description}: {self.support.remedy}. "
            "Received: x with other, NaN or infinite entries"
        )
        with tf.control_dependencies([tf.debugging.Assert(self.contains(x), [message])]):
            return tf.identity(x)

    def _as_scored(self, x: tf.Tensor) -> tf.Tensor:
        """Return floats in the dtype in which they are scored, where 1 - 1e-12 may be 1 and 1e39 infinite.

        Missing entries are replaced by values that can be scored.
        """
        if not x.dtype.is_floating:
            return x
        x = tf.cast(x, self.dtype) if self.dtype.is_floating else x
        return self.support.filled(x) if self.takes_missing else x

    def _has_observed(self, x: tf.Tensor) -> tf.Tensor:
        """Return for each row whether an entry of it is not missing, bool [B]."""
        if not (self.takes_missing and x.dtype.is_floating):
            return tf.ones(tf.shape(x)[:1], tf.bool)
        return tf.reduce_any(~tf.math.is_nan(x), axis=list(range(1, x.shape.rank)))


def check_shape(x: Any, event_shape: tuple[int, ...]) -> None:
    """Raise unless x is [B, *event]: what broadcasts instead would be scored, and wrongly."""
    shape = tf.TensorShape(x.shape if hasattr(x, "shape") else np.shape(x))
    if not shape[1:].is_compatible_with(event_shape) or shape.rank == 0:
        raise ValueError(
            f"x must have the shape [B, *event_shape] with event_shape={event_shape}. Received: x.shape={shape}"
        )
