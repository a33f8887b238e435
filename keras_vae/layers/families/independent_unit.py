"""Layers of independent continuous Bernoulli and beta entries: grey values between 0 and 1."""

from __future__ import annotations

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.distributions import ContinuousBernoulli
from keras_vae.layers.families.independent import IndependentFamily
from keras_vae.layers.families.parameters import positive
from keras_vae.registration import register

__all__ = ["IndependentBeta", "IndependentContinuousBernoulli"]


@register
class IndependentContinuousBernoulli(IndependentFamily):
    """`ContinuousBernoulli` for every entry of an event, from logits: a density of grey values.

    log_prob(x) = x * logits - log((exp(logits) - 1) / logits)

    Args:
        event_shape: shape of one example.
        convert_to_tensor_fn: see `DistributionLambda`.
        validate_args: whether TFP checks values at run time.
        **kwargs: of `DistributionLambda`.

    Call arguments:
        inputs: logits [..., prod(event_shape)]; the mean is not sigmoid(logits).

    Returns:
        Distribution with batch [...] and event `event_shape`; log_prob in nats, support [0, 1].

    Example:

    >>> y = IndependentContinuousBernoulli(2)(tf.zeros([1, 2]))
    >>> y.mean().numpy().tolist(), abs(float(y.log_prob([0.2, 0.9])[0])) < 1e-6
    ([[0.5, 0.5]], True)

    References:
        Loaiza-Ganem & Cunningham (2019), "The continuous Bernoulli: fixing a pervasive error in variational
        autoencoders".
    """

    @classmethod
    def entries(cls, *params: tf.Tensor, validate_args: bool = False) -> ContinuousBernoulli:
        (logits,) = params
        return ContinuousBernoulli(logits=logits, dtype=logits.dtype, validate_args=validate_args)


@register
class IndependentBeta(IndependentFamily):
    """`tfd.Beta` for every entry of an event.

    raw1, raw0 = split(inputs, 2);  concentration1 = softplus(raw1) + eps, concentration0 = softplus(raw0) + eps

    At x = 0 and x = 1 the density is 0 or infinite, so that data with such values has no likelihood. Move n levels x of
    [0, 1] inside first, to (x * (n - 1) + 0.5) / n, or take `IndependentContinuousBernoulli`.

    Args:
        event_shape: shape of one example.
        convert_to_tensor_fn: see `DistributionLambda`.
        validate_args: whether TFP checks values at run time.
        **kwargs: of `DistributionLambda`.

    Call arguments:
        inputs: [..., 2 prod(event_shape)], the exponents of x (concentration1) first, then those of 1 - x.

    Returns:
        Distribution with batch [...] and event `event_shape`; log_prob in nats, support the open interval (0, 1).

    Example:

    >>> y = IndependentBeta(1)(tf.zeros([1, 2]))
    >>> float(y.mean()[0, 0])
    0.5

    References:
        Smithson & Verkuilen (2006), "A better lemon squeezer?", for the move inside.
    """

    params_per_entry = 2

    @classmethod
    def entries(cls, *params: tf.Tensor, validate_args: bool = False) -> tfd.Beta:
        raw_concentration1, raw_concentration0 = params
        return tfd.Beta(positive(raw_concentration1), positive(raw_concentration0), validate_args=validate_args)
