"""Variables that a distribution or a function uses and no Keras layer owns: Keras would neither train nor save them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

__all__ = ["untrained_variables"]


def untrained_variables(value: Any) -> list[str]:
    """Return the names of the trainable variables that `value` uses beside the weights of Keras layers.

    Args:
        value: a distribution, a `tf.Module` such as a layer of tf_keras, or a function, in whose closure and globals
            `tf.Variable`s and `tf.Module`s are looked for (a `keras.Variable` there may be another layer's weight).
    """
    if isinstance(value, keras.layers.Layer):
        return []
    if inspect.isfunction(value):
        try:
            names = inspect.getclosurevars(value)
        except ValueError:  # it uses a name that will be bound later
            return []
        parts = [*names.globals.values(), *names.nonlocals.values()]
        found = [v for part in parts if isinstance(part, tf.Variable | tf.Module) for v in _trainable(part)]
    else:
        found = [v for part in _parts(value) for v in _trainable(part)]
    return sorted({variable.name for variable in found})


def _trainable(part: Any) -> list[Any]:
    if isinstance(part, tf.Variable | keras.Variable):
        return [part] if part.trainable else []
    return list(part.trainable_variables) if isinstance(part, tf.Module) else []


def _parts(value: Any) -> Iterator[Any]:
    """Yield `value` and what it is made of, through distributions and bijectors."""
    yield value
    if isinstance(value, tfd.Distribution | tfb.Bijector):
        value = list(value.parameters.values())
    if isinstance(value, list | tuple):
        for part in value:
            yield from _parts(part)
