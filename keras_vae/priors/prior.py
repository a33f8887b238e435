"""The base of all priors."""

from __future__ import annotations

import keras
from tensorflow_probability import distributions as tfd

__all__ = ["Prior"]


class Prior(keras.layers.Layer):
    """Layer without input: calling it returns p(z), with batch [] and event [D].

    It is a Keras layer so that what it holds (weights, other layers) is trained, saved and exported with the
    model. A subclass creates its weights in `__init__` and overrides `distribution`. `keras.layers.Layer`
    itself cannot be called without an argument, hence the `__call__` of its own.
    """

    def __call__(self) -> tfd.Distribution:
        return self.distribution()

    def distribution(self) -> tfd.Distribution:
        """Return p(z), made of the present values of the weights."""
        raise NotImplementedError(f"{type(self).__name__} must override `distribution`.")
