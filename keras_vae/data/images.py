"""A split of a data set: raw pixels in memory or streamed, and the batches made of them."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from keras_vae import random
from keras_vae.arguments import check_counts, check_not_masked
from keras_vae.data.arrays import as_tensors
from keras_vae.data.pixel_levels import Pixels
from keras_vae.protocols import Batch, as_batch

__all__ = ["Batches", "Split", "as_batches"]

_SHUFFLE_BUFFER = 10_000
_ROWS_OF_NO_CONCERN = 1024
_ROWS_AT_ONCE = 4096


@dataclasses.dataclass(frozen=True)
class Split:
    """Images of one split, and how their pixels are treated.

    Attributes:
        images: tensor [N, *event] of raw levels, or a `tf.data.Dataset` of [*event] tensors; after `pixels.once`.
        num_examples: N.
        pixels: how raw levels become x; None if the images are x already.
        labels: integers [N] for figures, or None.
        y: tensor [N, ...] that is handed to the model with x, or None.
        sample_weight: tensor [N], or None.
    """

    images: tf.Tensor | tf.data.Dataset
    num_examples: int
    pixels: Pixels | None = None
    labels: np.ndarray | None = None
    y: tf.Tensor | None = None
    sample_weight: tf.Tensor | None = None

    def __post_init__(self) -> None:
        if self.num_examples < 1:
            raise ValueError(f"A split needs one example or more. Received: num_examples={self.num_examples}")
        if self.pixels is None or self.images is None:
            return
        if self.in_memory:
            self.pixels.check(self.images)
        if self.pixels.draws_once:
            object.__setattr__(self, "images", _drawn_once(self.images, self.pixels))

    @property
    def in_memory(self) -> bool:
        return not isinstance(self.images, tf.data.Dataset)

    @property
    def tensors(self) -> Batch:
        """The raw levels, y and the weights, of a split in memory."""
        return Batch(self.images, self.y, self.sample_weight)

    def training_batches(self, batch_size: int, seed: Any) -> Batches:
        """Return shuffled batches with fresh noise each epoch."""
        return Batches(self, batch_size, seed, training=True)

    def evaluation_batches(self, batch_size: int, seed: Any) -> Batches:
        """Return batches in order, always with the same noise."""
        return Batches(self, batch_size, seed, training=False)

    def head(self, num_examples: int, seed: Any = 0) -> tf.Tensor:
        """Return x of the first examples as evaluation sees them: [num_examples, *event]."""
        return as_batch(next(iter(self.evaluation_batches(num_examples, seed).epoch(0)))).x


class Batches:
    """Batches of a split as a pure function of (seed, epoch, position in the epoch).

    Training has a new order and new noise each epoch; evaluation has the split's order and always the same noise,
    which does not depend on the batch size. An epoch is numbered by the training steps before it, so that no order
    comes twice, whatever the batch sizes of several trainings. The compiled loop reads `rows`, other code one `epoch`
    at a time or a `dataset`: all see the same numbers. Streamed splits are shuffled within a buffer of 10,000 examples
    by `tf.data`, and have no `rows`. A batch is x alone, or a `Batch` where the split has y or weights.

    Args:
        split: the images.
        batch_size: B; the last batch of an epoch holds what is left. A number far above
            that of the examples is lowered.
        seed: see `keras_vae.random.as_seed`.
        training: see above.
        shuffle: whether training has a new order each epoch.
    """

    endless = is_read_once = False
    errors: tuple[Exception, ...] = ()

    def __init__(self, split: Split, batch_size: int, seed: Any, training: bool = True, shuffle: bool = True):
        check_counts(batch_size=batch_size)
        # A batch of all examples needs no more rows. Powers of two let sets of similar sizes share a compiled loop.
        most = max(_ROWS_OF_NO_CONCERN, 2 ** (int(split.num_examples) - 1).bit_length())
        self.batch_size = min(batch_size, most)
        self.split, self.training = split, training
        self.shuffle = training and shuffle
        self.noise = random.as_noise(seed)
        self.steps_per_epoch = -(-split.num_examples // self.batch_size)

    def order(self, epoch: Any) -> tf.Tensor:
        """Return the order of the examples in `epoch`: int32 [N]."""
        rows = tf.range(self.split.num_examples)
        if not self.shuffle:
            return rows
        seed = self.noise.of(random.Stream.ORDER, epoch).seed
        return tf.random.experimental.stateless_shuffle(rows, seed, alg="philox")

    def rows(self, order: tf.Tensor, epoch: Any, first_row: Any, num_rows: Any, tensors: Batch | None = None) -> Batch:
        """Return the `num_rows` examples at the positions first_row ... of `order`; past its end the last repeats.

        `tensors` are the split's; a compiled loop, which may not hold them, passes them.
        """
        positions = tf.minimum(first_row + tf.range(num_rows), tf.size(order) - 1)
        chosen = tf.gather(order, positions)
        raw = (self.split.tensors if tensors is None else tensors).map(lambda part: tf.gather(part, chosen))
        return raw._replace(x=self._encode(raw.x, epoch, first_row))

    @property
    def in_memory(self) -> bool:
        return self.split.in_memory

    @property
    def kind(self) -> Any:
        """What a compiled loop over this data depends on; the number of examples is not part of it."""
        split = self.split
        spec = tuple(self.spec_of_all) if split.in_memory else split.images.element_spec
        seed = tuple(self.noise.seed.numpy().tolist())
        return (spec, split.pixels, self.batch_size, seed, self.training)

    def without_data(self) -> Batches:
        """Return batches of the same kind that hold no data, for a compiled loop to keep."""
        batches = copy.copy(self)
        batches.split = dataclasses.replace(self.split, images=None, labels=None, y=None, sample_weight=None)
        return batches

    @property
    def spec(self) -> Batch:
        """The shapes and dtypes of one batch."""
        return as_batch(self.epoch(0).element_spec)

    @property
    def spec_of_all(self) -> Batch:
        """The shapes and dtypes of a split in memory, of any length."""
        return self.split.tensors.map(lambda part: tf.TensorSpec([None, *part.shape[1:]], part.dtype))

    def head(self) -> Batch:
        """Return what is to be checked: all arrays, or the first batch of what is encoded or streamed."""
        if not self.in_memory:
            return Batch(self.split.head(self.batch_size))
        whole = self.split.tensors
        return whole if self.split.pixels is None else whole._replace(x=self.split.head(self.batch_size))

    def iterator(self, epoch: int) -> Any:
        """Return an iterator over the batches of `epoch`."""
        return iter(self.epoch(epoch))

    def on_epoch_begin(self) -> None:
        """Nothing has to be done before an epoch."""

    def on_epoch_end(self) -> None:
        """Nothing has to be done after an epoch."""

    def epoch(self, epoch: Any) -> tf.data.Dataset:
        """Return the batches of one epoch."""
        if self.split.in_memory:
            order = self.order(epoch)

            def batch(step: tf.Tensor) -> Any:
                first_row = step * self.batch_size
                num_rows = tf.minimum(self.batch_size, self.split.num_examples - first_row)
                rows = self.rows(order, epoch, first_row, num_rows)
                return rows.map(lambda part: tf.ensure_shape(part, [None, *part.shape[1:]])).data

            return tf.data.Dataset.range(self.steps_per_epoch, output_type=tf.int32).map(batch)

        images = self.split.images
        if self.shuffle:
            images = _shuffle(images, self.noise.of(random.Stream.ORDER, epoch).seed)
        numbered = images.batch(self.batch_size).enumerate()
        return numbered.map(lambda step, raw: self._encode(raw, epoch, tf.cast(step, tf.int32) * self.batch_size))

    def dataset(self) -> tf.data.Dataset:
        """Return a dataset for `fit` of any model, which serves the next epoch each time it is iterated."""
        next_epoch = tf.Variable(0, dtype=tf.int32, trainable=False)

        def this_epoch(_: tf.Tensor) -> tf.Tensor:
            return next_epoch.assign_add(self.steps_per_epoch) - self.steps_per_epoch

        dataset = tf.data.Dataset.from_tensors(0).map(this_epoch).flat_map(self.epoch).prefetch(2)
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(self.steps_per_epoch))
        options = tf.data.Options()
        options.autotune.enabled = False  # its search stalls short epochs
        dataset = dataset.with_options(options)
        dataset.batches = self  # for a look at the data that does not take an epoch
        return dataset

    def endless_dataset(self, first_step: int) -> tf.data.Dataset:
        """Return the batches of one epoch after the other, after `first_step` steps of training."""
        epochs = tf.data.Dataset.counter(first_step, self.steps_per_epoch)
        return epochs.flat_map(lambda epoch: self.epoch(tf.cast(epoch, tf.int32)))

    def _encode(self, raw: tf.Tensor, epoch: Any, first_row: Any) -> tf.Tensor:
        if self.split.pixels is None:
            return raw
        purpose = (random.Stream.TRAINING_PIXELS, epoch) if self.training else (random.Stream.EVALUATION_PIXELS,)
        return self.split.pixels(raw, self.noise.of(*purpose).seed, first_row)


def _drawn_once(images: Any, pixels: Pixels) -> Any:
    """Return the images after `pixels.once`, which draws again what it has drawn."""
    if isinstance(images, tf.data.Dataset):
        return images.enumerate().map(lambda row, image: pixels.once(image[None], row)[0])
    firsts = range(0, len(images), _ROWS_AT_ONCE)
    return tf.concat([pixels.once(images[first : first + _ROWS_AT_ONCE], first) for first in firsts], axis=0)


def _shuffle(dataset: tf.data.Dataset, seed: tf.Tensor) -> tf.data.Dataset:
    """Return `dataset.shuffle` from this seed alone; the method itself mixes TensorFlow's global seed in."""
    spec = dataset.element_spec
    shuffled = tf.raw_ops.ShuffleDataset(
        input_dataset=tf.data.experimental.to_variant(dataset),
        buffer_size=_SHUFFLE_BUFFER,
        seed=tf.cast(seed[0], tf.int64),
        seed2=tf.cast(seed[1], tf.int64),
        reshuffle_each_iteration=False,
        output_types=[spec.dtype],
        output_shapes=[spec.shape],
    )
    return tf.data.experimental.from_variant(shuffled, spec)


