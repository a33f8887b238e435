"""Arrays of any library as tensors: one conversion, and one error, for every door."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from keras_vae.protocols import Batch

__all__ = ["as_tensor", "as_tensors"]


def as_tensor(value: Any, name: str = "x") -> tf.Tensor:
    """Return an array as a dense tensor.

    Args:
        value: Array of any library, or a list of rows.
        name: Str, name of the argument, for the error. "x".

    Raises:
        ValueError: if TensorFlow has no dense tensor of such entries: objects, dates, extended precision, rows of
            different lengths, sparse and ragged arrays.

    Example:

    >>> as_tensor([[1, 2], [3]])
    Traceback (most recent call last):
    ValueError: `x` must be one dense array of numbers: np.asarray(x, "float32"), or x.toarray() where x is sparse.
    Received: x of type list
    """
    is_python = tf.executing_eagerly() and not tf.is_tensor(value)  # a list in a graph may hold its tensors
    try:
        return tf.convert_to_tensor(np.asarray(value) if is_python else value)
    except (TypeError, ValueError):
        dtype = getattr(value, "dtype", None)
        described = "" if dtype is None else f" and dtype {getattr(dtype, 'name', dtype)}"
        raise ValueError(
            f'`{name}` must be one dense array of numbers: np.asarray({name}, "float32"), or {name}.toarray() where '
            f"{name} is sparse. Received: {name} of type {type(value).__name__}{described}"
        ) from None


def as_tensors(batch: Batch) -> Batch:
    """Return the parts of a batch as tensors; x must be there."""
    return Batch(
        as_tensor(batch.x),
        None if batch.y is None else as_tensor(batch.y, "y"),
        None if batch.sample_weight is None else as_tensor(batch.sample_weight, "sample_weight"),
    )
