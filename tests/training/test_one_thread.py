"""One model may be called from several threads: its metrics, which they share, do not mix."""

import concurrent.futures
import copy
import pickle
import threading

import keras
import numpy as np
import pytest

X = (np.random.default_rng(0).random((60, 4, 4, 1)) < 0.4).astype("float32")


@pytest.fixture(scope="module")
def vae(make_vae):
    vae = make_vae()
    vae.compile(keras.optimizers.SGD(0.0), run_eagerly=True)  # in which threads take turns most often
    return vae


def in_threads(call, arguments):
    with concurrent.futures.ThreadPoolExecutor(len(arguments)) as pool:
        return list(pool.map(call, arguments))


CALLS = {
    "evaluate": lambda vae, x: vae.evaluate(x, batch_size=5, verbose=0),
    "test_on_batch": lambda vae, x: vae.test_on_batch(x),
    "fit": lambda vae, x: vae.fit(x, validation_data=x, batch_size=5, verbose=0).history["val_loss"],
}


@pytest.mark.parametrize("name", CALLS)
def test_each_thread_gets_the_numbers_of_its_own_data(vae, name):
    parts = [X[:10], 1 - X[10:20]]
    expected = [CALLS[name](vae, part) for part in parts]
    np.testing.assert_allclose(in_threads(lambda part: CALLS[name](vae, part), parts), expected, rtol=1e-6)


def test_a_callback_evaluates_the_model_that_is_trained(vae):
    seen = []
    callback = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: seen.append(vae.evaluate(X, verbose=0)))
    vae.fit(X, validation_data=X, callbacks=[callback], verbose=0)
    assert seen == [vae.evaluate(X, verbose=0)]


@pytest.mark.parametrize("name", CALLS)
def test_data_that_evaluates_the_model_that_waits_for_it_is_refused_instead_of_waiting_for_ever(vae, name):
    def batches():
        for _ in range(3):
            yield X[:10]
            CALLS[name](vae, X[:10])

    with pytest.raises(RuntimeError, match="must not train or evaluate the same model.* Received: .* is read"):
        vae.fit(batches(), verbose=0)
    assert vae.fit((vae.predict(X[:10], verbose=0) > 0.5 for _ in range(3)), verbose=0).history["loss"]


def test_the_model_is_free_after_an_error_and_copies_are_free(vae):
    with pytest.raises(ValueError, match="Received: "):
        vae.evaluate(X + 7, verbose=0)
    with vae.in_use:
        copies = [copy.deepcopy(vae), pickle.loads(pickle.dumps(vae))]
    for model in (vae, *copies):
        thread = threading.Thread(target=model.evaluate, args=(X[:5],), kwargs={"verbose": 0}, daemon=True)
        thread.start()
        thread.join(timeout=20)
        assert not thread.is_alive()
