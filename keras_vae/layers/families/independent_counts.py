"""Layers of independent Poisson and negative binomial entries: counts without an upper end."""

from __future__ import annotations

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.layers.families.independent import IndependentFamily
from keras_vae.layers.families.parameters import positive
from keras_vae.registration import register

__all__ = ["IndependentNegativeBinomial", "IndependentPoisson"]


@register
class IndependentPoisson(IndependentFamily):
    """`tfd.Poisson` for every entry of an event, from the logarithm of the rate.

    Args:
        event_shape: shape of one example.
        convert_to_tensor_fn: see `DistributionLambda`.
        validate_args: whether TFP checks values at run time.
        **kwargs: of `DistributionLambda`.

    Call arguments:
        inputs: log_rate [..., prod(event_shape)]; above 88.7 (709 in float64) the rate overflows, as the density does.

    Returns:
        Distribution with batch [...] and event `event_shape`; log_prob in nats, support {0, 1, 2, ...}.

    Example:

    >>> y = IndependentPoisson(2)(tf.math.log([[1., 4.]]))
    >>> y.mean().numpy().round(3).tolist()
    [[1.0, 4.0]]
    """

    @classmethod
    def entries(cls, *params: tf.Tensor, validate_args: bool = False) -> tfd.Poisson:
        (log_rate,) = params
        return tfd.Poisson(log_rate=log_rate, validate_args=validate_args)


@register
class IndependentNegativeBinomial(IndependentFamily):
    """`tfd.NegativeBinomial` for every entry of an event: counts whose variance is above their mean.

    raw, logits = split(inputs, 2);  total_count = softplus(raw) + eps
    mean = total_count * exp(logits);  variance = mean * (1 + exp(logits))

    Args:
        event_shape: shape of one example.
        convert_to_tensor_fn: see `DistributionLambda`.
        validate_args: whether TFP checks values at run time.
        **kwargs: of `DistributionLambda`.

    Call arguments:
        inputs: [..., 2 prod(event_shape)], total counts before softplus first (they need not be integers). The mean
            overflows at logits above 88 (709 in float64); the density does not.

    Returns:
        Distribution with batch [...] and event `event_shape`; log_prob in nats, support {0, 1, 2, ...}.

    Example:

    >>> y = IndependentNegativeBinomial(1)(tf.zeros([1, 2]))
    >>> float(y.variance()[0, 0] / y.mean()[0, 0])
    2.0
    """

    params_per_entry = 2

    @classmethod
    def entries(cls, *params: tf.Tensor, validate_args: bool = False) -> tfd.NegativeBinomial:
        raw_total_count, logits = params
        return tfd.NegativeBinomial(
            positive(raw_total_count), logits, validate_args=validate_args, require_integer_total_count=False
        )
