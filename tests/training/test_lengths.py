"""One compilation serves arrays of any length, and few are kept."""

import numpy as np
import pytest

from keras_vae.data import Batches, Split
from keras_vae.models.compiled_functions import CompiledFunctions
from keras_vae.training import loop


def x_of(length):
    return (np.random.default_rng(length).random((length, 4, 4, 1)) < 0.5).astype("float32")


def test_arrays_of_five_lengths_are_fitted_by_one_compilation(make_vae, monkeypatch):
    made, steps = [], loop.Steps
    monkeypatch.setattr(loop, "Steps", lambda *args: made.append(args) or steps(*args))
    vae = make_vae()
    vae.compile("sgd")
    for length in (64, 70, 83, 96, 107):
        vae.fit(x_of(length), batch_size=32, verbose=0)
    assert len(made) == 1
    assert int(vae.step) == 2 + 3 + 3 + 3 + 4


def test_sets_smaller_than_a_batch_share_a_compilation_too(make_vae):
    kinds = {Batches(Split(x_of(n), n), 128, seed=0).kind for n in (33, 40, 64)}
    assert len(kinds) == 1


@pytest.mark.parametrize("batch_size", [2**31 - 1, 99_999_999_999])
@pytest.mark.parametrize(("num_examples", "lowered"), [(20, 1024), (1_500, 2048)])
def test_a_batch_far_larger_than_the_data_is_lowered_to_one_of_all_examples(batch_size, num_examples, lowered):
    batches = Batches(Split(x_of(num_examples), num_examples), batch_size, seed=0)
    assert (batches.batch_size, batches.steps_per_epoch) == (lowered, 1)
    assert next(iter(batches.epoch(0))).shape == (num_examples, 4, 4, 1)


def test_fit_takes_all_examples_in_one_step_where_the_batch_is_larger(make_vae):
    vae = make_vae()
    vae.compile("sgd", jit_compile=False)
    vae.fit(x_of(20), batch_size=2**40, verbose=0)
    assert int(vae.step) == 1


def test_the_32_compiled_functions_that_were_used_last_are_kept():
    functions, made = CompiledFunctions(), []
    for key in range(32):
        functions.get(key, lambda key=key: made.append(key))
    functions.get(0, lambda: made.append("again"))
    functions.get(32, lambda: made.append(32))
    assert list(functions.functions) == [*range(2, 32), 0, 32]
    assert "again" not in made
