"""The training loop: `tf.GradientTape` inside `tf.function`, a whole epoch in the graph.

`fit` is this loop. Each step is the model's `train_step`, where the tape is; between steps nothing returns to Python.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Container, Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_vae.arguments import check_counts, check_optional_counts
from keras_vae.data import BatchedData, Batches, as_batches
from keras_vae.training.callbacks import StopOnNonFinite, as_callbacks
from keras_vae.training.one_thread import one_thread_at_a_time
from keras_vae.training.steps import Steps

__all__ = ["check_source", "evaluate_source", "train"]


@one_thread_at_a_time
def train(
    vae: Any,
    data: Any,
    epochs: int = 1,
    batch_size: int = 128,
    validation_data: Any = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: int = 1,
    steps_per_execution: int | None = None,
    initial_epoch: int = 0,
    validation_freq: int | Sequence[int] = 1,
) -> keras.callbacks.History:
    """Train a compiled VAE; `fit` calls this.

    Training ends at the first step whose loss is not finite, with a warning that names the step; the last logs hold
    that loss, and the last good weights are put back, see `keras_vae.training.StopOnNonFinite`.

    Args:
        vae: compiled model; `jit_compile` of its `compile` says whether steps go through XLA.
        data: array, tensor, tuple of x, y and sample weights, `keras_vae.data.Split`, unbatched `tf.data.Dataset`, or
            `keras_vae.data.BatchedData`. Sets in memory are kept on the device as one tensor.
        epochs: number of the last epoch, plus one.
        batch_size: B; the last batch of an epoch holds what is left.
        validation_data: as `data`, or None.
        callbacks: Keras callbacks. Batch callbacks come once per execution, as with `steps_per_execution` in
            Keras.
        verbose: as in `fit`.
        steps_per_execution: steps between two returns to Python; None is the whole epoch.
        initial_epoch: where to start.
        validation_freq: validate after every so many epochs, or after those that are named, counted from 1.

    Returns:
        `keras.callbacks.History`, as from `fit`.

    Raises:
        ValueError: if the model is not compiled, a count is not a positive integer, the data does not suit its
            likelihood, or a generator without a number of steps would be validated on more than once.
        TypeError: if `callbacks` has another object than a Keras callback.
    """
    if not vae.compiled:
        raise ValueError(f"Call `vae.compile()` before training. Received: vae.compiled={vae.compiled}")
    check_counts(epochs=epochs)
    check_counts(0, initial_epoch=initial_epoch)
    check_optional_counts(steps_per_execution=steps_per_execution)
    if not isinstance(validation_freq, Container):
        check_counts(validation_freq=validation_freq)
    source = _as_source(vae, data, batch_size)
    validation = None if validation_data is None else _as_source(vae, validation_data, batch_size, training=False)
    if isinstance(source, Batches) and source.in_memory:
        vae.check_before_training(source.split.tensors)
    callbacks = as_callbacks(callbacks)
    if validation is not None and validation.is_read_once:
        validated = [epoch for epoch in range(initial_epoch, epochs) if _is_due(validation_freq, epoch)]
        if len(validated) > 1:
            raise ValueError(
                "A generator can be read once: pass an array, a tf.data.Dataset or a PyDataset for validation, or "
                "`validation_steps`, so that each validation goes on where the one before has ended. "
                f"Received: a generator as validation_data for {len(validated)} validations"
            )
    with vae.distribute_strategy.scope():
        vae.build_optimizers()
    steps = source.steps_per_epoch
    guard = None if any(isinstance(c, StopOnNonFinite) for c in callbacks) else StopOnNonFinite()
    callback_list = keras.callbacks.CallbackList(
        callbacks if guard is None else [guard, *callbacks],
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
    steps_before = int(tf.convert_to_tensor(vae.step))  # a second training goes on with new orders and draws of pixels
    for epoch in range(initial_epoch, epochs):
        callback_list.on_epoch_begin(epoch)
        runner = _steps(vae, source, vae.train_step)  # here, as a callback may have changed the model
        source.on_epoch_begin()
        steps_done, logs = runner.run_epoch(
            source,
            steps_before + (epoch - initial_epoch) * (steps or 1),
            steps_per_execution=steps_per_execution,
            on_begin=callback_list.on_train_batch_begin,
            on_end=callback_list.on_train_batch_end,
            is_stopped=lambda: vae.stop_training,
        )
        source.on_epoch_end()
        if not steps_done:
            warnings.warn(f"The data ended before epoch {epoch}, and so does the training.", stacklevel=3)
            break
        is_whole = steps is None or steps_done == steps or vae.stop_training
        if not is_whole and math.isfinite(logs.get("loss", 0.0)):
            warnings.warn(f"The data ended after {steps_done} of the {steps} steps of epoch {epoch}.", stacklevel=3)
        if validation is not None and _is_due(validation_freq, epoch):
            validation_logs = evaluate_source(vae, validation, callback_list)
            logs |= {f"val_{name}": value for name, value in validation_logs.items()}
        callback_list.on_epoch_end(epoch, logs)
        if vae.stop_training or not math.isfinite(logs.get("loss", 0.0)):
            break
    if epochs > initial_epoch:
        with vae.distribute_strategy.scope():
            vae.optimizer.finalize_variable_values(vae.trainable_variables)
    callback_list.on_train_end(logs)
    if guard is not None and guard.message:
        weights = "The last good weights are put back" if guard.restored else "No good weights were there to put back"
        warnings.warn(f"Training stopped: {guard.message}. {weights}.", stacklevel=3)
    return vae.history


@one_thread_at_a_time
def evaluate_source(
    vae: Any, source: Batches | BatchedData, callback_list: keras.callbacks.CallbackList
) -> dict[str, float]:
    """Return the metrics of a model over batches in their order, with noise that depends on seed and row alone."""
    callback_list.on_test_begin()
    runner = _steps(vae, source, vae.test_step)
    on_begin, on_end = callback_list.on_test_batch_begin, callback_list.on_test_batch_end
    source.on_epoch_begin()
    steps_done, logs = runner.run_epoch(source, epoch=0, on_begin=on_begin, on_end=on_end)
    source.on_epoch_end()
    steps = (source.endless and source.steps_per_epoch) or 1
    if steps_done < steps:
        warnings.warn(f"The data to evaluate on ended after {steps_done} of {steps} steps.", stacklevel=3)
    callback_list.on_test_end(logs)
    return logs


def _is_due(validation_freq: int | Container[int], epoch: int) -> bool:
    if isinstance(validation_freq, Container):
        return epoch + 1 in validation_freq
    return (epoch + 1) % validation_freq == 0


def _as_source(vae: Any, data: Any, batch_size: int, training: bool = True) -> Batches | BatchedData:
    """Return the data as batches, after a check against the likelihood's support."""
    is_source = isinstance(data, Batches | BatchedData)
    source = data if is_source else as_batches(data, batch_size, vae.seed, training)
    check_source(vae, source, "" if training else "validation_data")
    return source


def check_source(vae: Any, source: Batches | BatchedData, argument: str = "") -> None:
    """Raise if the model cannot score what is in memory, or the first batch of a stream; `Steps` checks the others.

    Args:
        vae: The model.
        source: The data.
        argument: Str, how the error calls the data, where it is not the first argument.
    """
    try:
        vae.check_batch(source.head(), "" if source.in_memory else "the first batch")
    except ValueError as error:
        raise ValueError(f"`{argument}`: {error}") if argument else error from None


def _steps(vae: Any, source: Batches | BatchedData, step: Callable) -> Steps:
    """Return the model's steps over this kind of data, compiled on an earlier call if there was one."""
    return vae.compiled_function((step.__name__, source.kind), lambda: Steps(vae, source, step))
