"""What looks like data and would be taken for other data is refused, and what is changed takes effect."""

import keras
import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf

import keras_vae as kv

X = np.random.default_rng(0).normal(size=(8, 3))


@pytest.fixture(scope="module")
def vae():
    vae = kv.VAE.for_vectors((3,), 2, hidden=(4,), seed=0)
    vae.compile(keras.optimizers.SGD(0.0), run_eagerly=True)
    return vae


def two_batches(*later):
    """Return a generator whose first batch has x and weights."""
    return iter([(X[:4], None, np.ones(4)), later])


@pytest.mark.parametrize("later", [(X[4:], np.full(4, 7.0)), (X[4:],), X[4:]], ids=["labels", "x", "array"])
def test_later_batches_of_other_parts_are_refused_instead_of_labels_taken_for_weights(vae, later):
    with pytest.raises(ValueError, match=r"parts of the first one, \['x', 'sample_weight'\].* Received: a later batch"):
        vae.evaluate(two_batches(*later) if isinstance(later, tuple) else two_batches(later), verbose=0)


@pytest.mark.parametrize("number", [1, 3, 5])
def test_weights_of_another_number_than_the_rows_are_refused_in_any_batch(vae, number):
    message = rf"a weight for each example, .* Received: shape \({number},\) for x of shape"
    with pytest.raises(ValueError, match="In batch 1 of the epoch, counted from 0: .*" + message):
        vae.evaluate(two_batches(X[4:], None, np.ones(number)), verbose=0)
    with pytest.raises(ValueError, match=message):
        vae.train_on_batch(X[:4], sample_weight=np.ones(number))


@pytest.mark.parametrize(
    ("weight", "message"),
    [(0.0, "must not be 0 for all"), (1e-300, "must not be 0 for all"), (1e300, "must be finite")],
)
def test_weights_that_are_all_0_or_infinite_in_float32_are_refused(vae, weight, message):
    with pytest.raises(ValueError, match=f"`sample_weight` {message}"):
        vae.evaluate(X, sample_weight=np.full(8, weight), verbose=0)


def test_data_that_ends_within_an_epoch_ends_it_with_a_warning(vae):
    with pytest.warns(UserWarning, match="The data ended after 2 of the 30 steps of epoch 0"):
        vae.fit(iter([X[:4], X[4:]]), steps_per_epoch=30, verbose=0)


@pytest.mark.parametrize("name", ["x", "sample_weight"])
def test_masked_entries_are_refused(vae, name):
    masked = {"x": np.ma.masked_less(X, 0), "sample_weight": np.ma.masked_less(X[:, 0], 0)}[name]
    with pytest.raises(ValueError, match=f"fill them, or drop their rows. Received: {name}, a masked array with"):
        vae.fit(**{"x": X, name: masked}, verbose=0)


def test_two_sets_to_validate_on_are_refused(vae):
    with pytest.raises(ValueError, match="not on both. Received: validation_split=0.5 beside validation_data"):
        vae.fit(X, validation_split=0.5, validation_data=X, verbose=0)


def test_x_is_checked_as_it_is_scored():
    """1 - 1e-12 is 1 in float32, at which a beta has no finite density, and 1e39 is infinite."""
    vae = kv.VAE.for_vectors((3,), 2, likelihood="beta", hidden=(4,))
    with pytest.raises(ValueError, match=r"Beta likelihood scores \(0, 1\)"):
        vae.elbo(np.full([2, 3], 1 - 1e-12))
    assert np.all(np.isfinite(vae.elbo(np.full([2, 3], 1 - 1e-6))))
    with pytest.raises(ValueError, match="NaN or infinite"):
        kv.VAE.for_vectors((3,), 2, hidden=(4,)).elbo(np.full([2, 3], 1e39))


