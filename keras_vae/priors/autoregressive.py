"""A prior whose entries are drawn one after another, each from a mixture of normals."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae import distributions, layers
from keras_vae.arguments import as_count, sizes_of
from keras_vae.priors.prior import Prior
from keras_vae.registration import register

__all__ = ["Autoregressive"]


@register
class Autoregressive(Prior):
    """p(z) = prod_j p(z_j | z_<j), where each factor is a mixture of normals.

    p(z_j | z_<j) = sum_c softmax(logits_j)[c] Normal(loc_jc, softplus(raw_jc)),  logits, loc, raw = start + network(z)

    The network's outputs for entry j see the entries before j. log p(z) takes one pass through the network, a draw of z
    D passes: training is fast, and `vae.sample` is slower.

    The kernels begin small, and the components side by side in such a way that p(z) begins near Normal(0, I).

    Args:
        latent_dim: Int, D.
        num_components: Int, C, number of normals in the mixture of each entry. 10.
        hidden_units: Integers, sizes of the hidden layers of the network. (64, 64).
        activation: Str or function, activation of the hidden layers. "relu".
        **kwargs: Arguments of `keras.layers.Layer`.

    Returns:
        `keras_vae.distributions.Autoregressive` with batch [] and event [D].

    Raises:
        ValueError: if a size is not a whole number, 1 or more.

    Example:

    >>> p_z = Autoregressive(3, num_components=5)()
    >>> p_z.log_prob(kv.random.sample(p_z, 5, seed=0)).shape.as_list()
    [5]

    References:
        Germain et al. (2015), "MADE: Masked autoencoder for distribution estimation", Eq. 5. Mixtures of normals
        instead of Bernoullis: Uria et al. (2013), "RNADE: The real-valued neural autoregressive density-estimator".
    """

    def __init__(
        self,
        latent_dim: int,
        num_components: int = 10,
        hidden_units: Sequence[int] = (64, 64),
        activation: Any = "relu",
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.latent_dim = as_count(latent_dim=latent_dim)
        self.num_components = as_count(num_components=num_components)
        self.hidden_units = sizes_of("hidden_units", hidden_units)
        self.activation = keras.activations.get(activation)
        self.network = layers.AutoregressiveNetwork(
            params=layers.MixtureNormal.params_size(self.num_components),
            event_shape=self.latent_dim,
            hidden_units=self.hidden_units,
            activation=self.activation,
            kernel_initializer=keras.initializers.VarianceScaling(0.1, "fan_avg", "uniform"),
            dtype=self.variable_dtype,
            name="network",
        )
        self.network.build((None, self.latent_dim))

    def distribution(self) -> distributions.Autoregressive:
        start = tf.constant(_start(self.num_components), self.variable_dtype)

        def conditional(z: tf.Tensor) -> tfd.Distribution:
            params = start + self.network(z)
            return tfd.Independent(layers.MixtureNormal.new(params, self.num_components), 1)

        return distributions.Autoregressive(conditional, self.latent_dim, self.variable_dtype)

    def get_config(self) -> dict[str, Any]:
        names = ["latent_dim", "num_components", "hidden_units"]
        config = {**super().get_config(), **{name: getattr(self, name) for name in names}}
        return {**config, "activation": keras.activations.serialize(self.activation)}


def _start(num_components: int) -> np.ndarray:
    """Return parameters of a mixture with mean 0 and variance 1 that is close to Normal(0, 1).

    Its components lie at different quantiles. Equal components of the first entry, which sees no other, would have
    equal gradients. They would stay equal.
    """
    loc = np.array([NormalDist(sigma=0.7).inv_cdf((c + 0.5) / num_components) for c in range(num_components)])
    raw_scale = np.log(np.expm1(np.sqrt(1 - np.mean(loc**2))))
    return np.concatenate([np.zeros(num_components), np.stack([loc, np.full_like(loc, raw_scale)], -1).ravel()])
