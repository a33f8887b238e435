"""Registration of serialisable classes as `keras_vae>Name`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TypeVar

import keras
from keras.src.backend.common import global_state  # Keras has no public name for either
from keras.src.saving.serialization_lib import ObjectSharingScope

T = TypeVar("T", bound=type)

__all__ = ["register", "sharing_objects"]


def register(cls: T) -> T:
    """Register `cls` with Keras as `keras_vae>ClassName`, so that safe loading finds it by name."""
    decorate: Callable[[T], T] = keras.saving.register_keras_serializable(package="keras_vae")
    return decorate(cls)


def sharing_objects() -> contextlib.AbstractContextManager:
    """Return a scope in which an object that is serialised twice, and its configuration read back, stays one object.

    Keras opens such a scope in `save` and `load_model`; `get_config` and `from_config` on their own have none.
    """
    active = global_state.get_global_attribute("shared_objects/id_to_obj_map") is not None
    return contextlib.nullcontext() if active else ObjectSharingScope()
