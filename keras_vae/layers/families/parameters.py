"""How the raw parameters of one example are counted, cut and made positive; what the families share."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

__all__ = ["as_shape", "blocks", "dtype_name", "positive", "reshape_params", "size"]


def as_shape(event_shape: Any) -> tuple[int, ...]:
    """Return `event_shape` (an int, integers, or a constant tensor of them) as a tuple."""
    is_tensor = tf.is_tensor(event_shape)
    static = tf.get_static_value(event_shape) if is_tensor else event_shape
    if static is None and is_tensor:
        raise ValueError(
            "`event_shape` must be known when a graph is traced: give integers, such as x.shape[1:], or a constant. "
            f"Received: event_shape={event_shape}"
        )
    shape = np.atleast_1d(np.asarray(static))
    if shape.size and (not np.issubdtype(shape.dtype, np.integer) or np.any(shape < 1)):
        raise ValueError(f"`event_shape` must be positive integers. Received: event_shape={event_shape!r}")
    return tuple(int(size) for size in shape)


def size(event_shape: Any) -> int:
    """Return the number of entries of an event."""
    return int(np.prod(as_shape(event_shape)))


def reshape_params(params: tf.Tensor, shape: tuple[int, ...]) -> tf.Tensor:
    """Give the last axis of `params` [..., prod(shape)] the shape `shape`.

    Raises:
        ValueError: if the last axis has another size.
    """
    if params.shape[-1] not in (None, int(np.prod(shape))):
        raise ValueError(
            f"The layer needs {int(np.prod(shape))} parameters per example, for shape {shape}: "
            f"size the layer before it with `params_size`. Received: params.shape={params.shape}"
        )
    return tf.reshape(params, tf.concat([tf.shape(params)[:-1], shape], 0))


def blocks(params: Any, number: int, shape: tuple[int, ...]) -> list[tf.Tensor]:
    """Return the `number` equal parts of the last axis of `params`, each with that axis in the shape `shape`."""
    return tf.unstack(reshape_params(tf.convert_to_tensor(params), (number, *shape)), number, axis=-1 - len(shape))


def positive(raw: tf.Tensor) -> tf.Tensor:
    """Return softplus(raw) + eps, with the machine epsilon of the dtype: above 0 also where softplus underflows."""
    return tf.math.softplus(raw) + np.finfo(raw.dtype.as_numpy_dtype).eps


def dtype_name(dtype: Any) -> str | None:
    """Return the name of a dtype, as configurations keep it, or None."""
    return None if dtype is None else tf.as_dtype(dtype).name
