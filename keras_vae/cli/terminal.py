"""What the commands print."""

from __future__ import annotations

import os
import sys

__all__ = ["fail", "one_line", "say"]


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
    message = " ".join(str(error).split())
    of_user = isinstance(error, ValueError | OSError) and message
    return message if of_user else f"{type(error).__name__}: {message}".rstrip(": ")


def fail(prog: str, error: Exception) -> int:
    """Tell a mistake that the user can mend, in one line, and return the exit code 2."""
    say(f"{prog}: {one_line(error)}", error=True)
    return 2
