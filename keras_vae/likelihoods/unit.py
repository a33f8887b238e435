"""Likelihoods of real x between 0 and 1."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from keras_vae import layers
from keras_vae.likelihoods.likelihood import Likelihood

__all__ = ["Beta", "ContinuousBernoulli"]


@dataclasses.dataclass(frozen=True)
class Beta(Likelihood):
    """Likelihood of real x in the open interval (0, 1), with two concentrations for each entry.

    Example:

    >>> Beta().params_per_entry
    2
    """

    params_per_entry = 2
    in_blocks = True
    pixels = "dequantize"

    def layer(self, event_shape: Sequence[int]) -> layers.IndependentBeta:
        return layers.IndependentBeta(event_shape)


@dataclasses.dataclass(frozen=True)
class ContinuousBernoulli(Likelihood):
    """Likelihood of real x in [0, 1], with one parameter for each entry."""

    pixels = "dequantize"

    def layer(self, event_shape: Sequence[int]) -> layers.IndependentContinuousBernoulli:
        return layers.IndependentContinuousBernoulli(event_shape)
