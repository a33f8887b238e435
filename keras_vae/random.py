"""Reproducible noise: a pure function of (seed, row), the same on every device.

All noise in this package comes from here. Three properties hold, and are tested:

* *Row-wise.* Row `r` of a call that starts at `first_row` gets the noise of global row
  `first_row + r`, whatever the batch size, the number of replicas or what was drawn before.
* *Path-independent.* Uniform draws agree bit for bit, normal draws within the rounding of log, sin and cos,
  between eager, graph, XLA and exported code. For this the Philox counter generator's bits are turned
  into floats here: TensorFlow's own float draws give other numbers under XLA, even with `alg="philox"`.
* *Stateless.* Nothing is hidden: derive a new stream with `fold_in(seed, step)`.

References:
    Salmon et al. (2011), "Parallel random numbers: as easy as 1, 2, 3" (the Philox generator).
    Box & Muller (1958), "A note on the generation of random normal deviates".
"""

from __future__ import annotations

import enum
import functools
import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

__all__ = ["Stream", "as_seed", "fold_in", "normal", "sample", "uniform"]

_UNSIGNED = {tf.float32: (tf.uint32, tf.int32, 24), tf.float64: (tf.uint64, tf.int64, 53)}


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


def normal(shape: Any, seed: Any, first_row: Any = 0, dtype: Any = tf.float32) -> tf.Tensor:
    """Draw standard normal noise, row-wise (see the module's docstring), by the Box-Muller transformation.

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

    The seed gives Philox its key. Its counter numbers blocks of 128 random bits, of which every row owns a
    whole number. The bits become floats here, as TensorFlow's float kernels do it another way under XLA.
    """
    dtype = tf.as_dtype(dtype)
    if dtype not in _UNSIGNED:
        raise ValueError(f"Noise is drawn in float32 or float64. Received: dtype={dtype.name}")
    unsigned, signed, mantissa_bits = _UNSIGNED[dtype]
    seed, bits = as_seed(seed), 8 * dtype.size
    row_size = int(np.prod(shape[1:]))
    blocks_per_row = -(-row_size * bits // 128)
    key = tf.random.stateless_uniform([1], seed, minval=None, maxval=None, dtype=tf.uint64, alg="philox")
    first_block = tf.cast(first_row, tf.uint64) * tf.constant(blocks_per_row, tf.uint64)
    words = tf.raw_ops.StatelessRandomUniformFullIntV2(
        shape=[shape[0], blocks_per_row * 128 // bits],
        key=key,
        counter=tf.stack([first_block, tf.zeros([], tf.uint64)]),
        alg=tf.random.Algorithm.PHILOX.value,
        dtype=unsigned,
    )
    leading = tf.bitwise.right_shift(words[:, :row_size], tf.constant(bits - mantissa_bits, unsigned))
    unit = tf.cast(tf.bitcast(leading, signed), dtype) * 2.0**-mantissa_bits
    return tf.reshape(unit, shape)


def sample(distribution: tfd.Distribution, num_samples: Any, seed: Any, first_row: Any = 0) -> tf.Tensor:
    """Draw reparameterised (where the family allows) samples with row-wise noise.

    The row is the first batch dimension; a distribution without batch (a prior) numbers its samples instead,
    so that the first ten of 64 draws are the ten draws of the same seed.

    Normal families, Bernoulli and categorical families are drawn from `normal` and `uniform` by their
    textbook transformation and have every property of this module. Other distributions use their own
    `sample` with a seed that depends on `first_row`: reproducible, but not the same under XLA.

    Args:
        distribution: TFP distribution, batch [B, ...] or [], event [E...].
        num_samples: S, int (or a scalar tensor, for a distribution without batch).
        seed: see `as_seed`.
        first_row: int, global number of the first row.

    Returns:
        Tensor [S, B, ..., E...] of the distribution's dtype.

    Example:

    >>> p_z = tfd.MultivariateNormalDiag(tf.zeros(2), tf.ones(2))
    >>> sample(p_z, 10, seed=0).shape.as_list()
    [10, 2]
    """
    distribution = getattr(distribution, "tensor_distribution", distribution)
    noise = _Noise(num_samples, as_seed(seed), first_row, has_rows=distribution.batch_shape.rank != 0)
    return _draw(distribution, noise)


class _Noise:
    """Noise of shape [S, *shape], drawn so that rows come first in memory."""

    def __init__(self, num_samples: Any, seed: tf.Tensor, first_row: Any, has_rows: bool):
        self.num_samples, self.seed, self.first_row, self.has_rows = num_samples, seed, first_row, has_rows

    def __call__(self, generator: Callable, shape: Any, dtype: Any) -> tf.Tensor:
        """Return `generator`'s noise of shape [S, *shape]; `shape[0]` may be a scalar tensor."""
        if not self.has_rows:
            return generator([self.num_samples, *shape], self.seed, self.first_row, dtype)
        rows = generator([shape[0], self.num_samples, *shape[1:]], self.seed, self.first_row, dtype)
        return tf.transpose(rows, [1, 0, *range(2, len(shape) + 1)])


def _full_shape(distribution: tfd.Distribution) -> list[Any]:
    """Return batch + event shape, static where known."""
    static = [*distribution.batch_shape, *distribution.event_shape]
    if None not in static:
        return static
    dynamic = tf.concat([distribution.batch_shape_tensor(), distribution.event_shape_tensor()], 0)
    return [dynamic[i] if size is None else size for i, size in enumerate(static)]


@functools.singledispatch
def _draw(distribution: tfd.Distribution, noise: _Noise) -> tf.Tensor:
    return distribution.sample(noise.num_samples, seed=fold_in(noise.seed, noise.first_row))


@_draw.register
def _(distribution: tfd.Independent, noise: _Noise) -> tf.Tensor:
    return _draw(distribution.distribution, noise)


@_draw.register
def _(distribution: tfd.Normal, noise: _Noise) -> tf.Tensor:
    return distribution.loc + distribution.scale * noise(normal, _full_shape(distribution), distribution.dtype)


@_draw.register
def _(distribution: tfd.MultivariateNormalLinearOperator, noise: _Noise) -> tf.Tensor:
    eps = noise(normal, _full_shape(distribution), distribution.dtype)
    shift = distribution.scale.matvec(eps)
    return shift if distribution.loc is None else distribution.loc + shift


@_draw.register
def _(distribution: tfd.Bernoulli, noise: _Noise) -> tf.Tensor:
    probs = distribution.probs_parameter()
    return tf.cast(noise(uniform, _full_shape(distribution), probs.dtype) < probs, distribution.dtype)


@_draw.register
def _(distribution: tfd.Categorical, noise: _Noise) -> tf.Tensor:
    """Inverse CDF: the number of levels whose cumulative probability the uniform draw has passed."""
    cumulative = tf.cumsum(distribution.probs_parameter(), axis=-1)[..., :-1]
    u = noise(uniform, _full_shape(distribution), cumulative.dtype)
    return tf.reduce_sum(tf.cast(u[..., None] >= cumulative, distribution.dtype), axis=-1)
