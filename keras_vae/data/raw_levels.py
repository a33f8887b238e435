"""Raw images and labels as whole numbers: how many levels a set has, and what cannot be taken for levels."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

__all__ = ["MAX_LEVELS", "TEST_FRACTION", "Levels", "RawImages", "find_levels", "whole_labels"]

MAX_LEVELS = 65_536  # of 16 bits
TEST_FRACTION = 0.2  # of sets without a test split
_SPLIT_SEED = 0
_VALUES_AT_A_TIME = 2**22


class RawImages(NamedTuple):
    """Raw images [N, H, W, C] and labels [N] or None, to be sliced together."""

    images: Any
    labels: np.ndarray | None

    def rows(self, rows: Any) -> RawImages:
        return RawImages(self.images[rows], None if self.labels is None else self.labels[rows])

    def split_at_random(self) -> tuple[RawImages, RawImages]:
        """Return train and test, a fifth for the test, drawn with a fixed seed."""
        order = np.random.default_rng(_SPLIT_SEED).permutation(len(self.images))
        num_test = round(len(order) * TEST_FRACTION)
        return self.rows(order[num_test:]), self.rows(order[:num_test])


@dataclasses.dataclass(frozen=True)
class Levels:
    """What the pixels of a set were found to be.

    Attributes:
        num_levels: how many levels the pixels have, 0 ... num_levels-1.
        dtype: name of their dtype.
        smallest: the smallest value seen.
        largest: the largest value seen.
        factor: what a raw value is multiplied with: num_levels-1 for floats in [0, 1], otherwise 1.
    """

    num_levels: int
    dtype: str
    smallest: float
    largest: float
    factor: int = 1

    def __str__(self) -> str:
        return f"{self.dtype} pixels from {self.smallest:g} to {self.largest:g} taken for {self.num_levels} levels"

    @property
    def level_dtype(self) -> Any:
        """The dtype of levels in memory."""
        return np.uint8 if self.num_levels <= 256 else np.int32

    def of_array(self, images: np.ndarray) -> np.ndarray:
        """Return the levels of images that were looked at, as uint8 or int32."""
        if images.dtype.kind != "f":
            return images.astype(self.level_dtype, copy=False)
        levels = np.empty(images.shape, self.level_dtype)
        for row, image in enumerate(images):  # one at a time, or floats of the whole set would stand beside it
            levels[row] = np.rint(image.astype(np.float64) * self.factor)
        return levels

    def of_stream(self, image: tf.Tensor) -> tf.Tensor:
        """Return the levels of an image that was not looked at, after a check in the graph."""
        if image.dtype.is_floating:
            values = tf.cast(image, tf.float64) * self.factor
            levels = tf.round(values)
            whole = tf.reduce_all(tf.abs(values - levels) <= _tolerance(image.dtype.as_numpy_dtype, self.factor))
        else:
            levels, whole = tf.cast(image, tf.int64), tf.constant(True)
        smallest, largest = tf.reduce_min(levels), tf.reduce_max(levels)
        suitable = whole & (smallest >= 0) & (largest < self.num_levels)
        message = f"An image has other pixels than the first ones: {self}. Received: smallest and largest level"
        with tf.control_dependencies([tf.debugging.Assert(suitable, [message, smallest, largest])]):
            return tf.cast(levels, self.level_dtype)


def find_levels(images: Sequence[np.ndarray], num_levels: int | None, received: str) -> Levels:
    """Return what the pixels of all `images` are.

    bool has two levels. Integers have 256, if the largest is between 128 and 255; otherwise `num_levels` must say it.
    Whole floats are levels as integers are. Floats in [0, 1] are x = level / (num_levels - 1), for given `num_levels`.

    Args:
        images: arrays of one kind of dtype, of any shapes.
        num_levels: as told by the user, or None.
        received: where the images come from, for messages.

    Raises:
        ValueError: if the pixels are no levels, or if their number is ambiguous.
    """
    kinds = {array.dtype.kind.replace("u", "i") for array in images}
    dtype = ", ".join(sorted({array.dtype.name for array in images}))
    if len(kinds) != 1 or not kinds <= {"b", "i", "f"}:
        raise ValueError(
            "The images must hold whole numbers, and all splits the same kind: integers, bool or floats. "
            f"Received: dtype={dtype} in {received}"
        )
    if kinds == {"f"} and not all(np.isfinite(part).all() for array in images for part in _parts(array)):
        raise ValueError(
            f"The images must be finite: replace NaN and infinity. Received: dtype={dtype} with values that are not "
            f"finite in {received}"
        )
    smallest, largest = min(array.min().item() for array in images), max(array.max().item() for array in images)
    found = f"{dtype} pixels from {smallest:g} to {largest:g} in {received}"
    whole = all(np.array_equal(part, np.rint(part)) for array in images for part in _parts(array) if kinds == {"f"})
    if smallest < 0:
        raise ValueError(
            f"The pixels must not be negative: shift them to levels 0 ... num_levels-1. Received: dtype={found}"
        )
    if not whole:
        return _floats_in_unit_interval(images, num_levels, Levels(0, dtype, smallest, largest), found)
    if num_levels is None and kinds == {"b"}:
        num_levels = 2
    if num_levels is None and 128 <= largest <= 255:
        num_levels = 256
    if num_levels is None or not max(largest, 1) < num_levels <= MAX_LEVELS or (kinds == {"b"} and num_levels != 2):
        raise ValueError(
            "`num_levels` must say how many levels the pixels have, from 0 to num_levels-1: 2 for binary images or "
            f"bool, {MAX_LEVELS} at most. Received: num_levels={num_levels} for pixels up to {largest:g}, {dtype} in "
            f"{received}"
        )
    return Levels(num_levels, dtype, smallest, largest)


def _floats_in_unit_interval(
    images: Sequence[np.ndarray], num_levels: int | None, found: Levels, received: str
) -> Levels:
    """Return the levels of floats that are not whole, if they are multiples of 1 / (num_levels - 1)."""
    if found.largest <= 1 and num_levels is not None and 2 <= num_levels <= MAX_LEVELS:
        factor = num_levels - 1
        for part in (part for array in images for part in _parts(array)):
            values = part.astype(np.float64) * factor
            if not np.all(np.abs(values - np.rint(values)) <= _tolerance(part.dtype, factor)):
                break
        else:
            return dataclasses.replace(found, num_levels=num_levels, factor=factor)
    raise ValueError(
        "Floats must be whole levels, or level / (num_levels - 1) in [0, 1] with `num_levels` given: save the images "
        "as integers, or pass `num_levels` (256 for images of 8 bits). "
        f"Received: num_levels={num_levels}, dtype={received}"
    )


def _tolerance(dtype: Any, factor: int) -> float:
    """Return the rounding error of level / factor * factor, where floats may have been float32 before."""
    return min(factor * max(float(np.finfo(dtype).eps), float(np.finfo(np.float32).eps)), 0.25)


def _parts(array: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the values in pieces, so that what is computed of them stays small."""
    flat = array.reshape(-1)
    return (flat[first : first + _VALUES_AT_A_TIME] for first in range(0, flat.size, _VALUES_AT_A_TIME))


def whole_labels(labels: np.ndarray) -> np.ndarray | None:
    """Return labels [N] as int64, or None if they are not one whole number each."""
    if labels.ndim != 1 or labels.dtype.kind not in "biuf":
        return None
    if labels.dtype.kind == "f" and not (np.isfinite(labels).all() and np.array_equal(labels, np.rint(labels))):
        return None
    if labels.size and not -(2**63) <= int(labels.min()) <= int(labels.max()) < 2**63:
        return None
    return labels.astype(np.int64)
