"""Two sets of points that are compared: their check, random choices, and the standard errors of measures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from keras_vae import random
from keras_vae.arguments import check_not_masked
from keras_vae.random import Stream

__all__ = ["check_points", "checked_sets", "generator", "standard_errors"]

_SPLITS = 10


def checked_sets(least: int = 4, **sets: Any) -> list[np.ndarray]:
    """Return two sets of points as float64 arrays.

    Args:
        least: Int, the smallest number of points that makes sense. 4.
        **sets: [N, D] and [M, D], by the names of their arguments.

    Raises:
        ValueError: if a set has fewer points, if the two differ in the number of dimensions, or if a number is masked
            or not finite.
    """
    check_points(**sets)
    arrays = [np.asarray(points, np.float64) for points in sets.values()]
    if any(points.ndim != 2 or len(points) < least for points in arrays) or arrays[0].shape[1] != arrays[1].shape[1]:
        shapes = ", ".join(f"{name}.shape={points.shape}" for name, points in zip(sets, arrays, strict=True))
        raise ValueError(f"Two sets of {least} points or more, [N, D] and [M, D], are compared. Received: {shapes}")
    return arrays


def check_points(**arrays: Any) -> None:
    """Raise unless every number of arrays [N, ...] is there and finite.

    Args:
        **arrays: The arrays, by the names of their arguments.

    Raises:
        ValueError: with the first row whose numbers are not finite; for masked entries, and for text.
    """
    check_not_masked(**arrays)
    for name, values in arrays.items():
        array = np.asarray(values)
        if array.dtype.kind not in "biuf":
            raise ValueError(f"`{name}` must be an array of numbers. Received: {name} of dtype {array.dtype}")
        bad = np.argwhere(~np.isfinite(array))
        if bad.size:
            raise ValueError(
                f"`{name}` must be finite: drop the rows that are not. Received: {name} with {len(bad)} entries "
                f"that are not finite, the first in row {bad[0][0]}"
            )


def generator(seed: Any) -> np.random.Generator:
    """Return NumPy's generator of random choices below a seed, see `keras_vae.random.as_noise`."""
    return np.random.default_rng(random.as_noise(seed).of(Stream.CHOICES).seed.numpy().view(np.uint32).tolist())


def standard_errors(
    measure: Callable[[np.ndarray, np.ndarray], Any], first: np.ndarray, second: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Return the standard errors of the numbers that `measure` makes of two sets.

    Both sets are split into halves at random. The halves are independent, and each has twice the variance of the whole:
    (measure of one pair - measure of the other)^2 / 4 has the mean Var(measure). It is averaged over 10 splits, which
    leaves a relative error of a fourth. Numbers whose variance falls faster than 1 / N get an error that is too large.
    """
    squares = []
    for _ in range(_SPLITS):
        firsts, seconds = (np.array_split(rng.permutation(points), 2) for points in (first, second))
        one, other = (np.asarray(measure(*pair)) for pair in zip(firsts, seconds, strict=True))
        squares.append(np.square(one - other) / 4)
    return np.sqrt(np.mean(squares, axis=0))
