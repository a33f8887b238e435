"""Seeds, and the streams of noise below a seed."""

from __future__ import annotations

import enum
import threading
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_vae.random.philox import Use, philox

__all__ = ["Noise", "Stream", "as_noise", "as_seed", "fold_in"]

_ADVANCING = threading.Lock()  # Keras reads a generator and then advances it: two threads would read the same


class Stream(enum.IntEnum):
    """What noise is for. Each purpose has a stream of its own below a seed: see `Noise.of`.

    Streams are negative and the numbers of steps, epochs, rows and draws are not, so that no chain of streams and
    numbers is another chain: no two purposes share a key.
    """

    TRAINING = -1
    EVALUATION = -2
    ORDER = -3
    TRAINING_PIXELS = -4
    EVALUATION_PIXELS = -5
    PRIOR = -6
    OBSERVATIONS = -7
    UNSEEDED = -8
    POSTERIOR = -9
    PROPOSAL = -10
    TRANSITIONS = -11
    MOMENTUM = -12
    ACCEPTANCE = -13
    PARTS = -14
    COMPONENTS = -15
    ROWS = -16
    CHOICES = -17
    OPTIMIZATION = -18
    CORRUPTION = -19
    ADVERSARY = -20


class Noise(NamedTuple):
    """Where noise comes from: a seed, and the global number of the first row that is drawn for.

    Attributes:
        seed: int32[2], see `as_seed`.
        first_row: Int, global number of the first row of the batch.

    Example:

    >>> noise = as_noise(7).of(Stream.TRAINING, 3)
    >>> kv.random.normal([2, 5], *noise).shape.as_list()
    [2, 5]
    """

    seed: tf.Tensor
    first_row: tf.Tensor | int = 0

    def of(self, *path: Any) -> Noise:
        """Return the noise for one purpose, and for the step, epoch or draw of that purpose that is named.

        `noise.of(stream).of(3)` is `noise.of(stream, 3)`: a loop names the purpose once, outside.

        Args:
            *path: The `Stream` of the purpose, then ints that are not negative.
        """
        return Noise(fold_in(self.seed, *path), self.first_row)


def as_noise(seed: Any, first_row: Any = 0) -> Noise:
    """Return `seed` and `first_row` as `Noise`; a `Noise` is returned as it is.

    Raises:
        TypeError: if `seed` is neither a `Noise` nor a seed, see `as_seed`.
        ValueError: if a `Noise`, which has a first row, comes with another.
    """
    if not isinstance(seed, Noise):
        return Noise(as_seed(seed), first_row)
    if not (isinstance(first_row, int) and first_row == 0):
        raise ValueError(f"A Noise has a first row of its own: pass `first_row` to it. Received: first_row={first_row}")
    return seed


def as_seed(seed: Any) -> tf.Tensor:
    """Return `seed` as the int32[2] tensor that stateless samplers take.

    Args:
        seed: Python int (up to 64 bits), integer array or tensor of shape [2], or a
            `keras.random.SeedGenerator`, which is advanced by one.

    Returns:
        int32 tensor of shape [2].

    Raises:
        TypeError: if `seed` is none of these.
        ValueError: if an int has more than 64 bits.

    Example:

    >>> as_seed(7).numpy().tolist()
    [0, 7]
    """
    if isinstance(seed, keras.random.SeedGenerator):
        with _ADVANCING:
            return tf.cast(seed.next(), tf.int32)
    if isinstance(seed, int | np.integer) and not isinstance(seed, bool):
        if not -(2**63) <= seed < 2**64:
            raise ValueError(f"A seed has 64 bits: take a smaller number. Received: seed={seed}")
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
    """Return the seed numbered `data` below `seed`, int32[2]; callers outside this folder use `Noise.of`.

    It is the first 64 bits of the Philox block of that number, whose key is `seed`.
    """
    seed = as_seed(seed)
    for number in data:
        seed = philox([2], seed, number, Use.SEEDS, tf.int32)
    return seed
