"""A mixture of normals as prior."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.arguments import as_count
from keras_vae.priors.prior import Prior
from keras_vae.registration import register

__all__ = ["MixtureOfNormals"]


@register
class MixtureOfNormals(Prior):
    """p(z) = sum_k softmax(logits)[k] Normal(z; loc_k, diag(scale_k)^2), all of it learned.

    KL(q(z|x), p(z)) has no closed form: objectives estimate it from their draws of q(z|x). The mixture begins near
    N(0, I).

    Args:
        latent_dim: Int, D.
        num_components: Int, K. 100.
        **kwargs: Arguments of `keras.layers.Layer`.

    Returns:
        `tfd.MixtureSameFamily` with batch [] and event [D].

    Raises:
        ValueError: if a count is not a positive integer.

    Example:

    >>> p_z = MixtureOfNormals(2, num_components=5)()
    >>> p_z.log_prob(tf.zeros([3, 2])).shape
    TensorShape([3])

    References:
        Dilokthanakul et al. (2016), "Deep unsupervised clustering with Gaussian mixture variational autoencoders";
        as baseline in Tomczak & Welling (2018), "VAE with a VampPrior", Sec. 4.
    """

    def __init__(self, latent_dim: int, num_components: int = 100, **kwargs: Any):
        super().__init__(**kwargs)
        self.latent_dim = as_count(latent_dim=latent_dim)
        self.num_components = as_count(num_components=num_components)
        shape = (self.num_components, self.latent_dim)
        self.logits = self.add_weight((self.num_components,), "zeros", name="logits")
        spread = (self.latent_dim + 3) ** -0.5  # in many dimensions, components far apart are not near N(0, I) together
        self.loc = self.add_weight(shape, keras.initializers.RandomNormal(stddev=spread), name="loc")
        first_log_scale = keras.initializers.Constant(math.log(1 - spread**2) / 2)
        self.log_scale = self.add_weight(shape, first_log_scale, name="log_scale")

    def distribution(self) -> tfd.MixtureSameFamily:
        components = tfd.MultivariateNormalDiag(tf.convert_to_tensor(self.loc), tf.exp(self.log_scale))
        return tfd.MixtureSameFamily(tfd.Categorical(tf.convert_to_tensor(self.logits)), components)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "latent_dim": self.latent_dim, "num_components": self.num_components}
