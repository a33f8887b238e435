"""What a conditional model is given beside x: labels, or arrays of real numbers."""

from __future__ import annotations

import dataclasses
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from keras_vae.arguments import check_not_masked
from keras_vae.data.arrays import as_tensor
from keras_vae.distributions.sets import REAL

__all__ = ["Arrays", "Condition", "Labels"]


class Condition(Protocol):
    """The values that y may have, and what the networks see of it."""

    @property
    def seen_shape(self) -> tuple[int, ...]:
        """The shape of one y as the networks see it."""

    @property
    def spec(self) -> tf.TensorSpec:
        """The shape and dtype of y at the door."""

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of the constructor of `keras_vae.ConditionalVAE`."""

    def as_seen(self, y: tf.Tensor) -> tf.Tensor:
        """Return what the networks see, [B, *seen_shape]."""

    def contains(self, y: tf.Tensor) -> tf.Tensor:
        """Return whether all of y may be given, as a bool tensor []; also in a graph."""

    def checked(self, y: Any, num_rows: Any = None) -> tf.Tensor:
        """Return y as a tensor, or raise if it may not be given."""


@dataclasses.dataclass(frozen=True)
class Labels:
    """Labels 0 ... K-1, which the networks see as one-hot vectors.

    Args:
        num_classes: Int, K.
        unlabelled: Int or None, the value that marks a label as missing, where some may be.
    """

    num_classes: int
    unlabelled: int | None = None

    @property
    def seen_shape(self) -> tuple[int, ...]:
        return (self.num_classes,)

    @property
    def spec(self) -> tf.TensorSpec:
        return tf.TensorSpec([None], tf.int32, name="y")

    @property
    def arguments(self) -> dict[str, Any]:
        return {"num_classes": self.num_classes}

    @property
    def description(self) -> str:
        missing = "" if self.unlabelled is None else f", or {self.unlabelled} where the label is missing"
        return f"`y` must hold one label for each example, a whole number from 0 to {self.num_classes - 1}{missing}"

    def as_seen(self, y: tf.Tensor) -> tf.Tensor:
        return tf.one_hot(tf.cast(y, tf.int32), self.num_classes)

    def contains(self, y: tf.Tensor) -> tf.Tensor:
        if not self._fits(y):
            return tf.constant(False)
        inside = (y >= 0) & (y < self.num_classes) if y.dtype.is_integer else tf.zeros_like(y, tf.bool)
        if y.dtype.is_floating:
            inside = (y >= 0) & (y < self.num_classes) & (y == tf.floor(y))
        if self.unlabelled is not None:
            inside |= y == tf.cast(self.unlabelled, y.dtype)
        return tf.reduce_all(inside)

    def _fits(self, y: tf.Tensor) -> bool:
        return y.shape.rank == 1 and (y.dtype.is_integer or y.dtype.is_floating)

    def checked(self, y: Any, num_rows: Any = None) -> tf.Tensor:
        y = _as_tensor(y, self.description)
        if not self._fits(y):
            raise ValueError(f"{self.description}. Received: y of dtype {y.dtype.name} and shape {tuple(y.shape)}")
        if not tf.executing_eagerly():
            return _asserted(y, self.contains(y), f"{self.description}. Received: another one")
        _check_rows(y, num_rows)
        values = y.numpy()
        outside = (values < 0) | (values >= self.num_classes) | (values != np.floor(values))
        if self.unlabelled is not None:
            outside &= values != self.unlabelled
        if outside.any():
            row = int(np.flatnonzero(outside)[0])
            raise ValueError(f"{self.description}. Received: {values[row]} in row {row} of y")
        return tf.cast(y, tf.int32)


@dataclasses.dataclass(frozen=True)
class Arrays:
    """Arrays of finite numbers, such as vectors, or the known part of an image.

    Args:
        seen_shape: Integers, the shape of one y.
        dtype: Dtype in which the networks take y.
    """

    seen_shape: tuple[int, ...]
    dtype: tf.DType

    @property
    def spec(self) -> tf.TensorSpec:
        return tf.TensorSpec([None, *self.seen_shape], self.dtype, name="y")

    @property
    def arguments(self) -> dict[str, Any]:
        return {"condition_shape": list(self.seen_shape)}

    @property
    def description(self) -> str:
        return f"`y` must have the shape {['B', *self.seen_shape]}".replace("'", "") + ", and finite entries"

    def as_seen(self, y: tf.Tensor) -> tf.Tensor:
        return tf.cast(y, self.dtype)

    def contains(self, y: tf.Tensor) -> tf.Tensor:
        return REAL.contains(tf.cast(y, self.dtype)) if self._fits(y) else tf.constant(False)

    def _fits(self, y: tf.Tensor) -> bool:
        return y.shape.is_compatible_with([None, *self.seen_shape]) and y.dtype != tf.string

    def checked(self, y: Any, num_rows: Any = None) -> tf.Tensor:
        y = _as_tensor(y, self.description)
        if not self._fits(y):
            raise ValueError(f"{self.description}. Received: y of dtype {y.dtype.name} and shape {tuple(y.shape)}")
        y = tf.cast(y, self.dtype)
        if not tf.executing_eagerly():
            return _asserted(y, self.contains(y), f"{self.description}. Received: NaN or infinite entries")
        _check_rows(y, num_rows)
        if (first := REAL.first_outside(y.numpy())) is not None:
            raise ValueError(f"{self.description}. Received: {y.numpy()[first]} in row {first[0]} of y")
        return y


def _as_tensor(y: Any, description: str) -> tf.Tensor:
    if y is None:
        raise ValueError(f"This model is conditional: pass y with x. {description}. Received: y=None")
    check_not_masked(y=y)
    return as_tensor(y, "y")


def _check_rows(y: tf.Tensor, num_rows: Any) -> None:
    if num_rows is not None and len(y) != num_rows:
        raise ValueError(f"x and y must have the same length. Received: {int(num_rows)} rows of x, {len(y)} of y")


def _asserted(y: tf.Tensor, condition: tf.Tensor, message: str) -> tf.Tensor:
    with tf.control_dependencies([tf.debugging.Assert(condition, [message])]):
        return tf.identity(y)
