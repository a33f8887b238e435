"""The functions a user would write: registered, so that models made of them are loaded in safe mode."""

import math

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd
from tensorflow_probability import math as tfm

from keras_vae import layers, priors


def _register(function):
    return keras.saving.register_keras_serializable(package="keras_vae_contracts")(function)


@_register
def normal(params):
    """Return Normal [..., D] of params [..., 2 D]: locations, then logarithms of scales."""
    loc, log_scale = tf.split(params, 2, axis=-1)
    return tfd.Independent(tfd.Normal(loc, tf.exp(log_scale)), 1)


@_register
def standard_normal(t):
    """Return Normal(0, I) of two dimensions for each row of `t`, whatever is in it."""
    zeros = tf.zeros(tf.concat([tf.shape(t)[:-1], [2]], 0), t.dtype)
    return tfd.MultivariateNormalDiag(zeros, tf.ones_like(zeros))


@_register
def normal_of_weights(params):
    loc, raw_scale = tf.split(params, 2, axis=-1)
    return tfd.Independent(tfd.Normal(loc, 1e-5 + tf.math.softplus(raw_scale)), 1)


@_register
def unit_normal_of_weights(loc):
    return tfd.Independent(tfd.Normal(loc, tf.ones([], loc.dtype)), 1)


@_register
def mean_field_posterior(kernel_size, bias_size=0, dtype=None):
    return keras.Sequential(
        [
            layers.VariableLayer(2 * (kernel_size + bias_size), dtype=dtype),
            layers.DistributionLambda(normal_of_weights, dtype=dtype, seed=3),
        ]
    )


@_register
def trainable_prior(kernel_size, bias_size=0, dtype=None):
    return keras.Sequential(
        [
            layers.VariableLayer(kernel_size + bias_size, dtype=dtype),
            layers.DistributionLambda(unit_normal_of_weights, dtype=dtype, seed=4),
        ]
    )


@_register
class RBFKernel(keras.layers.Layer):
    """Kernel provider of a Gaussian process, as TFP documents it: a layer with a property `kernel`."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.raw_amplitude = self.add_weight((), "zeros", name="raw_amplitude")
        self.raw_length_scale = self.add_weight((), "zeros", name="raw_length_scale")

    def call(self, x):
        return x

    @property
    def kernel(self):
        return tfm.psd_kernels.ExponentiatedQuadratic(
            tf.math.softplus(tf.convert_to_tensor(self.raw_amplitude)),
            tf.math.softplus(tf.convert_to_tensor(self.raw_length_scale)),
        )


@_register
class Posterior:
    """Posterior of weights, made of another function's location and scale."""

    def __init__(self, loc_scale_fn):
        self.loc_scale_fn = loc_scale_fn

    def __call__(self, dtype, shape, name, trainable, add_variable_fn):
        loc, scale = self.loc_scale_fn(dtype, shape, name, trainable, add_variable_fn)
        return tfd.Independent(tfd.Normal(loc, 2 * scale), len(shape))

    def get_config(self):
        return {"loc_scale_fn": keras.saving.serialize_keras_object(self.loc_scale_fn)}

    @classmethod
    def from_config(cls, config):
        return cls(keras.saving.deserialize_keras_object(config["loc_scale_fn"]))


@_register
class LearnedNormal(priors.Prior):
    """Prior as its base class documents it: a diagonal normal whose locations and scales are learned."""

    def __init__(self, latent_dim, initial_scale=1.0, **kwargs):
        super().__init__(**kwargs)
        self.latent_dim = latent_dim
        self.initial_scale = initial_scale
        initial = keras.initializers.Constant(math.log(initial_scale))
        self.loc = self.add_weight((latent_dim,), "zeros", name="loc")
        self.log_scale = self.add_weight((latent_dim,), initial, name="log_scale")

    def distribution(self):
        return tfd.MultivariateNormalDiag(tf.convert_to_tensor(self.loc), tf.exp(self.log_scale))

    def get_config(self):
        return {**super().get_config(), "latent_dim": self.latent_dim, "initial_scale": self.initial_scale}
