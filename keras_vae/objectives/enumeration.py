"""The exact gradient where z has few states."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from keras_vae.distributions.discrete import all_states
from keras_vae.objectives.estimators import Estimator
from keras_vae.protocols import LatentDraws
from keras_vae.random import Noise
from keras_vae.registration import register

__all__ = ["Enumeration"]


@register
class Enumeration(Estimator):
    """E_q[f] = sum over all z of q(z|x) f(z): value and gradient without noise, the oracle of the other estimators.

    The decoder runs on each of M states for every example, 2^D for D Bernoulli units, which takes M times the memory
    of one draw. `num_samples` is not used.
    """

    name = "enumeration"
    needs_one_layer = True

    def sample(self, posterior: Any, num_samples: int, noise: Noise) -> tf.Tensor:
        """Return all states, [M, B, *latent]."""
        if tf.nest.is_nested(posterior):
            raise ValueError(
                'Enumeration takes one latent, not a structure of them: pass gradient="score_function". '
                f"Received: a posterior of {len(tf.nest.flatten(posterior))} latents"
            )
        states = all_states(posterior)
        batch = posterior.batch_shape_tensor()
        shape = tf.concat([tf.shape(states)[:1], batch, tf.shape(states)[1:]], axis=0)
        return tf.ensure_shape(
            tf.broadcast_to(states[:, None], shape), [states.shape[0], *posterior.batch_shape, *states.shape[1:]]
        )

    def mean(self, draws: LatentDraws, values: tf.Tensor) -> tf.Tensor:
        """Return sum_m q(z_m|x) values_m, where states of probability 0 count for nothing."""
        return tf.reduce_sum(tf.math.multiply_no_nan(values, tf.exp(draws.log_posterior)), axis=0)
