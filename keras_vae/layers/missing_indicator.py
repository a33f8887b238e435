"""What an encoder makes of missing entries."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from keras_vae.registration import register

__all__ = ["MissingIndicator"]


@register
class MissingIndicator(keras.layers.Layer):
    """Entries that are NaN as zeros, beside an indicator of those that are there: the first layer of an encoder.

    A `keras_vae.VAE` whose encoder has this layer takes x with missing entries: its likelihood scores the others alone,
    so that log p(x) is that of what was observed.

    Call arguments:
        x: [..., C] with NaN where an entry is missing.

    Returns:
        [..., 2 C]: x with zeros, and then 1 for each entry that was there and 0 for the others.

    Example:

    >>> MissingIndicator()(np.array([[5.0, np.nan]])).numpy().tolist()
    [[5.0, 0.0, 1.0, 0.0]]

    References:
        Mattei & Frellsen (2019), "MIWAE: Deep Generative Modelling and Imputation of Incomplete Data Sets" (the zeros).
    """

    def call(self, x: Any) -> tf.Tensor:
        x = tf.convert_to_tensor(x)
        missing = tf.math.is_nan(x) if x.dtype.is_floating else tf.zeros_like(x, tf.bool)
        return tf.concat([tf.where(missing, tf.zeros_like(x), x), tf.cast(~missing, x.dtype)], axis=-1)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return (*input_shape[:-1], None if input_shape[-1] is None else 2 * input_shape[-1])
