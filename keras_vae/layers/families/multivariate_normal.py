"""Layers of multivariate normal distributions, with diagonal or full covariance: the usual posteriors q(z|x)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from keras_vae.arguments import as_count
from keras_vae.layers.distribution_lambda import DistributionLambda
from keras_vae.registration import register

__all__ = ["MultivariateNormalDiag", "MultivariateNormalTriL"]

_MIN_SCALE = 1e-5


class _MultivariateNormal(DistributionLambda):
    """Normal over vectors of `event_size` entries; a subclass gives `new` and `params_size`."""

    new: Callable[..., tfd.Distribution]
    params_size: Callable[..., int]

    def __init__(
        self,
        event_size: int,
        convert_to_tensor_fn: Any = "sample",
        validate_args: bool = False,
        **kwargs: Any,
    ):
        super().__init__(convert_to_tensor_fn=convert_to_tensor_fn, **kwargs)
        self.event_size = as_count(event_size=event_size)
        self.validate_args = validate_args

    def distribution(self, inputs: tf.Tensor) -> tfd.Distribution:
        return self.new(inputs, self.event_size, self.validate_args)

    @classmethod
    def _split(cls, params: tf.Tensor, event_size: int) -> tuple[tf.Tensor, tf.Tensor]:
        """Return locations [..., event_size] and the rest of `params`; raise if their number is wrong."""
        params = tf.convert_to_tensor(params)
        size = cls.params_size(event_size)
        if params.shape[-1] not in (None, size):
            raise ValueError(
                f"The layer needs {size} parameters per example: size the layer before it with "
                f"`params_size`. Received: params.shape={params.shape}"
            )
        return params[..., :event_size], params[..., event_size:]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "event_size": self.event_size, "validate_args": self.validate_args}


@register
class MultivariateNormalDiag(_MultivariateNormal):
    """Normal with a diagonal covariance: the mean-field Gaussian posterior of Kingma & Welling (2014).

    loc, raw = split(inputs, 2);  scale_diag = 1e-5 + softplus(raw)

    Args:
        event_size: D.
        convert_to_tensor_fn: see `DistributionLambda`.
        validate_args: whether TFP checks values at run time.
        **kwargs: of `DistributionLambda`.

    Call arguments:
        inputs: [..., 2 D], locations first.

    Returns:
        `tfd.MultivariateNormalDiag` with batch [...] and event [D].

    Example:

    >>> layer = MultivariateNormalDiag(5)
    >>> q_z = layer(tf.zeros([3, layer.params_size(5)]))
    >>> q_z.batch_shape.as_list(), q_z.event_shape.as_list()
    ([3], [5])

    References:
        Kingma & Welling (2014), "Auto-Encoding Variational Bayes", Eq. 9; the scale goes through softplus
        instead of exp, so that it cannot overflow.
    """

    @classmethod
    def new(
        cls, params: tf.Tensor, event_size: int, validate_args: bool = False, name: str | None = None
    ) -> tfd.MultivariateNormalDiag:
        """Return the distribution that `params` [..., 2 event_size] parameterise."""
        loc, raw_scale = cls._split(params, event_size)
        return tfd.MultivariateNormalDiag(
            loc, _MIN_SCALE + tf.math.softplus(raw_scale), validate_args=validate_args, name=name or "MVNDiag"
        )

    @staticmethod
    def params_size(event_size: int, name: str | None = None) -> int:
        """Return the number of parameters of one distribution: 2 event_size."""
        return 2 * as_count(event_size=event_size)


@register
class MultivariateNormalTriL(_MultivariateNormal):
    """Normal with a full covariance, from the Cholesky factor of that.

    covariance = scale_tril @ scale_tril.T;  diag(scale_tril) = 1e-5 + softplus(diag(raw))

    raw is the lower triangle that `tfp.math.fill_triangular` makes of the inputs after the locations: for D = 3 and
    entries 0 ... 5 its rows are [3], [5, 4], [2, 1, 0].

    Args:
        event_size: D.
        convert_to_tensor_fn: see `DistributionLambda`.
        validate_args: whether TFP checks values at run time.
        **kwargs: of `DistributionLambda`.

    Call arguments:
        inputs: [..., D + D (D + 1) / 2], locations first.

    Returns:
        `tfd.MultivariateNormalTriL` with batch [...] and event [D].

    Example:

    >>> layer = MultivariateNormalTriL(5)
    >>> q_z = layer(tf.zeros([3, layer.params_size(5)]))
    >>> q_z.batch_shape.as_list(), q_z.covariance().shape.as_list()
    ([3], [3, 5, 5])

    References:
        Kingma & Welling (2019), "An introduction to variational autoencoders", Section 2.5.1, full-covariance
        Gaussian posterior.
    """

    @classmethod
    def new(
        cls, params: tf.Tensor, event_size: int, validate_args: bool = False, name: str | None = None
    ) -> tfd.MultivariateNormalTriL:
        """Return the distribution that `params` [..., event_size + event_size (event_size + 1) / 2] parameterise."""
        loc, raw_scale = cls._split(params, event_size)
        raw_scale = tfp.math.fill_triangular(raw_scale)
        # not by tfb.FillScaleTriL, whose gradient XLA cannot compile for a batch of unknown size
        scale_tril = tf.where(tf.eye(event_size) == 1, _MIN_SCALE + tf.math.softplus(raw_scale), raw_scale)
        return tfd.MultivariateNormalTriL(loc, scale_tril, validate_args=validate_args, name=name or "MVNTriL")

    @staticmethod
    def params_size(event_size: int, name: str | None = None) -> int:
        """Return the number of parameters of one distribution: event_size + event_size (event_size + 1) / 2."""
        size = as_count(event_size=event_size)
        return size + size * (size + 1) // 2