def as_batches(data: Any, batch_size: int, seed: Any, training: bool = True, shuffle: bool = True) -> Batches:
    """Return batches of arrays, a `Split` or an unbatched `tf.data.Dataset` of known length.

    Arrays are x, or what `keras_vae.protocols.as_batch` takes. `Batches` are returned as they are.

    Raises:
        TypeError: if the data is none of these, such as a generator of batches.
        ValueError: if the length of a `tf.data.Dataset` is not known or it has more than x, or if arrays differ in
            length or have masked entries.
    """
    if isinstance(data, Batches):
        return data
    if isinstance(data, tf.data.Dataset):
        if tf.nest.is_nested(data.element_spec):
            raise ValueError(
                "A tf.data.Dataset of single examples must give x alone: map it to x, or batch it and call `fit`. "
                f"Received: element_spec={data.element_spec}"
            )
        num_examples = int(data.cardinality())
        if num_examples < 0:
            raise ValueError(
                "A tf.data.Dataset of examples must have a known length: apply "
                f"tf.data.experimental.assert_cardinality. Received: cardinality={num_examples}"
            )
        data = Split(data, num_examples)
    if not isinstance(data, Split):
        arrays = as_batch(data) if isinstance(data, tuple | Mapping) else Batch(data)
        for part in (arrays.x, *(part for part in arrays[1:] if part is not None)):
            _check_array(part)
        arrays = as_tensors(arrays)
        lengths = arrays.map(lambda part: int(part.shape[0]))
        if any(length not in (None, lengths.x) for length in lengths):
            raise ValueError(f"x, y and sample_weight must have the same length. Received: {lengths}")
        data = Split(arrays.x, lengths.x, y=arrays.y, sample_weight=arrays.sample_weight)
    return Batches(data, batch_size, seed, training, shuffle)


def _check_array(array: Any) -> None:
    """Raise unless a part of the data is an array, whose first axis is that of the examples."""
    check_not_masked(data=array)
    if not isinstance(array, list) and not len(getattr(array, "shape", ())):
        raise TypeError(
            "The data must be an array, a Split or a tf.data.Dataset of single examples: join the x of batches into "
            f"one array with np.concatenate. Received: {type(array).__name__}"
        )
