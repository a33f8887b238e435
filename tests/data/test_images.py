"""Batches are a pure function of (seed, epoch, position), however they are read."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae.data.images import Batches, Split, as_batches
from keras_vae.data.pixel_levels import Binarize, Unit

N = 23
NUMBERS = np.arange(N, dtype="int32").reshape(N, 1)  # an image that tells which example it is
GREY = np.random.default_rng(0).integers(0, 256, size=(N, 4, 4, 1)).astype("uint8")


def in_memory(pixels=None, images=NUMBERS):
    return Split(tf.constant(images), N, pixels)


def streamed(pixels=None, images=NUMBERS):
    return Split(tf.data.Dataset.from_tensor_slices(images), N, pixels)


SPLITS = {"in memory": in_memory, "streamed": streamed}


@pytest.fixture(params=SPLITS)
def split_of(request):
    """Return a function of (pixels, images) that makes a split, in memory or streamed."""
    return SPLITS[request.param]


def read(dataset):
    """Return the examples of a dataset of batches."""
    return np.concatenate(list(dataset.as_numpy_iterator()))


# Epochs.


@pytest.mark.parametrize("batch_size", [1, 5, 23, 100])
@pytest.mark.parametrize("training", [False, True])
def test_an_epoch_visits_every_example_once(split_of, batch_size, training):
    batches = Batches(split_of(), batch_size, seed=0, training=training)
    for epoch in range(3):
        x = read(batches.epoch(epoch))
        assert x.shape == (N, 1)
        np.testing.assert_array_equal(np.sort(x, 0), NUMBERS)


@pytest.mark.parametrize("batch_size", [1, 5, 23, 100])
def test_all_batches_but_the_last_are_full(split_of, batch_size):
    batches = Batches(split_of(), batch_size, seed=0)
    sizes = [len(x) for x in batches.epoch(0)]
    assert len(sizes) == batches.steps_per_epoch == -(-N // batch_size)
    assert sizes == [min(batch_size, N - batch_size * i) for i in range(len(sizes))]


def test_epochs_have_different_orders(split_of):
    """Two of ten orders of 23 examples agree by chance with probability 45 / 23!."""
    batches = Batches(split_of(), 5, seed=0)
    orders = {read(batches.epoch(epoch)).tobytes() for epoch in range(10)}
    assert len(orders) == 10
    assert NUMBERS.tobytes() not in orders


def test_seeds_have_different_orders(split_of):
    orders = {read(Batches(split_of(), 5, seed).epoch(0)).tobytes() for seed in range(10)}
    assert len(orders) == 10


def test_a_seed_has_one_order_in_each_epoch(split_of):
    """Whatever the global seed and the batch size are, and however often the epoch is read."""
    keras.utils.set_random_seed(1)
    epoch = Batches(split_of(), 5, seed=3).epoch(2)
    x = read(epoch)
    np.testing.assert_array_equal(read(epoch), x)
    np.testing.assert_array_equal(read(Batches(split_of(), 7, seed=3).epoch(2)), x)
    keras.utils.set_random_seed(2)
    np.testing.assert_array_equal(read(Batches(split_of(), 5, seed=3).epoch(2)), x)


def test_evaluation_keeps_the_order_of_the_split(split_of):
    for epoch in (0, 1):
        np.testing.assert_array_equal(read(Batches(split_of(), 5, seed=0, training=False).epoch(epoch)), NUMBERS)


def test_every_example_is_first_equally_often():
    """Within 4 standard errors: a correct shuffle fails 1 seed in 700 (23 examples, 6e-5 each)."""
    batches, n = Batches(in_memory(), 5, seed=0), 2000
    first = tf.function(lambda: tf.map_fn(lambda epoch: batches.order(epoch)[0], tf.range(n)))()
    frequencies = np.bincount(first, minlength=N) / n
    assert np.all(np.abs(frequencies - 1 / N) < 4 * np.sqrt((1 / N) * (1 - 1 / N) / n))


def test_the_order_in_a_graph_is_that_of_eager_execution():
    batches = Batches(in_memory(), 5, seed=0)
    for epoch in (0, 3):
        np.testing.assert_array_equal(tf.function(batches.order)(tf.constant(epoch)), batches.order(epoch))


# Pixels.


@pytest.mark.parametrize("training", [False, True])
def test_rows_are_the_batches_of_the_epoch(training):
    """With the pixels drawn: the compiled loop and a data set see the same numbers."""
    batches = Batches(in_memory(Binarize(), GREY), 5, seed=0, training=training)
    for epoch in range(3):
        order = batches.order(epoch)
        for step, x in enumerate(batches.epoch(epoch)):
            np.testing.assert_array_equal(batches.rows(order, epoch, 5 * step, len(x)).x, x)


def test_rows_under_xla_are_those_of_eager_execution():
    batches = Batches(in_memory(Binarize(), GREY), 5, seed=0)
    graph = tf.function(lambda order, epoch, row: batches.rows(order, epoch, row, 5).x, jit_compile=True)
    for epoch, row in ((0, 0), (2, 10)):
        order = batches.order(epoch)
        np.testing.assert_array_equal(
            graph(order, tf.constant(epoch), tf.constant(row)), batches.rows(order, epoch, row, 5).x
        )


def test_rows_past_the_end_repeat_the_last_example():
    batches = Batches(in_memory(Unit(), GREY), 5, seed=0)
    order = batches.order(0)
    x = np.asarray(batches.rows(order, 0, N - 2, 5).x)
    np.testing.assert_array_equal(x[1:], np.repeat(x[1:2], 4, 0))
    np.testing.assert_array_equal(x[1], np.asarray(Unit()(GREY[order[-1]])))


@pytest.mark.parametrize("batch_size", [1, 7, 23])
def test_evaluation_does_not_depend_on_the_batch_size_or_the_epoch(split_of, batch_size):
    split = split_of(Binarize(), GREY)
    x = read(Batches(split, 5, seed=0, training=False).epoch(0))
    for epoch in (0, 1):
        np.testing.assert_array_equal(read(Batches(split, batch_size, seed=0, training=False).epoch(epoch)), x)


def test_a_split_streamed_or_in_memory_is_evaluated_alike():
    x, y = (read(Batches(make(Binarize(), GREY), 5, 0, training=False).epoch(0)) for make in SPLITS.values())
    np.testing.assert_array_equal(x, y)


def test_training_draws_new_pixels_each_epoch_and_evaluation_does_not(split_of):
    """Half of 368 grey pixels differ between two fair draws: none do by chance with probability 2**-368."""
    grey = np.full_like(GREY, 128)
    training = Batches(split_of(Binarize(), grey), 5, seed=0)
    assert np.any(read(training.epoch(0)) != read(training.epoch(1)))
    np.testing.assert_array_equal(read(training.epoch(0)), read(training.epoch(0)))
    evaluation = Batches(split_of(Binarize(), grey), 5, seed=0, training=False)
    np.testing.assert_array_equal(read(evaluation.epoch(0)), read(evaluation.epoch(1)))
    assert np.any(read(evaluation.epoch(0)) != read(training.epoch(0)))


def test_static_pixels_are_one_draw_of_each_example_for_every_seed_epoch_and_use(split_of):
    """A quarter of 368 pixels is 1 in the mean, with a standard deviation of 8.3: the bound is four of them."""
    split = split_of(Binarize(how="static"), np.full_like(GREY, 64))
    x = read(Batches(split, 5, seed=0, training=False).epoch(0)).reshape(N, 16)
    assert abs(x.sum() - 368 * 64 / 255) < 4 * 8.3
    for seed, epoch in ((0, 0), (1, 0), (1, 3)):
        shuffled = read(Batches(split, 7, seed).epoch(epoch)).reshape(N, 16)
        np.testing.assert_array_equal(sorted(shuffled.tolist()), sorted(x.tolist()))
    again = split_of(Binarize(how="static"), np.full_like(GREY, 64))
    np.testing.assert_array_equal(read(Batches(again, 5, seed=1, training=False).epoch(0)).reshape(N, 16), x)


def test_a_static_draw_of_more_images_than_are_drawn_at_once_is_one_draw(monkeypatch):
    whole = in_memory(Binarize(how="static"), GREY).images
    monkeypatch.setattr("keras_vae.data.images._ROWS_AT_ONCE", 4)
    np.testing.assert_array_equal(in_memory(Binarize(how="static"), GREY).images, whole)


def test_no_two_examples_of_an_epoch_share_their_draw(split_of):
    """Two of 23 draws of 16 fair bits agree by chance with probability 23**2 / 2**17 = 0.4 %."""
    x = read(Batches(split_of(Binarize(), np.full_like(GREY, 128)), 5, seed=0).epoch(0))
    assert len(np.unique(x.reshape(N, -1), axis=0)) == N


def test_a_split_without_pixels_is_passed_on(split_of):
    x = read(Batches(split_of(None, GREY), 5, seed=0, training=False).epoch(0))
    assert x.dtype == np.uint8
    np.testing.assert_array_equal(x, GREY)


# Datasets for `fit`.


def test_a_dataset_serves_the_next_epoch_each_time_it_is_read(split_of):
    batches = Batches(split_of(Binarize(), GREY), 5, seed=0)
    dataset = batches.dataset()
    for steps_before in (0, 5, 10):
        np.testing.assert_array_equal(read(dataset), read(batches.epoch(steps_before)))


def test_a_dataset_knows_its_length_and_the_shape_of_an_example(split_of):
    dataset = Batches(split_of(Unit(), GREY), 5, seed=0).dataset()
    assert dataset.cardinality() == 5
    assert dataset.element_spec == tf.TensorSpec([None, 4, 4, 1], tf.float32)


def test_fit_sees_one_epoch_after_the_other(split_of):
    batches = Batches(split_of(Binarize(), GREY), N, seed=0)
    seen = []

    class Recorder(keras.Model):
        def train_step(self, data):
            seen.append(np.asarray(data))
            return {"loss": 0.0}

    model = Recorder()
    model.compile(run_eagerly=True)
    model.fit(batches.dataset(), epochs=3, verbose=0)
    assert len(seen) == 3
    for epoch, x in enumerate(seen):
        np.testing.assert_array_equal(x, read(batches.epoch(epoch)))


# Splits.


def test_the_head_is_what_evaluation_sees_first(split_of):
    split = split_of(Binarize(), GREY)
    x = next(iter(Batches(split, 10, seed=3, training=False).epoch(0)))
    np.testing.assert_array_equal(split.head(4, seed=3), x[:4])
    np.testing.assert_array_equal(split.head(4), split.head(4, seed=0))
    assert split.head(4).shape == (4, 4, 4, 1)


def test_a_split_knows_whether_it_is_in_memory():
    assert in_memory().in_memory
    assert not streamed().in_memory


@pytest.mark.parametrize("num_examples", [0, -1])
def test_a_split_without_examples_raises(num_examples):
    with pytest.raises(ValueError, match=f"one example or more. Received: num_examples={num_examples}"):
        Split(tf.zeros([0, 4]), num_examples)


@pytest.mark.parametrize("batch_size", [0, -5])
def test_a_batch_size_below_one_raises(batch_size):
    with pytest.raises(ValueError, match=f"`batch_size` must be 1 or more. Received: batch_size={batch_size}"):
        Batches(in_memory(), batch_size, seed=0)


def test_a_stream_of_another_length_than_it_says_raises():
    split = Split(tf.data.Dataset.from_tensor_slices(NUMBERS), N + 10)
    with pytest.raises(tf.errors.FailedPreconditionError, match="expected to contain 7 elements but contained only 5"):
        read(Batches(split, 5, seed=0).dataset())


@pytest.mark.parametrize(
    "data",
    [NUMBERS, tf.constant(NUMBERS), NUMBERS.tolist(), tf.data.Dataset.from_tensor_slices(NUMBERS), in_memory()],
    ids=["array", "tensor", "list", "dataset", "split"],
)
def test_as_batches_reads_data_of_every_kind(data):
    batches = as_batches(data, 5, seed=0, training=False)
    assert (batches.batch_size, batches.steps_per_epoch, batches.training) == (5, 5, False)
    np.testing.assert_array_equal(read(batches.epoch(0)), NUMBERS)


@pytest.mark.parametrize(
    ("dataset", "cardinality"),
    [
        (tf.data.Dataset.range(5).repeat(), -1),
        (tf.data.Dataset.range(5).filter(lambda i: i > 1), -2),
        (tf.data.Dataset.from_generator(lambda: iter([1]), output_signature=tf.TensorSpec([], tf.int32)), -2),
    ],
    ids=["infinite", "filtered", "generator"],
)
def test_a_dataset_of_unknown_length_raises(dataset, cardinality):
    message = f"must have a known length: apply .*assert_cardinality. Received: cardinality={cardinality}"
    with pytest.raises(ValueError, match=message):
        as_batches(dataset, 5, seed=0)


def test_a_dataset_whose_length_is_told_is_read():
    dataset = tf.data.Dataset.range(10).filter(lambda i: i < 5).apply(tf.data.experimental.assert_cardinality(5))
    np.testing.assert_array_equal(np.sort(read(as_batches(dataset, 2, seed=0).epoch(0))), np.arange(5))
