"""The hand-written training loop: `tf.GradientTape` inside `tf.function`, a whole epoch in the graph.

It takes the same steps as `fit` (both call `VAE.train_step`, where the tape is), reads the same batches and
reports to the same callbacks and metrics; what it saves is the way between the steps. Batches are gathered
and encoded by TensorFlow some steps at a time, and those steps run as one XLA-compiled loop.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from keras_vae.data.images import Batches, as_batches

if TYPE_CHECKING:
    from keras_vae.models import VAE

__all__ = ["train"]

# Steps per XLA-compiled loop: enough to hide its start (13 and more were equally fast), as long as the batches
# that wait for it stay small.
_MAX_STEPS_PER_CHUNK = 32
_MAX_BYTES_PER_CHUNK = 64 * 1024**2


def train(
    vae: VAE,
    data: Any,
    epochs: int = 1,
    batch_size: int = 128,
    validation_data: Any = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: int = 1,
    steps_per_execution: int | None = None,
    initial_epoch: int = 0,
) -> keras.callbacks.History:
    """Train a compiled VAE; the results are those of `fit` on the same batches, within float rounding.

    Training ends at the first step whose loss is not finite, and the last logs hold that loss.

    Args:
        vae: compiled model; `jit_compile` of its `compile` says whether steps go through XLA.
        data: array, tensor, `keras_vae.data.Split` or unbatched `tf.data.Dataset`. Sets in memory are kept on
            the device as one tensor.
        epochs: number of the last epoch, plus one.
        batch_size: B; the last batch of an epoch holds what is left.
        validation_data: as `data`, or None.
        callbacks: Keras callbacks. Batch callbacks come once per execution, as with `steps_per_execution` in
            Keras.
        verbose: as in `fit`.
        steps_per_execution: steps between two returns to Python; None is the whole epoch.
        initial_epoch: where to start.

    Returns:
        `keras.callbacks.History`, as from `fit`.

    Raises:
        ValueError: if the model is not compiled, or the data does not suit its likelihood.
    """
    if not vae.compiled:
        raise ValueError(f"Call `vae.compile()` before training. Received: vae.compiled={vae.compiled}")
    batches = as_batches(data, batch_size, vae.seed)
    _check(vae, batches)
    if not vae.optimizer.built:
        vae.optimizer.build(vae.trainable_variables)
    runner = _runner(vae, batches, vae.train_step)
    if validation_data is not None:
        validation = as_batches(validation_data, batch_size, vae.seed, training=False)
        _check(vae, validation)
        validator = _runner(vae, validation, vae.test_step)

    steps = batches.steps_per_epoch
    callback_list = keras.callbacks.CallbackList(
        list(callbacks),
        add_history=True,
        add_progbar=verbose != 0,
        verbose=verbose,
        epochs=epochs,
        steps=steps,
        model=vae,
    )
    vae.stop_training = False
    callback_list.on_train_begin()
    logs: dict[str, float] = {}
    initial_epoch = getattr(vae, "_initial_epoch", None) or initial_epoch  # set by keras.callbacks.BackupAndRestore
    epochs_in_life = int(vae.step) // steps  # a second training goes on with new orders and draws of pixels
    for epoch in range(initial_epoch, epochs):
        callback_list.on_epoch_begin(epoch)
        logs = runner.run_epoch(
            batches,
            epochs_in_life + epoch - initial_epoch,
            steps_per_execution or steps,
            callback_list.on_train_batch_begin,
            callback_list.on_train_batch_end,
        )
        if validation_data is not None and not vae.stop_training:
            callback_list.on_test_begin()
            validation_logs = validator.run_epoch(validation, 0, validation.steps_per_epoch)
            callback_list.on_test_end(validation_logs)
            logs |= {f"val_{name}": value for name, value in validation_logs.items()}
        callback_list.on_epoch_end(epoch, logs)
        if vae.stop_training or not math.isfinite(logs["loss"]):
            break
    vae.optimizer.finalize_variable_values(vae.trainable_variables)
    callback_list.on_train_end(logs)
    return vae.history


def _check(vae: VAE, batches: Batches) -> None:
    """Check a whole array, or the first batch of what is encoded or streamed, against the likelihood's support."""
    whole = batches.split.in_memory and batches.split.pixels is None
    vae.check(batches.split.images if whole else batches.split.head(batches.batch_size))


def _runner(vae: VAE, batches: Batches, step: Callable) -> _Runner:
    """Return the model's runner for this kind of data, compiled on an earlier call if there was one."""
    split = batches.split
    spec = tf.TensorSpec(split.images.shape, split.images.dtype) if split.in_memory else split.images.element_spec
    seed = tuple(batches.seed.numpy().tolist())
    key = (step.__name__, spec, split.num_examples, split.pixels, batches.batch_size, seed, batches.training)
    if key not in vae._runners:
        vae._runners[key] = _Runner(vae, batches, step)
    return vae._runners[key]


