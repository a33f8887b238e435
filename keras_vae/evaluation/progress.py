"""Progress of long evaluations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import tqdm

__all__ = ["progress"]

_SECONDS_BEFORE = 3


def progress(parts: Iterable[Any], total: int, description: str) -> Iterator[Any]:
    """Return an iterator over `parts` that shows a bar on a terminal, once it has taken some seconds."""
    return iter(
        tqdm.tqdm(parts, description, total, dynamic_ncols=True, leave=False, disable=None, delay=_SECONDS_BEFORE)
    )
