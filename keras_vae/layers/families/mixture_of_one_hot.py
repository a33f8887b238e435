"""Layer of a mixture of one-hot categorical distributions."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.arguments import as_count
from keras_vae.distributions import MixtureOfOneHotCategorical
from keras_vae.layers.families.mixture import Mixture, MixtureSameFamily, split_params
from keras_vae.layers.families.one_hot_categorical import OneHotCategorical
from keras_vae.layers.families.parameters import dtype_name
from keras_vae.registration import register

__all__ = ["CategoricalMixtureOfOneHotCategorical"]


@register
class CategoricalMixtureOfOneHotCategorical(Mixture):
    """Mixture of C distributions over the D unit vectors.

    mean[d] = sum_c softmax(logits)[c] softmax(component_logits[c])[d]

    Args:
        event_size: D.
        num_components: C.
        convert_to_tensor_fn: see `DistributionLambda`; "log_mean" too, the logarithms of the D probabilities.
        sample_dtype: dtype of the distribution and its samples; by default the layer's variable dtype.
        validate_args: whether TFP checks values at run time.
        **kwargs: of `DistributionLambda`.

    Call arguments:
        inputs: [..., C * (1 + D)]: C logits, then the D logits of each component.

    Returns:
        `keras_vae.distributions.MixtureOfOneHotCategorical` with batch [...] and event [D].

    Example:

    >>> layer = CategoricalMixtureOfOneHotCategorical(4, num_components=2)
    >>> y = layer(tf.zeros([3, layer.params_size(4, 2)]))
    >>> np.allclose(y.mean(), 0.25), np.allclose(tf.exp(y.log_mean()), 0.25)
    (True, True)
    """

    def __init__(
        self,
        event_size: int,
        num_components: int,
        convert_to_tensor_fn: Any = "sample",
        sample_dtype: Any = None,
        validate_args: bool = False,
        **kwargs: Any,
    ):
        super().__init__(num_components, convert_to_tensor_fn, validate_args, **kwargs)
        self.event_size = as_count(event_size=event_size)
        self.sample_dtype = dtype_name(sample_dtype)

    def distribution(self, inputs: tf.Tensor) -> MixtureOfOneHotCategorical:
        return self.new(inputs, self.event_size, self.num_components, self.sample_dtype, self.validate_args)

    @staticmethod
    def new(
        params: tf.Tensor,
        event_size: int,
        num_components: int,
        dtype: Any = None,
        validate_args: bool = False,
        name: str | None = None,
    ) -> MixtureOfOneHotCategorical:
        """Return the distribution that `params` [..., num_components * (1 + event_size)] parameterise."""
        logits, component_logits = split_params(params, num_components)
        return MixtureOfOneHotCategorical(
            tfd.Categorical(logits=logits),
            OneHotCategorical.new(component_logits, event_size, dtype, validate_args),
            validate_args=validate_args,
            name=name or "CategoricalMixtureOfOneHotCategorical",
        )

    @staticmethod
    def params_size(event_size: int, num_components: int, name: str | None = None) -> int:
        """Return the number of parameters of one distribution: num_components * (1 + event_size)."""
        return MixtureSameFamily.params_size(num_components, OneHotCategorical.params_size(event_size))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "event_size": self.event_size, "sample_dtype": self.sample_dtype}
