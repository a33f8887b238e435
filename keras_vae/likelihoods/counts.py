"""Likelihoods of counts 0, 1, 2, ..."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from keras_vae import layers
from keras_vae.likelihoods.likelihood import Likelihood

__all__ = ["NegativeBinomial", "Poisson"]


@dataclasses.dataclass(frozen=True)
class NegativeBinomial(Likelihood):
    """Likelihood of counts whose variance may exceed their mean.

    Example:

    >>> NegativeBinomial().params_per_entry
    2
    """

    params_per_entry = 2
    in_blocks = True

    def layer(self, event_shape: Sequence[int]) -> layers.IndependentNegativeBinomial:
        return layers.IndependentNegativeBinomial(event_shape)


@dataclasses.dataclass(frozen=True)
class Poisson(Likelihood):
    """Likelihood of counts whose variance is their mean."""

    def layer(self, event_shape: Sequence[int]) -> layers.IndependentPoisson:
        return layers.IndependentPoisson(event_shape)
