import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_vae as kv


class Trace(keras.callbacks.Callback):
    """Keeps the loss of every step (the running mean that batch callbacks are told)."""

    def __init__(self):
        super().__init__()
        self.losses = []
        self.calls = []

    def on_train_batch_end(self, batch, logs=None):
        self.losses.append(logs["loss"])
        self.calls.append(f"batch {batch}")

    def on_epoch_begin(self, epoch, logs=None):
        self.calls.append(f"begin {epoch}")

    def on_epoch_end(self, epoch, logs=None):
        self.calls.append(f"end {epoch}")


def stream(x):
    return tf.data.Dataset.from_tensor_slices(x)


def dynamic(x):
    """Grey images whose pixels are drawn anew each time."""
    grey = tf.constant(np.round(x * 155 + 50).astype("uint8"))
    return kv.data.Split(grey, len(x), kv.data.Binarize(how="dynamic"))


@pytest.mark.parametrize("form", [stream, dynamic], ids=["stream", "dynamically binarised"])
def test_the_loop_takes_the_steps_of_fit_on_a_data_set_of_the_same_batches(make_vae, binary_images, form):
    """100 images in batches of 32: three whole batches and a rest, over three epochs."""
    data, trace = form(binary_images[:100]), {}
    weights = {}
    for name in ("fit", "loop"):
        vae, trace[name] = make_vae(seed=3), Trace()
        vae.compile(keras.optimizers.SGD(0.1), steps_per_execution=1, jit_compile=False)
        options = {"epochs": 3, "verbose": 0, "callbacks": [trace[name]]}
        if name == "fit":
            vae.fit(kv.data.as_batches(data, 32, seed=3).endless_dataset(0), steps_per_epoch=4, **options)
        else:
            kv.training.train(vae, data, batch_size=32, steps_per_execution=1, **options)
        weights[name] = vae.get_weights()
    np.testing.assert_allclose(trace["loop"].losses, trace["fit"].losses, rtol=1e-6)
    assert trace["loop"].calls == trace["fit"].calls
    for a, b in zip(*weights.values(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_the_whole_array_is_checked(make_vae, binary_images):
    vae = make_vae()
    vae.compile("sgd", jit_compile=False)
    x = binary_images.copy()
    x[-1] *= 127
    with pytest.raises(ValueError, match="Bernoulli likelihood scores"):
        kv.training.train(vae, x, batch_size=50)
    with pytest.raises(ValueError, match="Bernoulli likelihood scores"):
        vae.fit(binary_images, validation_data=x, batch_size=50)


def test_xla_and_executions_of_any_length_change_rounding_only(make_vae, binary_images):
    losses = []
    for jit_compile, steps_per_execution in ((False, None), (True, None), (False, 2)):
        vae = make_vae()
        vae.compile("sgd", jit_compile=jit_compile)
        history = kv.training.train(
            vae, binary_images, epochs=3, batch_size=40, verbose=0, steps_per_execution=steps_per_execution
        )
        losses.append(history.history["loss"])
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    assert losses[2] == pytest.approx(losses[0], rel=1e-6)


def test_resuming_after_an_epoch_gives_the_same_numbers(make_vae, binary_images, tmp_path):
    def train(vae, **kwargs):
        return kv.training.train(vae, binary_images, verbose=0, **kwargs).history["loss"]

    whole = make_vae()
    whole.compile("adam", jit_compile=False)
    expected = train(whole, epochs=3)
    first = make_vae()
    first.compile("adam", jit_compile=False)
    losses = train(first, epochs=1)
    first.save(tmp_path / "vae.keras")
    resumed = keras.saving.load_model(tmp_path / "vae.keras")
    assert losses + train(resumed, initial_epoch=1, epochs=3) == expected


def test_training_stops_at_the_first_loss_that_is_not_finite(make_vae, binary_images):
    vae, trace = make_vae(), Trace()
    vae.compile(keras.optimizers.SGD(1e30), jit_compile=False)
    with pytest.warns(UserWarning, match="Training stopped: the loss became"):
        history = kv.training.train(vae, binary_images, epochs=5, batch_size=30, verbose=0, callbacks=[trace])
    assert len(history.history["loss"]) == 1
    assert not np.isfinite(history.history["loss"][0])
    assert trace.calls == ["begin 0", "batch 1", "end 0"]  # the step after that of size 1e30, of 10 steps


def test_a_callback_can_stop_training(make_vae, binary_images):
    vae = make_vae()
    vae.compile("sgd", jit_compile=False)
    stop = keras.callbacks.EarlyStopping("loss", patience=0, min_delta=1e9)
    history = kv.training.train(vae, binary_images, epochs=9, verbose=0, callbacks=[stop])
    assert len(history.history["loss"]) == 2


def test_an_uncompiled_model_is_refused(make_vae, binary_images):
    with pytest.raises(ValueError, match=r"Call `vae.compile\(\)` before training"):
        kv.training.train(make_vae(), binary_images)


def test_data_outside_the_support_is_refused(make_vae, binary_images):
    vae = make_vae()
    vae.compile("sgd", jit_compile=False)
    with pytest.raises(ValueError, match="Bernoulli likelihood scores"):
        kv.training.train(vae, binary_images * 0.5)


def test_a_loss_that_is_not_finite_is_told_with_its_step_and_the_last_good_weights_are_put_back(
    make_vae, binary_images
):
    vae = make_vae()
    vae.compile("sgd", jit_compile=False)
    vae.fit(binary_images, verbose=0)
    good = vae.get_weights()
    vae.optimizer.learning_rate = 1e30
    with pytest.warns(UserWarning, match=r"the loss became (nan|inf) in epoch 0, step 1\. The last good weights are"):
        vae.fit(binary_images, epochs=5, verbose=0)
    for before, after in zip(good, vae.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
