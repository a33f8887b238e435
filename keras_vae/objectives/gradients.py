"""Estimators of the gradient of E_q[f(z)]: the value stays, what the tape sees changes.

The pathwise (reparameterised) gradient is what automatic differentiation gives, and needs nothing from here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow_probability import distributions as tfd

__all__ = ["check_reparameterized", "log_prob_of_draws", "scale_gradient", "score_function"]


def check_reparameterized(q_z: tfd.Distribution) -> None:
    """Raise unless the draws of `q_z` carry its gradient.

    Raises:
        ValueError: with the estimator that needs no such draws.
    """
    if q_z.reparameterization_type != tfd.FULLY_REPARAMETERIZED:
        raise ValueError(
            "This gradient goes through the draws of z, which the posterior does not reparameterise: "
            f'pass gradient="score_function". Received: {type(q_z).__name__}'
        )


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
