"""Initializers of any origin as Keras' own, which are saved and loaded."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

__all__ = ["keras_initializer"]


def keras_initializer(identifier: Any) -> Any:
    """Return what `keras.initializers.get` does, where one of TensorFlow becomes the one of Keras that it stands for.

    TFP's tutorials pass `tf.constant_initializer`, of which Keras would save no more than the class's name.

    Example:

    >>> keras_initializer(tf.constant_initializer(2.0)).get_config()
    {'value': 2.0}
    """
    if isinstance(identifier, tf.constant_initializer.__mro__[1]) and hasattr(keras.initializers, _name(identifier)):
        config = {key: value for key, value in identifier.get_config().items() if key != "dtype"}
        return getattr(keras.initializers, _name(identifier))(**config)
    return keras.initializers.get(identifier)


def _name(initializer: Any) -> str:
    return type(initializer).__name__
