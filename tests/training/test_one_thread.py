"""The metrics of a model serve one thread at a time: a call from another one is refused, and never waits."""

import concurrent.futures
import copy
import pickle

import keras
import numpy as np
import pytest

X = (np.random.default_rng(0).random((60, 4, 4, 1)) < 0.4).astype("float32")


@pytest.fixture(scope="module")
def vae(make_vae):
    vae = make_vae()
    vae.compile(keras.optimizers.SGD(0.0), run_eagerly=True)  # in which threads take turns most often
    return vae


def in_another_thread(call):
    """Call it and return its result. A call that waits for this thread fails after the timeout."""
    pool = concurrent.futures.ThreadPoolExecutor(1)
    try:
        return pool.submit(call).result(timeout=10)
    finally:
        pool.shutdown(wait=False)


CALLS = {
    "evaluate": lambda vae, x: vae.evaluate(x, batch_size=5, verbose=0),
    "test_on_batch": lambda vae, x: vae.test_on_batch(x),
    "fit": lambda vae, x: vae.fit(x, validation_data=x, batch_size=5, verbose=0).history["val_loss"],
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_during_a_training_is_refused_and_the_training_goes_on_with_its_own_numbers(vae, name):
    """The callback waits for the other thread, which must not wait for the training."""

    def refused(*_, **__):
        with pytest.raises(RuntimeError, match="Another thread is training.* Received: model=.* in thread 'Thread"):
            in_another_thread(lambda: CALLS[name](vae, 1 - X[10:20]))

    expected = CALLS["fit"](vae, X[:10])
    callback = keras.callbacks.LambdaCallback(on_train_batch_end=refused, on_test_batch_end=refused)
    history = vae.fit(X[:10], validation_data=X[:10], batch_size=5, callbacks=[callback], verbose=0).history
    np.testing.assert_allclose(history["val_loss"], expected, rtol=1e-6)
    assert in_another_thread(lambda: CALLS[name](vae, X[:10]))


def test_a_callback_evaluates_the_model_that_is_trained(vae):
    seen = []
    callback = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: seen.append(vae.evaluate(X, verbose=0)))
    vae.fit(X, validation_data=X, callbacks=[callback], verbose=0)
    assert seen == [vae.evaluate(X, verbose=0)]


@pytest.mark.parametrize("thread", [lambda call: call(), in_another_thread], ids=["of TensorFlow", "of Python"])
@pytest.mark.parametrize("name", CALLS)
def test_data_that_calls_the_model_that_waits_for_it_is_refused(vae, name, thread):
    def batches():
        for _ in range(3):
            yield X[:10]
            thread(lambda: CALLS[name](vae, X[:10]))

    with pytest.raises(RuntimeError, match="Another thread is training or evaluating this model"):
        vae.fit(batches(), verbose=0)
    assert vae.fit((vae.predict(X[:10], verbose=0) > 0.5 for _ in range(3)), verbose=0).history["loss"]


def test_the_model_is_free_after_an_error_and_copies_are_free(vae):
    with pytest.raises(ValueError, match="Received: "):
        vae.evaluate(X + 7, verbose=0)
    with vae.in_use:
        copies = [copy.deepcopy(vae), pickle.loads(pickle.dumps(vae))]
    for model in (vae, *copies):
        assert in_another_thread(lambda: model.evaluate(X[:5], verbose=0))  # noqa: B023
