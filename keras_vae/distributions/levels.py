"""Distributions over the ordered levels 0 ... K-1 of an intensity."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

__all__ = ["CategoricalLevels", "QuantizedLogistic"]

_LEVELS_AT_ONCE = 256


class _LevelMoments:
    """Mean and variance of a distribution over the levels 0 ... K-1, from the probability of each."""

    def _probs_and_levels(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Return probabilities [..., K] and levels [K]."""
        raise NotImplementedError(f"{type(self).__name__} must override `_probs_and_levels`.")

    def _mean(self, **kwargs: Any) -> tf.Tensor:
        probs, levels = self._probs_and_levels()
        return tf.reduce_sum(probs * levels, -1)

    def _variance(self, **kwargs: Any) -> tf.Tensor:
        probs, levels = self._probs_and_levels()
        return tf.reduce_sum(probs * tf.math.square(levels - self._mean()[..., None]), -1)


class CategoricalLevels(_LevelMoments, tfd.Categorical):
    """`tfd.Categorical` over the ordered levels 0 ... K-1 of an intensity, which has moments.

    Example:

    >>> d = CategoricalLevels(probs=[0.25, 0.25, 0.5])
    >>> float(d.mean()), float(d.variance())
    (1.25, 0.6875)
    """

    def _probs_and_levels(self) -> tuple[tf.Tensor, tf.Tensor]:
        probs = self.probs_parameter()
        return probs, tf.cast(tf.range(tf.shape(probs)[-1]), probs.dtype)

    def _log_prob(self, k: tf.Tensor) -> tf.Tensor:
        return super()._log_prob(tf.cast(k, tf.int32))


class QuantizedLogistic(_LevelMoments, tfd.AutoCompositeTensorDistribution):
    """Logistic rounded to the levels 0 ... K-1, whose two ends take the mass of the tails.

    Level x covers u = lower(x) = (2 x - K) / (K - 1) to v = upper(x) = (2 x - K + 2) / (K - 1), where the levels
    fill [-1, 1]; with the logistic CDF F(u) = sigmoid((u - loc) / scale),

    prob(x) = F(v) - F(u) = F(v) (1 - F(u)) (1 - exp(-(v - u) / scale)),   F(u) = 0 at x = 0, F(v) = 1 at x = K - 1

    The product has no difference of near numbers, so that `log_prob` is exact to rounding however far x lies from
    loc. `mean` = sum_x P(X >= x), over x = 1 ... K-1, visits 256 levels at a time, so that its memory does not grow
    with K; `variance` and `mode` visit all K levels of each entry at once.

    Args:
        loc: location, in units where the levels fill [-1, 1].
        scale: positive scale, in the same units.
        num_levels: K.
        validate_args: whether to check values at run time.
        allow_nan_stats: see `tfd.Distribution`.
        name: name of the distribution.

    Example:

    >>> d = QuantizedLogistic(loc=0., scale=0.1, num_levels=4)
    >>> d.prob([0., 1., 2., 3.]).numpy().round(4), float(d.mode())
    (array([0.0013, 0.4987, 0.4987, 0.0013], dtype=float32), 1.0)

    References:
        Salimans et al. (2017), "PixelCNN++", Eq. 2 with one component; the "discretized logistic" of Kingma et al.
        (2016), "Improving variational inference with inverse autoregressive flow".
    """

    def __init__(
        self,
        loc: Any,
        scale: Any,
        num_levels: int = 256,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "QuantizedLogistic",
    ):
        parameters = dict(locals())
        self.logistic = tfd.Logistic(loc, scale)
        self.loc, self.scale, self.num_levels = self.logistic.loc, self.logistic.scale, num_levels
        super().__init__(
            dtype=self.logistic.dtype,
            reparameterization_type=tfd.NOT_REPARAMETERIZED,
            validate_args=validate_args,
            allow_nan_stats=allow_nan_stats,
            parameters=parameters,
            name=name,
        )

    def quantize(self, u: tf.Tensor) -> tf.Tensor:
        """Return the level nearest to `u`."""
        largest = self.num_levels - 1
        return tf.clip_by_value(tf.round((u + 1) / 2 * largest), 0, largest)

    def _log_prob(self, x: tf.Tensor) -> tf.Tensor:
        return self._log_prob_at(tf.cast(x, self.dtype), self.loc, self.scale)

    def _log_prob_at(self, x: tf.Tensor, loc: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
        intervals = self.num_levels - 1
        centre = 2 * x - intervals  # whole, so that an edge is rounded once, in its division
        below = ((centre - 1) / intervals - loc) / scale
        above = ((centre + 1) / intervals - loc) / scale
        width = 2 / (intervals * scale)
        is_first, is_last = x <= 0, x >= intervals
        zero = tf.zeros([], x.dtype)
        log_cdf = tf.where(is_last, zero, -tf.math.softplus(-above))
        log_survival = tf.where(is_first, zero, -tf.math.softplus(below))
        log_rest = tf.where(is_first | is_last, zero, tf.math.log(-tf.math.expm1(-width)))
        return log_cdf + log_survival + log_rest

    def _probs_and_levels(self) -> tuple[tf.Tensor, tf.Tensor]:
        levels = tf.range(self.num_levels, dtype=self.dtype)
        return tf.exp(self._log_prob_at(levels, self.loc[..., None], self.scale[..., None])), levels

    def _mean(self, **kwargs: Any) -> tf.Tensor:
        at_once = min(self.num_levels - 1, _LEVELS_AT_ONCE)

        def add(first: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            x = first + tf.range(at_once, dtype=self.dtype)
            lower = (2 * x - self.num_levels) / (self.num_levels - 1)
            survival = tf.sigmoid((self.loc[..., None] - lower) / self.scale[..., None])
            survival = tf.where(x < self.num_levels, survival, tf.zeros([], self.dtype))
            return first + at_once, total + tf.reduce_sum(survival, -1)

        start = tf.ones([], self.dtype), tf.zeros_like(self.loc + self.scale)
        if at_once == self.num_levels - 1:
            return add(*start)[1]
        return tf.while_loop(lambda first, total: first < self.num_levels, add, start)[1]

    def _mode(self) -> tf.Tensor:
        return tf.cast(tf.argmax(self._probs_and_levels()[0], -1), self.dtype)

    def _sample_n(self, n: Any, seed: Any = None) -> tf.Tensor:
        return self.quantize(self.logistic.sample(n, seed=seed))

    def _event_shape_tensor(self) -> tf.Tensor:
        return tf.constant([], tf.int32)

    def _event_shape(self) -> tf.TensorShape:
        return tf.TensorShape([])

    @classmethod
    def _parameter_properties(cls, dtype: Any, num_classes: int | None = None) -> dict[str, Any]:
        return {name: tfp.util.ParameterProperties() for name in ("loc", "scale")}

    def _parameter_control_dependencies(self, is_init: bool) -> list[Any]:
        return [tf.debugging.assert_positive(self.scale)] if self.validate_args and is_init else []

    def _sample_control_dependencies(self, x: tf.Tensor) -> list[Any]:
        if not self.validate_args:
            return []
        x = tf.cast(x, self.dtype)
        return [tf.debugging.assert_equal(x, tf.clip_by_value(tf.round(x), 0, self.num_levels - 1))]
