"""How pixels become what a likelihood scores: named choices, each with a declared support.

Pixels are integers 0 ... num_levels-1 (17 levels for scikit-learn's digits, 256 for most images). A choice is
written as on the command line: "binarize=dynamic", "binarize=static", "binarize=threshold", "quantize=K", "levels",
"unit", "dequantize".
"""

from __future__ import annotations

import dataclasses
import re
import reprlib
from typing import Any

import numpy as np
import tensorflow as tf

from keras_vae import random
from keras_vae.distributions.sets import BINARY, UNIT, Support, levels_support

__all__ = ["PIXELS", "Binarize", "Dequantize", "Pixels", "Quantize", "Unit", "pixels"]


@dataclasses.dataclass(frozen=True)
class Pixels:
    """Base of the named choices.

    Call arguments:
        raw: integer tensor [B, ...] of levels 0 ... num_levels-1.
        seed: of the draw, where there is one.
        first_row: number of the first row, see `keras_vae.random`.

    Returns:
        x [B, ...] within `support`, of the smallest dtype that holds it.

    Attributes:
        num_levels: how many levels the pixels have.
    """

    num_levels: int = 256

    def __call__(self, raw: tf.Tensor, seed: Any = 0, first_row: Any = 0) -> tf.Tensor:
        raise NotImplementedError(f"{type(self).__name__} must override `__call__`.")

    def check(self, raw: Any) -> None:
        """Raise unless the array `raw` has the levels 0 ... num_levels-1 alone.

        Raises:
            ValueError: with the range of `raw`, and the first row that has another value.
        """
        raw = np.asarray(raw)
        if raw.dtype.kind == "u" and np.iinfo(raw.dtype).max < self.num_levels:
            return  # the dtype holds no other values
        first = levels_support(self.num_levels).first_outside(raw)
        if first is not None:
            raise ValueError(
                f"Pixels must be integer levels from 0 to {self.num_levels - 1}: give their number as `num_levels`, or "
                "pass what is x already without `pixels`. "
                f"Received: levels from {raw.min():g} to {raw.max():g}, such as {raw[first]:g} in row {first[0]}"
            )

    @property
    def draws_once(self) -> bool:
        """Whether a data set is replaced by what `once` draws."""
        return False

    def once(self, raw: tf.Tensor, first_row: Any = 0) -> tf.Tensor:
        """Return raw levels [B, ...] drawn for the rows `first_row` ... of a data set, always in the same way."""
        return raw

    @property
    def support(self) -> Support:
        """The values of x."""
        return UNIT

    @property
    def num_values(self) -> int | None:
        """How many values x can take; None for a continuum."""
        return None

    def _unit(self, raw: tf.Tensor) -> tf.Tensor:
        return tf.cast(raw, tf.float32) / (self.num_levels - 1)


@dataclasses.dataclass(frozen=True)
class Binarize(Pixels):
    """Binary pixels: drawn with the grey value as probability ("dynamic", "static"), or grey value > 1/2 ("threshold").

    A dynamic draw is fresh whenever the seed is: each step in training, one stated seed in evaluation. A static draw is
    made when a `Split` is, and is a function of the image's row in it alone: one set of binary images for all runs that
    divide the data alike.

    References:
        Salakhutdinov & Murray (2008), "On the quantitative analysis of deep belief networks" (one draw);
        Burda et al. (2016), "Importance weighted autoencoders", Sec. 5.2 (a new draw each time).
    """

    how: str = "dynamic"

    def __post_init__(self) -> None:
        if self.how not in ("dynamic", "static", "threshold"):
            raise ValueError(f"binarize is 'dynamic', 'static' or 'threshold'. Received: binarize={self.how!r}")

    def __call__(self, raw: tf.Tensor, seed: Any = 0, first_row: Any = 0) -> tf.Tensor:
        if self.how == "threshold":
            return tf.cast(self._unit(raw) > 0.5, tf.uint8)
        return tf.cast(self._draw(raw, seed if self.how == "dynamic" else 0, first_row), tf.uint8)

    @property
    def draws_once(self) -> bool:
        return self.how == "static"

    def once(self, raw: tf.Tensor, first_row: Any = 0) -> tf.Tensor:
        return tf.cast(self._draw(raw, 0, first_row), raw.dtype) * (self.num_levels - 1)

    def _draw(self, raw: tf.Tensor, seed: Any, first_row: Any) -> tf.Tensor:
        return random.uniform([tf.shape(raw)[0], *raw.shape[1:]], seed, first_row) < self._unit(raw)

    @property
    def support(self) -> Support:
        return BINARY

    @property
    def num_values(self) -> int:
        return 2


