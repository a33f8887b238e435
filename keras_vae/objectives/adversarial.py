"""The objective of the adversarial autoencoder: a discriminator in the place of the KL."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import tensorflow as tf

from keras_vae.arguments import check_numbers
from keras_vae.objectives.loss_terms import LossTerms
from keras_vae.objectives.objective import Objective
from keras_vae.protocols import LatentDraws
from keras_vae.registration import register

__all__ = ["Adversarial", "JudgedDraws"]


@dataclasses.dataclass(frozen=True)
class JudgedDraws(LatentDraws):
    """Draws of z, and what a discriminator says of the first of them, and of as many draws of the prior.

    Attributes:
        logit: [B], that z is a draw of the prior, with the gradient that goes through z.
        logit_of_constant: [B], the same of z as a constant.
        logit_of_prior: [B], of draws of the prior.
    """

    logit: tf.Tensor
    logit_of_constant: tf.Tensor
    logit_of_prior: tf.Tensor


@register
class Adversarial(Objective):
    """Reconstruction, and a game between encoder and discriminator D over where z comes from. It is no bound.

        loss = mean over the batch of (-log p(x|z) + weight * generator_loss),  z ~ q(z|x)
        generator_loss = -log sigmoid(D(z))
        discriminator_loss = -log sigmoid(D(z')) - log(1 - sigmoid(D(z))),  z' ~ p(z)

    D(z) is the discriminator's logit that z is a draw of the prior. Where the aggregate posterior is the prior, no
    discriminator has a discriminator_loss below 2 log 2 = 1.39 nats. The generator's loss is the one that does not
    saturate, see Goodfellow et al. (2014), "Generative Adversarial Nets", Sec. 3.

    Args:
        weight: Float, weight of the generator's loss. 10.

    Attributes:
        units: Metrics beside `loss` and `reconstruction_loss`: `generator_loss` and `discriminator_loss`.

    Raises:
        ValueError: if the weight is not a finite number above 0.

    References:
        Makhzani et al. (2016), "Adversarial Autoencoders", Sec. 2.
    """

    gradients: ClassVar[tuple[str, ...]] = ("pathwise",)
    units: ClassVar[dict[str, str]] = {"generator_loss": "nats", "discriminator_loss": "nats"}
    is_bound: ClassVar[bool] = False

    def __init__(self, weight: float = 10.0):
        check_numbers(weight=weight)
        super().__init__()
        self.weight = weight

    def terms(self, draws: LatentDraws, sample_weight: tf.Tensor | None = None, step: Any = 0) -> LossTerms:
        if not isinstance(draws, JudgedDraws):
            raise TypeError(
                "This objective is one of a keras_vae.AdversarialAutoencoder. "
                f"Received: draws of type {type(draws).__name__}"
            )
        log_likelihood = draws.mean(draws.log_likelihood)
        generator_loss = tf.nn.softplus(-draws.logit)
        return LossTerms.of(
            -log_likelihood + self.weight * generator_loss,
            log_likelihood,
            tf.zeros_like(log_likelihood),
            sample_weight,
            generator_loss=generator_loss,
            discriminator_loss=tf.nn.softplus(draws.logit_of_constant) + tf.nn.softplus(-draws.logit_of_prior),
        )

    def get_config(self) -> dict[str, Any]:
        return {"weight": self.weight}
