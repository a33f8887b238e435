"""No batch changes the weights unless the likelihood can score it, whatever brings the batches.

Three batches of ten images; where there is a bad row, it is row 3 of batch 1, row 13 of all.
"""

import contextlib

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_vae as kv

IN_BATCH = (
    r"In batch 1 of the epoch, counted from 0: The Bernoulli likelihood scores \{0, 1\}: pass binarize=dynamic or "
    r"binarize=threshold. Received: integers in x from 0 to 255, such as 255 in row 3$"
)
IN_ARRAY = r"^The Bernoulli likelihood scores \{0, 1\}: .* such as 255 in row 13$"


class Images(keras.utils.PyDataset):
    def __init__(self, *arrays):
        super().__init__()
        self.arrays = arrays

    def __len__(self):
        return len(self.arrays[0]) // 10

    def __getitem__(self, i):
        return tuple(array[10 * i : 10 * (i + 1)] for array in self.arrays)


def data_set(*arrays):
    return tf.data.Dataset.from_tensor_slices(arrays).batch(10)


def generator(*arrays):
    return (batch for batch in Images(*arrays))


STREAMS = {"data set": data_set, "PyDataset": Images, "generator": generator}
ARRAYS = {
    "array": lambda x: x,
    "tensor": tf.constant,
    "tf.Variable": tf.Variable,
    "keras.Variable": keras.Variable,
    "split": lambda x: kv.data.Split(tf.constant(x), len(x)),
}


@pytest.fixture(scope="module")
def x():
    return (np.random.default_rng(0).random((30, 4, 4, 1)) < 0.4).astype("float32")


@pytest.fixture(scope="module")
def bad(x):
    bad = x.copy()
    bad[13, 1, 2, 0] = 255
    return bad


@pytest.fixture(scope="module")
def model(make_vae, strategy):
    """Return a function that returns one model of each kind, which starts with the same weights each time."""
    made = {}

    def model(kind="graph"):
        if kind not in made:
            with strategy.scope() if kind == "replicas" else contextlib.nullcontext():
                vae = make_vae()
                vae.compile(keras.optimizers.SGD(0.1), jit_compile=kind == "XLA", run_eagerly=kind == "eager")
            made[kind] = vae, vae.get_weights()
        vae, start = made[kind]
        vae.set_weights(start)
        return vae

    return model


