"""What a distribution or a function uses that the layer around it does not own.

Keras trains and saves the variables of layers that it finds as attributes of others. Layers within a distribution, a
bijector or a closure can be made such attributes; variables that no Keras layer owns cannot.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

__all__ = ["keras_layers_within", "untrained_variables"]

_EMPTY = types.CellType()  # of a name that will be bound later


def keras_layers_within(value: Any) -> list[keras.layers.Layer]:
    """Return the Keras layers that a distribution, a bijector or a function is made of or uses, each once.

    Args:
        value: As of `untrained_variables`. Of a function, closure and globals are searched, without the name `self`,
            which is the layer or model that the function belongs to.
    """
    found: dict[int, keras.layers.Layer] = {}
    for part in _used(value):
        if isinstance(part, keras.layers.Layer):
            found[id(part)] = part
    return list(found.values())


def untrained_variables(value: Any) -> list[str]:
    """Return the names of the trainable variables that `value` uses beside the weights of Keras layers.

    Args:
        value: a distribution, a `tf.Module` such as a layer of tf_keras, or a function, in whose closure and globals
            `tf.Variable`s and `tf.Module`s are looked for (a `keras.Variable` there may be another layer's weight).
    """
    if isinstance(value, keras.layers.Layer):
        return []
    kinds = tf.Variable | tf.Module if inspect.isfunction(value) else tf.Variable | tf.Module | keras.Variable
    inside = {
        id(v) for layer in keras_layers_within(value) for weight in layer.variables for v in (weight, weight.value)
    }
    found = [part for part in _used(value) if isinstance(part, kinds) and not isinstance(part, keras.layers.Layer)]
    return sorted({name for part in found for name in _trainable(part, inside)})


def _trainable(part: Any, inside: set[int]) -> list[str]:
    if isinstance(part, tf.Variable | keras.Variable):
        return [part.name] if part.trainable and id(part) not in inside else []
    if not getattr(part, "built", True):  # a layer of tf_keras, whose variables will come
        return [part.name]
    return [variable.name for variable in part.trainable_variables if id(variable) not in inside]


def _used(value: Any) -> Iterator[Any]:
    """Yield what a function uses, or `value` and what it is made of."""
    if not inspect.isfunction(value):
        yield from _parts(value)
        return
    try:
        names = inspect.getclosurevars(value)
    except ValueError:  # it uses a name that will be bound later
        return
    for name, part in [*names.globals.items(), *names.nonlocals.items()]:
        if name != "self":
            yield from _parts(part)


def _parts(value: Any, seen: set[int] | None = None) -> Iterator[Any]:
    """Yield `value` and what it is made of, through distributions, bijectors and their functions, each once."""
    seen = set() if seen is None else seen
    if id(value) in seen:
        return
    seen.add(id(value))
    yield value
    inside: Any = value if isinstance(value, list | tuple) else ()
    if isinstance(value, tfd.Distribution | tfb.Bijector):
        inside = list(value.parameters.values())
    elif inspect.isfunction(value):  # as `shift_and_log_scale_fn` of a bijector
        inside = [cell.cell_contents for cell in value.__closure__ or () if cell != _EMPTY]
    for part in inside:
        yield from _parts(part, seen)
