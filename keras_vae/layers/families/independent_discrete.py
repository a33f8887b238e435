"""Layers of independent Bernoulli and categorical entries: black and white, or levels of an intensity."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae import distributions
from keras_vae.arguments import as_count
from keras_vae.distributions import Bernoulli, CategoricalLevels, SoftBernoulli
from keras_vae.layers.families.independent import IndependentLayer
from keras_vae.layers.families.parameters import as_shape, dtype_name, reshape_params, size
from keras_vae.registration import register

__all__ = ["IndependentBernoulli", "IndependentCategorical", "IndependentSoftBernoulli"]


class _WithSampleDtype(IndependentLayer):
    """Base of the layers whose samples may have another dtype than their logits."""

    def __init__(
        self, event_shape: Any, convert_to_tensor_fn: Any, sample_dtype: Any, validate_args: bool, **kwargs: Any
    ):
        super().__init__(event_shape, convert_to_tensor_fn, validate_args, **kwargs)
        self.sample_dtype = dtype_name(sample_dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "sample_dtype": self.sample_dtype}


@register
class IndependentBernoulli(_WithSampleDtype):
    """`tfd.Bernoulli` for every entry of an event, from logits.

    Args:
        event_shape: shape of one example.
        convert_to_tensor_fn: see `DistributionLambda`.
        sample_dtype: dtype of the distribution and its samples; by default the layer's variable dtype.
        validate_args: whether TFP checks values at run time.
        **kwargs: of `DistributionLambda`.

    Call arguments:
        inputs: logits [..., prod(event_shape)].

    Returns:
        Distribution with batch [...] and event `event_shape`; log_prob in nats, support {0, 1}.

    Example:

    >>> layer = IndependentBernoulli((2, 2))
    >>> y = layer(tf.zeros([3, layer.params_size((2, 2))]))
    >>> y.event_shape.as_list(), float(y.log_prob(tf.ones([2, 2]))[0])
    ([2, 2], -2.7725887298583984)
    """

    distribution_class: type[tfd.Bernoulli] = Bernoulli

    def __init__(
        self,
        event_shape: Any = (),
        convert_to_tensor_fn: Any = "sample",
        sample_dtype: Any = None,
        validate_args: bool = False,
        **kwargs: Any,
    ):
        super().__init__(event_shape, convert_to_tensor_fn, sample_dtype, validate_args, **kwargs)

    def distribution(self, inputs: tf.Tensor) -> tfd.Distribution:
        return self.new(inputs, self.event_shape, self.sample_dtype, self.validate_args)

    @classmethod
    def new(
        cls,
        params: tf.Tensor,
        event_shape: Any = (),
        dtype: Any = None,
        validate_args: bool = False,
        name: str | None = None,
    ) -> tfd.Independent:
        """Return the distribution that `params` [..., prod(event_shape)] parameterise."""
        params, shape = tf.convert_to_tensor(params), as_shape(event_shape)
        pixels = cls.distribution_class(
            logits=reshape_params(params, shape), dtype=tf.as_dtype(dtype or params.dtype), validate_args=validate_args
        )
        return distributions.IndependentBernoulli(pixels, len(shape), validate_args=validate_args, name=name)

    @staticmethod
    def params_size(event_shape: Any = (), name: str | None = None) -> int:
        """Return the number of parameters of one distribution: prod(event_shape)."""
        return size(event_shape)


@register
class IndependentSoftBernoulli(IndependentBernoulli):
    """As `IndependentBernoulli`, but grey targets in [0, 1] are let through: see `SoftBernoulli`."""

    distribution_class = SoftBernoulli


@register
class IndependentCategorical(_WithSampleDtype):
    """Categorical over K ordered levels for every entry of an event, from logits.

    Args:
        event_shape: shape of one example.
        num_levels: K; the levels are 0 ... K-1.
        convert_to_tensor_fn: see `DistributionLambda`.
        sample_dtype: dtype of the distribution and its samples; by default the layer's variable dtype.
        validate_args: whether TFP checks values at run time.
        **kwargs: of `DistributionLambda`.

    Call arguments:
        inputs: logits [..., prod(event_shape) * K], levels last.

    Returns:
        Distribution with batch [...] and event `event_shape`; log_prob in nats; the mean is the expected level.

    Example:

    >>> layer = IndependentCategorical((2, 2), num_levels=16)
    >>> y = layer(tf.zeros([3, layer.params_size((2, 2), 16)]))
    >>> y.event_shape.as_list(), float(y.mean()[0, 0, 0])
    ([2, 2], 7.5)
    """

    def __init__(
        self,
        event_shape: Any = (),
        num_levels: int = 256,
        convert_to_tensor_fn: Any = "sample",
        sample_dtype: Any = None,
        validate_args: bool = False,
        **kwargs: Any,
    ):
        super().__init__(event_shape, convert_to_tensor_fn, sample_dtype, validate_args, **kwargs)
        self.num_levels = as_count(2, num_levels=num_levels)

    def distribution(self, inputs: tf.Tensor) -> tfd.Distribution:
        return self.new(inputs, self.event_shape, self.num_levels, self.sample_dtype, self.validate_args)

    @staticmethod
    def new(
        params: tf.Tensor,
        event_shape: Any = (),
        num_levels: int = 256,
        dtype: Any = None,
        validate_args: bool = False,
        name: str | None = None,
    ) -> tfd.Independent:
        """Return the distribution that `params` [..., prod(event_shape) * num_levels] parameterise."""
        params, shape = tf.convert_to_tensor(params), as_shape(event_shape)
        logits = reshape_params(params, (*shape, num_levels))
        pixels = CategoricalLevels(logits=logits, dtype=tf.as_dtype(dtype or params.dtype), validate_args=validate_args)
        return tfd.Independent(pixels, len(shape), validate_args=validate_args, name=name)

    @staticmethod
    def params_size(event_shape: Any = (), num_levels: int = 256, name: str | None = None) -> int:
        """Return the number of parameters of one distribution: prod(event_shape) * num_levels."""
        return size(event_shape) * as_count(2, num_levels=num_levels)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_levels": self.num_levels}
