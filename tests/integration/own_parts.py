"""A user's own likelihood, posterior, prior and network, written with public names only: the script to begin with."""

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

import keras_vae as kv

register = keras.saving.register_keras_serializable(package="own_parts")


@register
class HalfNormal(kv.layers.DistributionLambda):
    def distribution(self, inputs):
        return tfd.Independent(tfd.HalfNormal(tf.math.softplus(inputs) + 1e-3), 1)


class Positive(kv.likelihoods.Likelihood):  # of a family that the package knows nothing of
    def layer(self, event_shape):
        return HalfNormal()


class Laplace:
    def params_size(self, latent_dim):
        return kv.layers.IndependentLaplace.params_size(latent_dim)

    def layer(self, latent_dim):
        return kv.layers.IndependentLaplace(latent_dim)


@register
class LearnedNormal(kv.priors.Prior):
    def __init__(self, latent_dim, **kwargs):
        super().__init__(**kwargs)
        self.latent_dim = latent_dim
        self.loc = self.add_weight((latent_dim,), "zeros", name="loc")
        self.log_scale = self.add_weight((latent_dim,), "zeros", name="log_scale")

    def distribution(self):
        return tfd.MultivariateNormalDiag(tf.convert_to_tensor(self.loc), tf.exp(self.log_scale))


class Tanh:
    def encoder(self, event_shape, params_size, scale=1.0):
        return keras.Sequential(
            [keras.Input(event_shape), keras.layers.Dense(8, "tanh"), keras.layers.Dense(params_size)]
        )

    def decoder(self, latent_dim, event_shape, params_per_entry):
        size = event_shape[0] * params_per_entry
        return keras.Sequential([keras.Input((latent_dim,)), keras.layers.Dense(8, "tanh"), keras.layers.Dense(size)])


def make_vae():
    return kv.VAE.for_vectors(
        (6,), latent_dim=2, likelihood=Positive(), posterior=Laplace(), prior=LearnedNormal(2), network=Tanh(), seed=0
    )
