"""Layers of multivariate normal distributions, the usual posteriors q(z|x)."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.layers.distribution_lambda import DistributionLambda
from keras_vae.saving.registration import register

__all__ = ["MultivariateNormalDiag"]

_MIN_SCALE = 1e-5


@register
class MultivariateNormalDiag(DistributionLambda):
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

    def __init__(
        self,
        event_size: int,
        convert_to_tensor_fn: Any = "sample",
        validate_args: bool = False,
        **kwargs: Any,
    ):
        super().__init__(convert_to_tensor_fn=convert_to_tensor_fn, **kwargs)
        if event_size < 1:
            raise ValueError(f"`event_size` must be 1 or more. Received: event_size={event_size}")
        self.event_size = int(event_size)
        self.validate_args = validate_args

    def distribution(self, inputs: tf.Tensor) -> tfd.Distribution:
        return self.new(inputs, self.event_size, self.validate_args)

    @staticmethod
    def new(
        params: tf.Tensor, event_size: int, validate_args: bool = False, name: str | None = None
    ) -> tfd.MultivariateNormalDiag:
        """Return the distribution that `params` [..., 2 event_size] parameterise."""
        params = tf.convert_to_tensor(params)
        if params.shape[-1] not in (None, 2 * event_size):
            raise ValueError(
                f"The layer needs {2 * event_size} parameters per example: size the layer before it with "
                f"`params_size`. Received: params.shape={params.shape}"
            )
        loc, raw_scale = params[..., :event_size], params[..., event_size:]
        return tfd.MultivariateNormalDiag(
            loc, _MIN_SCALE + tf.math.softplus(raw_scale), validate_args=validate_args, name=name or "MVNDiag"
        )

    @staticmethod
    def params_size(event_size: int, name: str | None = None) -> int:
        """Return the number of parameters of one distribution: 2 event_size."""
        return 2 * event_size

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "event_size": self.event_size, "validate_args": self.validate_args}
