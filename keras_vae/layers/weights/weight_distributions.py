"""The distributions of weights that variational layers have by default, and their divergence.

A function here has the arguments `dtype, shape, name, trainable, add_variable_fn`, as TFP's own: a layer calls it
to make the posterior or the prior of its kernel or bias. Those that take options first are classes under TFP's
names, so that a layer made with them can be saved.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.arguments import check_numbers
from keras_vae.layers.initializers import keras_initializer
from keras_vae.registration import register

__all__ = [
    "default_loc_scale_fn",
    "default_mean_field_normal_fn",
    "default_multivariate_normal_fn",
    "scaled_kl_divergence_fn",
]

# As configurations: an initializer draws its seed when it is made, which importing must not do.
_LOC_INITIALIZER = {"class_name": "RandomNormal", "config": {"mean": 0.0, "stddev": 0.1}}
_RAW_SCALE_INITIALIZER = {"class_name": "RandomNormal", "config": {"mean": -3.0, "stddev": 0.1}}


@register
class default_loc_scale_fn:
    """Function that makes the weights `loc` and `scale` of a location-scale family.

    scale = eps + softplus(untransformed_scale),  eps = the dtype's machine epsilon

    Args:
        is_singular: whether the scale is None, as of a point mass.
        loc_initializer: of the locations; by default RandomNormal(stddev=0.1).
        untransformed_scale_initializer: by default RandomNormal(mean=-3, stddev=0.1): scales near 0.05, where the
            distribution is nearly a point mass.
        loc_regularizer: Keras regularizer, or None.
        untransformed_scale_regularizer: Keras regularizer, or None.
        loc_constraint: Keras constraint, or None.
        untransformed_scale_constraint: Keras constraint, or None.

    Call arguments:
        dtype: `tf.DType` of the weights.
        shape: list of ints, shape of loc and of scale.
        name: str before the names of the weights.
        trainable: whether the weights are trained.
        add_variable_fn: function of name, shape, dtype, initializer, regularizer, constraint and trainable that
            returns the weight's value.

    Returns:
        (loc, scale): tensors of `shape`; scale is None if `is_singular`.

    Example:

    >>> @keras.saving.register_keras_serializable("my_package")
    ... def laplace(*args):
    ...     return tfd.Independent(tfd.Laplace(*default_loc_scale_fn()(*args)), 2)
    >>> layer = kv.layers.DenseReparameterization(3, kernel_posterior_fn=laplace)
    >>> layer.build([None, 2])
    >>> layer.kernel_posterior.event_shape.as_list()
    [2, 3]
    """

    def __init__(
        self,
        is_singular: bool = False,
        loc_initializer: Any = _LOC_INITIALIZER,
        untransformed_scale_initializer: Any = _RAW_SCALE_INITIALIZER,
        loc_regularizer: Any = None,
        untransformed_scale_regularizer: Any = None,
        loc_constraint: Any = None,
        untransformed_scale_constraint: Any = None,
    ):
        self.is_singular = is_singular
        self.loc_initializer = loc_initializer
        self.untransformed_scale_initializer = untransformed_scale_initializer
        self.loc_regularizer = loc_regularizer
        self.untransformed_scale_regularizer = untransformed_scale_regularizer
        self.loc_constraint = loc_constraint
        self.untransformed_scale_constraint = untransformed_scale_constraint

    def __call__(
        self, dtype: tf.DType, shape: Sequence[int], name: str, trainable: bool, add_variable_fn: Callable
    ) -> Any:
        loc = add_variable_fn(
            name=f"{name}_loc",
            shape=shape,
            dtype=dtype,
            initializer=_new(self.loc_initializer),
            regularizer=self.loc_regularizer,
            constraint=self.loc_constraint,
            trainable=trainable,
        )
        if self.is_singular:
            return loc, None
        untransformed_scale = add_variable_fn(
            name=f"{name}_untransformed_scale",
            shape=shape,
            dtype=dtype,
            initializer=_new(self.untransformed_scale_initializer),
            regularizer=self.untransformed_scale_regularizer,
            constraint=self.untransformed_scale_constraint,
            trainable=trainable,
        )
        return loc, np.finfo(dtype.as_numpy_dtype).eps + tf.math.softplus(untransformed_scale)

    def get_config(self) -> dict[str, Any]:
        return {name: keras.saving.serialize_keras_object(value) for name, value in vars(self).items()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> default_loc_scale_fn:
        return cls(**config)


def _new(initializer: Any) -> Any:
    """Return `initializer` as one that has not drawn yet: Keras' draw the same values again each time."""
    initializer = keras_initializer(initializer)
    return initializer.clone() if isinstance(initializer, keras.initializers.Initializer) else initializer


