"""Distributions of one-hot vectors, mixed and relaxed."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

__all__ = ["MixtureOfOneHotCategorical", "RelaxedOneHotCategorical"]


class MixtureOfOneHotCategorical(tfd.MixtureSameFamily):
    """Mixture of `tfd.OneHotCategorical`, itself one over the D entries: it has `log_mean` and `mode`.

    mean[d] = sum_c probs[c] components.probs[c, d]

    Example:

    >>> mixture = tfd.Categorical(probs=[0.5, 0.5])
    >>> d = MixtureOfOneHotCategorical(mixture, tfd.OneHotCategorical(probs=[[0.25, 0.75], [0.75, 0.25]]))
    >>> d.mean().numpy().tolist(), tf.exp(d.log_mean()).numpy().tolist()
    ([0.5, 0.5], [0.5, 0.5])
    """

    def log_mean(self) -> tf.Tensor:
        """Return the logarithms of the probabilities of the entries, [..., D] in nats."""
        log_weights = tf.math.log_softmax(self.mixture_distribution.logits_parameter())
        log_probs = tf.math.log_softmax(self.components_distribution.logits_parameter())
        return tf.reduce_logsumexp(log_weights[..., None] + log_probs, axis=-2)

    def _mean(self) -> tf.Tensor:
        return tf.exp(self.log_mean())

    def _mode(self) -> tf.Tensor:
        log_mean = self.log_mean()
        return tf.one_hot(tf.argmax(log_mean, -1), tf.shape(log_mean)[-1], dtype=self.dtype)


class RelaxedOneHotCategorical(tfd.RelaxedOneHotCategorical):
    """`tfd.RelaxedOneHotCategorical` (Concrete, Gumbel-softmax) whose log-probability is finite at entries of 0.

    log_prob(x) = log Gamma(D) + (D - 1) log temperature
        + sum_d log softmax(logits - temperature log(x))[d] - log(x[d])

    Samples at a low temperature have entries below the smallest number of their dtype, which are rounded to 0,
    where the density is 0 or infinite. Here x is at least the smallest normal number: 1.2e-38 in float32. No sample
    gets there whose logits differ by less than 86 temperature - 20 (float32); beyond, log-probabilities, and a KL
    estimated from them, are those of the clipped x, whose gradient is zero.

    Example:

    >>> d = RelaxedOneHotCategorical(temperature=0.01, logits=[0., 0.])
    >>> bool(tf.math.is_finite(d.log_prob([0., 1.])))
    True

    References:
        Maddison et al. (2017), "The Concrete distribution", Eq. 10; Jang et al. (2017), "Categorical
        reparameterization with Gumbel-softmax", Appendix B.
    """

    def _log_prob(self, x: tf.Tensor, **kwargs: Any) -> tf.Tensor:
        log_x = tf.math.log(tf.maximum(x, x.dtype.as_numpy_dtype(np.finfo(x.dtype.as_numpy_dtype).tiny)))
        return self.distribution.log_prob(log_x) - tf.reduce_sum(log_x, -1)
