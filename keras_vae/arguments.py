"""What arguments must be: one check, and one error, for every door."""

from __future__ import annotations

import operator
import os
from typing import Any

import numpy as np
import tensorflow as tf

__all__ = [
    "as_count",
    "as_int",
    "check_counts",
    "check_not_masked",
    "check_numbers",
    "check_optional_counts",
    "check_paths",
    "sizes_of",
]


def as_int(**number: Any) -> int:
    """Return a whole number of any library as Python's, which is what Keras and JSON take.

    Args:
        **number: The value, by the name of its argument.

    Raises:
        ValueError: if it is not an integer.

    Example:

    >>> as_int(seed=np.int64(3))
    3
    """
    ((name, value),) = number.items()
    whole = _as_int(value)
    if whole is None:
        raise ValueError(f"`{name}` must be a whole number. Received: {name}={value!r}")
    return whole


def as_count(least: int = 1, **count: Any) -> int:
    """Return a count that has passed `check_counts` as an int of Python."""
    check_counts(least, **count)
    return as_int(**count)


def check_counts(least: int = 1, **counts: Any) -> None:
    """Raise unless every count is a whole number that is large enough.

    Args:
        least: Int, the smallest count that makes sense. 1.
        **counts: The values, by the names of their arguments.

    Raises:
        ValueError: if a value is not an integer (of Python, NumPy or an eager tensor), or is below `least`.

    Example:

    >>> check_counts(num_samples=5, batch_size=np.int64(32))
    >>> check_counts(num_samples=2.5)
    Traceback (most recent call last):
    ValueError: `num_samples` must be a whole number, 1 or more. Received: num_samples=2.5
    """
    for name, value in counts.items():
        number = _as_int(value)
        if number is None:
            raise ValueError(f"`{name}` must be a whole number, {least} or more. Received: {name}={value!r}")
        if number < least:
            raise ValueError(f"`{name}` must be {least} or more. Received: {name}={value!r}")


def check_optional_counts(least: int = 1, **counts: Any) -> None:
    """Do the same for counts that may be None, which stands for a default."""
    check_counts(least, **{name: value for name, value in counts.items() if value is not None})


def sizes_of(name: str, value: Any, least: int = 1) -> tuple[int, ...]:
    """Return an integer, or integers, as a tuple: the sizes of axes, or of layers.

    Args:
        name: Str, the name of the argument.
        value: The integers, of Python or NumPy, or a constant tensor of them.
        least: Int, the smallest size that makes sense. 1.

    Raises:
        ValueError: if a part of the value is not an integer or is below `least`, or if a tensor is not constant.

    Example:

    >>> sizes_of("event_shape", 3), sizes_of("event_shape", np.array([28, 28]))
    ((3,), (28, 28))
    """
    static = tf.get_static_value(value) if tf.is_tensor(value) else value
    if static is None and value is not None:
        raise ValueError(
            f"`{name}` must be known when a graph is traced: give integers, such as x.shape[1:], or a constant. "
            f"Received: {name}={value}"
        )
    try:
        parts = tuple(static)
    except TypeError:  # one number, which cannot be iterated over
        parts = (static,)
    sizes = [_as_int(part) for part in parts]
    if any(size is None or size < least for size in sizes):
        raise ValueError(f"`{name}` must be whole numbers, each {least} or more. Received: {name}={value!r}")
    return tuple(size for size in sizes if size is not None)


def check_numbers(positive: bool = True, **numbers: Any) -> None:
    """Raise unless every value is a finite number above 0 or, where `positive` is False, of 0 or more.

    Args:
        positive: Bool, whether 0 is refused. True.
        **numbers: The values, by the names of their arguments.

    Raises:
        ValueError: if a value is not a number (of Python, NumPy or an eager tensor), or is out of range.

    Example:

    >>> check_numbers(step_size=0.5, scale=np.float32(2))
    >>> check_numbers(step_size="0.5")
    Traceback (most recent call last):
    ValueError: `step_size` must be a number, positive and finite. Received: step_size='0.5'
    """
    bounds = "positive and finite" if positive else "finite and not negative"
    for name, value in numbers.items():
        array = np.empty(0) if isinstance(value, list | tuple) else np.asarray(value)  # ragged lists are no arrays
        if array.shape != () or array.dtype.kind not in "iuf":
            raise ValueError(f"`{name}` must be a number, {bounds}. Received: {name}={value!r}")
        if not np.isfinite(array) or array < 0 or (positive and array == 0):
            raise ValueError(f"`{name}` must be {bounds}. Received: {name}={value!r}")


def check_paths(**paths: Any) -> None:
    """Raise unless every value is a path that is not empty; an empty one would stand for the present folder.

    Args:
        **paths: The values, by the names of their arguments.
    """
    for name, value in paths.items():
        if not isinstance(value, str | os.PathLike) or value == "":
            raise ValueError(f"`{name}` must be a path that is not empty. Received: {name}={value!r}")


def check_not_masked(**arrays: Any) -> None:
    """Raise if an array has masked entries, which TensorFlow would take for data.

    Args:
        **arrays: The arrays, by the names of their arguments.
    """
    for name, value in arrays.items():
        if np.ma.is_masked(value):
            raise ValueError(
                "Masked entries would be taken for data: fill them, or drop their rows. "
                f"Received: {name}, a masked array with {np.ma.count_masked(value)} masked entries"
            )


def _as_int(value: Any) -> int | None:
    """Return an integer of any library as Python's, and None for all else; True and False count nothing."""
    if isinstance(value, bool):
        return None
    try:
        return operator.index(value)
    except (TypeError, AttributeError):  # the latter of tensors of floats
        return None