@register
class default_mean_field_normal_fn(default_loc_scale_fn):
    """Function that makes independent normal distributions with trainable location and scale.

    Args and call arguments are those of `default_loc_scale_fn`.

    Returns:
        `tfd.Independent` of `tfd.Normal(loc, scale)`, or of `tfd.Deterministic(loc)` if `is_singular`, with batch
        [] and event `shape`.

    Example:

    >>> posterior_fn = default_mean_field_normal_fn(loc_initializer="zeros")
    >>> layer = kv.layers.DenseReparameterization(3, kernel_posterior_fn=posterior_fn)
    >>> layer.build([None, 2])
    >>> layer.kernel_posterior.mean().numpy().tolist()
    [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """

    def __call__(
        self, dtype: tf.DType, shape: Sequence[int], name: str, trainable: bool, add_variable_fn: Callable
    ) -> tfd.Distribution:
        loc, scale = super().__call__(dtype, shape, name, trainable, add_variable_fn)
        weights = tfd.Deterministic(loc) if scale is None else tfd.Normal(loc, scale)
        return tfd.Independent(weights, reinterpreted_batch_ndims=len(shape))


@keras.saving.register_keras_serializable(package="keras_vae")
def default_multivariate_normal_fn(
    dtype: tf.DType, shape: Sequence[int], name: str, trainable: bool, add_variable_fn: Callable
) -> tfd.Distribution:
    """Return the standard normal distribution of weights of `shape`; arguments as of `default_loc_scale_fn`.

    Example:

    >>> p = default_multivariate_normal_fn(tf.float32, [2, 3], "kernel_prior", True, None)
    >>> p.event_shape.as_list(), float(p.distribution.scale)
    ([2, 3], 1.0)
    """
    normal = tfd.Normal(tf.zeros(shape, dtype), tf.ones([], dtype))
    return tfd.Independent(normal, reinterpreted_batch_ndims=len(shape))


@register
class scaled_kl_divergence_fn:
    """Function of a posterior q and a prior p that returns weight * KL(q, p), in nats.

    The divergence of weights stands once in the objective of a whole data set, so for a loss that is a mean over
    n examples the weight is 1 / n.

    Args:
        weight: factor of the divergence.

    Call arguments:
        q: posterior of the weights, a `tfd.Distribution`.
        p: prior of the weights.
        sample: a draw of q, unused.

    Example:

    >>> divergence_fn = scaled_kl_divergence_fn(1 / 100)
    >>> round(float(divergence_fn(tfd.Normal(2., 1.), tfd.Normal(0., 1.))), 6)
    0.02
    """

    def __init__(self, weight: float = 1.0):
        check_numbers(positive=False, weight=weight)
        self.weight = float(weight)

    def __call__(self, q: tfd.Distribution, p: tfd.Distribution, sample: Any = None) -> tf.Tensor:
        return self.weight * tfd.kl_divergence(q, p)

    def get_config(self) -> dict[str, Any]:
        return {"weight": self.weight}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> scaled_kl_divergence_fn:
        return cls(**config)
