"""The folder of a run that is under way: its name is taken first, and `status.json` says what is being done.

status      running; or how the training ended: finished, interrupted, stopped: ..., failed: ...
doing       the step that is being taken, or was the last
failures    error of each step that failed; the steps after it were taken all the same
process, host, started
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import platform
import re
import reprlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from keras_vae.cli.terminal import one_line, say
from keras_vae.saving.atomic import write_json

__all__ = ["RunFolder", "new_run_folder", "tidy"]

_STATUS = "status.json"
_LONGEST_NAME = 255  # bytes, on most file systems
_HALF_WRITTEN = re.compile(r"\.(model\.keras|\w+\.json|export-[0-9a-f]{32})")  # names of `keras_vae.saving.atomic`


class RunFolder:
    """A folder whose `status.json` is written at each step; what is in the folder stays, whatever happens.

    Args:
        path: An empty folder.

    Attributes:
        failures: The error of each step that failed, by the step's name.
    """

    def __init__(self, path: Path):
        self.path = path
        self.failures: dict[str, str] = {}
        self._status: dict[str, Any] = {
            "status": "running",
            "doing": "",
            "process": os.getpid(),
            "host": platform.node(),
            "started": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        }
        self.write_status("starting")

    def write_status(self, doing: str, status: str = "running") -> None:
        """Write `status.json`; where that fails, as on a full disk, say so and go on."""
        self._status |= {"status": status, "doing": doing, "failures": self.failures}
        try:
            write_json(self.path / _STATUS, self._status)
        except OSError as error:
            say(f"{self.path / _STATUS} could not be written: {one_line(error)}", error=True)

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Run the block as one step: print its error, or Ctrl-C, keep it in `failures`, and go on after the block."""
        self.write_status(name)
        try:
            yield
        except (Exception, KeyboardInterrupt) as error:
            self.failures[name] = one_line(error)
            say(f"This step failed: {name}. {self.failures[name]}", error=True)


def new_run_folder(output_dir: str | Path, name: str | None, stem: str) -> Path:
    """Make the folder called `name`, or without a name the first of `stem`, `stem-2`, `stem-3` ... that is free.

    Making the folder takes the name: no other run gets it.

    Raises:
        ValueError: if `name` is not the name of one folder.
        FileExistsError: if it is taken.
        OSError: if `output_dir` cannot be written to.
    """
    parent = Path(output_dir)
    if name is not None and (
        name in ("", "..")
        or Path(name).name != name
        or not name.isprintable()
        or len(os.fsencode(name)) > _LONGEST_NAME
    ):
        raise ValueError(
            f"`name` must name one folder in at most {_LONGEST_NAME} bytes, without a path. "
            f"Received: name={reprlib.repr(name)}"
        )
    try:
        parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise type(error)(
            f"`output_dir` must be a folder, or be where one can be made. Received: output_dir={str(output_dir)!r}, "
            f"{error.strerror}"
        ) from error
    number = 1
    while True:
        folder = parent / (name or (stem if number == 1 else f"{stem}-{number}"))
        try:
            folder.mkdir()
            return folder
        except FileExistsError:
            if name is not None:
                raise FileExistsError(
                    f"The folder exists already, and is never overwritten. Received: {str(folder)!r}"
                ) from None
        number += 1


def tidy(output_dir: str | Path) -> list[str]:
    """Find runs that ended without notice (kill -9, power), remove what they left half-written, and say so.

    Returns:
        A sentence for each such run of this computer; its status says `killed` from then on.
    """
    sentences = []
    for file in sorted(Path(output_dir).glob(f"*/{_STATUS}")):
        folder = file.parent
        try:
            status = json.loads(file.read_text())
            doing, is_here = status["doing"], status["host"] == platform.node()
            if status["status"] != "running" or not is_here or _is_alive(status["process"]):
                continue
            for half in [path for path in folder.rglob(".*") if _HALF_WRITTEN.fullmatch(path.name)]:
                shutil.rmtree(half) if half.is_dir() else half.unlink()
            write_json(file, {**status, "status": f"killed: {doing}"})
        except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):  # of another program, say
            continue
        names = ", ".join(sorted(path.name for path in folder.iterdir()))
        sentences.append(f"The run in {folder} ended without notice. Its last step: {doing}. It has: {names}")
    return sentences


def _is_alive(process: int) -> bool:
    if process < 1:
        raise ValueError(f"The number of a process is 1 or more. Received: process={process}")
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
