"""The door of `fit`, `evaluate` and `predict`: the forms of data that they take, and what they refuse."""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from keras_vae.arguments import check_not_masked
from keras_vae.data import BatchedData
from keras_vae.data.arrays import as_tensors
from keras_vae.distributions.sets import NON_NEGATIVE
from keras_vae.protocols import Batch, as_batch

__all__ = [
    "as_arrays",
    "as_one_batch",
    "check_no_class_weight",
    "check_no_y",
    "check_unused_y",
    "check_weights",
    "of_validation",
    "seen_batches",
    "split_off",
]


def as_arrays(x: Any, y: Any, sample_weight: Any) -> Any:
    """Return arrays as a `Batch` of all examples, and data that comes in batches as it is."""
    check_not_masked(x=x, y=y, sample_weight=sample_weight)
    for name, value in (("y", y), ("sample_weight", sample_weight)):
        if value is not None and not _is_array(value):
            raise ValueError(f"`{name}` must be one array. Received: {name} of type {type(value).__name__}")
    if not _is_array(x) and not isinstance(x, tuple | Mapping):
        if y is not None or sample_weight is not None:
            raise ValueError(
                "`y` and `sample_weight` go with arrays; other data yields them with x, as (x, y, sample_weight). "
                f"Received: x of type {type(x).__name__}"
            )
        return x
    batch = as_batch(x) if isinstance(x, tuple | Mapping) else Batch(x)
    return as_tensors(
        batch._replace(
            y=batch.y if y is None else y,
            sample_weight=batch.sample_weight if sample_weight is None else sample_weight,
        )
    )


def as_one_batch(x: Any, y: Any = None, sample_weight: Any = None) -> Batch:
    """Return the examples of one batch, which must be arrays."""
    batch = as_arrays(x, y, sample_weight)
    if not isinstance(batch, Batch):
        raise TypeError(f"One batch must be arrays: data sets go to `fit`. Received: x of type {type(x).__name__}")
    return batch


def of_validation(data: Any) -> Any:
    """Return validation data in one of the forms of Keras: x, (x,), (x, y), (x, y, sample_weight), or batches.

    A list of arrays is such a tuple; a list of rows is x.
    """
    has_parts = isinstance(data, list) and all(part is None or hasattr(part, "__array__") for part in data)
    return as_arrays(tuple(data) if has_parts else data, None, None)


def split_off(data: Any, fraction: float) -> tuple[Batch, Batch]:
    """Return the first examples, and the last `fraction` of them for validation."""
    if not isinstance(data, Batch):
        raise ValueError(f"`validation_split` divides arrays only. Received: x of type {type(data).__name__}")
    kept = int(len(data.x) * (1 - fraction)) if isinstance(fraction, numbers.Real) and 0 < fraction < 1 else 0
    if not 0 < kept < len(data.x):
        raise ValueError(
            "`validation_split` must be a fraction, above 0 and below 1, that leaves examples on both sides. "
            f"Received: validation_split={fraction!r}"
        )
    return data.map(lambda part: part[:kept]), data.map(lambda part: part[kept:])


def _is_array(x: Any) -> bool:
    """Return whether x holds all examples: an array of any library, or a list."""
    return hasattr(x, "__array__") or isinstance(x, list)


def check_weights(weight: Any, x: tf.Tensor, is_all: bool) -> None:
    """Raise unless there is a weight for each example or entry of x, finite and not negative, or none at all.

    Args:
        weight: The weights, or None.
        x: The examples.
        is_all: Whether these are all examples, whose weights must not all be 0.
    """
    if weight is None:
        return
    weight = np.asarray(weight)
    dtype = tf.as_dtype(weight.dtype)
    if not (dtype.is_floating or dtype.is_integer or dtype.is_bool):
        raise ValueError(f"`sample_weight` must hold real numbers. Received: sample_weight of dtype {dtype.name}")
    if weight.dtype.kind == "f":
        with np.errstate(over="ignore"):
            weight = weight.astype("float32")  # in which they count
    broadcasts = weight.ndim == x.shape.rank and all(
        size in (1, limit) for size, limit in zip(weight.shape[1:], x.shape[1:], strict=True)
    )
    suits = weight.ndim > 0 and len(weight) == len(x)
    if not suits or not (broadcasts or weight.ndim == 1 or weight.shape[1:] == (1,)):
        raise ValueError(
            "`sample_weight` must have a weight for each example, [N], or for each entry, [N, *event_shape]. "
            f"Received: shape {weight.shape} for x of shape {tuple(x.shape)}"
        )
    first = NON_NEGATIVE.first_outside(weight)
    if first is not None:
        raise ValueError(
            "`sample_weight` must be finite, and none below 0: leave out the examples that have no weight. "
            f"Received: {weight[first]:g} in row {first[0]}"
        )
    if is_all and not weight.any():
        raise ValueError("`sample_weight` must not be 0 for all examples: the loss would be 0. Received: only zeros")


def check_unused_y(y: Any, x: tf.Tensor) -> None:
    """Raise if y looks like a target image, of which the model makes no use."""
    if y is None or x.shape.rank == 1 or tuple(np.shape(y)) != tuple(x.shape) or np.array_equal(x, y):
        return
    raise ValueError(
        "A VAE learns the distribution of x, and makes no use of `y`. To denoise, fit the clean images alone, with "
        "corruption=keras_vae.corruptions.SaltAndPepperNoise(0.2) or another noise. To predict y from another x, train "
        "a Keras model that ends in a layer of keras_vae.layers with "
        f"keras_vae.losses.NegativeLogLikelihood. Received: y with the shape of x, {tuple(x.shape)}"
    )


def check_no_y(y: Any, x: Any) -> None:
    """Raise if y is an argument of its own that is neither x nor an image: a data set may have labels with its x."""
    if y is None or np.shape(y) == np.shape(x):  # see `check_unused_y`
        return
    raise ValueError(
        "A VAE learns the distribution of x, and makes no use of `y`: leave it out, or make a "
        "keras_vae.ConditionalVAE, which learns that of x given y. "
        f"Received: y of shape {np.shape(y)}"
    )


def seen_batches(model: Any, source: BatchedData) -> tf.data.Dataset:
    """Return what `predict_step` needs of the batches of a stream, each checked before it is handed on.

    What is wrong with a bad one is in `source.errors`.

    Args:
        model: The model whose `seen` says what it can reconstruct.
        source: The batches, of which the first is checked at once.

    Raises:
        ValueError: if the model cannot reconstruct the first batch.
    """
    parts = [part is not None for part in model.seen(source.head())]

    def check(number: Any, *arrays: Any) -> bool:
        remaining = iter(arrays)
        try:
            model.seen(Batch(*(next(remaining) if is_there else None for is_there in parts)))
        except ValueError as error:
            source.errors.append(ValueError(f"In batch {number}, counted from 0: {error}"))
            raise source.errors[-1] from None
        return True

    def checked(number: tf.Tensor, data: Any) -> tf.Tensor:
        batch = as_batch(data)
        used = [part for part, is_there in zip(batch, parts, strict=True) if is_there]
        with tf.control_dependencies([tf.numpy_function(check, [number, *used], tf.bool)]):
            used = [tf.identity(part) for part in used]
        return used[0] if len(used) == 1 else tuple(used)

    return source.epoch(0).enumerate().map(checked)


def check_no_class_weight(class_weight: Any) -> None:
    """Raise if classes have weights: a VAE knows of no classes."""
    if class_weight is not None:
        raise ValueError(f"Give each example a `sample_weight`. Received: class_weight={class_weight!r}")
