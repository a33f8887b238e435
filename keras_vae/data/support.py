"""What values a likelihood can score, checked at the door.

TFP does not check: `tfd.Bernoulli(0.).log_prob(0.3)` silently returns a number that is no log-probability.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np
from tensorflow_probability import distributions as tfd

from keras_vae.distributions import SoftBernoulli
from keras_vae.layers.distribution_tensor import DistributionTensor

__all__ = ["BINARY", "REAL", "UNIT", "Support", "check_support", "is_normalized", "levels_support", "support_of"]


@dataclasses.dataclass(frozen=True)
class Support:
    """A set of real numbers: integers or not, between `low` and `high` (both included).

    Attributes:
        description: how messages name it.
        remedy: what to do with pixels outside of it.
    """

    description: str
    low: float = -np.inf
    high: float = np.inf
    integer: bool = False
    remedy: str = ""

    def contains(self, x: np.ndarray) -> bool:
        """Return whether every entry of `x` is in the set; infinities and not-a-number never are."""
        inside = bool(np.all((x >= self.low) & (x <= self.high) & np.isfinite(x)))
        return inside and (not self.integer or np.issubdtype(x.dtype, np.integer) or bool(np.all(x == np.round(x))))


BINARY = Support("{0, 1}", 0, 1, integer=True, remedy="pass binarize=dynamic or binarize=threshold")
UNIT = Support("[0, 1]", 0, 1, remedy="divide by the largest level: pass unit")
REAL = Support("the real numbers", remedy="replace infinities and not-a-number")


def levels_support(num_levels: int) -> Support:
    """Return the integers 0 ... num_levels-1."""
    remedy = f"pass quantize={num_levels}, or give the likelihood as many levels as the data has"
    return Support(f"{{0, ..., {num_levels - 1}}}", 0, num_levels - 1, integer=True, remedy=remedy)


@functools.singledispatch
def support_of(distribution: tfd.Distribution) -> Support:
    """Return the support of one entry of an event of `distribution`; the real numbers if it is not known."""
    return REAL


@support_of.register
def _(distribution: DistributionTensor) -> Support:
    return support_of(distribution.tensor_distribution)


@support_of.register
def _(distribution: tfd.BatchReshape) -> Support:
    return support_of(distribution.distribution)


@support_of.register
def _(distribution: tfd.Independent) -> Support:
    return support_of(distribution.distribution)


@support_of.register
def _(distribution: tfd.Bernoulli) -> Support:
    return BINARY


@support_of.register
def _(distribution: SoftBernoulli) -> Support:
    return UNIT


@support_of.register
def _(distribution: tfd.Categorical) -> Support:
    return levels_support(distribution.logits_parameter().shape[-1])


def is_normalized(distribution: tfd.Distribution) -> bool:
    """Return whether `log_prob` is a log-probability: False for soft Bernoulli targets, whose is a cross-entropy."""
    return not isinstance(getattr(distribution, "distribution", distribution), SoftBernoulli)


def check_support(distribution: tfd.Distribution, x: Any) -> None:
    """Raise unless `distribution` can score every entry of the array `x`.

    Raises:
        ValueError: with the range of `x`, the support and the remedy.
    """
    x = np.asarray(x)
    support = support_of(distribution)
    if support.contains(x):
        return
    family = getattr(distribution, "distribution", distribution)
    kind = "integers" if np.all(x == np.round(x)) else "values"
    raise ValueError(
        f"The {type(family).__name__} likelihood scores {support.description}: {support.remedy}. "
        f"Received: {kind} in x from {x.min():g} to {x.max():g}"
    )
