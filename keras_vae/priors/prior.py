"""The base of all priors."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from keras_vae.distributions.latents import as_tuples
from keras_vae.layers.untrained import keras_layers_within

__all__ = ["Prior"]


class Prior(keras.layers.Layer):
    """Layer without input: calling it returns p(z), with batch [] and event [D].

    A prior is a Keras layer so that its weights, and the layers that it holds, are trained, saved and exported with the
    model. `keras.layers.Layer` itself cannot be called without an argument, hence the `__call__` of its own.

    To write a prior:

    1. create the weights in `__init__` with `add_weight`. They stay float32 under mixed precision;
    2. override `distribution`, which makes a TFP distribution of the present values of the weights;
    3. return the arguments of `__init__` from `get_config`;
    4. register the class, so that a `.keras` file finds it in safe mode.

    Independent latents of several shapes are a tuple or dictionary of distributions, in the structure in which the
    encoder returns its own.

    Calling the prior checks that `distribution` returns a TFP distribution of batch []. A model checks when it is
    built that the event shapes of prior and posterior are the same. Objectives use the closed form of KL(q, p) where
    TFP has one, and estimate it from their draws of q(z|x) elsewhere.

    Attributes:
        num_seen: Int, how many of the first entries of z, a vector, the decoders of `VAE.for_images` and `for_vectors`
            see; None: all.

    Args:
        **kwargs: Arguments of `keras.layers.Layer`.

    Returns:
        p(z), a `tfd.Distribution` with batch [] and event [*latent], or a structure of independent ones.

    Raises:
        TypeError: if `distribution` does not return a distribution.
        ValueError: if the distribution has a batch.

    Example:

    >>> @keras.saving.register_keras_serializable(package="my_package")
    ... class LearnedNormal(Prior):
    ...     def __init__(self, latent_dim, **kwargs):
    ...         super().__init__(**kwargs)
    ...         self.latent_dim = latent_dim
    ...         self.loc = self.add_weight((latent_dim,), "zeros", name="loc")
    ...         self.log_scale = self.add_weight((latent_dim,), "zeros", name="log_scale")
    ...
    ...     def distribution(self):
    ...         return tfd.MultivariateNormalDiag(tf.convert_to_tensor(self.loc), tf.exp(self.log_scale))
    ...
    ...     def get_config(self):
    ...         return {**super().get_config(), "latent_dim": self.latent_dim}
    >>> vae = kv.VAE.for_vectors((4,), latent_dim=2, prior=LearnedNormal(2))
    >>> len(vae.prior.trainable_variables)
    2
    """

    num_seen: int | None = None

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.built = True  # Keras builds a layer at its first call with an input, which never comes

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, tfd.Distribution | tfb.Bijector):
            super().__setattr__(f"{name}_layers", keras_layers_within(value))  # Keras looks into neither
        super().__setattr__(name, value)

    def __call__(self) -> Any:
        owned = {id(weight.value) for weight in self.variables}
        for name, value in vars(self).items():
            if isinstance(value, tf.Variable) and value.trainable and id(value) not in owned:
                raise ValueError(
                    f"Keras would neither train nor save a tf.Variable: make `{name}` of {type(self).__name__} with "
                    f"`self.add_weight`. Received: {name}={value.name!r}"
                )
        p_z = as_tuples(self.distribution())
        for part in tf.nest.flatten(p_z):
            if not isinstance(part, tfd.Distribution):
                raise TypeError(
                    f"{type(self).__name__}.distribution must return a tfd.Distribution. "
                    f"Received: distribution()={p_z!r}"
                )
            if part.batch_shape.rank != 0:
                raise ValueError(
                    f"{type(self).__name__}.distribution must have batch [] and event [D]: wrap independent entries in "
                    f"tfd.Independent. Received: batch_shape={part.batch_shape}, event_shape={part.event_shape}"
                )
        return p_z

    @classmethod
    def for_latent_dim(cls, latent_dim: int) -> Prior:
        """Return the prior of vectors z [D] whose other arguments have their defaults; for priors given by name."""
        return cls(latent_dim=latent_dim)

    def lend(self, model: Any) -> None:
        """Take what a model lends when it is built, such as its `encode`: most priors need nothing of it.

        Args:
            model: The `keras_vae.VAE` that has this prior; its encoder and `event_shape` are known.
        """

    def add_weight(self, *args: Any, **kwargs: Any) -> keras.Variable:
        """Create a weight as `keras.layers.Layer.add_weight` does, which mixed precision does not cast."""
        return super().add_weight(*args, **{"autocast": False, **kwargs})

    def distribution(self) -> Any:
        """Return p(z), made of the present values of the weights."""
        raise NotImplementedError(f"{type(self).__name__} must override `distribution`.")
