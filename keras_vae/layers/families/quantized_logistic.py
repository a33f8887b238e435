"""Layers of logistic distributions over the levels of pixels, and of mixtures of these."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.arguments import as_count
from keras_vae.distributions import QuantizedLogistic as _Levels
from keras_vae.layers.families.independent import IndependentLayer
from keras_vae.layers.families.parameters import as_shape, reshape_params, size
from keras_vae.registration import register

__all__ = ["MixtureQuantizedLogistic", "QuantizedLogistic"]


class _QuantizedLayer(IndependentLayer):
    """Base of the layers over `num_levels` levels."""

    def __init__(
        self, event_shape: Any, num_levels: int, convert_to_tensor_fn: Any, validate_args: bool, **kwargs: Any
    ):
        super().__init__(event_shape, convert_to_tensor_fn, validate_args, **kwargs)
        self.num_levels = as_count(2, num_levels=num_levels)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_levels": self.num_levels}


def _quantized_logistic(loc: tf.Tensor, raw_scale: tf.Tensor, num_levels: int, validate_args: bool) -> _Levels:
    """Return the distribution of scale softplus(raw_scale) / 4 + a tenth of a level, where levels fill [-1, 1]."""
    smallest_scale = 0.1 * 2 / (num_levels - 1)
    return _Levels(loc, smallest_scale + tf.math.softplus(raw_scale) / 4, num_levels, validate_args)


@register
class QuantizedLogistic(_QuantizedLayer):
    """Logistic rounded to the levels 0 ... K-1 for every entry of an event: K levels for two parameters.

    loc = inputs[..., 0];  scale = 0.2 / (K - 1) + softplus(inputs[..., 1]) / 4

    in units where the levels fill [-1, 1]. Inputs of zero give the middle level, with the standard deviation 0.31 of
    a range of 2. The scale is at least a tenth of a level: one level then has at most 0.987 of the probability.

    Args:
        event_shape: shape of one example.
        num_levels: K; the levels are 0 ... K-1.
        convert_to_tensor_fn: see `DistributionLambda`.
        validate_args: whether TFP checks values at run time.
        **kwargs: of `DistributionLambda`.

    Call arguments:
        inputs: [..., prod(event_shape) * 2], the two parameters of an entry last.

    Returns:
        Distribution with batch [...] and event `event_shape`; log_prob in nats; the mean is the expected level.
        See `keras_vae.distributions.QuantizedLogistic`.

    Example:

    >>> layer = QuantizedLogistic((2, 2), num_levels=16)
    >>> y = layer(tf.zeros([3, layer.params_size((2, 2))]))
    >>> y.event_shape.as_list(), round(float(y.mean()[0, 0, 0]), 4)
    ([2, 2], 7.5)

    References:
        Salimans et al. (2017), "PixelCNN++", Eq. 2 with one component, whose scale is exp of the input instead.
    """

    def __init__(
        self,
        event_shape: Any = (),
        num_levels: int = 256,
        convert_to_tensor_fn: Any = "sample",
        validate_args: bool = False,
        **kwargs: Any,
    ):
        super().__init__(event_shape, num_levels, convert_to_tensor_fn, validate_args, **kwargs)

    def distribution(self, inputs: tf.Tensor) -> tfd.Distribution:
        return self.new(inputs, self.event_shape, self.num_levels, self.validate_args)

    @staticmethod
    def new(
        params: tf.Tensor,
        event_shape: Any = (),
        num_levels: int = 256,
        validate_args: bool = False,
        name: str | None = None,
    ) -> tfd.Distribution:
        """Return the distribution that `params` [..., prod(event_shape) * 2] parameterise."""
        shape = as_shape(event_shape)
        loc, raw_scale = tf.unstack(reshape_params(tf.convert_to_tensor(params), (*shape, 2)), 2, axis=-1)
        levels = _quantized_logistic(loc, raw_scale, num_levels, validate_args)
        return tfd.Independent(levels, len(shape), validate_args=validate_args, name=name)

    @staticmethod
    def params_size(event_shape: Any = (), name: str | None = None) -> int:
        """Return the number of parameters of one distribution: prod(event_shape) * 2."""
        return size(event_shape) * 2


@register
class MixtureQuantizedLogistic(_QuantizedLayer):
    """Mixture of C rounded logistics, of its own for every entry of an event.

    prob(x) = sum_c softmax(logits)[c] prob_c(x),  loc and scale of each component as in `QuantizedLogistic`

    Channels are independent: the paper conditions them on each other. The mean visits all levels of each
    component, so it takes memory for C K numbers an entry. No closed form gives the mode.

    Args:
        event_shape: shape of one example.
        num_components: C.
        num_levels: K; the levels are 0 ... K-1.
        convert_to_tensor_fn: see `DistributionLambda`.
        validate_args: whether TFP checks values at run time.
        **kwargs: of `DistributionLambda`.

    Call arguments:
        inputs: [..., prod(event_shape) * 3 * C]: for an entry C logits, C locations, C scales before softplus.

    Returns:
        Distribution with batch [...] and event `event_shape`; log_prob in nats; the mean is the expected level.

    Example:

    >>> layer = MixtureQuantizedLogistic((2, 2), num_components=5, num_levels=16)
    >>> y = layer(tf.zeros([3, layer.params_size((2, 2), 5)]))
    >>> y.event_shape.as_list(), round(float(y.mean()[0, 0, 0]), 4)
    ([2, 2], 7.5)

    References:
        Salimans et al. (2017), "PixelCNN++", Eq. 2.
    """

    def __init__(
        self,
        event_shape: Any,
        num_components: int,
        num_levels: int = 256,
        convert_to_tensor_fn: Any = "sample",
        validate_args: bool = False,
        **kwargs: Any,
    ):
        super().__init__(event_shape, num_levels, convert_to_tensor_fn, validate_args, **kwargs)
        self.num_components = as_count(num_components=num_components)

    def distribution(self, inputs: tf.Tensor) -> tfd.Distribution:
        return self.new(inputs, self.event_shape, self.num_components, self.num_levels, self.validate_args)

    @staticmethod
    def new(
        params: tf.Tensor,
        event_shape: Any,
        num_components: int,
        num_levels: int = 256,
        validate_args: bool = False,
        name: str | None = None,
    ) -> tfd.Distribution:
        """Return the distribution that `params` [..., prod(event_shape) * 3 * num_components] parameterise."""
        shape = as_shape(event_shape)
        params = reshape_params(tf.convert_to_tensor(params), (*shape, 3, num_components))
        logits, loc, raw_scale = tf.unstack(params, 3, axis=-2)
        mixture = tfd.MixtureSameFamily(
            tfd.Categorical(logits=logits), _quantized_logistic(loc, raw_scale, num_levels, validate_args)
        )
        return tfd.Independent(mixture, len(shape), validate_args=validate_args, name=name)

    @staticmethod
    def params_size(event_shape: Any, num_components: int, name: str | None = None) -> int:
        """Return the number of parameters of one distribution: prod(event_shape) * 3 * num_components."""
        return size(event_shape) * 3 * as_count(num_components=num_components)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_components": self.num_components}
