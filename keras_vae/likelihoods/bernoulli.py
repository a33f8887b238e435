"""Likelihoods of one probability for each entry."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from keras_vae import layers
from keras_vae.likelihoods.likelihood import Likelihood

__all__ = ["Bernoulli", "SoftBernoulli"]


@dataclasses.dataclass(frozen=True)
class Bernoulli(Likelihood):
    """Likelihood of binary x.

    Example:

    >>> Bernoulli().layer((28, 28, 1)).event_shape
    (28, 28, 1)
    """

    pixels = "binarize=dynamic"

    def layer(self, event_shape: Sequence[int]) -> layers.IndependentBernoulli:
        return layers.IndependentBernoulli(event_shape)


@dataclasses.dataclass(frozen=True)
class SoftBernoulli(Likelihood):
    """Cross-entropy of grey targets in [0, 1], which is not a likelihood: see `IndependentSoftBernoulli`."""

    pixels = "unit"

    def layer(self, event_shape: Sequence[int]) -> layers.IndependentSoftBernoulli:
        return layers.IndependentSoftBernoulli(event_shape)
