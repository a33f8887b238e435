"""Priors that are normalising flows: learned bijections of a standard normal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from keras_vae.arguments import as_count, sizes_of
from keras_vae.layers import AutoregressiveNetwork
from keras_vae.priors.prior import Prior
from keras_vae.registration import register

__all__ = ["MAF", "RealNVP"]

_LARGEST_LOG_SCALE = 2.0


class _Flow(Prior):
    """Base of the flows z = f_K(... f_1(u)), u ~ Normal(0, I); a subclass gives the networks and the steps."""

    fewest_flows = fewest_dimensions = 1

    def __init__(
        self,
        latent_dim: int,
        num_flows: int = 4,
        hidden_units: Sequence[int] = (64, 64),
        activation: Any = "relu",
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.latent_dim = as_count(self.fewest_dimensions, latent_dim=latent_dim)
        self.num_flows = as_count(self.fewest_flows, num_flows=num_flows)
        self.hidden_units = sizes_of("hidden_units", hidden_units)
        self.activation = keras.activations.get(activation)
        self.networks = [self._network(k) for k in range(self.num_flows)]

    def _network(self, k: int) -> keras.layers.Layer:
        """Return the network of step k."""
        raise NotImplementedError(f"{type(self).__name__} must override `_network`.")

    def _step(self, k: int) -> tfb.Bijector:
        """Return step k."""
        raise NotImplementedError(f"{type(self).__name__} must override `_step`.")

    def distribution(self) -> tfd.TransformedDistribution:
        zeros = tf.zeros([self.latent_dim], self.variable_dtype)
        u = tfd.MultivariateNormalDiag(zeros, tf.ones_like(zeros))
        return tfd.TransformedDistribution(u, tfb.Chain([self._step(k) for k in reversed(range(self.num_flows))]))

    def get_config(self) -> dict[str, Any]:
        names = ["latent_dim", "num_flows", "hidden_units"]
        config = {**super().get_config(), **{name: getattr(self, name) for name in names}}
        return {**config, "activation": keras.activations.serialize(self.activation)}


@register
class MAF(_Flow):
    """Masked autoregressive flow: p(z) of z = f_K(... f_1(u)), u ~ Normal(0, I).

    f(v) = y,  y_d = shift_d + exp(log_scale_d) v_d,  shift, raw = network(y),  log_scale = 2 tanh(raw / 2)

    The network's outputs for entry d see the entries of y before d. The networks of the steps see them from the first
    to the last and from the last to the first by turns. log p(z) takes one pass through each network, a draw of z D
    passes: training is fast, and `vae.sample` is slower. `RealNVP` is fast both ways, and less flexible.

    The kernels begin small, so that the flow begins near the identity and p(z) near Normal(0, I).

    Args:
        latent_dim: Int, D.
        num_flows: Int, K, number of steps. 4.
        hidden_units: Integers, sizes of the hidden layers of each network. (64, 64).
        activation: Str or function, activation of the hidden layers. "relu".
        **kwargs: Arguments of `keras.layers.Layer`.

    Returns:
        `tfd.TransformedDistribution` with batch [] and event [D].

    Raises:
        ValueError: if a size is not a whole number, 1 or more.

    Example:

    >>> p_z = MAF(3)()
    >>> p_z.log_prob(kv.random.sample(p_z, 5, seed=0)).shape.as_list()
    [5]

    References:
        Papamakarios et al. (2017), "Masked autoregressive flow for density estimation", Eqs. 3 and 4, here with bounded
        scales and without batch normalisation.
    """

    def _network(self, k: int) -> AutoregressiveNetwork:
        network = AutoregressiveNetwork(
            params=2,
            event_shape=self.latent_dim,
            hidden_units=self.hidden_units,
            input_order=("left-to-right", "right-to-left")[k % 2],
            activation=self.activation,
            kernel_initializer=_small(),
            dtype=self.variable_dtype,
            name=f"network_{k}",
        )
        network.build((None, self.latent_dim))
        return network

    def _step(self, k: int) -> tfb.Bijector:
        return tfb.MaskedAutoregressiveFlow(lambda y: _shift_and_log_scale(self.networks[k](y)))


@register
class RealNVP(_Flow):
    """Flow of coupling steps: p(z) of z = f_K(... f_1(u)), u ~ Normal(0, I).

    f(v) = [v_1, shift + exp(log_scale) v_2],  v = [v_1, v_2],  shift, raw = network(v_1),  log_scale = 2 tanh(raw / 2)

    v_1 are the first D // 2 entries, and the others at every second step. Both log p(z) and a draw of z take one pass
    through each network.

    The kernels begin small, so that the flow begins near the identity and p(z) near Normal(0, I).

    Args:
        latent_dim: Int, D, 2 or more.
        num_flows: Int, K, number of steps, 2 or more: one step leaves half of the entries as they are. 4.
        hidden_units: Integers, sizes of the hidden layers of each network. (64, 64).
        activation: Str or function, activation of the hidden layers. "relu".
        **kwargs: Arguments of `keras.layers.Layer`.

    Returns:
        `tfd.TransformedDistribution` with batch [] and event [D].

    Raises:
        ValueError: if a size is not a whole number, or too small.

    Example:

    >>> p_z = RealNVP(3)()
    >>> p_z.log_prob(kv.random.sample(p_z, 5, seed=0)).shape.as_list()
    [5]

    References:
        Dinh et al. (2017), "Density estimation using Real NVP", Eqs. 4 and 5, here with one bound of all scales and
        without batch normalisation.
    """

    fewest_flows = fewest_dimensions = 2

    def _network(self, k: int) -> keras.Sequential:
        num_seen, dtype = self._num_seen(k), self.variable_dtype
        sizes = [(units, self.activation) for units in self.hidden_units] + [(2 * (self.latent_dim - num_seen), None)]
        dense = [keras.layers.Dense(*size, kernel_initializer=_small(), dtype=dtype) for size in sizes]
        return keras.Sequential([keras.Input((num_seen,), dtype=dtype), *dense], name=f"network_{k}")

    def _num_seen(self, k: int) -> int:
        first = self.latent_dim // 2
        return self.latent_dim - first if k % 2 else first

    def _step(self, k: int) -> tfb.Bijector:
        num_seen = self._num_seen(k)

        def shift_and_log_scale(seen: tf.Tensor, num_others: int) -> tuple[tf.Tensor, tf.Tensor]:
            outputs = self.networks[k](tf.reshape(seen, [-1, num_seen]))
            return _shift_and_log_scale(tf.reshape(outputs, tf.concat([tf.shape(seen)[:-1], [num_others, 2]], 0)))

        return tfb.RealNVP(-num_seen if k % 2 else num_seen, shift_and_log_scale_fn=shift_and_log_scale)


def _small() -> keras.initializers.Initializer:
    """Return a new initializer of small kernels: one that is used twice draws the same numbers twice."""
    return keras.initializers.VarianceScaling(0.1, "fan_avg", "uniform")


def _shift_and_log_scale(outputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the two [..., D] of a network's outputs [..., D, 2]; the second is bounded."""
    shift, raw = tf.unstack(outputs, axis=-1)
    return shift, _LARGEST_LOG_SCALE * tf.tanh(raw / _LARGEST_LOG_SCALE)
