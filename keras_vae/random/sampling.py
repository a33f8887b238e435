"""Samples of distributions, by the textbook transformation of row-wise noise."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.random.noise import normal, uniform
from keras_vae.random.streams import as_seed, fold_in

__all__ = ["sample"]


def sample(distribution: tfd.Distribution, num_samples: Any, seed: Any, first_row: Any = 0) -> tf.Tensor:
    """Draw reparameterised (where the family allows) samples with row-wise noise.

    The row is the first batch dimension; a distribution without batch (a prior) numbers its samples instead,
    so that the first ten of 64 draws are the ten draws of the same seed.

    Normal families, Bernoulli and categorical families are drawn from `normal` and `uniform` by their
    textbook transformation and have every property of this package's noise. Other distributions use their own
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
