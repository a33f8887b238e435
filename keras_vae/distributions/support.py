"""What values a distribution can score, checked at the door.

TFP does not check: `tfd.Bernoulli(0.).log_prob(0.3)` silently returns a number that is not a log-probability.
"""

from __future__ import annotations

import functools
from typing import Any

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.distributions import QuantizedLogistic, SoftBernoulli, Stacked, wrappers
from keras_vae.distributions.distribution_tensor import DistributionTensor
from keras_vae.distributions.sets import (
    BINARY,
    COUNTS,
    ONE_HOT,
    OPEN_UNIT,
    REAL,
    SIMPLEX,
    UNIT,
    UNKNOWN,
    Blocks,
    Support,
    Union,
    levels_support,
)

__all__ = ["check_support", "family_name", "is_normalized", "support_of"]

_LARGE = 1e30


@functools.singledispatch
def support_of(distribution: tfd.Distribution) -> Support:
    """Return the support of one entry of an event of `distribution`; `sets.UNKNOWN` if it cannot be told.

    A family that is not registered here has the image of TFP's default bijector from the real numbers to its support.
    Limits that are parameters are those of the present parameters.

    Example:

    >>> support_of(tfd.Independent(tfd.HalfNormal(tf.ones(3)), 1)).description
    '[0, infinity)'
    """
    try:
        bijector = distribution.experimental_default_event_space_bijector()
    except (NotImplementedError, TypeError):  # no bijector, or one that TFP makes with an argument NumPy no longer has
        return UNKNOWN
    if bijector is None or bijector.forward_min_event_ndims > 0 or not tf.executing_eagerly():
        return UNKNOWN
    ends = [bijector.forward(tf.constant(end, distribution.dtype)) for end in (-_LARGE, _LARGE)]
    if any(bool(tf.reduce_any(end != tf.reshape(end, [-1])[0])) for end in ends):
        return UNKNOWN  # each entry has limits of its own
    low, high = sorted(_limit(float(tf.reshape(end, [-1])[0])) for end in ends)
    finite = [end for end in (low, high) if abs(end) < _LARGE]
    if not finite:
        return REAL
    log_probs = [distribution.log_prob(tf.constant(end, distribution.dtype)) for end in finite]
    is_open = any(bool(tf.reduce_any(~(tf.abs(log_prob) < _LARGE / 1e3))) for log_prob in log_probs)
    return _interval(low, high, is_open)


def _limit(value: float) -> float:
    """Return the limit that the image of a very large number stands for."""
    if abs(value) < 10 / _LARGE:
        return 0.0
    return value if abs(value) < _LARGE / 10 else float("inf") if value > 0 else -float("inf")


def _interval(low: float, high: float, is_open: bool) -> Support:
    left = "(-infinity" if low == -float("inf") else f"{'(' if is_open else '['}{low:g}"
    right = "infinity)" if high == float("inf") else f"{high:g}{')' if is_open else ']'}"
    remedy = "transform x, or take a likelihood of its values"
    return Support(f"{left}, {right}", low, high, remedy=remedy, open=is_open)


@support_of.register
def _(distribution: DistributionTensor) -> Support:
    return support_of(distribution.tensor_distribution)


@support_of.register(wrappers.BatchBroadcast)
@support_of.register(wrappers.BatchReshape)
@support_of.register(wrappers.Independent)
@support_of.register(wrappers.Sample)
def _(distribution: Any) -> Support:
    return support_of(distribution.distribution)


@support_of.register
def _(distribution: Stacked) -> Support:
    return support_of(distribution.first)


@support_of.register(wrappers.MixtureSameFamily)
def _(distribution: Any) -> Support:
    return support_of(distribution.components_distribution)


@support_of.register(wrappers.Mixture)
def _(distribution: Any) -> Support:
    return Union.of([support_of(component) for component in distribution.components])


@support_of.register(wrappers.Blockwise)
def _(distribution: Any) -> Support:
    parts = tf.nest.flatten(distribution.distributions)
    return Blocks.of([(support_of(part), part.event_shape.num_elements(), family_name(part)) for part in parts])


@support_of.register
def _(distribution: tfd.Deterministic) -> Support:
    points = sorted({float(value) for value in tf.reshape(distribution.loc, [-1])}) if tf.executing_eagerly() else []
    if len(points) != 1:
        return UNKNOWN
    (point,) = points
    return Support(f"{{{point:g}}}", point, point, integer=point.is_integer(), remedy="pass this number")


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


@support_of.register(tfd.Geometric)
@support_of.register(tfd.NegativeBinomial)
@support_of.register(tfd.Poisson)
@support_of.register(tfd.PoissonLogNormalQuadratureCompound)
@support_of.register(tfd.ZeroInflatedNegativeBinomial)
def _(distribution: tfd.Distribution) -> Support:
    return COUNTS


@support_of.register(tfd.BetaBinomial)
@support_of.register(tfd.Binomial)
@support_of.register(tfd.DirichletMultinomial)
@support_of.register(tfd.Multinomial)
def _(distribution: Any) -> Support:
    """Counts of at most `total_count`, which add up to it over the last axis of a multinomial."""
    totals = sorted({float(value) for value in tf.reshape(distribution.total_count, [-1])})
    if len(totals) != 1:
        return COUNTS
    (total,) = totals
    remedy = f"pass counts out of {total:g}"
    adds_up = distribution.event_shape.rank == 1
    return Support(f"{{0, ..., {total:g}}}", 0, total, True, remedy, total=total if adds_up else None)


@support_of.register
def _(distribution: tfd.Zipf) -> Support:
    return Support("{1, 2, ...}", 1, integer=True, remedy="pass counts of 1 and more")


@support_of.register
def _(distribution: tfd.Skellam) -> Support:
    return Support("the integers", integer=True, remedy="pass differences of counts")


@support_of.register
def _(distribution: tfd.VonMises) -> Support:
    return REAL  # angles, whose density is periodic


@support_of.register
def _(distribution: QuantizedLogistic) -> Support:
    return levels_support(distribution.num_levels)


@support_of.register
def _(distribution: tfd.OneHotCategorical) -> Support:
    return ONE_HOT


@support_of.register(tfd.Dirichlet)
@support_of.register(tfd.RelaxedOneHotCategorical)
def _(distribution: tfd.Distribution) -> Support:
    return SIMPLEX


def family_name(distribution: tfd.Distribution) -> str:
    """Return the name of the family of one entry, for messages."""
    distribution = getattr(distribution, "tensor_distribution", distribution)
    return type(getattr(distribution, "distribution", distribution)).__name__


def is_normalized(distribution: tfd.Distribution) -> bool:
    """Return whether `log_prob` is a log-probability: False for soft Bernoulli targets, at any depth of nesting."""
    distribution = getattr(distribution, "tensor_distribution", distribution)
    if isinstance(distribution, SoftBernoulli):
        return False
    names = ("distribution", "components_distribution", "components", "distributions")
    inner = tf.nest.flatten([getattr(distribution, name, ()) for name in names])
    return all(is_normalized(part) for part in inner if isinstance(part, tfd.Distribution))


def check_support(distribution: tfd.Distribution, x: Any) -> None:
    """Raise unless `distribution` can score every entry of the array `x`.

    Raises:
        ValueError: with the range of `x`, the support and the remedy.
    """
    support_of(distribution).check(x, family_name(distribution))
