"""A stream of batches that Keras reads, checked on its way."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from keras_vae.data import BatchedData
from keras_vae.protocols import as_batch

__all__ = ["CheckedStream"]


class CheckedStream:
    """x of the batches of a stream, each checked before it is handed on.

    Args:
        model: The model whose `check` says what it can score.
        source: The batches, of which the first is checked at once.

    Attributes:
        dataset: `tf.data.Dataset` of x, which fails at a batch that the model cannot score.
        error: What `check` said of that batch; None as long as there is none. TensorFlow makes errors of its own of it.
    """

    def __init__(self, model: Any, source: BatchedData):
        self.model = model
        self.error: ValueError | None = None
        model.check(source.head().x)
        self.dataset = source.epoch(0).enumerate().map(self._checked)

    def _checked(self, number: tf.Tensor, data: Any) -> tf.Tensor:
        x = as_batch(data).x
        with tf.control_dependencies([tf.numpy_function(self._check, [number, x], tf.bool)]):
            return tf.identity(x)

    def _check(self, number: Any, x: Any) -> bool:
        try:
            self.model.check(x)
        except ValueError as error:
            self.error = ValueError(f"In batch {number}, counted from 0: {error}")
            raise self.error from None
        return True
