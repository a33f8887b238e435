"""The counter generator below all noise: Philox 4x32-10, with a seed as its key.

Each call is one operation, whose bits are the same in eager execution, in graphs, under XLA and on any device.

References:
    Salmon et al. (2011), "Parallel random numbers: as easy as 1, 2, 3", Sec. 3.3.
"""

from __future__ import annotations

import enum
from typing import Any

import numpy as np
import tensorflow as tf

__all__ = ["Use", "philox"]


class Use(enum.IntEnum):
    """The upper half of the counter: noise and seeds that come from the same seed share no block."""

    NOISE = 0
    SEEDS = 1


def philox(shape: Any, seed: tf.Tensor, block: Any, use: Use, dtype: tf.DType) -> tf.Tensor:
    """Return the random bits of successive blocks.

    Args:
        shape: of the result, a list of ints or scalar tensors.
        seed: int32[2], the key.
        block: Int, number of the first block of 128 bits; a negative number is its two's complement of 64 bits.
        use: What the bits are for.
        dtype: uint32, uint64 or int32.

    Returns:
        Integers of `shape` and `dtype`, all equally probable.
    """
    if isinstance(block, int | np.integer):
        counter = tf.constant(np.array([int(block) % 2**64, use], np.uint64))
    else:
        counter = tf.stack([tf.cast(tf.cast(block, tf.int64), tf.uint64), tf.constant(int(use), tf.uint64)])
    return tf.raw_ops.StatelessRandomUniformFullIntV2(
        shape=shape,
        key=tf.bitcast(seed[None], tf.uint64),
        counter=counter,
        alg=tf.random.Algorithm.PHILOX.value,
        dtype=dtype,
    )
