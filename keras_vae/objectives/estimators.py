"""Estimators of the gradient of E_q[f(z)]: the value stays, what the tape sees changes.

An estimator says how z is drawn and how log q(z|x) is scored. These are the two places where gradients are stopped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae import random
from keras_vae.distributions import latents
from keras_vae.protocols import LatentDraws
from keras_vae.random import Noise

__all__ = [
    "ESTIMATORS",
    "DoublyReparameterized",
    "Estimator",
    "Pathwise",
    "StickingTheLanding",
    "log_prob_of_draws",
    "scale_gradient",
    "score_function",
]


class Estimator:
    """Draws carry no gradient; log q(z|x) has that of the parameters: for the score function, and for evaluation.

    It needs no reparameterised posterior. One estimator serves one call of `draw`.
    """

    def sample(self, posterior: Any, num_samples: int, noise: Noise) -> Any:
        """Return z [S, B, *latent] from the posterior, a distribution or a structure of independent ones."""
        return tf.nest.map_structure(tf.stop_gradient, random.sample(posterior, num_samples, noise))

    def log_prob(self, posterior: Any, z: Any) -> tf.Tensor:
        """Return log q(z|x), [S, B]."""
        return latents.log_prob(posterior, z)

    def weigh(self, draws: LatentDraws) -> None:
        """Look at the scored draws, for a gradient that depends on them."""


class Pathwise(Estimator):
    """Automatic differentiation through reparameterised draws.

    References:
        Kingma & Welling (2014), "Auto-Encoding Variational Bayes", Sec. 2.4.
    """

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


class StickingTheLanding(Pathwise):
    """The pathwise gradient without the score of q, see `log_prob_of_draws`."""

    def log_prob(self, posterior: Any, z: Any) -> tf.Tensor:
        parts = zip(tf.nest.flatten(posterior), tf.nest.flatten(z), strict=True)
        return sum(log_prob_of_draws(part, value) for part, value in parts)


class DoublyReparameterized(StickingTheLanding):
    """DReG: sticking the landing, with the gradient through draw k multiplied by its normalised weight once more.

    References:
        Tucker et al. (2019), "Doubly Reparameterized Gradient Estimators for Monte Carlo Objectives", Eq. 8.
    """

    def sample(self, posterior: Any, num_samples: int, noise: Noise) -> Any:
        z = super().sample(posterior, num_samples, noise)
        return tf.nest.map_structure(lambda part: scale_gradient(part, lambda: self._weights_like(part)), z)

    def weigh(self, draws: LatentDraws) -> None:
        log_w = draws.log_likelihood + draws.log_prior - draws.log_posterior
        self._weights = tf.stop_gradient(tf.nn.softmax(log_w, axis=0))  # w_k / sum_k w_k

    def _weights_like(self, z: tf.Tensor) -> tf.Tensor:
        return tf.reshape(self._weights, tf.concat([tf.shape(self._weights), tf.ones([z.shape.rank - 2], tf.int32)], 0))


ESTIMATORS: dict[str, type[Estimator]] = {
    "pathwise": Pathwise,
    "sticking_the_landing": StickingTheLanding,
    "doubly_reparameterized": DoublyReparameterized,
    "score_function": Estimator,
}


def log_prob_of_draws(q_z: tfd.Distribution, z: tf.Tensor) -> tf.Tensor:
    """Return log q(z) whose gradient goes through the draws `z` alone, not through the parameters of q.

    What is left out, the score, has mean zero: at the true posterior the rest has no variance at all.

    References:
        Roeder, Wu & Duvenaud (2017), "Sticking the Landing", Eq. 8.
    """
    log_prob_at_z = q_z.log_prob(tf.stop_gradient(z))
    return q_z.log_prob(z) - log_prob_at_z + tf.stop_gradient(log_prob_at_z)


def score_function(log_q: tf.Tensor, signal: tf.Tensor) -> tf.Tensor:
    """Return 0 [S, B] with the gradient (signal - baseline) * grad(log_q): REINFORCE with a control variate.

    The baseline of a draw is the mean signal of the other S - 1 draws of the same example. It does not depend
    on the draw, so the gradient stays unbiased.

    Args:
        log_q: log q(z|x), [S, B], at draws whose own gradient is stopped.
        signal: [S, B], whose mean under q is to be differentiated.

    References:
        Williams (1992), "Simple statistical gradient-following algorithms". The baseline: Mnih & Rezende
        (2016), "Variational inference for Monte Carlo objectives", Sec. 2.3; Kool et al. (2019), "Buy 4
        REINFORCE samples, get a baseline for free!".
    """
    num_samples = tf.cast(tf.shape(signal)[0], signal.dtype)
    baseline = (tf.reduce_sum(signal, 0) - signal) / (num_samples - 1)
    return tf.stop_gradient(signal - baseline) * (log_q - tf.stop_gradient(log_q))


def scale_gradient(z: tf.Tensor, factor: Callable[[], tf.Tensor]) -> tf.Tensor:
    """Return `z`, whose gradient will be multiplied by `factor()`, asked for when the gradient is taken."""

    @tf.custom_gradient
    def scaled(z: tf.Tensor) -> tuple[tf.Tensor, Any]:
        return tf.identity(z), lambda upstream: upstream * factor()

    return scaled(z)
