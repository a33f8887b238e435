"""Registration of serialisable classes as `keras_vae>Name`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import keras

T = TypeVar("T", bound=type)

__all__ = ["register"]


def register(cls: T) -> T:
    """Register `cls` with Keras as `keras_vae>ClassName`, so that safe loading finds it by name."""
    decorate: Callable[[T], T] = keras.saving.register_keras_serializable(package="keras_vae")
    return decorate(cls)
