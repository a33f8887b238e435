"""Distributions of vectors whose entries are drawn one after another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

__all__ = ["Autoregressive"]


class Autoregressive(tfd.Distribution):
    """Distribution of vectors z whose entries depend on those before them.

    log p(z) = sum_j log p(z_j | z_<j)

    The density of a point takes one pass through `conditional`, a draw takes D passes. `tfd.Autoregressive`, beside it,
    has no static shapes.

    Args:
        conditional: Function from z [..., D] to the distribution of all entries given those before them, with batch
            [...] and event [D]: what it says of entry j must depend on the entries before j alone, in some order.
        event_size: Int, D.
        dtype: Dtype of z. float32.
        validate_args: As in TFP.
        allow_nan_stats: As in TFP.
        name: As in TFP.

    Example:

    >>> walk = Autoregressive(lambda z: tfd.Independent(tfd.Normal(tf.cumsum(z, -1, exclusive=True), 1.0), 1), 3)
    >>> kv.random.sample(walk, 5, seed=0).shape.as_list(), walk.log_prob(tf.zeros([5, 3])).shape.as_list()
    ([5, 3], [5])

    References:
        Germain et al. (2015), "MADE: Masked autoencoder for distribution estimation", Eq. 5.
    """

    def __init__(
        self,
        conditional: Callable[[tf.Tensor], tfd.Distribution],
        event_size: int,
        dtype: Any = tf.float32,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Autoregressive",
    ):
        parameters = dict(locals())
        self.conditional, self.event_size = conditional, event_size
        super().__init__(
            dtype=tf.as_dtype(dtype),
            reparameterization_type=tfd.NOT_REPARAMETERIZED,
            validate_args=validate_args,
            allow_nan_stats=allow_nan_stats,
            parameters=parameters,
            name=name,
        )

    def draw(self, num_samples: Any, draw: Callable[[tfd.Distribution], tf.Tensor]) -> tf.Tensor:
        """Return z [num_samples, D], drawn by D calls of `draw`, each given the entries of the call before.

        Args:
            num_samples: Int or scalar tensor.
            draw: Function from a distribution with batch [num_samples] to one draw of each, of the same noise at each
                call: entry by entry, the draws become those of the right conditionals.
        """
        start = tf.zeros([num_samples, self.event_size], self.dtype)
        (z,) = tf.while_loop(
            lambda z: True, lambda z: (draw(self.conditional(z)),), (start,), maximum_iterations=self.event_size
        )
        return z

    def _sample_n(self, n: Any, seed: Any = None) -> tf.Tensor:
        seed = tfp.random.sanitize_seed(seed)
        return self.draw(n, lambda conditional: conditional.sample(seed=seed))

    def _log_prob(self, z: tf.Tensor) -> tf.Tensor:
        return self.conditional(z).log_prob(z)

    def _batch_shape(self) -> tf.TensorShape:
        return tf.TensorShape([])

    def _batch_shape_tensor(self) -> tf.Tensor:
        return tf.constant([], tf.int32)

    def _event_shape(self) -> tf.TensorShape:
        return tf.TensorShape([self.event_size])

    def _event_shape_tensor(self) -> tf.Tensor:
        return tf.constant([self.event_size])

    @classmethod
    def _parameter_properties(cls, dtype: Any, num_classes: int | None = None) -> dict[str, Any]:
        return {}
