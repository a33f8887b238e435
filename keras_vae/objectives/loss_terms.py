"""What every objective returns."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import tensorflow as tf

from keras_vae import replicas
from keras_vae.arguments import check_counts

__all__ = ["LossTerms", "bits_per_dim", "dataset_elbo", "metric_units", "metric_values"]

_NATS = "nats"


class LossTerms(NamedTuple):
    """What an objective returns; everything in nats.

    Attributes:
        loss: [], to be minimised: `loss_per_example` averaged over the (global) batch.
        loss_per_example: [B].
        log_likelihood: [B], E_q log p(x|z), event dimensions summed, constants kept.
        kl: [B], KL(q(z|x), p(z)).
        metrics: What else the objective measures, each [B], by the names of `Objective.units`.
    """

    loss: tf.Tensor
    loss_per_example: tf.Tensor
    log_likelihood: tf.Tensor
    kl: tf.Tensor
    metrics: dict[str, tf.Tensor]

    @classmethod
    def of(
        cls,
        loss_per_example: tf.Tensor,
        log_likelihood: tf.Tensor,
        kl: tf.Tensor,
        sample_weight: tf.Tensor | None = None,
        **metrics: tf.Tensor,
    ) -> LossTerms:
        """Return the terms, with the loss averaged over the global batch (this replica's part of it)."""
        loss = replicas.batch_mean(loss_per_example, sample_weight)
        return cls(loss, loss_per_example, log_likelihood, kl, metrics)

    @property
    def elbo(self) -> tf.Tensor:
        """log_likelihood - kl, [B], a lower bound of log p(x): up is better."""
        return self.log_likelihood - self.kl


def metric_units(objective: Any, is_normalized: bool) -> dict[str, str]:
    """Return the metrics of a model by name, in the order they are shown, with their units.

    Args:
        objective: A `keras_vae.objectives.Objective`, or any function that returns `LossTerms`.
        is_normalized: Whether the likelihood is one: grey targets have a cross-entropy instead, and no ELBO.
    """
    if not getattr(objective, "is_bound", True):
        reconstruction = "reconstruction_loss" if is_normalized else "cross_entropy"
        return {"loss": _NATS, reconstruction: _NATS, **objective.units}
    if not is_normalized:
        return {"loss": _NATS, "cross_entropy": _NATS, "kl": _NATS, **getattr(objective, "units", {})}
    names = {"loss": _NATS, "reconstruction_loss": _NATS, "kl": _NATS, "elbo": _NATS, "bits_per_dim": "bits per dim"}
    return {**names, **getattr(objective, "units", {})}


def metric_values(terms: LossTerms, event_shape: tuple[int, ...], dequantized_levels: int) -> dict[str, tf.Tensor]:
    """Return each metric that `metric_units` can name, one value an example, [B]."""
    return {
        "loss": terms.loss_per_example,
        "reconstruction_loss": -terms.log_likelihood,
        "cross_entropy": -terms.log_likelihood,
        "kl": terms.kl,
        "elbo": terms.elbo,
        "bits_per_dim": bits_per_dim(terms.elbo, event_shape, dequantized_levels),
        **terms.metrics,
    }


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


def dataset_elbo(elbo: tf.Tensor, num_examples: int) -> tf.Tensor:
    """Return N / M sum_i elbo_i: the ELBO of a whole data set, estimated from a minibatch of it.

    Unbiased for the sum over the data set, if the minibatch is drawn from it at random. `LossTerms.loss` is a mean
    over the batch instead. The sum is needed where terms of the whole data set stand beside it, such as the
    log-density of the weights under a prior.

    Args:
        elbo: [M], of each example of the minibatch, in nats (`LossTerms.elbo`, `VAE.elbo`).
        num_examples: N, of the data set.

    Returns:
        dataset_elbo [], in nats: up is better. Under `tf.distribute`, this replica's part of it: parts add up.

    Raises:
        ValueError: if `elbo` is not a vector or num_examples < 1.

    Example:

    >>> float(dataset_elbo(tf.constant([-90., -110.]), num_examples=60_000))
    -6000000.0

    References:
        Kingma & Welling (2014), "Auto-Encoding Variational Bayes", Eq. 8.
    """
    elbo = tf.convert_to_tensor(elbo)
    if elbo.shape.rank != 1:
        raise ValueError(f"`elbo` must have shape [M], one an example. Received: elbo.shape={elbo.shape}")
    check_counts(num_examples=num_examples)
    return num_examples * replicas.batch_mean(elbo)
