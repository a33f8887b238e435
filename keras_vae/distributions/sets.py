"""Sets of values that a likelihood can score."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = [
    "BINARY",
    "COUNTS",
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

    def entries(self, x: np.ndarray) -> np.ndarray:
        """Return of each entry of `x` whether it is in the set; infinities and not-a-number never are."""
        inside = (x > self.low) & (x < self.high) if self.open else (x >= self.low) & (x <= self.high)
        inside = inside & np.isfinite(x)
        return inside & (x == np.round(x)) if self.integer and not np.issubdtype(x.dtype, np.integer) else inside

    def contains(self, x: np.ndarray) -> bool:
        """Return whether every entry of `x` is in the set, and every vector adds up to `total`."""
        if not np.all(self.entries(x)):
            return False
        return self.total is None or bool(np.allclose(np.sum(x, axis=-1, dtype=np.float64), self.total, atol=1e-3))

    def check(self, x: Any, family: str) -> None:
        """Raise unless the likelihood called `family` can score every entry of the array `x`.

        Raises:
            ValueError: with the range of `x`, the support and the remedy.
        """
        x = np.asarray(x)
        if self.contains(x):
            return
        kind = "integers" if np.all(x == np.round(x)) else "values"
        raise ValueError(
            f"The {family} likelihood scores {self.description}: {self.remedy}. "
            f"Received: {kind} in x from {x.min():g} to {x.max():g}"
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

    def entries(self, x: np.ndarray) -> np.ndarray:
        return np.any([part.entries(x) for part in self.parts], axis=0)


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
            description="columns of several sets",
            low=min(support.low for support in supports),
            high=max(support.high for support in supports),
            integer=all(support.integer for support in supports),
            blocks=tuple(blocks),
        )

    @property
    def is_known(self) -> bool:
        return all(support.is_known for support, _, _ in self.blocks)

    def contains(self, x: np.ndarray) -> bool:
        return all(support.contains(x[..., start:stop]) for support, start, stop, _ in self._columns())

    def check(self, x: Any, family: str) -> None:
        x = np.asarray(x)
        for support, start, stop, name in self._columns():
            support.check(x[..., start:stop], f"{name} (columns {start} to {stop - 1})")

    def _columns(self) -> list[tuple[Support, int, int, str]]:
        """Return of each block its set, its first column, the column after its last, and its name."""
        stops = np.cumsum([size for _, size, _ in self.blocks]).tolist()
        blocks = zip(self.blocks, stops, strict=True)
        return [(support, stop - size, stop, name) for (support, size, name), stop in blocks]


BINARY = Support("{0, 1}", 0, 1, integer=True, remedy="pass binarize=dynamic or binarize=threshold")
UNIT = Support("[0, 1]", 0, 1, remedy="divide by the largest level: pass unit")
OPEN_UNIT = Support("(0, 1)", 0, 1, remedy="move n levels x of [0, 1] to (x * (n - 1) + 0.5) / n", open=True)
COUNTS = Support("{0, 1, 2, ...}", 0, integer=True, remedy="pass counts, such as the levels of quantize=K")
ONE_HOT = Support("vectors of {0, 1} with one 1", 0, 1, True, "pass labels through keras.ops.one_hot", total=1)
SIMPLEX = Support("vectors of [0, 1] that add up to 1", 0, 1, remedy="divide each vector by its sum", total=1)
REAL = Support("the real numbers", remedy="replace infinities and not-a-number")
UNKNOWN = dataclasses.replace(REAL, description="numbers")


def levels_support(num_levels: int) -> Support:
    """Return the integers 0 ... num_levels-1."""
    remedy = f"pass quantize={num_levels}, or give the likelihood as many levels as the data has"
    return Support(f"{{0, ..., {num_levels - 1}}}", 0, num_levels - 1, integer=True, remedy=remedy)
