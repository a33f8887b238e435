"""What every objective returns."""

from __future__ import annotations

import math
from typing import NamedTuple

import tensorflow as tf

__all__ = ["LossTerms", "bits_per_dim"]


class LossTerms(NamedTuple):
    """What an objective returns; everything in nats.

    Attributes:
        loss: [], to be minimised: `loss_per_example` averaged over the (global) batch.
        loss_per_example: [B].
        log_likelihood: [B], E_q log p(x|z), event dimensions summed, constants kept.
        kl: [B], KL(q(z|x), p(z)).
        elbo: [B], log_likelihood - kl, a lower bound of log p(x): up is better.
    """

    loss: tf.Tensor
    loss_per_example: tf.Tensor
    log_likelihood: tf.Tensor
    kl: tf.Tensor
    elbo: tf.Tensor


def bits_per_dim(log_prob: tf.Tensor, event_shape: tuple[int, ...], dequantized_levels: int = 1) -> tf.Tensor:
    """Return -log_prob / (log(2) * prod(event_shape)) + log2(K): nats per example to bits per dimension.

    Args:
        log_prob: in nats.
        event_shape: of one example.
        dequantized_levels: K, where the example is (level + u) / K with uniform noise u in [0, 1): the density's
            mean log-probability is then at most that of the levels plus log(K) a dimension.

    Example:

    >>> round(float(bits_per_dim(-784 * math.log(2), (28, 28, 1))), 6)
    1.0

    References:
        Theis et al. (2016), "A note on the evaluation of generative models", Eq. 5.
    """
    return -log_prob / (math.log(2) * math.prod(event_shape)) + math.log2(dequantized_levels)
