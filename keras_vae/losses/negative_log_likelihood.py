"""The loss of a model whose output is a distribution."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.distributions.distribution_tensor import as_distribution
from keras_vae.distributions.entries import weighted_log_prob
from keras_vae.registration import register

__all__ = ["NegativeLogLikelihood"]


@register
class NegativeLogLikelihood(keras.losses.Loss):
    """Mean over the batch of -log p(y_true), where the model's output is the distribution p.

    loss = -mean_i log p_i(y_i), in nats, event dimensions summed

    The log-probability is computed in the distribution's dtype, so in float32 under mixed precision, whatever the
    loss's own `dtype`, which is that of the reduction. Masks have the shape of the distribution's batch, and so have
    sample weights. Weights of batch and event shape weigh the entries of each event, where these are independent:
    loss = -mean_i sum_e w_ie log p_i(y_ie).

    Args:
        reduction: of `keras.losses.Loss`.
        name: of `keras.losses.Loss`.
        dtype: of `keras.losses.Loss`.

    Call arguments:
        y_true: batch + event shape; cast to the distribution's dtype, so that levels may be of any type. A last axis
            of size 1 may be missing or too many, as in Keras.
        y_pred: output of a layer of `keras_vae.layers`, or another `tfd.Distribution`.
        sample_weight: batch shape, or batch + event shape, or None.

    Returns:
        Scalar (batch shape with reduction None), in nats.

    Raises:
        TypeError: if the model's output is not a distribution, or a joint one.
        ValueError: if `y_true` has other axes than the distribution, if the mask has more, or if entries are weighed
            that are not independent.

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
        if tf.nest.is_nested(distribution.dtype):
            raise TypeError(
                "A joint distribution scores several tensors, and Keras hands a loss one: give a function, such as "
                "loss=lambda y, d: -d.log_prob(tf.unstack(y, axis=-1)). "
                f"Received: {type(distribution).__name__}"
            )
        y_true = _aligned(tf.cast(y_true, distribution.dtype), distribution)
        sample_weight = None if sample_weight is None else tf.convert_to_tensor(sample_weight)
        if sample_weight is not None and _weighs_entries(sample_weight, distribution):
            losses, sample_weight = -weighted_log_prob(distribution, y_true, sample_weight), None
        else:
            losses = -distribution.log_prob(y_true)
        mask = getattr(y_pred, "_keras_mask", None)
        if mask is not None:
            if mask.shape.rank > losses.shape.rank:
                raise ValueError(
                    "The mask must have the axes of the distribution's batch: entries of one event have no "
                    f"log-probability of their own. Received: mask.shape={mask.shape}, batch_shape={losses.shape}"
                )
            losses._keras_mask = mask
        if sample_weight is not None:
            while (sample_weight.shape.rank or 0) < (losses.shape.rank or 0):  # or [B] would weigh columns of [B, B]
                sample_weight = sample_weight[..., None]
        # Keras would make a tensor of the distribution; given the losses, it weighs and reduces them.
        return super().__call__(losses, losses, sample_weight)

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """Return the losses that `__call__` passes as `y_pred`."""
        return y_pred

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "dtype": self.dtype}


def _aligned(y_true: tf.Tensor, distribution: tfd.Distribution) -> tf.Tensor:
    """Return `y_true` with the axes of batch and event: as Keras does, a last axis of size 1 is added or dropped.

    Raises:
        ValueError: if the axes still differ: `log_prob` would broadcast one against the other.
    """
    batch, event = distribution.batch_shape, distribution.event_shape
    if batch.rank is None or event.rank is None:
        return y_true
    if y_true.shape.rank is None:
        raise ValueError(
            "The number of axes of `y_true` must be known: give targets of the same number of axes each time. "
            f"Received: batch_shape={batch}, event_shape={event}"
        )
    shape = batch.concatenate(event)
    if y_true.shape.rank == shape.rank - 1 and shape[-1] == 1:
        return y_true[..., None]
    if y_true.shape.rank == shape.rank + 1 and y_true.shape[-1] == 1 and batch.rank:
        return y_true[..., 0]
    if y_true.shape.rank == shape.rank or (batch.rank == 0 and y_true.shape.rank > shape.rank):
        return y_true
    raise ValueError(
        "`y_true` must have the axes of the distribution's batch and event, or one would be broadcast against the "
        f"other. Received: y_true.shape={y_true.shape}, batch_shape={batch}, event_shape={event}"
    )


def _weighs_entries(sample_weight: tf.Tensor, distribution: tfd.Distribution) -> bool:
    """Return whether the weights have more axes than the batch, but for the last one of size 1 that Keras may add."""
    more = (sample_weight.shape.rank or 0) - (distribution.batch_shape.rank or 0)
    return more > 1 or (more == 1 and sample_weight.shape[-1] != 1)


def _is_symbolic() -> bool:
    """Return whether Keras only asks for shapes: under `tf.distribute` it builds the loss with a plain placeholder."""
    with keras.SymbolicScope() as scope:
        return scope.original_scope is not None
