"""Seeds, and the streams of noise below a seed."""

from __future__ import annotations

import enum
from typing import Any

import keras
import numpy as np
import tensorflow as tf

__all__ = ["Stream", "as_seed", "fold_in"]


class Stream(enum.IntEnum):
    """What noise is for: each purpose has a stream of its own below a seed (`fold_in(seed, Stream.ORDER, epoch)`)."""

    TRAINING = 0
    EVALUATION = 1
    ORDER = 2
    TRAINING_PIXELS = 3
    EVALUATION_PIXELS = 4
    LATENTS = 5
    OBSERVATIONS = 6
    UNSEEDED = 7


def as_seed(seed: Any) -> tf.Tensor:
    """Return `seed` as the int32[2] tensor that stateless samplers take.

    Args:
        seed: Python int (up to 64 bits), integer array or tensor of shape [2], or a
            `keras.random.SeedGenerator`, which is advanced by one.

    Returns:
        int32 tensor of shape [2].

    Raises:
        TypeError: if `seed` is none of these.

    Example:

    >>> as_seed(7).numpy().tolist()
    [0, 7]
    """
    if isinstance(seed, keras.random.SeedGenerator):
        return tf.cast(seed.next(), tf.int32)
    if isinstance(seed, int | np.integer) and not isinstance(seed, bool):
        words = np.array([int(seed) >> 32 & 0xFFFFFFFF, int(seed) & 0xFFFFFFFF], np.uint32)
        return tf.constant(words.astype(np.int32))
    if tf.is_tensor(seed) or isinstance(seed, np.ndarray | list | tuple):
        pair = tf.convert_to_tensor(seed)
        if pair.dtype.is_integer and pair.shape == [2]:
            return tf.cast(pair, tf.int32)
    raise TypeError(
        "`seed` must be an int, an integer tensor of shape [2] or a keras.random.SeedGenerator. "
        f"Received: seed={seed!r}"
    )


def fold_in(seed: Any, *data: Any) -> tf.Tensor:
    """Return the seed of the stream numbered `data` below `seed` (int32[2])."""
    seed = as_seed(seed)
    for number in data:
        seed = tf.random.experimental.stateless_fold_in(seed, tf.cast(number, tf.int32), alg="philox")
    return seed
