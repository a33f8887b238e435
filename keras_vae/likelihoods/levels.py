"""Likelihoods of the levels 0 ... num_levels-1."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from keras_vae import layers
from keras_vae.arguments import check_counts
from keras_vae.likelihoods.likelihood import Likelihood

__all__ = ["Categorical", "QuantizedLogistic", "QuantizedLogisticMixture"]


class _OfLevels(Likelihood):
    """Base of the likelihoods that count levels."""

    def __post_init__(self) -> None:
        check_counts(least=2, num_levels=self.num_levels)


@dataclasses.dataclass(frozen=True)
class Categorical(_OfLevels):
    """Likelihood of levels or categories, with a logit for each of them: their order does not matter.

    Args:
        num_levels: Int, K. 2.

    Example:

    >>> Categorical(num_levels=12).params_per_entry
    12
    """

    num_levels: int = 2

    pixels = "quantize=16"

    @property
    def params_per_entry(self) -> int:
        return self.num_levels

    def layer(self, event_shape: Sequence[int]) -> layers.IndependentCategorical:
        return layers.IndependentCategorical(event_shape, self.num_levels)


@dataclasses.dataclass(frozen=True)
class QuantizedLogistic(_OfLevels):
    """Likelihood of ordered levels, with a rounded logistic distribution for each entry.

    Args:
        num_levels: Int, K. 2.
    """

    num_levels: int = 2

    params_per_entry = 2

    def layer(self, event_shape: Sequence[int]) -> layers.QuantizedLogistic:
        return layers.QuantizedLogistic(event_shape, self.num_levels)


@dataclasses.dataclass(frozen=True)
class QuantizedLogisticMixture(_OfLevels):
    """Likelihood of ordered levels, with a mixture of rounded logistic distributions for each entry.

    Args:
        num_levels: Int, K. 2.
        num_components: Int, number of logistic distributions in the mixture. 5.
    """

    num_levels: int = 2
    num_components: int = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(num_components=self.num_components)

    @property
    def params_per_entry(self) -> int:
        return layers.MixtureQuantizedLogistic.params_size((), self.num_components)

    def layer(self, event_shape: Sequence[int]) -> layers.MixtureQuantizedLogistic:
        return layers.MixtureQuantizedLogistic(event_shape, self.num_components, self.num_levels)
