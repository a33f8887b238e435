"""The part of z that a decoder sees."""

from __future__ import annotations

from typing import Any

import keras

from keras_vae.arguments import as_count
from keras_vae.registration import register

__all__ = ["FirstEntries"]


@register
class FirstEntries(keras.layers.Layer):
    """The first entries of a vector: z_1 of z = [z_1, z_2], where the decoder sees the first of two layers alone.

    Args:
        size: Int, how many.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        z: [..., D] with D of `size` or more.

    Returns:
        [..., size].

    Example:

    >>> FirstEntries(2)(np.array([[1., 2., 3.]])).numpy().tolist()
    [[1.0, 2.0]]
    """

    def __init__(self, size: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.size = as_count(size=size)

    def call(self, z: Any) -> Any:
        return z[..., : self.size]

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.size)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size}
