"""Likelihoods of real x."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from keras_vae import layers
from keras_vae.likelihoods.likelihood import Likelihood

__all__ = ["Gaussian", "Laplace"]


@dataclasses.dataclass(frozen=True)
class Gaussian(Likelihood):
    """Likelihood of real x, with a normal distribution for each entry.

    Args:
        scale: None: the decoder gives a scale for each entry; a positive number: the scale is fixed at that number;
            "shared" or "per_dimension": the scale is learned, see `keras_vae.layers.IndependentNormal`. None.

    Example:

    >>> Gaussian().params_per_entry, Gaussian(scale=0.1).params_per_entry
    (2, 1)
    """

    scale: float | str | None = None

    in_blocks = True
    pixels = "dequantize"

    @property
    def params_per_entry(self) -> int:
        return layers.IndependentNormal.params_size((), scale=self.scale)

    def layer(self, event_shape: Sequence[int]) -> layers.IndependentNormal:
        return layers.IndependentNormal(event_shape, scale=self.scale)


@dataclasses.dataclass(frozen=True)
class Laplace(Likelihood):
    """Likelihood of real x, with a Laplace distribution for each entry: outliers cost less than with a normal one."""

    params_per_entry = 2
    in_blocks = True
    pixels = "dequantize"

    def layer(self, event_shape: Sequence[int]) -> layers.IndependentLaplace:
        return layers.IndependentLaplace(event_shape)
