"""Ctrl-C, SIGTERM and SIGHUP, which end a training but lose nothing of it."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

__all__ = ["Interrupted", "Interrupts"]

_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Interrupted(KeyboardInterrupt):
    """KeyboardInterrupt that says which signal it was.

    Args:
        number: The signal.
    """

    def __init__(self, number: signal.Signals):
        super().__init__(f"{number.name} was received")
        self.number = number


class Interrupts:
    """Context in which these signals are noted, and raise `Interrupted` only where that is allowed.

    A signal that the process ignores, as SIGHUP under `nohup`, stays ignored. Python calls handlers of signals in the
    main thread only, so that in another thread nothing changes.

    Attributes:
        received: The first signal that came, or None.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._is_allowed = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            numbers = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
            self._before = {number: signal.signal(number, self._handle) for number in numbers}
        return self

    def __exit__(self, *_: Any) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextlib.contextmanager
    def allowed(self, also_earlier: bool = False) -> Iterator[None]:
        """Let a signal interrupt the block, as Ctrl-C does in any Python program.

        Args:
            also_earlier: whether a signal that has come before interrupts it, too, at its beginning.
        """
        self._is_allowed = True
        try:
            if also_earlier and self.received:
                raise Interrupted(self.received)
            yield
        finally:
            self._is_allowed = False

    def exit_code(self) -> int:
        """Return 128 + the signal's number, as shells do; 0 without a signal or after Ctrl-C, which the user chose."""
        if self.received is None or self.received == signal.SIGINT:
            return 0
        return 128 + self.received

    def _handle(self, number: int, frame: Any) -> None:
        self.received = self.received or signal.Signals(number)
        if self._is_allowed:
            raise Interrupted(self.received)
