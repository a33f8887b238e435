"""What the commands print, and how they end."""

from __future__ import annotations

import math
import os
import re
import signal
import sys
from collections.abc import Callable

import tensorflow as tf

from keras_vae.cli.interrupts import Interrupted

__all__ = ["one_line", "plus_minus", "run_command", "say"]

# Where TensorFlow's errors say in which node of which graph, called from where, they were raised.
_NODES = re.compile(r"\{\{.*?\}\} ?|\[\[.*?\]\]|\[Op:\w+\]( name:)?")
_STACK = re.compile(r'\s*(Graph execution error:|Detected at node|File "|\d+ root error)')

_REMEDIES: dict[type[Exception], str] = {
    tf.errors.DataLossError: "A file of the data set is damaged: remove the folder of the set and prepare it anew.",
    tf.errors.ResourceExhaustedError: "The memory is too small: lower what makes the model, the images or the batches "
    "large, such as `hidden`, `latent_dim`, `image_size`, `batch_size` or `num_samples`.",
}


def say(line: str, error: bool = False) -> None:
    """Print a line at once; where nobody reads any more (`| head`, a closed terminal), go on in silence."""
    stream = sys.stderr if error else sys.stdout
    if stream is None:  # closed before Python began
        return
    try:
        line.encode(stream.encoding or "utf-8")
    except UnicodeEncodeError:
        line = line.encode("ascii", "backslashreplace").decode()
    try:
        print(line, file=stream, flush=True)
    except OSError:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, stream.fileno())  # or Python would complain of what is still in the buffer when it ends
        os.close(nothing)


def one_line(error: BaseException) -> str:
    """Return an error as one line: its kind, where it is none that a user causes, and its message."""
    lines = str(error).splitlines()
    if isinstance(error, tf.errors.OpError):
        lines = [_NODES.sub("", line) for line in lines if not _STACK.match(line)]
    message = " ".join(" ".join(lines).split())
    for kind, remedy in _REMEDIES.items():
        if isinstance(error, kind):
            return f"{remedy} Received: {message}"
    of_user = isinstance(error, ValueError | OSError | KeyboardInterrupt) and message
    return message if of_user else f"{type(error).__name__}: {message}".rstrip(": ")


def plus_minus(standard_error: float) -> str:
    """Return what follows a mean: nothing for the value of a single image, which has no standard error.

    Example:

    >>> plus_minus(0.25), plus_minus(math.nan)
    (' +- 0.2500', '')
    """
    return "" if math.isnan(standard_error) else f" +- {standard_error:.4f}"


def run_command(prog: str, command: Callable[[], int]) -> int:
    """Return the exit code of a command: 2 for what the user can mend and 128 + the signal's number, after one line."""
    try:
        return command()
    except (ValueError, OSError, MemoryError, tf.errors.OpError) as error:
        say(f"{prog}: {one_line(error)}", error=True)
        return 2
    except KeyboardInterrupt as error:
        number = error.number if isinstance(error, Interrupted) else signal.SIGINT
        say(f"{prog}: ended by {number.name}", error=True)
        return 128 + number
