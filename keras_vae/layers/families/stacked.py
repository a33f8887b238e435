"""A layer of two stochastic layers."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from keras_vae import distributions
from keras_vae.distributions.distribution_tensor import as_distribution
from keras_vae.layers.distribution_lambda import DistributionLambda
from keras_vae.registration import register

__all__ = ["Stacked"]


@register
class Stacked(DistributionLambda):
    """q(a|x) q(b|a): the distribution of z = [a, b] from the parameters of a.

    Args:
        first: A layer of distributions of vectors a [A], such as `IndependentBernoulli(A)`.
        second: A Keras model from a [A] to a distribution of vectors b [B].
        convert_to_tensor_fn: See `DistributionLambda`.
        **kwargs: Arguments of `DistributionLambda`.

    Call arguments:
        inputs: Parameters of `first`.

    Returns:
        `keras_vae.distributions.Stacked` with batch [...] and event [A + B].

    Example:

    >>> second = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), kv.layers.IndependentBernoulli(2)])
    >>> q_z = Stacked(kv.layers.IndependentBernoulli(3), second)(tf.zeros([5, 3]))
    >>> q_z.batch_shape.as_list(), q_z.event_shape.as_list()
    ([5], [5])
    """

    def __init__(
        self, first: keras.layers.Layer, second: keras.Model, convert_to_tensor_fn: Any = "sample", **kwargs: Any
    ):
        super().__init__(convert_to_tensor_fn=convert_to_tensor_fn, **kwargs)
        self.first, self.second = first, second

    def distribution(self, inputs: tf.Tensor) -> distributions.Stacked:
        return distributions.Stacked(self.first.distribution(inputs), self._second, self.second.output_shape[-1])

    def _second(self, a: tf.Tensor) -> Any:
        return as_distribution(self.second(a))

    def get_config(self) -> dict[str, Any]:
        parts = {name: keras.saving.serialize_keras_object(getattr(self, name)) for name in ("first", "second")}
        return {**super().get_config(), **parts}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Stacked:
        parts = {name: keras.saving.deserialize_keras_object(config[name]) for name in ("first", "second")}
        return cls(**{**config, **parts})
