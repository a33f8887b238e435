"""A reshaped batch that scores what broadcasts against it, as every other distribution does."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from keras_vae.distributions import wrappers

__all__ = ["BatchReshape"]


class BatchReshape(wrappers.BatchReshape):
    """`tfd.BatchReshape` whose densities take values that broadcast against its batch: TFP's own takes no others.

    Example:

    >>> p = BatchReshape(tfd.Normal(tf.zeros(6), 1.0), [2, 3])
    >>> p.log_prob(tf.zeros(3)).shape.as_list()
    [2, 3]
    """

    def _sample_control_dependencies(self, value: Any, **kwargs: Any) -> list[Any]:
        return []  # TFP's refuse what broadcasts

    def _log_prob(self, value: Any, **kwargs: Any) -> tf.Tensor:
        return super()._log_prob(self._broadcast(value), **kwargs)

    def _prob(self, value: Any, **kwargs: Any) -> tf.Tensor:
        return tf.exp(self._log_prob(value, **kwargs))

    def _broadcast(self, value: Any) -> tf.Tensor:
        value = tf.convert_to_tensor(value)
        shape = tf.concat([self.batch_shape_tensor(), self.event_shape_tensor()], 0)
        wide = tf.broadcast_to(value, tf.broadcast_dynamic_shape(tf.shape(value), shape))
        full = self.batch_shape.concatenate(self.event_shape)
        return tf.ensure_shape(wide, tf.broadcast_static_shape(value.shape, full))
