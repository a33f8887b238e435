"""What values a likelihood can score, checked at the door.

TFP does not check: `tfd.Bernoulli(0.).log_prob(0.3)` silently returns a number that is no log-probability.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np
from tensorflow_probability import distributions as tfd

from keras_vae.distributions import QuantizedLogistic, SoftBernoulli
from keras_vae.distributions.distribution_tensor import DistributionTensor

__all__ = [
    "BINARY",
    "COUNTS",
    "ONE_HOT",
    "OPEN_UNIT",
    "REAL",
    "SIMPLEX",
    "UNIT",
    "Support",
    "check_support",
    "family_name",
    "is_normalized",
    "levels_support",
    "support_of",
]


@dataclasses.dataclass(frozen=True)
class Support:
    """A set of real numbers: integers or not, between `low` and `high`, which are in it unless it is `open`.

    Attributes:
        description: how messages name it.
        remedy: what to do with pixels outside of it.
    """

    description: str
    low: float = -np.inf
    high: float = np.inf
    integer: bool = False
    remedy: str = ""
    open: bool = False

    def contains(self, x: np.ndarray) -> bool:
        """Return whether every entry of `x` is in the set; infinities and not-a-number never are."""
        inside = (x > self.low) & (x < self.high) if self.open else (x >= self.low) & (x <= self.high)
        if not np.all(inside & np.isfinite(x)):
            return False
        return not self.integer or np.issubdtype(x.dtype, np.integer) or bool(np.all(x == np.round(x)))

    def check(self, x: Any, family: str) -> None:
        """Raise unless the likelihood called `family` can score every entry of the array `x`.

        Raises:
            ValueError: with the range of `x`, the support and the remedy.
        """
        x = np.asarray(x)
        if self.contains(x):
            return
        kind = "integers" if np.all(x == np.round(x)) else "values"
        raise ValueError(
            f"The {family} likelihood scores {self.description}: {self.remedy}. "
            f"Received: {kind} in x from {x.min():g} to {x.max():g}"
        )


BINARY = Support("{0, 1}", 0, 1, integer=True, remedy="pass binarize=dynamic or binarize=threshold")
UNIT = Support("[0, 1]", 0, 1, remedy="divide by the largest level: pass unit")
OPEN_UNIT = Support("(0, 1)", 0, 1, remedy="move n levels x of [0, 1] to (x * (n - 1) + 0.5) / n", open=True)
COUNTS = Support("{0, 1, 2, ...}", 0, integer=True, remedy="pass counts, such as the levels of quantize=K")
ONE_HOT = Support("{0, 1}", 0, 1, integer=True, remedy="pass labels through keras.ops.one_hot")
SIMPLEX = Support("[0, 1]", 0, 1, remedy="divide each vector by its sum")
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


@support_of.register
def _(distribution: tfd.ContinuousBernoulli) -> Support:
    return UNIT


@support_of.register
def _(distribution: tfd.Beta) -> Support:
    return OPEN_UNIT


@support_of.register(tfd.Poisson)
@support_of.register(tfd.NegativeBinomial)
def _(distribution: tfd.Distribution) -> Support:
    return COUNTS


@support_of.register
def _(distribution: QuantizedLogistic) -> Support:
    return levels_support(distribution.num_levels)


@support_of.register
def _(distribution: tfd.OneHotCategorical) -> Support:
    return ONE_HOT


@support_of.register
def _(distribution: tfd.RelaxedOneHotCategorical) -> Support:
    return SIMPLEX


@support_of.register
def _(distribution: tfd.MixtureSameFamily) -> Support:
    return support_of(distribution.components_distribution)


@support_of.register
def _(distribution: tfd.BatchBroadcast) -> Support:
    return support_of(distribution.distribution)


def family_name(distribution: tfd.Distribution) -> str:
    """Return the name of the family of one entry, for messages."""
    distribution = getattr(distribution, "tensor_distribution", distribution)
    return type(getattr(distribution, "distribution", distribution)).__name__


def is_normalized(distribution: tfd.Distribution) -> bool:
    """Return whether `log_prob` is a log-probability: False for soft Bernoulli targets, at any depth of nesting."""
    distribution = getattr(distribution, "tensor_distribution", distribution)
    if isinstance(distribution, SoftBernoulli):
        return False
    inner = [getattr(distribution, name, None) for name in ("distribution", "components_distribution")]
    return all(is_normalized(part) for part in inner if isinstance(part, tfd.Distribution))


def check_support(distribution: tfd.Distribution, x: Any) -> None:
    """Raise unless `distribution` can score every entry of the array `x`.

    Raises:
        ValueError: with the range of `x`, the support and the remedy.
    """
    support_of(distribution).check(x, family_name(distribution))
