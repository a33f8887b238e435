"""The objective of the semi-supervised model M2: an ELBO summed over labels, and a classifier's loss."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import tensorflow as tf

from keras_vae.arguments import check_numbers
from keras_vae.objectives.elbo import ELBO
from keras_vae.objectives.loss_terms import LossTerms
from keras_vae.protocols import LatentDraws
from keras_vae.registration import register

__all__ = ["EnumeratedLabels", "SemiSupervisedELBO"]


@dataclasses.dataclass(frozen=True)
class EnumeratedLabels(LatentDraws):
    """Draws of z for each label y of each example, averaged over y. All in nats.

    The average has the weights q(y|x) where the label is missing, and is taken at the label where it is known. The
    z, posterior and prior are those of B * K rows, a row for each example and label.

    Attributes:
        kl_by_latent: KL of y and of z, each [B].
        log_weights_of_labels: [S, B], log of an unbiased estimate of p(x), or of p(x, y) where y is known.
        log_label_prob: [B], log q(y|x) of the label; 0 where it is missing.
        is_labelled: Bool [B].
        is_right: Bool [B], whether the most probable class is the label.
    """

    kl_by_latent: dict[str, tf.Tensor]
    log_weights_of_labels: tf.Tensor
    log_label_prob: tf.Tensor
    is_labelled: tf.Tensor
    is_right: tf.Tensor

    @property
    def kl(self) -> dict[str, tf.Tensor]:
        return self.kl_by_latent

    @property
    def log_weights(self) -> tf.Tensor:
        return self.log_weights_of_labels


@register
class SemiSupervisedELBO(ELBO):
    """Bound of log p(x) where the label is missing, and of log p(x, y) where it is known, with a classifier's loss.

        elbo(x, y) = E_q[log p(x|y, z)] + log p(y) - KL(q(z|x, y), p(z))
        elbo(x) = sum_y q(y|x) elbo(x, y) + H[q(y|x)]
        loss = mean over the batch of (-elbo + alpha * [y is known] * -log q(y|x))

    The classifier q(y|x) takes no part in the bound of labelled examples, so that its loss is what it learns the labels
    by. In the paper the weight of the mean loss of the labelled examples is 0.1 for each example of the data set: that
    is alpha = 0.1 * N / N_labelled.

    Args:
        alpha: Float, weight of the classifier's loss for each labelled example. 1.
        beta: As of `keras_vae.objectives.ELBO`. 1.
        num_samples: Int, S, draws of z for each label. 1.

    Attributes:
        units: Metrics beside those of the ELBO, both means over the labelled examples, and 0 if there are none:
            `classification_loss`, -log q(y|x), and `accuracy`.

    Call arguments and result as in `keras_vae.objectives.Objective`.

    Raises:
        ValueError: if an argument is out of range.

    References:
        Kingma, Rezende, Mohamed & Welling (2014), "Semi-supervised Learning with Deep Generative Models", Eq. 6 to 9.
    """

    gradients: ClassVar[tuple[str, ...]] = ("pathwise",)
    units: ClassVar[dict[str, str]] = {"classification_loss": "nats", "accuracy": "of 1"}

    def __init__(self, alpha: float = 1.0, beta: Any = 1.0, num_samples: int = 1):
        check_numbers(positive=False, alpha=alpha)
        super().__init__(beta, num_samples)
        self.alpha = alpha

    def terms(self, draws: LatentDraws, sample_weight: tf.Tensor | None = None, step: Any = 0) -> LossTerms:
        if not isinstance(draws, EnumeratedLabels):
            raise TypeError(
                "This objective is one of a keras_vae.SemiSupervisedVAE. "
                f"Received: draws of type {type(draws).__name__}"
            )
        terms = super().terms(draws, sample_weight, step)
        losses = terms.loss_per_example - self.alpha * draws.log_label_prob
        metrics = {
            "classification_loss": -draws.log_label_prob,
            "accuracy": tf.cast(draws.is_right, losses.dtype),
        }
        return LossTerms.of(losses, terms.log_likelihood, terms.kl, sample_weight, **metrics)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return {"alpha": self.alpha, "beta": config["beta"], "num_samples": self.num_samples}
