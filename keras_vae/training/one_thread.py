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
    """Return a function, whose first argument is a model, that waits while another thread is within one of its kind.

    Callbacks may call such functions of the model that is being trained, as they run in the same thread.
    """
    first_name = next(iter(inspect.signature(function).parameters))

    @functools.wraps(function)
    def alone(*args: P.args, **kwargs: P.kwargs) -> T:
        model: Any = args[0] if args else kwargs[first_name]
        # Python did not start the threads in which TensorFlow reads data. The model may be waiting for that data.
        reads_data = isinstance(threading.current_thread(), threading._DummyThread)
        if not model.in_use.acquire(blocking=not reads_data):
            raise RuntimeError(
                "The data of a training or evaluation must not train or evaluate the same model, which waits for that "
                "data: use `elbo`, `predict` or another model there. "
                f"Received: {function.__name__}, called while the data is read"
            )
        try:
            return function(*args, **kwargs)
        finally:
            model.in_use.release()

    return alone
