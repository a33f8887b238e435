"""Counts in arguments: one check, and one error, for every door."""

from __future__ import annotations

import operator
from typing import Any

__all__ = ["check_counts", "check_optional_counts"]


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
