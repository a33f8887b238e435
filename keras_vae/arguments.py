"""Whole numbers and counts in arguments: one check, and one error, for every door."""

from __future__ import annotations

import operator
from typing import Any

__all__ = ["as_count", "as_counts", "as_int", "check_counts", "check_optional_counts"]


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


def as_counts(**counts: Any) -> tuple[int, ...]:
    """Return a sequence of counts as ints of Python.

    Raises:
        ValueError: if it is not a sequence, or if one of its entries is not a count.

    Example:

    >>> as_counts(hidden=np.array([300, 100]))
    (300, 100)
    """
    ((name, values),) = counts.items()
    try:
        entries = tuple(values)
    except TypeError:
        raise ValueError(f"`{name}` must be a sequence, such as (300, 100). Received: {name}={values!r}") from None
    return tuple(as_count(**{name: value}) for value in entries)


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


def _as_int(value: Any) -> int | None:
    """Return an integer of any library as Python's, and None for all else; True and False count nothing."""
    if isinstance(value, bool):
        return None
    try:
        return operator.index(value)
    except (TypeError, AttributeError):  # the latter of tensors of floats
        return None
