"""How flags and files of settings are read: whatever is wrong with them becomes one `ValueError` of one line."""

from __future__ import annotations

import contextlib
import io
import itertools
import reprlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import yaml

__all__ = ["read_flags", "read_settings"]

_DEEPEST = 10  # lists and sections in each other, in a file of settings

T = TypeVar("T")


class _Loader(yaml.SafeLoader):
    """Loader that refuses a key that stands twice in its section, of which YAML would take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(
                    "A name must stand once in its section, or the last would count alone: keep one of them. Received: "
                    f"{reprlib.repr(name)} {names.count(name)} times in the section of line {node.start_mark.line + 1}"
                )
        return super().construct_mapping(node, deep)


def read_flags(parse: Callable[[], T]) -> T:
    """Return what a call of tyro returns.

    Raises:
        ValueError: for flags that cannot be used, with the first sentence of tyro's message.
        SystemExit: after `--help`.
    """
    box = io.StringIO()
    try:
        with contextlib.redirect_stderr(box):
            return parse()
    except SystemExit as stop:
        if not stop.code:  # --help
            raise
        raise ValueError(_first_sentence(box.getvalue())) from None


def read_settings(path: Path) -> Any:
    """Return what a YAML or JSON file holds, unless it is made to take all time or memory.

    Raises:
        ValueError: for a folder, for aliases, for lists and sections nested too deep, for names that stand twice, and
            for values that YAML cannot read.
        yaml.YAMLError: for text that is not YAML.
    """
    if path.is_dir():
        raise ValueError(f"--config takes a YAML or JSON file, and this is a folder. Received: --config={str(path)!r}")
    text, depth = path.read_text(encoding="utf-8"), 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):  # a few of them can stand for billions of values
            raise ValueError(
                "A file of settings has no use for aliases: write the value out. "
                f"Received: *{event.anchor} in {str(path)!r}"
            )
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise ValueError(
                "A file of settings has sections and lists, and none of them in each other more than "
                f"{_DEEPEST} deep. Received: {str(path)!r}"
            )
    try:
        return yaml.load(text, _Loader)
    except ValueError as error:  # of an impossible date, or of an integer with too many digits
        raise ValueError(f"--config takes a YAML or JSON file: {error}") from error


def _first_sentence(box: str) -> str:
    """Return the first paragraph of an error of tyro, without its title and its frame, of whatever characters."""
    lines = [line.strip(" │") for line in box.splitlines()[1:]]

    def is_rule(line: str) -> bool:
        return not line.strip("─-╰╯ ")

    return " ".join(itertools.takewhile(lambda line: not is_rule(line), itertools.dropwhile(is_rule, lines)))
