"""Masked autoregressive flow: a layer from distribution to distribution."""

from __future__ import annotations

from typing import Any

import keras
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from keras_vae.distributions.distribution_tensor import as_distribution
from keras_vae.layers.distribution_lambda import DistributionLambda
from keras_vae.layers.flows.autoregressive_network import AutoregressiveNetwork
from keras_vae.registration import register

__all__ = ["AutoregressiveTransform"]


@register
class AutoregressiveTransform(DistributionLambda):
    """Transforms the distribution of u, its input, to that of x, where made(x) is shift and log_scale.

    u = (x - shift(x)) * exp(-log_scale(x))

    `log_prob` takes one pass through `made`, a sample D of them, one after another.

    Args:
        made: `AutoregressiveNetwork` with params=2; trained and saved with this layer.
        **kwargs: of `DistributionLambda`.

    Call arguments:
        inputs: output of a distribution layer, batch [...] and event [D].

    Returns:
        `tfd.TransformedDistribution` with batch [...] and event [D].

    Example:

    >>> made = kv.layers.AutoregressiveNetwork(params=2, hidden_units=[10], activation="relu")
    >>> model = keras.Sequential([kv.layers.MultivariateNormalDiag(2), AutoregressiveTransform(made)])
    >>> model(tf.zeros([3, 4])).log_prob(tf.zeros([2])).shape.as_list()
    [3]

    References:
        Papamakarios et al. (2017), "Masked autoregressive flow for density estimation", Eqs. 3 and 4.
    """

    def __init__(self, made: AutoregressiveNetwork, **kwargs: Any):
        super().__init__(**kwargs)
        if not isinstance(made, keras.layers.Layer):
            raise TypeError(
                "`made` must be a layer of Keras 3, whose weights are trained: keras_vae.layers.AutoregressiveNetwork "
                f"has the arguments of TFP's, which is a layer of tf_keras. Received: made={made!r}"
            )
        if made.params != 2:
            raise ValueError(
                f"`made` must have 2 parameters for each dimension, shift and log_scale. Received: params={made.params}"
            )
        self.made = made

    def build(self, input_shape: Any) -> None:
        if not self.made.built:
            self.made.build((None, input_shape[-1]))

    def _cast(self, x: Any) -> Any:
        return x  # a cast would make a tensor of the distribution

    def distribution(self, inputs: Any) -> tfd.TransformedDistribution:
        base = as_distribution(inputs)
        if base.event_shape.rank != 1:
            raise ValueError(
                f"The input must be a distribution of vectors. Received: inputs.event_shape={base.event_shape}"
            )
        return tfd.TransformedDistribution(base, tfb.MaskedAutoregressiveFlow(self.made))

    def compute_output_spec(self, inputs: keras.KerasTensor, **kwargs: Any) -> keras.KerasTensor:
        """Return shape and dtype of the concretisation; a normal distribution stands for the input."""
        normal = DistributionLambda(
            lambda loc: self.distribution(tfd.MultivariateNormalDiag(loc)), self.convert_to_tensor_fn
        )
        return normal.compute_output_spec(keras.KerasTensor(inputs.shape, inputs.dtype))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "made": keras.saving.serialize_keras_object(self.made)}
