"""One thread at a time: the metrics, the stopping and the history of a model are shared."""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

__all__ = ["one_thread_at_a_time"]


P = ParamSpec("P")
T = TypeVar("T")


def one_thread_at_a_time(function: Callable[P, T]) -> Callable[P, T]:
    """Return a function, whose first argument is a model, that raises while another thread is within one of its kind.

    It does not wait: the other thread may be waiting for this one, as a training waits for its data and its callbacks.
    Callbacks may call such functions of the model that is being trained, as they run in the same thread.
    """
    first_name = next(iter(inspect.signature(function).parameters))

    @functools.wraps(function)
    def alone(*args: P.args, **kwargs: P.kwargs) -> T:
        model: Any = args[0] if args else kwargs[first_name]
        if not model.in_use.acquire(blocking=False):
            raise RuntimeError(
                "Another thread is training or evaluating this model, whose metrics serve one thread at a time. Call "
                "`fit` and `evaluate` when that thread is done, or use `elbo`, `predict` or another model. (The data "
                "of a training is read in another thread than that of the training.) "
                f"Received: model={model.name!r} in thread {threading.current_thread().name!r}"
            )
        try:
            return function(*args, **kwargs)
        finally:
            model.in_use.release()

    return alone
