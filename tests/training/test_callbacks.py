import io
import sys

import keras
import numpy as np
import pytest

import keras_vae as kv


def diverging(make_vae, **kwargs):
    """A model whose weights overflow after the first step of the second epoch."""
    vae = make_vae()
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([9], [1e-3, 1e30])
    vae.compile(keras.optimizers.SGD(schedule), jit_compile=False, **kwargs)
    return vae


class Snapshot(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if epoch == 0:
            self.weights = self.model.get_weights()
            self.iterations = int(self.model.optimizer.iterations)


def test_the_loop_reports_the_very_step_and_keeps_the_last_good_weights(make_vae, binary_images):
    vae, guard, snapshot = diverging(make_vae), kv.training.StopOnNonFinite(exact_step=True), Snapshot()
    kv.training.train(vae, binary_images, 5, batch_size=30, callbacks=[snapshot, guard], verbose=0)
    # Steps 0 to 9 are the first epoch; the eleventh update, of step 10, is the huge one; its loss was still finite.
    assert guard.message in {f"the loss became {value} in epoch 1, step 1" for value in ("inf", "nan")}
    for now, good in zip(vae.get_weights(), snapshot.weights, strict=True):
        np.testing.assert_array_equal(now, good)
    assert int(vae.optimizer.iterations) == snapshot.iterations == 10


def test_another_keras_model_reports_the_steps_of_the_execution():
    model, guard = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]), kv.training.StopOnNonFinite(False)
    model.compile(keras.optimizers.SGD(1e30), "mse", steps_per_execution=5, jit_compile=False)
    model.fit(np.ones([300, 1]), np.ones(300), 30, callbacks=[guard], verbose=0)
    assert guard.message.endswith("in epoch 0, steps 0 to 4")
    assert all(np.all(np.isfinite(w)) for w in model.get_weights())
    assert model.stop_training


def test_nothing_is_reported_when_all_goes_well(make_vae, binary_images):
    vae, guard = make_vae(), kv.training.StopOnNonFinite()
    vae.compile("sgd", jit_compile=False)
    vae.fit(binary_images, epochs=2, callbacks=[guard], verbose=0)
    assert guard.message is None


@pytest.mark.parametrize("epochs", [1, 3])
def test_weights_that_an_epoch_of_finite_losses_made_infinite_are_not_kept(make_vae, binary_images, epochs):
    """The only step of the epoch has a finite loss, and the weights after it are not finite."""
    vae, guard = make_vae(), kv.training.StopOnNonFinite()
    vae.compile(keras.optimizers.SGD(1e39), run_eagerly=True)
    before = vae.get_weights()
    vae.fit(binary_images, batch_size=300, epochs=epochs, callbacks=[guard], verbose=0)
    assert guard.message == "the weights became NaN or infinite in epoch 0"
    assert guard.restored
    for now, good in zip(vae.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, good)


def test_weights_that_were_not_finite_before_training_are_not_said_to_be_put_back(make_vae, binary_images):
    vae, guard = make_vae(), kv.training.StopOnNonFinite()
    vae.compile("sgd", run_eagerly=True)
    vae.set_weights([w + np.float32("nan") if w.dtype == "float32" else w for w in vae.get_weights()])
    vae.fit(binary_images, callbacks=[guard], verbose=0)
    assert guard.message.endswith("epoch 0, step 0")
    assert not guard.restored
    with pytest.warns(UserWarning, match="epoch 0, step 0. No good weights were there to put back."):
        vae.fit(binary_images, verbose=0)


def test_throughput_is_the_median_over_epochs_after_the_first(monkeypatch):
    clock = iter([0.0, 10.0, 20.0, 22.0, 30.0, 39.0, 40.0, 44.0])  # begin and last batch of four epochs
    monkeypatch.setattr("keras_vae.training.callbacks.time.perf_counter", lambda: next(clock))
    throughput = kv.training.Throughput(num_examples=60)
    assert throughput.examples_per_second() is None
    for epoch in range(4):
        throughput.on_epoch_begin(epoch)
        throughput.on_train_batch_end(0)
        throughput.on_epoch_end(epoch)
    assert throughput.seconds == [10.0, 2.0, 9.0, 4.0]
    assert throughput.examples_per_second() == pytest.approx(60 / 4)


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("stream", "shown"), [(Terminal, True), (io.StringIO, False)])
def test_progress_bar_shows_steps_and_metrics_on_a_terminal_only(make_vae, binary_images, monkeypatch, stream, shown):
    screen = stream()
    monkeypatch.setattr(sys, "stderr", screen)
    vae = make_vae()
    vae.compile("sgd", jit_compile=False)
    bar = kv.training.ProgressBar()
    kv.training.train(vae, binary_images, 2, batch_size=100, callbacks=[bar], verbose=0, validation_data=binary_images)
    text = screen.getvalue()
    for part in ("Epoch 2/2", "6/6", "elbo=-", "val_loss="):
        assert (part in text) == shown


def test_progress_bar_shows_small_numbers_with_more_digits(make_vae, monkeypatch):
    monkeypatch.setattr(sys, "stderr", screen := Terminal())
    bar = kv.training.ProgressBar(metrics=("loss", "gamma"))
    bar.set_model(make_vae())
    bar.set_params({"steps": 1, "epochs": 1})
    bar.on_train_begin()
    bar.on_epoch_begin(0)
    bar.on_train_batch_end(0, {"loss": 103.456, "gamma": 0.01234})
    bar.on_train_end()
    assert "loss=103.46, gamma=0.0123" in screen.getvalue()
