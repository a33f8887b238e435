"""Parts by name: one lookup, and one error, for every table of names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["look_up"]


def look_up(argument: str, value: Any, table: Mapping[str, Any], kind: Any) -> Any:
    """Return the row of `table` that `value` names, or `value` itself where it is an object of `kind`.

    Args:
        argument: Str, name of the argument, for the error.
        value: Str or object, what the user passed.
        table: Mapping from names to parts.
        kind: Class or runtime-checkable protocol that an object must meet.

    Raises:
        ValueError: if `value` is neither a name of the table nor an object of `kind`.

    Example:

    >>> look_up("network", "conv", kv.networks.NETWORKS, kv.networks.Network)
    Conv(filters=(32, 64), activation='relu', initial='glorot_uniform')
    """
    if isinstance(value, str) and value in table:
        return table[value]
    if isinstance(value, kind) and not isinstance(value, type):  # a class has the methods of its objects too
        return value
    raise ValueError(
        f"`{argument}` must be one of {', '.join(table)}, or an object of the kind {kind.__name__}. "
        f"Received: {argument}={value!r}"
    )
