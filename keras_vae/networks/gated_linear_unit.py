"""Gated linear units as a layer."""

from __future__ import annotations

from typing import Any

import keras

from keras_vae.registration import register

__all__ = ["GatedLinearUnit"]


@register
class GatedLinearUnit(keras.layers.Layer):
    """Layer [..., 2 U] -> [..., U]: the first half of the units times the sigmoid of the second.

    It is `keras.activations.glu`, which no `activation=` of a Keras layer takes: they expect as many units as they had.

    Example:

    >>> GatedLinearUnit()(np.array([[3.0, 4.0, 0.0, 100.0]])).numpy().tolist()
    [[1.5, 4.0]]

    References:
        Dauphin et al. (2017), "Language modeling with gated convolutional networks", Eq. 1.
    """

    def call(self, x: Any) -> Any:
        return keras.activations.glu(x)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return (*input_shape[:-1], input_shape[-1] // 2)
