"""Every name of tfp.layers takes the arguments it takes there, in the same order; ours come after."""

import inspect

import pytest
from tensorflow_probability.python import layers as tfp_layers
from tensorflow_probability.python.bijectors import AutoregressiveNetwork

from keras_vae import layers

THEIRS = {name: getattr(tfp_layers, name) for name in dir(tfp_layers) if name in layers.__all__}
THEIRS["AutoregressiveNetwork"] = AutoregressiveNetwork


def test_every_name_of_tfp_layers_is_here():
    assert set(tfp_layers._allowed_symbols) | {"VariationalGaussianProcess"} <= set(THEIRS)


def positional(function):
    """Names of the arguments after `self` that may be given by position."""
    parameters = inspect.signature(function).parameters.values()
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [parameter.name for parameter in parameters if parameter.kind in kinds and parameter.name != "self"]


METHODS = [
    (name, method)
    for name, theirs in sorted(THEIRS.items())
    for method in ("__init__", "new", "params_size")
    if inspect.isclass(theirs) and method in vars(theirs)
]


@pytest.mark.parametrize(("name", "method"), METHODS)
def test_arguments_begin_with_those_of_tfp(name, method):
    theirs = vars(THEIRS[name])[method]
    expected = positional(getattr(theirs, "__func__", theirs))
    assert positional(getattr(getattr(layers, name), method))[: len(expected)] == expected


@pytest.mark.parametrize("name", sorted(name for name, theirs in THEIRS.items() if inspect.isfunction(theirs)))
def test_arguments_of_functions_begin_with_those_of_tfp(name):
    ours = getattr(layers, name)
    expected = positional(THEIRS[name])
    assert positional(ours.__init__ if inspect.isclass(ours) else ours)[: len(expected)] == expected
