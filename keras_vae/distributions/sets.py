"""Sets of values that a likelihood can score."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

__all__ = [
    "BINARY",
    "COUNTS",
    "NON_NEGATIVE",
    "ONE_HOT",
    "OPEN_UNIT",
    "REAL",
    "SIMPLEX",
    "UNIT",
    "UNKNOWN",
    "Blocks",
    "Support",
    "Union",
    "levels_support",
]

_ENTRIES_AT_ONCE = 2**20  # a check of arrays in memory needs no copy of the whole


@dataclasses.dataclass(frozen=True)
class Support:
    """A set of real numbers: integers or not, between `low` and `high`, which are in it unless it is `open`.

    Attributes:
        description: How messages name it.
        low: Float, lower end.
        high: Float, upper end.
        integer: Bool, whether it holds integers only.
        remedy: What to do with values outside of it.
        open: Bool, whether the ends are not in it.
        total: What the entries of the last axis add up to; None if that does not matter.
    """

    description: str
    low: float = -np.inf
    high: float = np.inf
    integer: bool = False
    remedy: str = ""
    open: bool = False
    total: float | None = None

    @property
    def is_known(self) -> bool:
        """Whether the set is known. Where it is not, data must be checked by its log-probability."""
        return self != UNKNOWN

    def entries(self, x: Any) -> tf.Tensor:
        """Return whether each entry of `x` is in the set, and its vector adds up to `total`; also in a graph.

        Infinities and not-a-number never are.
        """
        x = tf.convert_to_tensor(x)
        if x.dtype.is_integer and not self.open and self.total is None:
            low, high = math.ceil(max(self.low, x.dtype.min)), math.floor(min(self.high, x.dtype.max))
            return (x >= low) & (x <= high) if low <= high else tf.zeros_like(x, tf.bool)
        x = _as_floats(x)
        if self.open:
            inside = (x > self.low) & (x < self.high)
        else:  # the largest numbers that are finite stand for infinite ends
            nearest = tf.round(x) if self.integer else x
            inside = x == tf.clip_by_value(nearest, max(self.low, x.dtype.min), min(self.high, x.dtype.max))
        if self.total is not None:
            sums = tf.reduce_sum(tf.cast(x, tf.float64), axis=-1, keepdims=True)
            inside &= tf.abs(sums - self.total) <= 1e-3 + 1e-5 * self.total
        return inside

    def contains(self, x: Any) -> tf.Tensor:
        """Return whether every entry of the rows `x` is in the set, as a bool tensor []; also in a graph.

        This is asked of every batch. XLA takes a third of the time over the rows first, as long as it does not see that
        the two reductions are one.
        """
        return ~tf.reduce_any(~tf.reduce_all(self.entries(x), axis=0))

    def filled(self, x: tf.Tensor) -> tf.Tensor:
        """Return floats x with a number of the set in the place of each NaN: 0, or what is near it in the set."""
        if self.total is not None:
            raise ValueError(
                f"Entries can be missing where each has a probability of its own, and {self.description} have one as a "
                "whole. Received: x with NaN"
            )
        low, high = (self.low + 1e-3, self.high - 1e-3) if self.open else (self.low, self.high)
        return tf.where(tf.math.is_nan(x), tf.cast(min(max(0.0, low), high), x.dtype), x)

    def check(self, x: Any, family: str) -> None:
        """Raise unless the likelihood called `family` can score every entry of the array `x`, whose rows are examples.

        Raises:
            ValueError: with the range of `x`, the first row outside of the support and its value, and the remedy.
        """
        x = np.atleast_1d(np.asarray(x))
        first = self.first_outside(x)
        if first is not None:
            raise ValueError(self._message(x, family, first))

    def first_outside(self, x: np.ndarray) -> tuple[int, ...] | None:
        """Return the index of the first entry of the rows `x` that is not in the set; None if all are."""
        rows_at_once = max(1, _ENTRIES_AT_ONCE * len(x) // max(x.size, 1))
        for first_row in range(0, len(x), rows_at_once):
            outside = ~self.entries(x[first_row : first_row + rows_at_once]).numpy()
            if outside.any():
                row, *entry = np.argwhere(outside)[0].tolist()
                return (first_row + row, *entry)
        return None

    def _message(self, x: np.ndarray, family: str, first: tuple[int, ...]) -> str:
        """Return what is wrong with `x`, whose first entry outside has the index `first`."""
        not_finite = ~np.isfinite(x)
        if not_finite.any():
            first = tuple(np.argwhere(not_finite)[0])
            return (
                f"The {family} likelihood cannot score entries that are NaN or infinite: drop the rows that have them, "
                "impute the entries, or let NaN stand for missing ones in a model that is made with missing=True. "
                f"Received: {not_finite.sum()} such entries in x, the first of them "
                f"{x[first]:g} in row {first[0]}"
            )
        kind = "integers" if np.all(x == np.round(x)) else "values"
        low, high, value = float(x.min()), float(x.max()), float(x[first])
        vector = "" if self.total is None else f", in a vector that adds up to {x[first[:-1]].sum():g}"
        return (
            f"The {family} likelihood scores {self.description}: {self.remedy}. "
            f"Received: {kind} in x from {low:g} to {high:g}, such as {value:g} in row {first[0]}{vector}"
        )


@dataclasses.dataclass(frozen=True)
class Union(Support):
    """Entries that one set or another holds, as a mixture scores them."""

    parts: tuple[Support, ...] = ()

    @classmethod
    def of(cls, parts: Sequence[Support]) -> Support:
        """Return the union: the set itself where all are the same, and `UNKNOWN` where it is not one of entries."""
        distinct = tuple(dict.fromkeys(parts))
        if len(distinct) == 1:
            return distinct[0]
        if any(not part.is_known or part.total is not None or isinstance(part, Blocks) for part in distinct):
            return UNKNOWN
        return cls(
            description=" or ".join(part.description for part in distinct),
            low=min(part.low for part in distinct),
            high=max(part.high for part in distinct),
            integer=all(part.integer for part in distinct),
            remedy="; or ".join(dict.fromkeys(part.remedy for part in distinct)),
            parts=distinct,
        )

    def entries(self, x: Any) -> tf.Tensor:
        return tf.reduce_any([part.entries(x) for part in self.parts], axis=0)


@dataclasses.dataclass(frozen=True)
class Blocks(Support):
    """Vectors of which some columns after others have a set each.

    Attributes:
        blocks: Of each block its set, its number of columns and the name of its family.
    """

    blocks: tuple[tuple[Support, int, str], ...] = ()

    @classmethod
    def of(cls, blocks: Sequence[tuple[Support, int, str]]) -> Blocks:
        """Return the set of the concatenated vectors."""
        supports = [support for support, _, _ in blocks]
        return cls(
            description=", then ".join(f"{size} columns of {support.description}" for support, size, _ in blocks),
            low=min(support.low for support in supports),
            high=max(support.high for support in supports),
            integer=all(support.integer for support in supports),
            remedy="; ".join(dict.fromkeys(support.remedy for support in supports)),
            blocks=tuple(blocks),
        )

    @property
    def is_known(self) -> bool:
        return all(support.is_known for support, _, _ in self.blocks)

    def entries(self, x: Any) -> tf.Tensor:
        x = _as_floats(x)
        return tf.concat([part.entries(x[..., start:stop]) for part, start, stop, _ in self._columns()], axis=-1)

    def filled(self, x: tf.Tensor) -> tf.Tensor:
        parts = self._columns()
        return tf.concat([part.filled(x[..., start:stop]) for part, start, stop, _ in parts], axis=-1)

    def check(self, x: Any, family: str) -> None:
        x = np.asarray(x)
        for support, start, stop, name in self._columns():
            support.check(x[..., start:stop], f"{name} (columns {start} to {stop - 1})")

    def _columns(self) -> list[tuple[Support, int, int, str]]:
        """Return of each block its set, its first column, the column after its last, and its name."""
        stops = np.cumsum([size for _, size, _ in self.blocks]).tolist()
        blocks = zip(self.blocks, stops, strict=True)
        return [(support, stop - size, stop, name) for (support, size, name), stop in blocks]


def _as_floats(x: Any) -> tf.Tensor:
    """Return numbers as floats that hold them: integers of up to 16 bits and half precision as float32."""
    x = tf.convert_to_tensor(x)
    if x.dtype in (tf.float32, tf.float64):
        return x
    if not (x.dtype.is_floating or x.dtype.is_integer or x.dtype.is_bool):
        raise ValueError(
            f"x must hold real numbers: turn it into an array of floats or integers. Received: dtype={x.dtype.name}"
        )
    return tf.cast(x, tf.float32 if x.dtype.size <= 2 else tf.float64)


BINARY = Support("{0, 1}", 0, 1, integer=True, remedy="pass binarize=dynamic or binarize=threshold")
UNIT = Support("[0, 1]", 0, 1, remedy="divide by the largest level: pass unit")
OPEN_UNIT = Support("(0, 1)", 0, 1, remedy="move n levels x of [0, 1] to (x * (n - 1) + 0.5) / n", open=True)
COUNTS = Support("{0, 1, 2, ...}", 0, integer=True, remedy="pass counts, such as the levels of quantize=K")
ONE_HOT = Support("vectors of {0, 1} with one 1", 0, 1, True, "pass labels through keras.ops.one_hot", total=1)
SIMPLEX = Support("vectors of [0, 1] that add up to 1", 0, 1, remedy="divide each vector by its sum", total=1)
NON_NEGATIVE = Support("[0, infinity)", 0)
REAL = Support("the real numbers", remedy="drop the rows that have NaN or infinite entries, or impute the entries")
UNKNOWN = dataclasses.replace(REAL, description="numbers")


def levels_support(num_levels: int) -> Support:
    """Return the integers 0 ... num_levels-1."""
    remedy = f"pass quantize={num_levels}, or give the likelihood as many levels as the data has"
    return Support(f"{{0, ..., {num_levels - 1}}}", 0, num_levels - 1, integer=True, remedy=remedy)
