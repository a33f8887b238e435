"""Initializers of any origin as Keras' own, which are saved and loaded."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

__all__ = ["for_one_weight", "keras_initializer"]


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


def for_one_weight(initializer: Any) -> Any:
    """Return an initializer for one weight of several: a new one where it has no seed.

    An initializer without a seed draws one when it is made. Weights of equal shape would get equal values from it.
    """
    has_no_seed = isinstance(initializer, keras.initializers.Initializer) and (
        initializer.get_config().get("seed", "none needed") is None
    )
    return initializer.clone() if has_no_seed else initializer


def _name(initializer: Any) -> str:
    return type(initializer).__name__
