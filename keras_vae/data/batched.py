"""Batches that the user made: a `tf.data.Dataset`, a `keras.utils.PyDataset` or a generator of them."""

from __future__ import annotations

import contextlib
import itertools
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_vae.data.arrays import as_tensors
from keras_vae.protocols import Batch, as_batch
from keras_vae.random import Stream, as_noise

__all__ = ["BatchedData", "as_batched_data"]


class BatchedData:
    """A stream of batches, each x, (x,), (x, y) or (x, y, sample_weight).

    Args:
        first: The first batch, as tensors, for a look at the data.
        epoch: Function of the epoch's number that returns the batches of one pass, a `tf.data.Dataset`.
        steps_per_epoch: Int, or None: as many as there are.
        endless: Bool, whether an epoch goes on where the one before has ended, instead of starting again.
        on_epoch_begin: Function called before each epoch.
        on_epoch_end: Function called after each epoch.
        errors: List to which Python adds what it raises while TensorFlow reads, which makes errors of its own of it.
    """

    in_memory = False

    def __init__(
        self,
        first: Batch,
        epoch: Callable[[int], tf.data.Dataset],
        steps_per_epoch: int | None,
        endless: bool = False,
        on_epoch_begin: Callable[[], Any] = lambda: None,
        on_epoch_end: Callable[[], Any] = lambda: None,
        errors: list[Exception] | None = None,
    ):
        self.first = first
        self.epoch = epoch
        self.steps_per_epoch = steps_per_epoch
        self.endless = endless
        self.on_epoch_begin, self.on_epoch_end = on_epoch_begin, on_epoch_end
        self.errors = [] if errors is None else errors
        self._iterator: Any = None

    @property
    def is_read_once(self) -> bool:
        """Whether one pass uses all of the data up, as of a generator without a number of steps."""
        return self.endless and self.steps_per_epoch is None

    @property
    def kind(self) -> Any:
        """What a compiled loop over this data depends on."""
        return ("batched", *(None if part is None else _spec(part) for part in self.first))

    @property
    def spec(self) -> Batch:
        """The shapes and dtypes of one batch."""
        return self.first.map(_spec)

    def head(self) -> Batch:
        """Return the first batch."""
        return self.first

    def iterator(self, epoch: int) -> Any:
        """Return the iterator over the batches of `epoch`."""
        if self._iterator is None or not self.endless:
            self._iterator = iter(self.epoch(epoch))
        return self._iterator


def as_batched_data(
    data: Any, seed: Any, steps: int | None = None, shuffle: bool = True, runs_on: bool = True
) -> BatchedData:
    """Return batches of a batched `tf.data.Dataset`, a `keras.utils.PyDataset`, or an iterable of batches.

    Args:
        data: The batches.
        seed: Base of the order of a `PyDataset`, see `keras_vae.random.as_seed`.
        steps: Int, steps of an epoch; None for a pass over the data.
        runs_on: Bool, whether an epoch of `steps` steps goes on where the one before has ended, and starts again at the
            end of the data, as training does. Otherwise each has the first `steps` batches, as far as there are.
        shuffle: Bool, whether each epoch has its own order of the batches of a `PyDataset`. A data set has the order
            that the user gave it.

    Raises:
        ValueError: if there is no batch.
        TypeError: if `data` is none of these.
    """
    if isinstance(data, tf.data.Dataset):
        length = int(data.cardinality())
        first = _first(data.take(1))
        if length == tf.data.INFINITE_CARDINALITY and steps is None:
            raise ValueError("An endless data set needs `steps_per_epoch`. Received: steps_per_epoch=None")
        if steps is None:
            return BatchedData(first, lambda epoch: data, length if length >= 0 else None)
        if runs_on:
            return BatchedData(first, lambda epoch: data.repeat(), steps, endless=True)
        return BatchedData(first, lambda epoch: data.take(steps), min(steps, length) if length >= 0 else steps)
    if isinstance(data, keras.utils.PyDataset):
        return _of_py_dataset(data, seed, steps, shuffle, runs_on)
    if isinstance(data, Iterable) and not isinstance(data, Mapping | str):
        batches = iter(data)
        first = _first(batches)
        rest = itertools.chain([first], batches)
        errors: list[Exception] = []
        dataset = _generated(first, lambda: rest, errors)
        return BatchedData(first, lambda epoch: dataset, steps, endless=True, errors=errors)
    raise TypeError(
        "The data must be an array, a tf.data.Dataset, a keras.utils.PyDataset or a generator of batches. "
        f"Received: {type(data).__name__}"
    )


