"""The learned scale of a Gaussian likelihood, as a metric."""

from __future__ import annotations

from typing import Any

import keras

from keras_vae.layers import IndependentNormal

__all__ = ["Gamma"]


class Gamma(keras.metrics.Metric):
    """The one learned scale of all entries of x, in the units of x, as it is at the end of the step.

    Args:
        layer: The last layer of the decoder, with `scale="shared"`.

    References:
        Dai & Wipf (2019), "Diagnosing and Enhancing VAE Models", whose gamma in Eq. 3 is the square of this one.
    """

    unit = "units of x"

    def __init__(self, layer: IndependentNormal):
        super().__init__(name="gamma")
        self._value = layer.learned_scale  # not the layer itself, which Keras would save a second time

    @classmethod
    def of(cls, decoder: keras.layers.Layer) -> Gamma | None:
        """Return the metric of a decoder; None where its likelihood has no scale, or several."""
        normals = [layer for layer in decoder._flatten_layers() if isinstance(layer, IndependentNormal)]
        learned = [layer for layer in normals if isinstance(layer.scale, str) and layer.scale == "shared"]
        return cls(learned[0]) if len(learned) == 1 else None

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the optimizer moves the scale."""

    def result(self) -> Any:
        return self._value()
