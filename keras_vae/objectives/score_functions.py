"""Gradients by the score of q(z|x), which need no reparameterised draws and leave the bound as it is.

d E_q[f(z)] = E_q[(f(z) - baseline) d log q(z)] for any baseline that does not depend on z. They differ in it.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from keras_vae.distributions import latents
from keras_vae.distributions.entries import bernoulli_entries
from keras_vae.objectives.estimators import Estimator, without_value
from keras_vae.protocols import LatentDraws
from keras_vae.random import Noise, uniform
from keras_vae.registration import register

__all__ = ["VIMCO", "DisARM", "ScoreFunction", "score_function"]


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
    return tf.stop_gradient(signal - baseline) * without_value(log_q)


@register
class ScoreFunction(Estimator):
    """REINFORCE, whose baseline is the mean of the other draws: see `score_function`."""

    name = "score_function"
    least_draws = 2

    def log_prob(self, posterior: Any, z: Any) -> tf.Tensor:
        """Return log q(z|x) without its gradient, whose mean is 0."""
        return tf.stop_gradient(super().log_prob(posterior, z))

    def surrogate(self, draws: LatentDraws, signal: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(score_function(latents.log_prob(draws.posterior, draws.z), signal), axis=0)


@register
class VIMCO(Estimator):
    """REINFORCE for the importance-weighted bound of K draws, L = log(mean_k w_k).

    The baseline of draw k is the bound with the geometric mean of the other weights in the place of w_k. The signal is
    [K, B], log(w_k).

    References:
        Mnih & Rezende (2016), "Variational inference for Monte Carlo objectives", Sec. 2.5.
    """

    name = "vimco"
    least_draws = 2

    def surrogate(self, draws: LatentDraws, signal: tf.Tensor) -> tf.Tensor:
        num_samples = signal.shape[0]
        own = tf.eye(num_samples, dtype=signal.dtype)[..., None]  # [K, K, 1]: weight k of the bound without draw j = k
        others = (tf.reduce_sum(signal, 0) - signal) / (num_samples - 1)
        without = tf.reduce_logsumexp((1 - own) * signal + own * others[:, None], axis=1)  # [K, B]
        learning_signal = tf.reduce_logsumexp(signal, axis=0) - without
        log_q = latents.log_prob(draws.posterior, draws.z)
        return tf.reduce_sum(tf.stop_gradient(learning_signal) * without_value(log_q), axis=0)


@register
class DisARM(ScoreFunction):
    """Pairs of antithetic Bernoulli draws, the same uniform noise u and 1 - u making one each.

    d E_q[f] / d logit_i is the mean over pairs of 1/2 (f(z) - f(z')) (-1)^z'_i [z_i != z'_i] sigmoid(|logit_i|).

    The number of draws is even; the first half of them are the z, the second the z'.

    References:
        Dong, Mnih & Tucker (2020), "DisARM: An Antithetic Gradient Estimator for Binary Latent Variables", Sec. 3.
    """

    name = "disarm"
    needs_one_layer = True

    def sample(self, posterior: Any, num_samples: int, noise: Noise) -> tf.Tensor:
        """Return z.

        Raises:
            ValueError: if the posterior is not one of independent Bernoulli entries, or the number of draws is odd.
        """
        logits = self._logits(posterior)
        if num_samples % 2:
            raise ValueError(f"DisARM takes its draws in pairs. Received: num_samples={num_samples}")
        shape = [tf.shape(logits)[0], num_samples // 2, *logits.shape[1:]]
        u = tf.transpose(uniform(shape, *noise, logits.dtype), [1, 0, *range(2, len(shape))])
        probs = tf.sigmoid(logits)
        return tf.cast(tf.concat([u < probs, 1 - u < probs], axis=0), posterior.dtype)

    def surrogate(self, draws: LatentDraws, signal: tf.Tensor) -> tf.Tensor:
        logits = self._logits(draws.posterior)
        z, antithetic = (tf.cast(half, logits.dtype) for half in tf.split(draws.z, 2))
        f, f_antithetic = tf.split(signal, 2)
        difference = tf.reshape(
            f - f_antithetic, tf.concat([tf.shape(f), tf.ones([logits.shape.rank - 1], tf.int32)], 0)
        )
        sign = (z - antithetic) * tf.sigmoid(tf.abs(logits))  # (-1)^z' where they differ, else 0
        gradient = tf.reduce_mean(difference / 2 * sign, axis=0)
        return tf.reduce_sum(tf.stop_gradient(gradient) * without_value(logits), axis=list(range(1, logits.shape.rank)))

    def _logits(self, posterior: Any) -> tf.Tensor:
        entries = bernoulli_entries(posterior)
        if entries is None:
            raise ValueError(
                'DisARM needs a posterior of independent Bernoulli entries: pass gradient="score_function". '
                f"Received: {type(posterior).__name__}"
            )
        return entries.logits_parameter()
