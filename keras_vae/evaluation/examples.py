"""The examples of an evaluation, batch by batch, as the model has checked them."""

from __future__ import annotations

from collections.abc import Iterator

import tensorflow as tf

from keras_vae.data import Batches
from keras_vae.evaluation.progress import progress
from keras_vae.protocols import Batch, LatentVariableModel, as_batch

__all__ = ["checked_batches", "checked_examples", "padded"]


def checked_examples(
    vae: LatentVariableModel, batches: Batches, description: str
) -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
    """Yield the number of the first row and x of each batch: see `checked_batches`."""
    for first_row, batch in checked_batches(vae, batches, description):
        yield first_row, batch.x


def checked_batches(vae: LatentVariableModel, batches: Batches, description: str) -> Iterator[tuple[tf.Tensor, Batch]]:
    """Yield the number of the first row and what `vae.draw` needs of each batch, under a bar with this description.

    Arrays are checked as a whole before the first batch: the error then comes before any work is done, and names the
    row of the array. What is streamed or encoded is checked batch by batch.

    Raises:
        ValueError: if the model cannot score an example, or if a `tf.data.Dataset` gives batches.
    """
    if not batches.in_memory and batches.spec.x.shape.rank == len(vae.event_shape) + 2:
        raise ValueError(
            "A tf.data.Dataset must give single examples here: apply `unbatch()`, and then "
            "tf.data.experimental.assert_cardinality with their number. "
            f"Received: element_spec={batches.split.images.element_spec}"
        )
    if batches.in_memory and batches.split.pixels is None:
        vae.checked(batches.head())
    for step, batch in enumerate(progress(batches.epoch(0), batches.steps_per_epoch, description)):
        first_row = step * batches.batch_size
        try:
            checked = vae.checked(as_batch(batch))
        except ValueError as error:
            raise ValueError(f"In the batch that begins with row {first_row} of the data: {error}") from None
        yield tf.constant(first_row), checked


def padded(x: tf.Tensor, batches: Batches) -> tf.Tensor:
    """Return the last batch of several filled up with its last row: XLA compiles anew for each number of rows."""
    missing = batches.batch_size - len(x) if batches.steps_per_epoch > 1 else 0
    return tf.concat([x, tf.repeat(x[-1:], missing, axis=0)], axis=0) if missing else x
