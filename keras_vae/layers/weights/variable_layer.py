"""A weight as a layer: the parameters of a distribution that depends on no input."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from keras_vae.arguments import sizes_of
from keras_vae.layers.initializers import keras_initializer
from keras_vae.registration import register

__all__ = ["VariableLayer"]


@register
class VariableLayer(keras.layers.Layer):
    """Layer that returns its weight, activation(constant), whatever the input.

    Followed by a distribution layer, it makes a trainable distribution without input, such as the prior of a
    variational autoencoder or the posterior of the weights of `DenseVariational`.

    Args:
        shape: int or ints, shape of the weight and of the output.
        dtype: of the weight and of the output; by default that of the global policy.
        activation: Keras activation of the weight, or None.
        initializer: Keras initializer of the weight, such as a `BlockwiseInitializer`.
        regularizer: Keras regularizer of the weight, or None.
        constraint: Keras constraint of the weight, or None.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        inputs: any tensor, ignored. `keras.Sequential` takes tensors only: pass `tf.zeros([])`, not `0.`

    Returns:
        Tensor of shape `shape`, in the layer's variable dtype.

    Example:

    >>> softplus_one = keras.initializers.Constant(np.log(np.expm1(1.)))
    >>> trainable_normal = keras.Sequential([
    ...     VariableLayer([3, 4, 2], initializer=kv.layers.BlockwiseInitializer(["zeros", softplus_one], [1, 1])),
    ...     kv.layers.DistributionLambda(
    ...         lambda t: tfd.Independent(tfd.Normal(t[..., 0], tf.math.softplus(t[..., 1])), 1)),
    ... ])
    >>> x = trainable_normal(tf.zeros([]))
    >>> x.batch_shape.as_list(), x.event_shape.as_list(), float(x.stddev()[0, 0])
    ([3], [4], 1.0)
    """

    def __init__(
        self,
        shape: Any,
        dtype: Any = None,
        activation: Any = None,
        initializer: Any = "zeros",
        regularizer: Any = None,
        constraint: Any = None,
        **kwargs: Any,
    ):
        super().__init__(dtype=dtype, autocast=False, **kwargs)
        self.shape = sizes_of("shape", shape, least=0)
        self.activation = keras.activations.get(activation)
        self.initializer = keras_initializer(initializer)
        self.regularizer = keras.regularizers.get(regularizer)
        self.constraint = keras.constraints.get(constraint)
        self.supports_masking = True
        self.constant = self.add_weight(
            name="constant",
            shape=self.shape,
            initializer=self.initializer,
            regularizer=self.regularizer,
            constraint=self.constraint,
            autocast=False,
        )

    def call(self, inputs: Any) -> tf.Tensor:
        return self.activation(tf.convert_to_tensor(self.constant))

    def compute_output_spec(self, inputs: Any) -> keras.KerasTensor:
        """Return shape and dtype of the weight."""
        return keras.KerasTensor(self.shape, self.variable_dtype)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "shape": self.shape,
            "activation": keras.activations.serialize(self.activation),
            "initializer": keras.initializers.serialize(self.initializer),
            "regularizer": keras.regularizers.serialize(self.regularizer),
            "constraint": keras.constraints.serialize(self.constraint),
        }
