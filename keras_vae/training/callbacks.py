"""Callbacks, for `fit` and the hand-written loop alike."""

from __future__ import annotations

import math
import sys
import time
from typing import Any

import keras
import numpy as np
import tqdm

__all__ = ["ProgressBar", "StopOnNonFinite", "Throughput", "as_callbacks"]


def as_callbacks(callbacks: Any) -> list[keras.callbacks.Callback]:
    """Return the callbacks of `fit`, one or several or None, as a list."""
    flat = keras.tree.flatten([] if callbacks is None else callbacks)
    for callback in flat:
        if not isinstance(callback, keras.callbacks.Callback):
            raise TypeError(
                "`callbacks` must be objects of keras.callbacks.Callback, such as keras.callbacks.EarlyStopping(). "
                f"Received: callbacks with {callback!r}"
            )
    return flat


class ProgressBar(keras.callbacks.Callback):
    """One bar for the whole training: steps done, time left, and the metrics that matter.

    Without a terminal there is no bar.

    Args:
        metrics: Strings, names to show, as far as the logs have them. None shows those that the model's objective
            declares, and the validation loss.
    """

    def __init__(self, metrics: tuple[str, ...] | None = None):
        super().__init__()
        self.metrics = metrics
        self._shown: dict[str, str] = {}
        self._bar: Any = None

    def on_train_begin(self, logs: Any = None) -> None:
        steps = self.params["steps"]  # None where the length of the data is not known
        total = steps and self.params["epochs"] * steps
        self._names = (*self.model.metric_units, "val_loss") if self.metrics is None else self.metrics
        disable = True if sys.stderr is None else None  # None: where there is no terminal
        self._bar = tqdm.tqdm(total=total, unit="step", dynamic_ncols=True, disable=disable)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._before = self._bar.n if self.params["steps"] is None else epoch * self.params["steps"]
        self._bar.set_description(f"Epoch {epoch + 1}/{self.params['epochs']}", refresh=False)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._show(logs)
        self._bar.update(self._before + batch + 1 - self._bar.n)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._show(logs)

    def on_train_end(self, logs: Any = None) -> None:
        self.close()

    def close(self) -> None:
        """Leave the bar as it stands, if it was begun."""
        if self._bar is not None:
            self._bar.close()

    def _show(self, logs: Any) -> None:
        values = {name: logs[name] for name in self._names if name in (logs or {})}
        self._shown |= {name: f"{value:.{2 if abs(value) >= 0.1 else 4}f}" for name, value in values.items()}
        self._bar.set_postfix(self._shown, refresh=False)


class StopOnNonFinite(keras.callbacks.Callback):
    """Stop at the first loss that is not finite, and put back the last good weights.

    Good weights are all finite. Those after the last epoch whose losses were finite too are kept, with the optimizer's
    state, or those before training. Training also stops after an epoch whose losses are finite but not its weights.

    Args:
        exact_step: Bool, whether the step reported is the very step: training a VAE stops there. Other Keras models
            report all steps of an execution (`steps_per_execution`) together: pass False for them.

    Attributes:
        message: None, or where training stopped: epoch and step (or steps), counted from 0.
        restored: Bool, whether good weights were put back. False where training began with weights that were not
            finite, and as long as it has not stopped.
    """

    def __init__(self, exact_step: bool = True) -> None:
        super().__init__()
        self.exact_step = exact_step
        self.message: str | None = None
        self.restored = False

    def on_train_begin(self, logs: Any = None) -> None:
        self.message, self.restored = None, False
        self._values: list[np.ndarray] = []
        if self._weights_are_finite():
            self._keep()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._first_step = batch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        loss = float((logs or {}).get("loss", 0.0))
        if math.isfinite(loss) or self.message is not None:
            return
        exact = self.exact_step or batch == self._first_step
        step = f"step {batch}" if exact else f"steps {self._first_step} to {batch}"
        self._stop(f"the loss became {loss} in epoch {self._epoch}, {step}")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self.message is not None:
            return
        if self._weights_are_finite():
            self._keep()
        else:
            self._stop(f"the weights became NaN or infinite in epoch {epoch}")

    def _stop(self, message: str) -> None:
        self.message, self.restored = message, bool(self._values)
        if self.restored:
            for variable, value in zip(self._variables(), self._values, strict=True):
                variable.assign(value)
        self.model.stop_training = True

    def _weights_are_finite(self) -> bool:
        return all(np.all(np.isfinite(np.array(weight))) for weight in self.model.weights)

    def _variables(self) -> list[Any]:
        optimizers = getattr(self.model, "optimizers", [self.model.optimizer])
        return [*self.model.variables, *(variable for optimizer in optimizers for variable in optimizer.variables)]

    def _keep(self) -> None:
        self._values = [np.array(variable) for variable in self._variables()]


class Throughput(keras.callbacks.Callback):
    """Measure training examples per second of each epoch, validation not counted.

    Args:
        num_examples: examples in an epoch.

    Attributes:
        seconds: of each epoch. The first holds the compilation too.
    """

    def __init__(self, num_examples: int):
        super().__init__()
        self.num_examples = num_examples
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._start = self._last = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._last = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.seconds.append(self._last - self._start)

    def examples_per_second(self) -> float | None:
        """Return the median over the epochs after the first; None if there is none."""
        if len(self.seconds) < 2:
            return None
        return self.num_examples / float(np.median(self.seconds[1:]))