def _of_py_dataset(
    data: keras.utils.PyDataset, seed: Any, steps: int | None, shuffle: bool, runs_on: bool
) -> BatchedData:
    """Number the batches of each epoch, in an order of its own, and fetch them with as many threads as `data` has."""
    length = data.num_batches
    if length == 0:
        raise ValueError("A PyDataset must hold one batch or more. Received: num_batches=0")
    if length is None and steps is None:
        raise ValueError("A PyDataset without an end needs `steps_per_epoch`. Received: num_batches=None")
    if data.use_multiprocessing:
        warnings.warn("`workers` of a PyDataset are threads here: `use_multiprocessing` has no effect.", stacklevel=2)
    first = as_tensors(as_batch(data[0]))
    errors: list[Exception] = []
    hooks: dict[str, Any] = {"on_epoch_begin": data.on_epoch_begin, "on_epoch_end": data.on_epoch_end, "errors": errors}

    def epoch(number: int) -> tf.data.Dataset:
        if length is None:
            indices = tf.data.Dataset.counter()
        else:
            order = tf.range(length)
            if shuffle:
                noise = as_noise(seed).of(Stream.ORDER, number)
                order = tf.random.experimental.stateless_shuffle(order, noise.seed, alg="philox")
            indices = tf.data.Dataset.from_tensor_slices(order)
        return _mapped(first, lambda i: data[int(i)], indices, max(data.workers, 1), data.max_queue_size, errors)

    if steps is None:
        return BatchedData(first, epoch, length, **hooks)
    if not runs_on:
        return BatchedData(first, lambda number: epoch(number).take(steps), min(steps, length or steps), **hooks)
    passes = epoch(0)
    if length is not None:
        numbers = tf.data.Dataset.counter()
        passes = _generated(first, lambda: (batch for n in numbers for batch in epoch(int(n))), errors)
    return BatchedData(first, lambda _: passes, steps, endless=True, **hooks)


def _first(batches: Iterable) -> Batch:
    for batch in batches:
        return as_tensors(as_batch(batch))
    raise ValueError("The data must hold one batch or more. Received: no batch")


def _spec(part: tf.Tensor) -> tf.TensorSpec:
    return tf.TensorSpec([None, *part.shape[1:]], part.dtype)


def _parts(batch: Any) -> list[Any]:
    return [part for part in as_batch(batch) if part is not None]


def _names(batch: Any) -> list[str]:
    batch = as_batch(batch)
    return [name for name, part in zip(batch._fields, batch, strict=True) if part is not None]


@contextlib.contextmanager
def _kept(errors: list[Exception]) -> Iterator[None]:
    """Add to `errors` what the user's code or a check raises: TensorFlow would show the user an error of its own."""
    try:
        yield
    except Exception as error:
        errors.append(error)
        raise


def _converted(batch: Any, specs: Sequence[tf.TensorSpec], names: list[str]) -> list[np.ndarray]:
    """Return the parts of a batch in the dtypes of the first one; raise if that changes values, or if shapes differ."""
    parts = []
    if _names(batch) != names:
        raise ValueError(
            f"All batches must have the parts of the first one, {names}, in (x, y, sample_weight). "
            f"Received: a later batch with {_names(batch)}"
        )
    for part, spec in zip(_parts(batch), specs, strict=True):
        given, dtype = np.asarray(part), spec.dtype.as_numpy_dtype
        with np.errstate(invalid="ignore"):
            parts.append(given.astype(dtype, copy=False))
        changed = given.dtype != dtype and spec.dtype.is_integer and not np.array_equal(parts[-1], given)
        if changed or not spec.shape.is_compatible_with(given.shape):
            raise ValueError(
                f"All batches must have the dtypes of the first one and its shapes but for the first axis, here "
                f"{spec.dtype.name} and {list(spec.shape)}. "
                f"Received: a later batch of dtype {given.dtype} and shape {list(given.shape)}"
            )
    return parts


def _generated(first: Batch, batches: Callable[[], Iterable], errors: list[Exception]) -> tf.data.Dataset:
    """Return the data set of what the iterator of `batches()` gives, whose form is that of `first`."""
    specs, names = tuple(_spec(part) for part in _parts(first)), _names(first)

    def converted() -> Iterator[tuple]:
        with _kept(errors):
            for batch in batches():
                yield tuple(_converted(batch, specs, names))

    flat = tf.data.Dataset.from_generator(converted, output_signature=specs)
    return flat.map(lambda *parts: _like(first, parts)).prefetch(2)


def _mapped(
    first: Batch, fetch: Callable, indices: tf.data.Dataset, threads: int, queue_size: int, errors: list[Exception]
) -> tf.data.Dataset:
    specs, names = [_spec(part) for part in _parts(first)], _names(first)

    def converted(index: int) -> list[np.ndarray]:
        with _kept(errors):
            return _converted(fetch(index), specs, names)

    def batch(index: tf.Tensor) -> Batch:
        parts = tf.numpy_function(converted, [index], [spec.dtype for spec in specs])
        return _like(first, [tf.ensure_shape(part, spec.shape) for part, spec in zip(parts, specs, strict=True)])

    return indices.map(batch, num_parallel_calls=threads, deterministic=True).prefetch(queue_size)


def _like(first: Batch, parts: Any) -> Batch:
    """Return `parts` as a batch that has the parts that `first` has."""
    remaining = iter(parts)
    return first.map(lambda _: next(remaining))
