"""Counts and sizes in the arguments of every layer: whole numbers of any library, and nothing else."""

import inspect
import re

import numpy as np
import pytest

from keras_vae import layers
from tests.contracts.cases import DISTRIBUTIONS, LAYERS

COUNTS = {
    *("event_size", "num_components", "num_levels", "context_size", "num_flows", "params", "num_inducing_points"),
    *("units", "filters"),
}
SIZES = {"event_shape", "hidden_units", "kernel_size", "strides", "dilation_rate", "shape"}
CASES = {**DISTRIBUTIONS, **LAYERS}
ARGUMENTS = [
    (layer, argument)
    for layer in CASES
    for argument in inspect.signature(getattr(layers, layer)).parameters
    if argument in COUNTS | SIZES
]
every_argument = pytest.mark.parametrize(("layer", "argument"), ARGUMENTS)


@every_argument
def test_what_is_no_whole_number_is_refused_by_its_name(layer, argument):
    arguments = CASES[layer].arguments()
    for value in ("3", 2.5, float("nan"), -1, True, [[2], [2, 3]]):
        with pytest.raises(
            ValueError, match=rf"^`{argument}` must be .*Received: {argument}={re.escape(repr(value))}$"
        ):
            getattr(layers, layer)(**{**arguments, argument: value})


@every_argument
def test_a_whole_number_of_numpy_is_kept_as_one_of_python(layer, argument):
    made = getattr(layers, layer)(**{**CASES[layer].arguments(), argument: np.int64(2)})
    kept = made.get_config()[argument]
    assert kept == 2 or set(kept) == {2}
    assert type(kept) is int or {type(size) for size in kept} == {int}