def assert_same_weights(vae, weights):
    for now, expected in zip(vae.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(now, expected)


@pytest.mark.parametrize(
    ("kind", "form"),
    [*(("graph", form) for form in STREAMS), ("XLA", "data set"), ("eager", "data set"), ("replicas", "data set")],
)
def test_a_bad_row_in_the_second_batch_of_a_stream_is_named_and_the_weights_are_those_before_it(
    model, x, bad, kind, form
):
    vae = model(kind)
    vae.fit(data_set(x[:10]), verbose=0)
    before = vae.get_weights()
    vae = model(kind)
    with pytest.raises(ValueError, match=IN_BATCH):
        vae.fit(STREAMS[form](bad), shuffle=False, verbose=0)
    assert_same_weights(vae, before)


@pytest.mark.parametrize("form", ARRAYS)
def test_a_bad_row_in_memory_is_named_before_the_first_step(model, bad, form):
    vae = model()
    before = vae.get_weights()
    with pytest.raises(ValueError, match=IN_ARRAY):
        vae.fit(ARRAYS[form](bad), batch_size=10, verbose=0)
    assert_same_weights(vae, before)


@pytest.mark.parametrize("form", STREAMS)
def test_evaluate_names_a_bad_row_in_the_second_batch(model, bad, form):
    with pytest.raises(ValueError, match=IN_BATCH):
        model().evaluate(STREAMS[form](bad), verbose=0)


def test_evaluate_names_a_bad_row_of_an_array(model, bad):
    with pytest.raises(ValueError, match=IN_ARRAY):
        model().evaluate(bad, verbose=0)


def test_a_bad_row_in_the_second_batch_of_the_validation_data_is_named(model, x, bad):
    with pytest.raises(ValueError, match=IN_BATCH):
        model().fit(data_set(x), validation_data=data_set(bad), verbose=0)


def test_an_array_that_is_read_by_steps_is_checked_in_every_batch(model, bad):
    with pytest.raises(ValueError, match=r"In (batch \d of the epoch|the first batch).* such as 255 in row"):
        model().fit(bad, batch_size=10, steps_per_epoch=3, verbose=0)


@pytest.mark.parametrize("method", ["train_on_batch", "test_on_batch", "predict_on_batch"])
def test_a_single_batch_is_checked_before_it_is_used(model, bad, method):
    vae = model()
    before = vae.get_weights()
    with pytest.raises(ValueError, match=IN_ARRAY):
        getattr(vae, method)(bad)
    assert_same_weights(vae, before)


@pytest.mark.parametrize("method", ["train_on_batch", "test_on_batch"])
@pytest.mark.parametrize("weight", [-1.0, np.nan, np.inf])
def test_a_single_batch_with_a_bad_weight_is_refused(model, x, method, weight):
    weights = np.ones(30)
    weights[7] = weight
    with pytest.raises(ValueError, match=rf"`sample_weight` must be finite, .* Received: {weight:g} in row 7$"):
        getattr(model(), method)(x, sample_weight=weights)


@pytest.mark.parametrize("kind", ["graph", "eager"])
@pytest.mark.parametrize("weight", [-1.0, np.nan, np.inf])
def test_a_bad_weight_in_the_second_batch_of_a_stream_is_named(model, x, kind, weight):
    weights = np.ones(30, "float32")
    weights[13] = weight
    with pytest.raises(ValueError, match=rf"In batch 1 .*`sample_weight` must be .* Received: {weight:g} in row 3$"):
        model(kind).fit(data_set(x, np.arange(30), weights), verbose=0)


@pytest.mark.parametrize("weight", [-1.0, np.nan, np.inf])
def test_a_bad_weight_in_memory_is_refused(model, x, weight):
    weights = np.ones(30)
    weights[29] = weight
    with pytest.raises(ValueError, match=f"^`sample_weight` must be finite.* Received: {weight:g} in row 29$"):
        model().fit(x, sample_weight=weights, verbose=0)


@pytest.mark.parametrize("form", STREAMS)
def test_predict_names_not_a_number_in_the_second_batch(model, x, form):
    bad = x.copy()
    bad[13, 0, 0, 0] = np.nan
    message = "In batch 1, counted from 0: .* NaN or infinite: .* Received: 1 such entries in x, .* nan in row 3$"
    with pytest.raises(ValueError, match=message):
        model().predict(STREAMS[form](bad), verbose=0)


def test_predict_names_not_a_number_in_an_array(model, x):
    bad = x.copy()
    bad[13, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN or infinite: .* Received: 1 such entries in x, .* nan in row 13$"):
        model().predict(bad, verbose=0)


@pytest.mark.parametrize("form", STREAMS)
def test_predict_gives_for_a_stream_what_it_gives_for_its_array(model, x, form):
    vae = model()
    expected = vae.predict(x, batch_size=10, verbose=0)
    steps = 3 if form == "generator" else None  # Keras warns where it meets an end that it does not know of
    np.testing.assert_array_equal(vae.predict(STREAMS[form](x), steps=steps, verbose=0), expected)


def test_the_epochs_of_a_stream_number_their_batches_from_0(model, x, bad):
    """The second epoch begins with the fourth batch."""
    with pytest.raises(ValueError, match="In batch 1 of the epoch"):
        model().fit(generator(np.concatenate([x, bad])), epochs=2, steps_per_epoch=3, verbose=0)


def test_a_model_whose_check_takes_what_can_score_refuses_is_told_to_override_both(make_vae, x, bad):
    class Lenient(kv.VAE):
        def check(self, x):
            return tf.convert_to_tensor(x)

    parts = make_vae()
    vae = Lenient(parts.encoder, parts.decoder, parts.prior, seed=0)
    vae.build((None, 4, 4, 1))
    vae.compile("sgd", run_eagerly=True)
    with pytest.raises(ValueError, match="must refuse the same data: override both. Received: batch 1"):
        vae.fit(data_set(bad), verbose=0)


@pytest.mark.parametrize("form", ["PyDataset", "generator"])
@pytest.mark.parametrize(
    ("change", "received"),
    [
        (lambda x: x * 0.5, r"dtype float64 and shape \[10, 4, 4, 1\]"),
        (lambda x: x * np.int64(256), r"dtype int64 and shape \[10, 4, 4, 1\]"),
        (lambda x: np.moveaxis(x, -1, 1), r"dtype uint8 and shape \[10, 1, 4, 4\]"),
    ],
    ids=["fractions", "integers that overflow", "another shape"],
)
def test_a_later_batch_that_the_dtype_or_shape_of_the_first_would_change_is_refused(model, x, form, change, received):
    first, vae = x[:10].astype("uint8"), model("eager")

    class Two(Images):
        def __getitem__(self, i):
            return (change(first) if i else first,)

    batches = Two(x[:20])
    with pytest.raises(
        ValueError, match=rf"All batches must have .* uint8 and \[None, 4, 4, 1\].* Received: .*{received}"
    ):
        vae.fit(batches if form == "PyDataset" else (batches[i] for i in (0, 1)), shuffle=False, verbose=0)


def test_a_later_batch_of_integers_may_have_another_dtype_if_the_values_fit(model, x):
    batches = (x[i : i + 10].astype(dtype) for i, dtype in ((0, "uint8"), (10, "int64"), (20, "float64")))
    assert np.all(np.isfinite(model("eager").fit(batches, verbose=0).history["loss"]))


@pytest.mark.parametrize("shape", [(10, 1, 4, 4), (10, 16)])
def test_a_later_batch_of_another_shape_in_a_data_set_of_unknown_shapes_is_refused(model, x, shape):
    batches = tf.data.Dataset.from_generator(
        lambda: iter([x[:10], x[10:20].reshape(shape)]), output_signature=tf.TensorSpec(None, tf.float32)
    )
    with pytest.raises(ValueError, match=r"In batch 1 .*x must have the shape .* Received: x.shape=\(10, "):
        model().fit(batches, verbose=0)


@pytest.mark.parametrize("values", [np.full([30, 4, 4, 1], "a"), np.zeros([30, 4, 4, 1], complex)])
def test_x_that_holds_no_real_numbers_is_refused(model, values):
    with pytest.raises(ValueError, match="x must hold real numbers: .* Received: dtype="):
        model().fit(values, verbose=0)