def test_a_changed_optimizer_seed_and_number_of_levels_take_effect():
    vae = kv.VAE.for_vectors((3,), 2, hidden=(4,), seed=0)
    vae.compile(keras.optimizers.SGD(0.1), jit_compile=False)
    batches = tf.data.Dataset.from_tensor_slices(X).batch(4)
    before = vae.evaluate(batches, verbose=0, return_dict=True)
    vae.seed, vae.dequantized_levels = 77, 256
    logs = vae.evaluate(batches, verbose=0, return_dict=True)
    assert logs["loss"] == pytest.approx(vae.evaluate(X, verbose=0)[0], rel=1e-6)
    assert logs["loss"] != before["loss"]
    assert logs["bits_per_dim"] == pytest.approx(logs["loss"] / (3 * np.log(2)) + 8, rel=1e-5)
    vae.fit(X, verbose=0)
    vae.optimizer = keras.optimizers.SGD(0.0)
    weights = [w.numpy() for w in vae.trainable_variables]
    vae.fit(X, verbose=0)
    for old, new in zip(weights, vae.trainable_variables, strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_of_the_kl_and_free_bits_are_finite(value):
    with pytest.raises(ValueError, match="`beta` must be finite and not negative. Received: beta="):
        kv.objectives.ELBO(beta=value)
    with pytest.raises(ValueError, match="`free_bits` must be finite and not negative. Received: free_bits="):
        kv.objectives.FreeBits(value)


def test_an_exported_model_refuses_channels_first_and_latents_that_are_not_finite(tmp_path):
    vae = kv.VAE.for_images((2, 2, 3), 2, hidden=(4,), seed=0)
    served = tf.saved_model.load(str(vae.export(tmp_path)))
    x = np.eye(12, dtype="float32").reshape(12, 2, 2, 3)
    np.testing.assert_allclose(served.signatures["encode"](x=x)["mean"], vae.encode(x).mean(), rtol=1e-5)
    for name in ("encode", "reconstruct"):
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"event_shape=\(2, 2, 3\)"):
            served.signatures[name](x=tf.constant(x.transpose(0, 3, 1, 2)))
    with pytest.raises(tf.errors.InvalidArgumentError, match="z must be finite"):
        served.signatures["decode"](z=tf.constant([[np.nan, 0.0]]))


NO_ARRAYS = {
    "objects": X.astype(object),
    "extended precision": X.astype("longdouble"),
    "dates": X.astype("int64").astype("datetime64[s]"),
    "sparse": scipy.sparse.csr_matrix(X),
    "rows of two lengths": [[1.0], [1.0, 2.0]],
    "tf.SparseTensor": tf.sparse.from_dense(X),
    "tf.RaggedTensor": tf.RaggedTensor.from_tensor(X),
}


@pytest.mark.parametrize("form", NO_ARRAYS)
def test_what_is_no_dense_array_is_named(vae, form):
    value = NO_ARRAYS[form]
    for call in (lambda: vae.elbo(value), lambda: vae.fit(iter([(value,)]), verbose=0)):
        with pytest.raises(ValueError, match="^`x` must be one dense array of numbers: .* Received: x of type"):
            call()
    for method in (vae.fit, vae.evaluate, vae.predict, vae.train_on_batch):
        with pytest.raises((ValueError, TypeError), match="must be (one dense|an|arrays).* Received: "):
            method(value)
    for method in (vae.fit, vae.evaluate, vae.train_on_batch):
        with pytest.raises(ValueError, match="`sample_weight` must be one .* Received: sample_weight of type"):
            method(X, sample_weight=value)


@pytest.mark.parametrize("dtype", ["str", "complex64"])
def test_weights_that_are_no_real_numbers_are_named(vae, dtype):
    weight = np.ones(8).astype(dtype)
    for data in (((X, None, weight),), (iter([(X, None, weight)]),)):
        with pytest.raises(
            ValueError, match="`sample_weight` must hold real numbers. Received: sample_weight of dtype"
        ):
            vae.fit(*data, verbose=0)


