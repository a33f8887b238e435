"""Priors of discrete z, with learned probabilities."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae import layers
from keras_vae.arguments import as_count
from keras_vae.priors.prior import Prior
from keras_vae.registration import register

__all__ = ["Bernoulli", "Categorical"]


@register
class Bernoulli(Prior):
    """p(z) = prod_j Bernoulli(z_j; sigmoid(logits_j)), z [D] of zeros and ones.

    The logits are learned and begin at 0. With trainable=False they stay there, and every z is equally likely.

    Args:
        latent_dim: Int, D.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:

    >>> round(float(Bernoulli(2)().log_prob([0., 1.])), 4)
    -1.3863
    """

    def __init__(self, latent_dim: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.latent_dim = as_count(latent_dim=latent_dim)
        self.logits = self.add_weight((self.latent_dim,), "zeros", name="logits")

    def distribution(self) -> tfd.Independent:
        return layers.IndependentBernoulli.new(tf.convert_to_tensor(self.logits), self.latent_dim)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "latent_dim": self.latent_dim}


@register
class Categorical(Prior):
    """p(z) = prod_n softmax(logits_n) . z_n, z [N, K] of one-hot vectors.

    The logits are learned and begin at 0. With trainable=False they stay there, and every z is equally likely.

    Args:
        latent_dim: Int, N.
        num_categories: Int, K, 2 or more. 10.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:

    >>> round(float(Categorical(2, num_categories=4)().log_prob(tf.one_hot([0, 3], 4))), 4)
    -2.7726
    """

    def __init__(self, latent_dim: int, num_categories: int = 10, **kwargs: Any):
        super().__init__(**kwargs)
        self.latent_dim = as_count(latent_dim=latent_dim)
        self.num_categories = as_count(2, num_categories=num_categories)
        self.logits = self.add_weight((self.latent_dim, self.num_categories), "zeros", name="logits")

    def distribution(self) -> tfd.Independent:
        logits = tf.reshape(tf.convert_to_tensor(self.logits), [-1])
        return layers.IndependentOneHotCategorical.new(logits, (self.latent_dim, self.num_categories))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "latent_dim": self.latent_dim, "num_categories": self.num_categories}