class _Runner:
    """Runs steps in the graph, over any data of the kind of the `batches` it was made for."""

    def __init__(self, vae: VAE, batches: Batches, step: Callable):
        self.vae, self.rows = vae, batches.rows
        self.num_examples, self.batch_size = batches.split.num_examples, batches.batch_size
        self.names = [metric.name for metric in vae.metrics]

        def named_step(x: tf.Tensor) -> dict[str, tf.Tensor]:
            logs = step(x)
            return {name: logs[name] for name in self.names}

        self.one_step = named_step
        self.step = tf.function(named_step, jit_compile=vae.jit_compile, autograph=False, reduce_retracing=True)
        self.steps = tf.function(self._steps_on_device, jit_compile=vae.jit_compile, autograph=False)
        self.run = tf.function(self._run if batches.split.in_memory else self._run_stream, autograph=False)

    def run_epoch(
        self,
        batches: Batches,
        epoch: int,
        steps_per_execution: int,
        on_begin: Callable[[int], Any] = lambda step: None,
        on_end: Callable[[int, dict], Any] = lambda step, logs: None,
    ) -> dict[str, float]:
        """Run one epoch and return its logs, or those up to the first loss that is not finite."""
        self.vae.reset_metrics()
        if batches.split.in_memory:
            source: tuple = (batches.split.images, batches.order(tf.constant(epoch)))
        else:
            source = (iter(batches.epoch(epoch)),)
        logs: dict[str, float] = {}
        for first in range(0, batches.steps_per_epoch, steps_per_execution):
            last = min(first + steps_per_execution, batches.steps_per_epoch)
            on_begin(first)
            steps_done, values = self.run(*source, tf.constant(epoch), tf.constant(first), tf.constant(last))
            logs = {name: float(values[name]) for name in self.names}
            on_end(int(steps_done) - 1, logs)
            if int(steps_done) < last or self.vae.stop_training:
                break
        return logs

    def _go_on(self, logs: dict[str, tf.Tensor]) -> tf.Tensor:
        return tf.math.is_finite(logs["loss"])

    def _no_logs(self) -> dict[str, tf.Tensor]:
        return {name: tf.constant(0.0) for name in self.names}

    def _steps_on_device(self, x: tf.Tensor, num_steps: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """Take the first `num_steps` of the steps whose batches are x [steps, B, *event]."""
        return tf.while_loop(
            lambda i, logs: (i < num_steps) & self._go_on(logs),
            lambda i, logs: (i + 1, self.one_step(x[i])),
            (tf.constant(0), self._no_logs()),
        )

    def _steps_per_chunk(self, batch: tf.Tensor) -> int:
        bytes_per_batch = self.batch_size * math.prod(batch.shape[1:]) * batch.dtype.size
        full_steps = self.num_examples // self.batch_size
        return max(1, min(_MAX_STEPS_PER_CHUNK, full_steps, _MAX_BYTES_PER_CHUNK // bytes_per_batch))

    def _run(
        self, images: tf.Tensor, order: tf.Tensor, epoch: tf.Tensor, first: tf.Tensor, last: tf.Tensor
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """Take steps first ... last-1 of an epoch, or up to the first loss that is not finite."""
        batch_size = self.batch_size
        full_steps, rest = divmod(self.num_examples, batch_size)
        chunk = self._steps_per_chunk(self.rows(order, epoch, 0, batch_size, images))

        def body(step: tf.Tensor, logs: dict[str, tf.Tensor]) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
            x = self.rows(order, epoch, step * batch_size, chunk * batch_size, images)
            x = tf.reshape(x, [chunk, batch_size, *x.shape[1:]])
            done, logs = self.steps(x, tf.minimum(chunk, tf.minimum(last, full_steps) - step))
            return step + done, logs

        def last_step(step: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
            return step + 1, self.step(self.rows(order, epoch, full_steps * batch_size, rest, images))

        step, logs = tf.while_loop(
            lambda step, logs: (step < tf.minimum(last, full_steps)) & self._go_on(logs),
            body,
            (first, self._no_logs()),
        )
        if not rest:
            return step, logs
        at_rest = (step == full_steps) & (last > full_steps) & self._go_on(logs)
        return tf.cond(at_rest, lambda: last_step(step), lambda: (step, logs))

    def _run_stream(
        self, iterator: Any, epoch: tf.Tensor, first: tf.Tensor, last: tf.Tensor
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """As `_run`, from an iterator."""
        return tf.while_loop(
            lambda step, logs: (step < last) & self._go_on(logs),
            lambda step, logs: (step + 1, self.step(next(iterator))),
            (first, self._no_logs()),
        )
