"""Layers of distributions over one-hot vectors, and of their continuous relaxation."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae import distributions
from keras_vae.arguments import as_count, check_numbers
from keras_vae.layers.distribution_lambda import DistributionLambda
from keras_vae.layers.families.independent import IndependentFamily
from keras_vae.layers.families.parameters import as_shape, dtype_name, reshape_params
from keras_vae.registration import register

__all__ = ["IndependentOneHotCategorical", "OneHotCategorical", "RelaxedOneHotCategorical"]


class _OneHot(DistributionLambda):
    """Base of the layers over vectors of `event_size` entries, from as many logits."""

    _least_size = 1

    def __init__(self, event_size: int, convert_to_tensor_fn: Any, validate_args: bool, **kwargs: Any):
        super().__init__(convert_to_tensor_fn=convert_to_tensor_fn, **kwargs)
        self.event_size = as_count(self._least_size, event_size=event_size)
        self.validate_args = validate_args

    @staticmethod
    def params_size(event_size: int, name: str | None = None) -> int:
        """Return the number of parameters of one distribution: event_size."""
        return as_count(event_size=event_size)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "event_size": self.event_size, "validate_args": self.validate_args}


@register
class OneHotCategorical(_OneHot):
    """`tfd.OneHotCategorical` over the D unit vectors, from logits.

    Args:
        event_size: D.
        convert_to_tensor_fn: see `DistributionLambda`.
        sample_dtype: dtype of the distribution and its samples; by default the layer's variable dtype.
        validate_args: whether TFP checks values at run time.
        **kwargs: of `DistributionLambda`.

    Call arguments:
        inputs: logits [..., D].

    Returns:
        `tfd.OneHotCategorical` with batch [...] and event [D]; log_prob in nats.

    Example:

    >>> layer = OneHotCategorical(4)
    >>> y = layer(tf.zeros([3, layer.params_size(4)]))
    >>> y.event_shape.as_list(), y.mean()[0].numpy().tolist()
    ([4], [0.25, 0.25, 0.25, 0.25])
    """

    def __init__(
        self,
        event_size: int,
        convert_to_tensor_fn: Any = "sample",
        sample_dtype: Any = None,
        validate_args: bool = False,
        **kwargs: Any,
    ):
        super().__init__(event_size, convert_to_tensor_fn, validate_args, **kwargs)
        self.sample_dtype = dtype_name(sample_dtype)

    def distribution(self, inputs: tf.Tensor) -> tfd.OneHotCategorical:
        return self.new(inputs, self.event_size, self.sample_dtype, self.validate_args)

    @staticmethod
    def new(
        params: tf.Tensor, event_size: int, dtype: Any = None, validate_args: bool = False, name: str | None = None
    ) -> tfd.OneHotCategorical:
        """Return the distribution that `params` [..., event_size] parameterise."""
        params = tf.convert_to_tensor(params)
        return tfd.OneHotCategorical(
            logits=reshape_params(params, (event_size,)),
            dtype=tf.as_dtype(dtype or params.dtype),
            validate_args=validate_args,
            name=name or "OneHotCategorical",
        )

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "sample_dtype": self.sample_dtype}


@register
class IndependentOneHotCategorical(IndependentFamily):
    """Independent one-hot vectors of K entries each, from logits: N latent variables of K categories.

    Args:
        event_shape: Integers (..., K), of which the last is the number of categories.
        convert_to_tensor_fn: See `DistributionLambda`.
        validate_args: Bool, whether TFP checks values at run time.
        **kwargs: Arguments of `DistributionLambda`.

    Call arguments:
        inputs: Logits [..., prod(event_shape)].

    Returns:
        `tfd.Independent` of `tfd.OneHotCategorical` with batch [...] and event `event_shape`; log_prob in nats.

    Example:

    >>> layer = IndependentOneHotCategorical((2, 4))
    >>> y = layer(tf.zeros([3, layer.params_size((2, 4))]))
    >>> y.event_shape.as_list(), round(float(y.log_prob(tf.one_hot([0, 3], 4))[0]), 4)
    ([2, 4], -2.7726)
    """

    @classmethod
    def new(
        cls, params: tf.Tensor, event_shape: Any = (), validate_args: bool = False, name: str | None = None
    ) -> tfd.Independent:
        """Return the distribution that `params` [..., prod(event_shape)] parameterise."""
        shape = as_shape(event_shape)
        params = tf.convert_to_tensor(params)
        vectors = tfd.OneHotCategorical(reshape_params(params, shape), dtype=params.dtype, validate_args=validate_args)
        return tfd.Independent(vectors, len(shape) - 1, validate_args=validate_args, name=name)


@register
class RelaxedOneHotCategorical(_OneHot):
    """Concrete (Gumbel-softmax) distribution over the simplex: one-hot vectors, relaxed so that gradients pass.

    sample = softmax((logits + Gumbel noise) / temperature)

    There is no closed form of its mean, mode or KL: a VAE estimates its KL from its draws.

    Args:
        event_size: D.
        temperature: above 0; towards 0 samples become one-hot, and their gradients noisy.
        convert_to_tensor_fn: see `DistributionLambda`.
        validate_args: whether TFP checks values at run time.
        **kwargs: of `DistributionLambda`.

    Call arguments:
        inputs: logits [..., D].

    Returns:
        `keras_vae.distributions.RelaxedOneHotCategorical` with batch [...] and event [D]; log_prob in nats, finite
        at the simplex's corners too.

    Example:

    >>> layer = RelaxedOneHotCategorical(4, temperature=0.5)
    >>> z = tf.convert_to_tensor(layer(tf.zeros([3, layer.params_size(4)])))
    >>> z.shape.as_list(), np.allclose(tf.reduce_sum(z, -1), 1)
    ([3, 4], True)

    References:
        Jang et al. (2017), "Categorical reparameterization with Gumbel-softmax", Eq. 2; Maddison et al. (2017),
        "The Concrete distribution", Section 3.1.
    """

    _least_size = 2

    def __init__(
        self,
        event_size: int,
        temperature: float,
        convert_to_tensor_fn: Any = "sample",
        validate_args: bool = False,
        **kwargs: Any,
    ):
        super().__init__(event_size, convert_to_tensor_fn, validate_args, **kwargs)
        check_numbers(temperature=temperature)
        self.temperature = float(temperature)

    def distribution(self, inputs: tf.Tensor) -> distributions.RelaxedOneHotCategorical:
        return self.new(inputs, self.event_size, self.temperature, self.validate_args)

    @staticmethod
    def new(
        params: tf.Tensor, event_size: int, temperature: Any, validate_args: bool = False, name: str | None = None
    ) -> distributions.RelaxedOneHotCategorical:
        """Return the distribution that `params` [..., event_size] parameterise."""
        params = tf.convert_to_tensor(params)
        return distributions.RelaxedOneHotCategorical(
            temperature=tf.convert_to_tensor(temperature, params.dtype),
            logits=reshape_params(params, (event_size,)),
            validate_args=validate_args,
            name=name or "RelaxedOneHotCategorical",
        )

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "temperature": self.temperature}
