"""Gradients through a continuous relaxation of discrete draws: of little variance, and biased."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from keras_vae import random
from keras_vae.arguments import check_numbers
from keras_vae.distributions.discrete import harden, relax
from keras_vae.objectives.estimators import Estimator, without_value
from keras_vae.protocols import Batch, LatentDraws
from keras_vae.random import Noise
from keras_vae.registration import register

__all__ = ["GumbelSoftmax", "StraightThrough"]


class _Relaxation(Estimator):
    """Base of the estimators that have a soft draw beside each hard one, from the same noise.

    soft = sigmoid((logits + logistic noise) / temperature) of Bernoulli entries, and softmax((logits + Gumbel noise) /
    temperature) of one-hot vectors; hard is its limit at temperature 0, a draw of the posterior.

    Args:
        temperature: Float above 0, or a `keras.optimizers.schedules.LearningRateSchedule` of the training step. Towards
            0 the bias falls and the variance grows.
    """

    needs_one_layer = True

    def __init__(self, temperature: float | keras.optimizers.schedules.LearningRateSchedule = 0.5):
        if not callable(temperature):
            check_numbers(temperature=temperature)
        self.temperature = temperature

    def of(self, batch: Batch, step: Any, training: bool) -> Any:
        copied: Any = super().of(batch, step, training)
        copied.temperature = self.temperature(step) if callable(self.temperature) else self.temperature
        return copied

    def _soft_and_hard(self, posterior: Any, num_samples: int, noise: Noise) -> tuple[Any, Any]:
        """Return draws [S, B, *latent] of each of the two kinds."""
        relaxed = tf.nest.map_structure(lambda part: relax(part, self.temperature), posterior)
        soft = random.sample(relaxed, num_samples, noise)
        return soft, tf.nest.map_structure(lambda part, z: tf.stop_gradient(harden(part, z)), posterior, soft)

    def get_config(self) -> dict[str, Any]:
        return {"temperature": keras.saving.serialize_keras_object(self.temperature)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> _Relaxation:
        return cls(keras.saving.deserialize_keras_object(config["temperature"]))


@register
class GumbelSoftmax(_Relaxation):
    """The gradient of the bound at soft draws beside the value at hard ones.

    The networks run on both, twice as many as `num_samples`: the value is that of the discrete model, whatever the
    temperature, and the gradient that of its relaxation. It is biased.

    Args:
        temperature: See the class's base: 0.5.

    References:
        Jang, Gu & Poole (2017), "Categorical reparameterization with Gumbel-softmax", Eq. 2. Maddison, Mnih & Teh
        (2017), "The Concrete distribution", Eq. 10.
    """

    name = "gumbel_softmax"

    def sample(self, posterior: Any, num_samples: int, noise: Noise) -> Any:
        """Return the soft draws, then the hard ones, [2 S, B, *latent]."""
        both = self._soft_and_hard(posterior, num_samples, noise)
        return tf.nest.map_structure(lambda soft, hard: tf.concat([soft, hard], axis=0), *both)

    def mean(self, draws: LatentDraws, values: tf.Tensor) -> tf.Tensor:
        soft, hard = tf.split(values, 2)
        return tf.stop_gradient(tf.reduce_mean(hard, axis=0)) + without_value(tf.reduce_mean(soft, axis=0))


@register
class StraightThrough(_Relaxation):
    """Hard draws, through which the gradient goes as if they were soft: biased, and of half the cost.

    Args:
        temperature: See the class's base: 0.5.

    References:
        Jang, Gu & Poole (2017), "Categorical reparameterization with Gumbel-softmax", Sec. 2.2. Bengio, Leonard &
        Courville (2013), "Estimating or Propagating Gradients Through Stochastic Neurons".
    """

    name = "straight_through"

    def sample(self, posterior: Any, num_samples: int, noise: Noise) -> Any:
        """Return the hard draws, with the gradient of the soft ones."""
        both = self._soft_and_hard(posterior, num_samples, noise)
        return tf.nest.map_structure(lambda soft, hard: hard + without_value(soft), *both)
