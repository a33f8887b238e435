"""Initial weights and activations by name."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

import keras

__all__ = ["ACTIVATIONS", "INITIALIZERS", "check_names", "initializer"]

ACTIVATIONS = tuple(
    name
    for name, function in vars(keras.activations).items()
    if inspect.isfunction(function)
    and name
    not in ("deserialize", "get", "serialize", "glu", "threshold")  # glu halves a layer; the last needs numbers
)
INITIALIZERS = (
    "fan_in_uniform",
    *(
        name
        for name, kind in vars(keras.initializers).items()
        if inspect.isclass(kind) and name.islower() and name not in ("constant", "stft")  # they need numbers
    ),
)


def initializer(name: str) -> keras.initializers.Initializer:
    """Return a new initializer: of any name Keras knows, or "fan_in_uniform".

    fan_in_uniform draws from Uniform(-1/sqrt(fan_in), 1/sqrt(fan_in)), PyTorch's default for kernels, with which
    published numbers of PyTorch models are met.

    Example:

    >>> bool(np.max(np.abs(initializer("fan_in_uniform")((400, 50)))) <= 400**-0.5)
    True
    """
    if name == "fan_in_uniform":
        return keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")
    return keras.initializers.get(name)


def check_names(activation: str, initial: str, activations: Sequence[str] = ACTIVATIONS) -> None:
    """Raise unless both are names that Keras knows, or objects; `activations` are the names of the former.

    Raises:
        ValueError: with the names that Keras knows.
    """
    for argument, name, names in (("activation", activation, activations), ("initial", initial, INITIALIZERS)):
        if isinstance(name, str) and name not in names:
            raise ValueError(f"`{argument}` must be one of {', '.join(names)}. Received: {argument}={name!r}")
