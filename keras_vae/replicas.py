"""What a replica of `tf.distribute` must know of the others; on one device all of it is trivial."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

__all__ = ["ReplicaLayer", "batch_mean", "first_row", "num_replicas", "own_row", "sum_over_replicas"]


class ReplicaLayer(keras.layers.Layer):
    """Layer that keeps the losses a replica adds apart from those of the others.

    Replicas of `tf.distribute.MirroredStrategy` call one layer in threads, which take turns wherever replicas
    exchange values. Keras keeps what `add_loss` is given in one list for all, so that a replica would clear or
    count another's losses.
    """

    def add_loss(self, loss: Any) -> None:
        losses = [tf.convert_to_tensor(part) for part in keras.tree.flatten(loss)]
        for part in losses:
            part._replica = _replica()
        super().add_loss(losses)

    def _get_own_losses(self) -> list[tf.Tensor]:
        return [loss for loss in super()._get_own_losses() if loss._replica == _replica()]

    def _clear_losses(self) -> None:
        others = [loss for loss in self._losses if loss._replica != _replica()] if num_replicas() > 1 else []
        super()._clear_losses()
        self._losses.extend(others)


def _replica() -> int:
    """Return the number of this replica, 0 outside of a step."""
    if num_replicas() == 1:
        return 0
    number = tf.distribute.get_replica_context().replica_id_in_sync_group
    return int(tf.get_static_value(tf.convert_to_tensor(number)))


def num_replicas() -> int:
    """Return the number of replicas that run this step together."""
    context = tf.distribute.get_replica_context()
    return 1 if context is None else context.num_replicas_in_sync


def sum_over_replicas(value: tf.Tensor) -> tf.Tensor:
    """Return the sum of `value` over all replicas."""
    if num_replicas() == 1:
        return value
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, value)


def first_row(num_rows: Any) -> tf.Tensor:
    """Return where this replica's `num_rows` rows begin in the global batch."""
    if num_replicas() == 1:
        return tf.zeros([], tf.int32)
    replica = tf.cast(tf.distribute.get_replica_context().replica_id_in_sync_group, tf.int32)
    rows = sum_over_replicas(tf.one_hot(replica, num_replicas(), dtype=tf.int32) * num_rows)
    return tf.cumsum(rows, exclusive=True)[replica]


def own_row() -> tf.Tensor:
    """Return a number of a first row from which this replica's rows are those of no other.

    Unlike `first_row`, it exchanges nothing with the other replicas, so it also works in a tf.function or loop that a
    replica runs on its own, and does not let replicas take turns within a model (see `ReplicaLayer`).
    """
    context = tf.distribute.get_replica_context()
    replica = 0 if context is None else context.replica_id_in_sync_group
    return tf.cast(replica, tf.int32) * (tf.int32.max // num_replicas())


def batch_mean(values: tf.Tensor, sample_weight: tf.Tensor | None = None) -> tf.Tensor:
    """Return this replica's part of the weighted mean over the global batch: the parts add up to the mean.

    sum_i w_i v_i / sum_i w_i, where the denominator runs over all replicas. An example of weight 2 counts as
    two examples, one of weight 0 as none. (Keras calls it "mean_with_sample_weight".)

    Args:
        values: [B, ...].
        sample_weight: [B] (or [B, 1]), or None for equal weights.

    Returns:
        Tensor [...].
    """
    num_rows = tf.shape(values)[0]
    weight = tf.ones([num_rows], values.dtype) if sample_weight is None else tf.cast(sample_weight, values.dtype)
    weighted = tf.reshape(weight, [num_rows, *[1] * (values.shape.rank - 1)]) * values
    return tf.math.divide_no_nan(tf.reduce_sum(weighted, axis=0), sum_over_replicas(tf.reduce_sum(weight)))
