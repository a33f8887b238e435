"""The mean and the standard deviation of any distribution: in closed form, or from draws."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from keras_vae.distributions.discrete import is_discrete
from keras_vae.random.sampling import sample

__all__ = ["center_of", "mean_of", "stddev_of"]

_NUM_DRAWS = 100


def mean_of(distribution: Any) -> Any:
    """Return the mean, [B, *event], of a distribution, or of each in a structure.

    Where TFP has none (relaxed one-hot vectors, most transformed distributions), it is the average of 100 draws, which
    are the same at each call.

    Example:

    >>> mean_of(tfd.RelaxedOneHotCategorical(0.5, logits=tf.zeros([3, 2]))).shape.as_list()
    [3, 2]
    """
    return tf.nest.map_structure(lambda part: _moment(part, "mean", tf.reduce_mean), distribution)


def center_of(distribution: Any) -> Any:
    """Return the z, [B, *event], that stands for a posterior: the mean, or the mode where z is discrete.

    Example:

    >>> center_of(tfd.OneHotCategorical(probs=[[0.2, 0.5, 0.3]], dtype=tf.float32)).numpy().tolist()
    [[0.0, 1.0, 0.0]]
    """
    return tf.nest.map_structure(lambda part: part.mode() if is_discrete(part) else mean_of(part), distribution)


def stddev_of(distribution: Any) -> Any:
    """Return the standard deviation of each entry, [B, *event], by the rule of `mean_of`."""
    return tf.nest.map_structure(lambda part: _moment(part, "stddev", tf.math.reduce_std), distribution)


def _moment(distribution: Any, name: str, of_draws: Any) -> tf.Tensor:
    try:
        return getattr(distribution, name)()
    except NotImplementedError:  # TFP has no closed form
        return of_draws(sample(distribution, _NUM_DRAWS, seed=0), axis=0)
