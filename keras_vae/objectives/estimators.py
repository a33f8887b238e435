"""Estimators of the gradient of E_q[f(z)]: the value stays, what the tape sees changes.

An estimator says how z is drawn, how log q(z|x) is scored, how draws are averaged, and what the gradient has beside
that of the average. Here are those whose gradient goes through the draws; `table.py` has all of them.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, ClassVar

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae import random
from keras_vae.distributions import latents
from keras_vae.protocols import Batch, LatentDraws
from keras_vae.random import Noise
from keras_vae.registration import register

__all__ = [
    "DoublyReparameterized",
    "Estimator",
    "Pathwise",
    "StickingTheLanding",
    "log_prob_of_draws",
    "scale_gradient",
    "without_value",
]


class Estimator:
    """Draws carry no gradient; log q(z|x) has that of the parameters: for evaluation, and the base of all others.

    It needs no reparameterised posterior.

    Attributes:
        name: Str, by which `gradient` asks for it.
        least_draws: Int, the fewest draws that it needs of an objective of one bound for each draw.
        needs_one_layer: Bool, whether z must be of independent variables, and not of two stochastic layers.
    """

    name: ClassVar[str] = "none"
    least_draws: ClassVar[int] = 1
    needs_one_layer: ClassVar[bool] = False

    def of(self, batch: Batch, step: Any, training: bool) -> Estimator:
        """Return the estimator of one batch at one training step: a copy, which may keep what it sees.

        Args:
            batch: The examples.
            step: Int or tensor [], training steps taken, for schedules.
            training: Bool, whether the gradient will be asked for.
        """
        return copy.copy(self)

    def sample(self, posterior: Any, num_samples: int, noise: Noise) -> Any:
        """Return z [S, B, *latent] from the posterior, a distribution or a structure of independent ones."""
        return tf.nest.map_structure(tf.stop_gradient, random.sample(posterior, num_samples, noise))

    def log_prob(self, posterior: Any, z: Any) -> tf.Tensor:
        """Return log q(z|x), [S, B]."""
        return latents.log_prob(posterior, z)

    def weigh(self, draws: LatentDraws) -> None:
        """Look at the scored draws, for a gradient that depends on them."""

    def mean(self, draws: LatentDraws, values: tf.Tensor) -> tf.Tensor:
        """Return E_q[values], [B], of `values` [S, B] at the draws."""
        return tf.reduce_mean(values, axis=0)

    def surrogate(self, draws: LatentDraws, signal: tf.Tensor) -> tf.Tensor:
        """Return 0, [B], with the gradient of E_q[signal] that does not go through draws or values.

        Args:
            draws: The scored draws.
            signal: [S, B], of which no gradient is taken.
        """
        return tf.zeros_like(signal[0])

    @property
    def layers(self) -> tuple[keras.layers.Layer, ...]:
        """Layers of its own, called on x, which a model trains and saves."""
        return ()

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Estimator:
        """Return the estimator of `get_config`."""
        return cls(**config)


@register
class Pathwise(Estimator):
    """Automatic differentiation through reparameterised draws.

    References:
        Kingma & Welling (2014), "Auto-Encoding Variational Bayes", Sec. 2.4.
    """

    name = "pathwise"

    def sample(self, posterior: Any, num_samples: int, noise: Noise) -> Any:
        """Return z.

        Raises:
            ValueError: if the posterior is not reparameterised, so that its draws carry no gradient.
        """
        for part in tf.nest.flatten(posterior):
            if part.reparameterization_type != tfd.FULLY_REPARAMETERIZED:
                raise ValueError(
                    "This gradient goes through the draws of z, which the posterior does not reparameterise: "
                    f'pass gradient="score_function". Received: {type(part).__name__}'
                )
        return random.sample(posterior, num_samples, noise)


@register
class StickingTheLanding(Pathwise):
    """The pathwise gradient without the score of q, see `log_prob_of_draws`."""

    name = "sticking_the_landing"

    def log_prob(self, posterior: Any, z: Any) -> tf.Tensor:
        parts = zip(tf.nest.flatten(posterior), tf.nest.flatten(z), strict=True)
        return sum(log_prob_of_draws(part, value) for part, value in parts)


@register
class DoublyReparameterized(StickingTheLanding):
    """DReG: sticking the landing, with the gradient through draw k multiplied by its normalised weight once more.

    References:
        Tucker et al. (2019), "Doubly Reparameterized Gradient Estimators for Monte Carlo Objectives", Eq. 8.
    """

    name = "doubly_reparameterized"

    def sample(self, posterior: Any, num_samples: int, noise: Noise) -> Any:
        z = super().sample(posterior, num_samples, noise)
        return tf.nest.map_structure(lambda part: scale_gradient(part, lambda: self._weights_like(part)), z)

    def weigh(self, draws: LatentDraws) -> None:
        self._weights = tf.stop_gradient(tf.nn.softmax(draws.log_weights, axis=0))  # w_k / sum_k w_k

    def _weights_like(self, z: tf.Tensor) -> tf.Tensor:
        return tf.reshape(self._weights, tf.concat([tf.shape(self._weights), tf.ones([z.shape.rank - 2], tf.int32)], 0))


def log_prob_of_draws(q_z: tfd.Distribution, z: tf.Tensor) -> tf.Tensor:
    """Return log q(z) whose gradient goes through the draws `z` alone, not through the parameters of q.

    What is left out, the score, has mean zero: at the true posterior the rest has no variance at all.

    References:
        Roeder, Wu & Duvenaud (2017), "Sticking the Landing", Eq. 8.
    """
    log_prob_at_z = q_z.log_prob(tf.stop_gradient(z))
    return q_z.log_prob(z) - log_prob_at_z + tf.stop_gradient(log_prob_at_z)


def without_value(values: tf.Tensor) -> tf.Tensor:
    """Return 0 with the gradient of `values`."""
    return values - tf.stop_gradient(values)


def scale_gradient(z: tf.Tensor, factor: Callable[[], tf.Tensor]) -> tf.Tensor:
    """Return `z`, whose gradient will be multiplied by `factor()`, asked for when the gradient is taken."""

    @tf.custom_gradient
    def scaled(z: tf.Tensor) -> tuple[tf.Tensor, Any]:
        return tf.identity(z), lambda upstream: upstream * factor()

    return scaled(z)
