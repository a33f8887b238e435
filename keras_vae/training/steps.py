"""Steps in the graph: many to a call, over batches in memory or streamed, on one replica or several.

Batches in memory are gathered and encoded by TensorFlow some steps at a time, and on one replica those steps run as one
XLA-compiled loop. Several replicas take each step together through `strategy.run`, each with its rows of the batch.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from keras_vae.protocols import Batch, as_batch

__all__ = ["Steps"]

# Steps per XLA-compiled loop: enough to hide its start (13 and more were equally fast), as long as the batches
# that wait for it stay small.
_MAX_STEPS_PER_CHUNK = 32
_MAX_BYTES_PER_CHUNK = 64 * 1024**2

Logs = dict[str, tf.Tensor]


class Steps:
    """Runs `step` over any data of the kind that `source` is.

    Args:
        model: Compiled model.
        source: `keras_vae.data.Batches` or `keras_vae.data.BatchedData`.
        step: The model's `train_step` or `test_step`: function of a batch that returns the metrics so far.
    """

    def __init__(self, model: Any, source: Any, step: Callable):
        self.model, self.strategy = model, model.distribute_strategy
        num_replicas = self.strategy.num_replicas_in_sync

        def one_step(batch: Batch) -> Logs:
            if num_replicas == 1:
                logs = step(batch.data)
                return {name: tf.cast(value, tf.float32) for name, value in logs.items()}
            self.strategy.run(lambda batch: step(_own_rows(batch, num_replicas).data), args=(batch,))
            return {metric.name: tf.cast(metric.result(), tf.float32) for metric in model.metrics}

        options: dict[str, Any] = {"autograph": False}
        self.step: Any = one_step
        self.can_score: Any = model.can_score_batch
        self.refused: Batch | None = None
        self.event_shape = list(source.spec.x.shape[1:])
        self.in_memory = source.in_memory and not model.run_eagerly
        if model.run_eagerly:
            self.run: Any = self._run_eagerly
            return
        if self.in_memory:
            self.batches = source.without_data()
        if num_replicas == 1:  # one trace, for batches of any size
            # XLA compiles for each size anew. In memory it has the full batches, in `steps`, and the rest does without.
            step_function = tf.function(one_step, jit_compile=None if self.in_memory else model.jit_compile, **options)
            self.step = step_function.get_concrete_function(source.spec)
            self.names = list(self.step.structured_outputs)
            self.steps = tf.function(self._steps_on_device, jit_compile=model.jit_compile, **options)
        else:  # a replica's step leaves its function to talk to the others: no function may stand between
            self.names = [metric.name for metric in model.metrics]
            self.steps = self._steps_on_device
        if not self.in_memory:
            if num_replicas == 1:
                can_score = tf.function(model.can_score_batch, jit_compile=model.jit_compile, **options)
                self.can_score = can_score.get_concrete_function(source.spec)
            self.run = tf.function(self._run_stream, **options)
            return
        order, number = tf.TensorSpec([None], tf.int32), tf.TensorSpec([], tf.int32)
        run = tf.function(self._run, **options)
        self.run = run.get_concrete_function(source.spec_of_all, order, number, number, number)

    def run_epoch(
        self,
        source: Any,
        epoch: int,
        steps_per_execution: int | None = None,
        on_begin: Callable[[int], Any] = lambda step: None,
        on_end: Callable[[int, dict], Any] = lambda step, logs: None,
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> tuple[int, dict[str, float]]:
        """Run one epoch and return the number of its steps and the logs.

        The epoch ends early at the first loss that is not finite, at the end of a stream, or where `is_stopped()`.

        Raises:
            ValueError: before the step of a streamed batch that the model cannot score.
            Exception: what a generator or a `PyDataset` of the user's raises.
        """
        with self.strategy.scope():
            self.model.reset_metrics()
        if self.in_memory:
            inputs: tuple = (source.split.tensors, source.order(tf.constant(epoch)), tf.constant(epoch))
        else:
            inputs = (source.iterator(epoch),)
        steps, logs = source.steps_per_epoch, dict[str, float]()
        first = 0
        while steps is None or first < steps:
            last = first + (steps_per_execution or steps or _MAX_STEPS_PER_CHUNK)
            last = last if steps is None else min(last, steps)
            on_begin(first)
            try:
                steps_done, values = self.run(*inputs, tf.constant(first), tf.constant(last))
            except tf.errors.OpError:
                if source.errors:
                    raise source.errors[0] from None
                raise
            done = int(steps_done)
            if self.refused is not None:
                batch, self.refused = self.refused, None
                self.model.check_batch(batch, f"batch {done} of the epoch, counted from 0")
                raise ValueError(
                    f"`can_score` and `check` of {type(self.model).__name__} must refuse the same data: override both. "
                    f"Received: batch {done}, which `can_score` alone refuses"
                )
            if done > first:
                logs = {name: float(value) for name, value in values.items()}
                on_end(done - 1, logs)
            first = done
            if done < last or is_stopped():
                break
        return first, logs

    def _go_on(self, logs: Logs) -> tf.Tensor:
        return tf.math.is_finite(logs.get("loss", 0.0))

    def _no_logs(self) -> Logs:
        return {name: tf.constant(0.0) for name in self.names}

    def _steps_on_device(self, batches: Batch, num_steps: tf.Tensor) -> tuple[tf.Tensor, Logs]:
        """Take the first `num_steps` of the steps whose batches are x [steps, B, *event] (and y, and weights)."""
        return tf.while_loop(
            lambda i, logs: (i < num_steps) & self._go_on(logs),
            lambda i, logs: (i + 1, self.step(batches.map(lambda part: part[i]))),
            (tf.constant(0), self._no_logs()),
        )

    def _steps_per_chunk(self, batch: Batch) -> int:
        parts = [part for part in batch if part is not None]
        bytes_per_batch = sum(math.prod(part.shape) * part.dtype.size for part in parts)
        return max(1, min(_MAX_STEPS_PER_CHUNK, _MAX_BYTES_PER_CHUNK // bytes_per_batch))

    def _run(
        self, tensors: Batch, order: tf.Tensor, epoch: tf.Tensor, first: tf.Tensor, last: tf.Tensor
    ) -> tuple[tf.Tensor, Logs]:
        """Take steps first ... last-1 of an epoch, or up to the first loss that is not finite."""
        rows_at, batch_size = self.batches.rows, self.batches.batch_size
        full_steps = tf.size(order) // batch_size
        chunk = self._steps_per_chunk(rows_at(order, epoch, 0, batch_size, tensors))

        def body(step: tf.Tensor, logs: Logs) -> tuple[tf.Tensor, Logs]:
            rows = rows_at(order, epoch, step * batch_size, chunk * batch_size, tensors)
            batches = rows.map(lambda part: tf.reshape(part, [chunk, batch_size, *part.shape[1:]]))
            done, logs = self.steps(batches, tf.minimum(chunk, tf.minimum(last, full_steps) - step))
            return step + done, logs

        def last_step(step: tf.Tensor) -> tuple[tf.Tensor, Logs]:
            rest = tf.size(order) - full_steps * batch_size
            return step + 1, self.step(rows_at(order, epoch, full_steps * batch_size, rest, tensors))

        step, logs = tf.while_loop(
            lambda step, logs: (step < tf.minimum(last, full_steps)) & self._go_on(logs),
            body,
            (first, self._no_logs()),
        )
        at_rest = (step == full_steps) & (last > full_steps) & self._go_on(logs)
        return tf.cond(at_rest, lambda: last_step(step), lambda: (step, logs))

    def _run_eagerly(self, iterator: Any, first: tf.Tensor, last: tf.Tensor) -> tuple[int, Logs]:
        """As `_run_stream`, in Python."""
        step, logs = int(first), dict[str, Any]()
        for data in itertools.islice(iterator, int(last) - step):
            batch = as_batch(data)
            if not self.can_score(batch):
                self.refused = batch
                break
            step, logs = step + 1, self.step(batch)
            if not self._go_on(logs):
                break
        return step, logs

    def _run_stream(self, iterator: Any, first: tf.Tensor, last: tf.Tensor) -> tuple[tf.Tensor, Logs]:
        """As `_run`, from an iterator, and up to its end or to a batch that the model cannot score.

        Such a batch becomes `refused`: a graph cannot raise what Python can, and XLA drops assertions. Each batch is
        looked at in the condition of the loop, as a step within a `tf.cond` would pass all variables through it.
        """

        def batch_of(step: tf.Tensor) -> Any:
            """Return the next batch of the iterator, as long as there are steps to take: none is read in vain."""
            nothing = tf.experimental.Optional.empty(iterator.element_spec)
            return tf.cond(step < last, iterator.get_next_as_optional, lambda: nothing)

        def is_good(batch: Any) -> tf.Tensor:
            can_score = lambda: self._fits_and_can_be_scored(as_batch(batch.get_value()))  # noqa: E731
            return tf.cond(batch.has_value(), can_score, lambda: tf.constant(False))

        step, logs, batch = tf.while_loop(
            lambda step, logs, batch: self._go_on(logs) & is_good(batch),
            lambda step, logs, batch: (step + 1, self.step(as_batch(batch.get_value())), batch_of(step + 1)),
            (first, self._no_logs(), batch_of(first)),
        )
        is_refused = self._go_on(logs) & batch.has_value()
        tf.cond(is_refused, lambda: self._refuse(as_batch(batch.get_value())), lambda: tf.constant(False))
        return step, logs

    def _fits_and_can_be_scored(self, batch: Batch) -> tf.Tensor:
        """Return `can_score`, after a look at shapes of x that a data set does not know beforehand."""
        if batch.x.shape[1:].is_fully_defined():
            return self.can_score(batch)
        shape = tf.shape(batch.x)[1:]
        has_rank = tf.size(shape) == len(self.event_shape)
        fits = tf.cond(has_rank, lambda: tf.reduce_all(shape == self.event_shape), lambda: False)
        return tf.cond(fits, lambda: self.can_score(batch), lambda: False)

    def _refuse(self, batch: Batch) -> tf.Tensor:
        """Keep the batch in `refused` when the graph runs, and return False."""

        def keep(*arrays: Any) -> np.bool_:
            remaining = iter(arrays)
            self.refused = Batch(*(next(remaining) if is_there else None for is_there in are_there))
            return np.False_

        are_there = [part is not None for part in batch]
        parts = [part for part in batch if part is not None]
        return tf.ensure_shape(tf.numpy_function(keep, parts, tf.bool), [])


def _own_rows(batch: Batch, num_replicas: int) -> Batch:
    """Return this replica's rows of the global batch: consecutive ones, as evenly divided as can be."""
    replica = tf.distribute.get_replica_context().replica_id_in_sync_group

    def rows(part: tf.Tensor) -> tf.Tensor:
        num_rows = tf.shape(part)[0]
        return part[replica * num_rows // num_replicas : (replica + 1) * num_rows // num_replicas]

    return batch.map(rows)
