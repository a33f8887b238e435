"""Layers of independent logistic, Laplace and Student t entries: real numbers with a location and a scale."""

from __future__ import annotations

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.layers.families.independent import IndependentFamily
from keras_vae.layers.families.parameters import positive
from keras_vae.registration import register

__all__ = ["IndependentLaplace", "IndependentLogistic", "IndependentStudentT"]


@register
class IndependentLogistic(IndependentFamily):
    """`tfd.Logistic` for every entry of an event.

    loc, raw = split(inputs, 2);  scale = softplus(raw) + eps

    Args:
        event_shape: shape of one example.
        convert_to_tensor_fn: see `DistributionLambda`.
        validate_args: whether TFP checks values at run time.
        **kwargs: of `DistributionLambda`.

    Call arguments:
        inputs: [..., 2 prod(event_shape)], locations first.

    Returns:
        Distribution with batch [...] and event `event_shape`; log_prob in nats, support the real numbers. TFP's layer
        adds no machine epsilon eps, and so has a scale of 0 at raw scales below -104 (-746 in float64).

    Example:

    >>> y = IndependentLogistic(2)(tf.zeros([3, 4]))
    >>> y.mean().shape.as_list(), round(float(y.distribution.scale[0, 0]), 4)
    ([3, 2], 0.6931)
    """

    params_per_entry = 2

    @classmethod
    def entries(cls, *params: tf.Tensor, validate_args: bool = False) -> tfd.Logistic:
        loc, raw_scale = params
        return tfd.Logistic(loc, positive(raw_scale), validate_args=validate_args)


@register
class IndependentLaplace(IndependentFamily):
    """`tfd.Laplace` for every entry of an event: its log-density is the absolute error, up to constants.

    loc, raw = split(inputs, 2);  scale = softplus(raw) + eps, with the machine epsilon eps

    Args:
        event_shape: shape of one example.
        convert_to_tensor_fn: see `DistributionLambda`.
        validate_args: whether TFP checks values at run time.
        **kwargs: of `DistributionLambda`.

    Call arguments:
        inputs: [..., 2 prod(event_shape)], locations first.

    Returns:
        Distribution with batch [...] and event `event_shape`; log_prob in nats, support the real numbers.

    Example:

    >>> y = IndependentLaplace(2)(tf.constant([[1., 2., 0., 0.]]))
    >>> y.mode().numpy().tolist()
    [[1.0, 2.0]]
    """

    params_per_entry = 2

    @classmethod
    def entries(cls, *params: tf.Tensor, validate_args: bool = False) -> tfd.Laplace:
        loc, raw_scale = params
        return tfd.Laplace(loc, positive(raw_scale), validate_args=validate_args)


@register
class IndependentStudentT(IndependentFamily):
    """`tfd.StudentT` for every entry of an event: heavy tails, so that outliers weigh little.

    raw_df, loc, raw = split(inputs, 3);  df = 2 (1 + softplus(raw_df) + eps);  scale = softplus(raw) + eps

    The degrees of freedom are above 2, where the variance scale**2 df / (df - 2) begins to exist.

    Args:
        event_shape: shape of one example.
        convert_to_tensor_fn: see `DistributionLambda`.
        validate_args: whether TFP checks values at run time.
        **kwargs: of `DistributionLambda`.

    Call arguments:
        inputs: [..., 3 prod(event_shape)]: degrees of freedom, locations, scales.

    Returns:
        Distribution with batch [...] and event `event_shape`; log_prob in nats, support the real numbers.

    Example:

    >>> y = IndependentStudentT(1)(tf.zeros([1, 3]))
    >>> round(float(y.distribution.df[0, 0]), 4)
    3.3863

    References:
        Takahashi et al. (2018), "Student-t Variational Autoencoder for Robust Density Estimation", who predict all
        three parameters of every entry, with any df > 0.
    """

    params_per_entry = 3

    @classmethod
    def entries(cls, *params: tf.Tensor, validate_args: bool = False) -> tfd.StudentT:
        raw_df, loc, raw_scale = params
        return tfd.StudentT(2 * (1 + positive(raw_df)), loc, positive(raw_scale), validate_args=validate_args)
