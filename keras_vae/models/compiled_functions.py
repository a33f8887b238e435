"""The one place where a model keeps what it has compiled."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

__all__ = ["CompiledFunctions"]

_MOST = 32  # functions kept: a graph takes megabytes, and those compiled with XLA tens of them


class CompiledFunctions:
    """Compiled functions by key, kept as long as the parts that they were traced for are the same.

    The 32 that were used last are kept.
    """

    def __init__(self) -> None:
        self.functions: OrderedDict[Any, Any] = OrderedDict()
        self._parts: list[Any] = []

    def clear(self) -> None:
        """Forget all."""
        self.functions.clear()

    def clear_unless_of(self, parts: list[Any]) -> bool:
        """Forget all that was compiled for other parts than `parts`, and return whether that was so."""
        is_stale = len(parts) != len(self._parts) or not all(map(_is_same, parts, self._parts))
        if is_stale:
            self.clear()
        self._parts = parts  # the objects themselves, as another one may get the `id` of one that is gone
        return is_stale

    def get(self, key: Any, make: Callable[[], Any]) -> Any:
        """Return what `make()` returned the first time that `key` was asked for, or anew where that was dropped."""
        if key in self.functions:
            self.functions.move_to_end(key)
            return self.functions[key]
        function = self.functions[key] = make()
        if len(self.functions) > _MOST:
            self.functions.popitem(last=False)
        return function


def _is_same(a: Any, b: Any) -> bool:
    """Return whether a graph of `a` is one of `b`: the same object, or equal numbers or texts."""
    return a is b or (type(a) is type(b) and isinstance(a, bool | int | float | str) and a == b)
