"""The variational mixture of posteriors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.arguments import as_count
from keras_vae.priors.prior import Prior
from keras_vae.registration import register

__all__ = ["VampPrior"]


@register
class VampPrior(Prior):
    """p(z) = 1/K sum_k q(z|u_k), the mean of the model's posteriors at K learned pseudo-inputs u_k.

    A model lends its encoder when it is built, also after loading: the prior has no copy of its weights, and what
    trains the encoder moves the prior. The encoder runs on the pseudo-inputs as in evaluation: their means and
    variances do not enter batch normalisation, and no unit is dropped.

    Start from data: `vae.prior.set_pseudo_inputs(x_train[:500])` before the training. Else the pseudo-inputs begin as
    uniform noise in [0, 1]. They are not held to the values that x can have.

    KL(q(z|x), p(z)) has no closed form: objectives estimate it from their draws of q(z|x).

    Args:
        num_components: Int, K. 500.
        **kwargs: Arguments of `keras.layers.Layer`.

    Returns:
        `tfd.MixtureSameFamily` with batch [] and the event of the posterior.

    Raises:
        ValueError: if `num_components` is not a positive integer, if no model has lent its encoder or two models have
            different ones, or if the posterior is a structure of several distributions.

    Example:

    >>> vae = kv.VAE.for_images((4, 4, 1), latent_dim=2, prior=VampPrior(10))
    >>> x = np.random.default_rng(0).integers(0, 2, [50, 4, 4, 1])
    >>> vae.prior.set_pseudo_inputs(x[:10])
    >>> components = vae.encode(x[:10])
    >>> z = tf.zeros([2])
    >>> np.allclose(vae.prior().prob(z), tf.reduce_mean(components.prob(z)))
    True

    References:
        Tomczak & Welling (2018), "VAE with a VampPrior", Eq. 9.
    """

    def __init__(self, num_components: int = 500, **kwargs: Any):
        super().__init__(**kwargs)
        self.num_components = as_count(num_components=num_components)
        self.scale = self.add_weight((), "ones", trainable=False, name="scale")
        self.scaled_inputs: Any = None
        self._model: Callable[[], Any] | None = None  # in a function, as Keras would take it for a part of the prior

    @classmethod
    def for_latent_dim(cls, latent_dim: int) -> VampPrior:
        return cls()

    def lend(self, model: Any) -> None:
        if self._model is not None and self._model().encoder is not model.encoder:
            raise ValueError(
                "A VampPrior is made of the posteriors of one encoder: make another one for this model. "
                f"Received: prior={self.name!r}, which another model has already"
            )
        self._model = lambda: model
        if self.scaled_inputs is None:
            shape = (self.num_components, *model.event_shape)
            uniform = keras.initializers.RandomUniform(0.0, 1.0)
            self.scaled_inputs = self.add_weight(shape, uniform, name="scaled_inputs")

    def set_pseudo_inputs(self, x: Any) -> None:
        """Let the pseudo-inputs begin at examples.

        Their standard deviation becomes the unit in which steps of the optimizer move them.

        Args:
            x: [K, *event].

        Raises:
            ValueError: if x has another shape or entries that are not finite, or if no model has lent its encoder.
        """
        self._lent()
        x = np.asarray(x, self.variable_dtype)
        if x.shape != tuple(self.scaled_inputs.shape):
            raise ValueError(
                f"x must hold one example for each component, [K, *event_shape] = {tuple(self.scaled_inputs.shape)}. "
                f"Received: x.shape={x.shape}"
            )
        if not np.all(np.isfinite(x)):
            raise ValueError(
                "Pseudo-inputs must be finite: take examples without missing entries, or fill those in with "
                "keras_vae.evaluation.impute. Received: x with NaN or infinite entries"
            )
        self.scale.assign(x.std() or 1.0)
        self.scaled_inputs.assign(x / x.std() if x.std() else x)

    def pseudo_inputs(self) -> tf.Tensor:
        """Return u, [K, *event]."""
        self._lent()
        return self.scale * tf.convert_to_tensor(self.scaled_inputs)

    def distribution(self) -> tfd.MixtureSameFamily:
        posteriors = self._lent().encode(self.pseudo_inputs(), training=False)
        if tf.nest.is_nested(posteriors):
            raise ValueError(
                "A VampPrior mixes posteriors of one latent. "
                f"Received: a posterior of {len(tf.nest.flatten(posteriors))} latents"
            )
        weights = tf.zeros([self.num_components], posteriors.dtype)
        return tfd.MixtureSameFamily(tfd.Categorical(weights), posteriors)

    def _lent(self) -> Any:
        """Return the model that lends its encoder."""
        if self._model is None:
            raise ValueError(
                "A VampPrior is made of its model's posteriors: pass it to a model as `prior`, and build the model. "
                f"Received: a {type(self).__name__} without a model"
            )
        return self._model()

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_components": self.num_components}