@pytest.mark.parametrize("data", [(), (X, X, np.ones(8), X), iter([()]), iter([(X, X, np.ones(8), X)])], ids=type)
def test_a_tuple_has_one_to_three_parts(vae, data):
    with pytest.raises(ValueError, match=r"Examples are x, \(x,\), .* Received: a tuple of [04] parts"):
        vae.fit(data, verbose=0)


@pytest.mark.parametrize("fraction", [float("nan"), -1, True, "a", 1.0])
def test_a_part_to_validate_on_is_a_fraction(vae, fraction):
    with pytest.raises(ValueError, match="`validation_split` must be a fraction.* Received: validation_split="):
        vae.fit(X, validation_split=fraction, verbose=0)


@pytest.mark.parametrize("callbacks", [["a"], "a", [keras.callbacks.History], {"x": 3}], ids=str)
@pytest.mark.parametrize("method", ["fit", "evaluate", "predict"])
def test_callbacks_are_callbacks(vae, method, callbacks):
    with pytest.raises(TypeError, match="`callbacks` must be objects of keras.callbacks.* Received: callbacks"):
        getattr(vae, method)(X, callbacks=callbacks, verbose=0)


def test_a_list_of_rows_is_an_array_at_every_door(vae):
    rows, x = X[:3].tolist(), X[:3]
    expected = vae.evaluate(x, verbose=0)
    assert vae.evaluate(rows, verbose=0) == pytest.approx(expected)
    assert vae.test_on_batch(rows) == pytest.approx(expected)
    assert vae.fit(X, validation_data=rows, verbose=0).history["val_loss"] == pytest.approx(expected[:1])
    assert vae.fit(X, validation_data=[x, x], verbose=0).history["val_loss"] == pytest.approx(expected[:1])
    for predicted in (vae.predict(rows, verbose=0), vae.predict_on_batch(rows)):
        np.testing.assert_allclose(predicted, vae.predict(x, verbose=0), rtol=1e-6)
    assert np.isfinite(vae.train_on_batch(rows)).all()


def test_one_batch_may_be_a_tuple_with_weights(vae):
    weight = np.arange(8.0)
    expected = vae.evaluate(X, sample_weight=weight, verbose=0)
    assert vae.test_on_batch((X, None, weight)) == pytest.approx(expected)
    assert np.isfinite(vae.train_on_batch((X, None, weight))).all()


@pytest.mark.parametrize("method", ["train_on_batch", "test_on_batch"])
def test_one_batch_must_hold_examples(vae, method):
    with pytest.raises(ValueError, match=r"must hold one example or more. Received: x of shape \(0, 3\)"):
        getattr(vae, method)(X[:0])
    with pytest.raises(TypeError, match="data sets go to `fit`. Received: x of type .*Dataset"):
        getattr(vae, method)(tf.data.Dataset.from_tensors(X))


@pytest.mark.parametrize("steps", [None, 2])
def test_of_no_examples_there_are_no_reconstructions(vae, steps):
    assert vae.predict(X[:0], steps=steps, verbose=0).shape == (0, 3)


def test_an_error_of_the_validation_data_says_whose_it_is(make_vae):
    x = np.zeros([8, 4, 4, 1], "float32")
    vae = make_vae()
    vae.compile("sgd", jit_compile=False)
    with pytest.raises(
        ValueError, match="^`validation_data`: The Bernoulli likelihood scores .* such as 0.5 in row 0$"
    ):
        vae.fit(x, validation_data=(x + 0.5,), verbose=0)
    stream = tf.data.Dataset.from_tensors(x + 0.5)
    with pytest.raises(ValueError, match="^`validation_data`: In the first batch: "):
        vae.fit(x, validation_data=stream, verbose=0)


def test_classes_have_no_weights(make_vae):
    vae = make_vae()
    vae.compile("sgd", jit_compile=False)
    with pytest.raises(ValueError, match="Give each example a `sample_weight`. Received: class_weight"):
        vae.train_on_batch(np.zeros([8, 4, 4, 1], "float32"), class_weight={0: 1.0})
