"""Two stochastic layers as one distribution."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

__all__ = ["Stacked"]


class Stacked(tfd.Distribution):
    """p(a, b) = p(a) p(b | a) of two vectors, as the distribution of z = [a, b], or of z = [b, a].

    Args:
        first: p(a), batch [...] and event [A].
        second: Function from a [N, A] to p(b | a), with batch [N] and event [B].
        second_size: Int, B.
        reverse: Bool, whether z is [b, a]: so p(z_2) p(z_1 | z_2) is a distribution of [z_1, z_2]. False.
        validate_args: As in TFP.
        allow_nan_stats: As in TFP.
        name: As in TFP.

    Example:

    >>> p = Stacked(tfd.MultivariateNormalDiag(tf.zeros(2)), lambda a: tfd.MultivariateNormalDiag(a), second_size=2)
    >>> kv.random.sample(p, 5, seed=0).shape.as_list(), round(float(p.log_prob(tf.zeros(4))), 4)
    ([5, 4], -3.6758)
    """

    def __init__(
        self,
        first: tfd.Distribution,
        second: Callable[[tf.Tensor], tfd.Distribution],
        second_size: int,
        reverse: bool = False,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Stacked",
    ):
        parameters = dict(locals())
        self.first, self.second, self.second_size, self.reverse = first, second, second_size, reverse
        super().__init__(
            dtype=first.dtype,
            reparameterization_type=tfd.NOT_REPARAMETERIZED,  # the second part may be discrete
            validate_args=validate_args,
            allow_nan_stats=allow_nan_stats,
            parameters=parameters,
            name=name,
        )

    def join(self, a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
        """Return z of its parts."""
        return tf.concat([b, a] if self.reverse else [a, b], axis=-1)

    def split(self, z: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the parts a and b of z."""
        if self.reverse:
            return z[..., self.second_size :], z[..., : self.second_size]
        size = self.first.event_shape[0]
        return z[..., :size], z[..., size:]

    def second_of(self, a: tf.Tensor) -> tfd.Distribution:
        """Return p(b | a), of which the batch is all batch axes of `a` as one."""
        return self.second(tf.reshape(a, [-1, a.shape[-1]]))

    def with_batch_of(self, a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
        """Return b [N, B], made given `a`, with the batch axes of `a`."""
        return tf.reshape(b, tf.concat([tf.shape(a)[:-1], [self.second_size]], axis=0))

    def _log_prob(self, z: tf.Tensor) -> tf.Tensor:
        a, b = self.split(z)
        of_second = self.second_of(a).log_prob(tf.reshape(b, [-1, b.shape[-1]]))
        return self.first.log_prob(a) + tf.reshape(of_second, tf.shape(a)[:-1])

    def _sample_n(self, n: Any, seed: Any = None) -> tf.Tensor:
        seeds = tfp.random.split_seed(seed)
        a = self.first.sample(n, seed=seeds[0])
        return self.join(a, self.with_batch_of(a, self.second_of(a).sample(seed=seeds[1])))

    def _mode(self) -> tf.Tensor:
        """Return the most probable a, and the most probable b given it."""
        a = self.first.mode()
        return self.join(a, self.with_batch_of(a, self.second_of(a).mode()))

    def _batch_shape(self) -> tf.TensorShape:
        return self.first.batch_shape

    def _batch_shape_tensor(self) -> tf.Tensor:
        return self.first.batch_shape_tensor()

    def _event_shape(self) -> tf.TensorShape:
        return tf.TensorShape([self.first.event_shape[0] + self.second_size])

    def _event_shape_tensor(self) -> tf.Tensor:
        return tf.constant(self._event_shape().as_list())

    @classmethod
    def _parameter_properties(cls, dtype: Any, num_classes: int | None = None) -> dict[str, Any]:
        return {}
