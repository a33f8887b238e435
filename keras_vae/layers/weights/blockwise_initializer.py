"""An initializer that joins others, for weights whose last axis holds several kinds of parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_vae.layers.initializers import keras_initializer
from keras_vae.registration import register

__all__ = ["BlockwiseInitializer"]


@register
class BlockwiseInitializer(keras.initializers.Initializer):
    """Initializer whose last axis is cut in blocks, each filled by an initializer of its own.

    Args:
        initializers: list of Keras initializers, or their names.
        sizes: list of ints, the size of each initializer's block of the last axis.
        validate_args: of TFP's signature; the sizes are always checked, as Keras knows every weight's shape.

    Raises:
        ValueError: if there is not one size for each initializer, or, when called, if the sizes do not sum up to
            the last axis.

    Example:

    >>> softplus_one = keras.initializers.Constant(np.log(np.expm1(1.)))
    >>> initializer = BlockwiseInitializer(["zeros", softplus_one], sizes=[2, 1])
    >>> initializer([1, 3]).numpy().round(4).tolist()
    [[0.0, 0.0, 0.5412999987602234]]
    """

    def __init__(self, initializers: Sequence[Any], sizes: Sequence[int], validate_args: bool = False):
        self.initializers = [keras_initializer(initializer) for initializer in initializers]
        self.sizes = [int(size) for size in sizes]
        self.validate_args = validate_args
        if len(self.initializers) != len(self.sizes) or not self.sizes:
            raise ValueError(
                "`sizes` must have one size for each of one or more initializers. "
                f"Received: initializers={list(initializers)}, sizes={list(sizes)}"
            )

    def __call__(self, shape: Any, dtype: Any = None) -> tf.Tensor:
        dtype = keras.backend.standardize_dtype(dtype)
        *leading, last = tf.TensorShape(shape).as_list()
        if last != sum(self.sizes):
            raise ValueError(
                f"The last axis must have the size sum(sizes) = {sum(self.sizes)}. "
                f"Received: shape={shape}, sizes={self.sizes}"
            )
        blocks = zip(self.initializers, self.sizes, strict=True)
        return keras.ops.concatenate([initializer((*leading, size), dtype) for initializer, size in blocks], axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {
            "initializers": [keras.initializers.serialize(initializer) for initializer in self.initializers],
            "sizes": self.sizes,
            "validate_args": self.validate_args,
        }
