"""The loss of a model whose output is a distribution."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.layers.distribution_tensor import as_distribution
from keras_vae.saving.registration import register

__all__ = ["NegativeLogLikelihood"]


@register
class NegativeLogLikelihood(keras.losses.Loss):
    """Mean over the batch of -log p(y_true), where the model's output is the distribution p.

    loss = -mean_i log p_i(y_i), in nats, event dimensions summed

    The log-probability is computed in the distribution's dtype, so in float32 under mixed precision, whatever the
    loss's own `dtype`, which is that of the reduction. Sample weights and masks have the shape of the
    distribution's batch.

    Args:
        reduction: of `keras.losses.Loss`.
        name: of `keras.losses.Loss`.
        dtype: of `keras.losses.Loss`.

    Call arguments:
        y_true: batch + event shape; cast to the distribution's dtype, so that levels may be of any type.
        y_pred: output of a layer of `keras_vae.layers`, or another `tfd.Distribution`.
        sample_weight: batch shape, or None.

    Returns:
        Scalar (batch shape with reduction None), in nats.

    Raises:
        TypeError: if the model's output is no distribution.
        ValueError: if `y_true` or the mask has more axes than the distribution.

    Example:

    >>> model = keras.Sequential([keras.layers.Dense(4), kv.layers.MultivariateNormalDiag(2)])
    >>> model.compile("adam", loss=kv.losses.NegativeLogLikelihood())
    >>> history = model.fit(np.zeros([8, 3]), np.zeros([8, 2]), verbose=0)
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str = "negative_log_likelihood",
        dtype: Any = None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> tf.Tensor:
        if not isinstance(y_pred, tfd.Distribution) and _is_symbolic():
            return tf.zeros([], self.dtype)
        distribution = as_distribution(y_pred)
        y_true = tf.cast(y_true, distribution.dtype)
        rank = distribution.batch_shape.rank
        if rank and y_true.shape.rank > rank + distribution.event_shape.rank:
            raise ValueError(
                "`y_true` must have the axes of the distribution's batch and event, or it would be broadcast against "
                f"the batch. Received: y_true.shape={y_true.shape}, batch_shape={distribution.batch_shape}, "
                f"event_shape={distribution.event_shape}"
            )
        losses = -distribution.log_prob(y_true)
        mask = getattr(y_pred, "_keras_mask", None)
        if mask is not None:
            if mask.shape.rank > losses.shape.rank:
                raise ValueError(
                    "The mask must have the axes of the distribution's batch: entries of one event have no "
                    f"log-probability of their own. Received: mask.shape={mask.shape}, batch_shape={losses.shape}"
                )
            losses._keras_mask = mask
        # Keras would make a tensor of the distribution; given the losses, it weighs and reduces them.
        return super().__call__(losses, losses, sample_weight)

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """Return the losses that `__call__` passes as `y_pred`."""
        return y_pred

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "dtype": self.dtype}


def _is_symbolic() -> bool:
    """Return whether Keras only asks for shapes: under `tf.distribute` it builds the loss with a plain placeholder."""
    with keras.SymbolicScope() as scope:
        return scope.original_scope is not None
