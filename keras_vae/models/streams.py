"""A stream of batches that Keras reads, checked on its way."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from keras_vae.data import BatchedData
from keras_vae.protocols import as_batch

__all__ = ["checked_x"]


def checked_x(model: Any, source: BatchedData) -> tf.data.Dataset:
    """Return x of the batches of a stream, each checked before it is handed on; a bad one is in `source.errors`.

    Args:
        model: The model whose `check` says what it can score.
        source: The batches, of which the first is checked at once.

    Raises:
        ValueError: if the model cannot score the first batch.
    """
    model.check(source.head().x)

    def check(number: Any, x: Any) -> bool:
        try:
            model.check(x)
        except ValueError as error:
            source.errors.append(ValueError(f"In batch {number}, counted from 0: {error}"))
            raise source.errors[-1] from None
        return True

    def checked(number: tf.Tensor, data: Any) -> tf.Tensor:
        x = as_batch(data).x
        with tf.control_dependencies([tf.numpy_function(check, [number, x], tf.bool)]):
            return tf.identity(x)

    return source.epoch(0).enumerate().map(checked)
