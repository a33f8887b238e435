"""Uniform and normal noise, row by row, from a counter generator.

The Philox generator's bits are turned into floats here, as TensorFlow's own float draws give other numbers
under XLA, even with `alg="philox"`.

References:
    Box & Muller (1958), "A note on the generation of random normal deviates".
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tensorflow as tf

from keras_vae.random.philox import Use, philox
from keras_vae.random.streams import as_seed

__all__ = ["normal", "uniform"]

_UNSIGNED = {tf.float32: (tf.uint32, tf.int32, 24), tf.float64: (tf.uint64, tf.int64, 53)}


def normal(shape: Any, seed: Any, first_row: Any = 0, dtype: Any = tf.float32) -> tf.Tensor:
    """Draw standard normal noise, row-wise (see `keras_vae.random`), by the Box-Muller transformation.

    Draws end at 5.8 (float32) and 8.6 (float64) standard deviations, where the uniform draws' resolution ends.

    Args:
        shape: list [rows, ...] of ints, of which `rows` may be a scalar tensor.
        seed: see `as_seed`.
        first_row: int, global number of the first row.
        dtype: float32 or float64.

    Returns:
        Tensor of `shape` and `dtype`.

    Example:

    >>> whole = normal([5, 3], seed=1)
    >>> np.allclose(normal([2, 3], seed=1, first_row=3), whole[3:])
    True
    """
    dtype = tf.as_dtype(dtype)
    row_size = int(np.prod(shape[1:]))
    pairs = uniform([shape[0], 2, -(-row_size // 2)], seed, first_row, dtype)
    radius = tf.sqrt(-2 * tf.math.log(1 - pairs[:, 0]))  # 1 - u is exact here, and in (0, 1]
    angle = 2 * math.pi * pairs[:, 1]
    noise = tf.concat([radius * tf.cos(angle), radius * tf.sin(angle)], axis=1)
    return tf.reshape(noise[:, :row_size], shape)


def uniform(shape: Any, seed: Any, first_row: Any = 0, dtype: Any = tf.float32) -> tf.Tensor:
    """Draw uniform noise in [0, 1), row-wise; arguments and result as in `normal`.

    The seed is Philox's key. Its counter numbers blocks of 128 random bits, of which every row owns a whole number.
    """
    dtype = tf.as_dtype(dtype)
    if dtype not in _UNSIGNED:
        raise ValueError(f"Noise is drawn in float32 or float64. Received: dtype={dtype.name}")
    unsigned, signed, mantissa_bits = _UNSIGNED[dtype]
    seed, bits = as_seed(seed), 8 * dtype.size
    row_size = int(np.prod(shape[1:]))
    blocks_per_row = -(-row_size * bits // 128)
    row = first_row if isinstance(first_row, int) else tf.cast(first_row, tf.int64)
    words = philox([shape[0], blocks_per_row * 128 // bits], seed, row * blocks_per_row, Use.NOISE, unsigned)
    leading = tf.bitwise.right_shift(words[:, :row_size], tf.constant(bits - mantissa_bits, unsigned))
    unit = tf.cast(tf.bitcast(leading, signed), dtype) * 2.0**-mantissa_bits
    return tf.reshape(unit, shape)
