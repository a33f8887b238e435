"""Files and folders that are there whole or not at all."""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["copy_to_next_version", "replaced", "write_json"]


@contextlib.contextmanager
def replaced(path: str | Path) -> Iterator[Path]:
    """Give a hidden name to write a file under, which takes the name `path` when the block ends well.

    When the block raises, what it wrote is removed, and the file that was called `path` before is as it was.
    """
    path = Path(path)
    hidden = path.with_name(f".{path.name}")
    try:
        yield hidden
        os.replace(hidden, path)
    finally:
        hidden.unlink(missing_ok=True)


def copy_to_next_version(source: str | Path, path: str | Path) -> Path:
    """Copy the folder `source` to `path/1`, or the next free number, and return the copy.

    The number is taken by making the folder, so that of several processes each gets its own; the files are moved there
    all at once.

    Raises:
        OSError: if `path` cannot be written to.
    """
    path = Path(path)
    path.mkdir(parents=True, exist_ok=True)
    temporary = _hidden(path / "export")
    try:
        shutil.copytree(source, temporary)
        target = _take_number(path)
        os.rename(temporary, target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return target


def _take_number(path: Path) -> Path:
    """Return a new empty folder below `path`, whose number is above all others."""
    versions = [int(folder.name) for folder in path.iterdir() if folder.name.isdecimal()]
    for number in itertools.count(max(versions, default=0) + 1):
        with contextlib.suppress(FileExistsError):  # it was taken meanwhile
            (path / str(number)).mkdir()
            break
    return path / str(number)


def _hidden(path: Path) -> Path:
    """Return a hidden name beside `path` that nobody else has."""
    return path.with_name(f".{path.name}-{uuid.uuid4().hex}")


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as JSON, whole or not at all.

    JSON has neither NaN nor infinity: such a number is written as null.
    """
    with replaced(path) as hidden:
        hidden.write_text(json.dumps(_with_nulls(value), indent=2, allow_nan=False) + "\n")


def _with_nulls(value: Any) -> Any:
    """Return `value` with None in place of each number that is not finite."""
    if isinstance(value, dict):
        return {key: _with_nulls(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_with_nulls(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