@dataclasses.dataclass(frozen=True)
class Quantize(Pixels):
    """Integer levels 0 ... levels-1, by rounding down: floor(raw * levels / num_levels)."""

    levels: int = 256

    def __post_init__(self) -> None:
        if not 2 <= self.levels <= self.num_levels:
            raise ValueError(
                f"quantize takes 2 to {self.num_levels} levels, as many as the pixels have. "
                f"Received: quantize={self.levels}"
            )

    def __call__(self, raw: tf.Tensor, seed: Any = 0, first_row: Any = 0) -> tf.Tensor:
        dtype = tf.uint8 if self.levels <= 256 else tf.int32
        return tf.cast(tf.cast(raw, tf.int64) * self.levels // self.num_levels, dtype)

    @property
    def support(self) -> Support:
        return levels_support(self.levels)

    @property
    def num_values(self) -> int:
        return self.levels


@dataclasses.dataclass(frozen=True)
class Unit(Pixels):
    """Grey values in [0, 1]: raw / (num_levels - 1)."""

    def __call__(self, raw: tf.Tensor, seed: Any = 0, first_row: Any = 0) -> tf.Tensor:
        return self._unit(raw)


@dataclasses.dataclass(frozen=True)
class Dequantize(Pixels):
    """Uniformly dequantised values in [0, 1): (raw + u) / num_levels with u ~ Uniform(0, 1).

    A density of them bounds the probability of the levels: in bits, log2(num_levels) more per dimension.

    References:
        Theis et al. (2016), "A note on the evaluation of generative models", Sec. 3.1.
    """

    def __call__(self, raw: tf.Tensor, seed: Any = 0, first_row: Any = 0) -> tf.Tensor:
        u = random.uniform([tf.shape(raw)[0], *raw.shape[1:]], seed, first_row)
        raw = tf.cast(raw, tf.float32)
        below_next_level = tf.math.nextafter((raw + 1) / self.num_levels, 0.0)  # where raw + u was rounded up
        return tf.minimum((raw + u) / self.num_levels, below_next_level)


PIXELS = ("binarize=dynamic", "binarize=static", "binarize=threshold", "quantize=K", "levels", "unit", "dequantize")


def pixels(name: str, num_levels: int = 256) -> Pixels:
    """Return the choice called `name` for pixels of `num_levels` levels.

    Raises:
        ValueError: if there is none of that name.

    Example:

    >>> pixels("quantize=16")(tf.constant([[0, 128, 255]])).numpy().tolist()
    [[0, 8, 15]]
    """
    kind, _, value = name.partition("=")
    if kind == "binarize":
        return Binarize(num_levels, how=value)
    if kind == "quantize" and re.fullmatch("[0-9]{1,9}", value):
        return Quantize(num_levels, levels=int(value))
    if name == "levels":  # as they are
        return Quantize(num_levels, levels=num_levels)
    if name == "unit":
        return Unit(num_levels)
    if name == "dequantize":
        return Dequantize(num_levels)
    raise ValueError(
        f"Pixels are treated in one of these ways: {', '.join(PIXELS)}. Received: pixels={reprlib.repr(name)}"
    )
