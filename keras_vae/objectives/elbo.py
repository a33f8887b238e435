"""The evidence lower bound."""

from __future__ import annotations

from typing import Any, ClassVar

import keras
import tensorflow as tf

from keras_vae.arguments import check_numbers
from keras_vae.objectives.estimators import Estimator
from keras_vae.objectives.loss_terms import LossTerms
from keras_vae.objectives.objective import Objective
from keras_vae.protocols import LatentDraws
from keras_vae.registration import register

__all__ = ["ELBO"]

_FORMS = ("kl", "entropy", "log_ratio")


@register
class ELBO(Objective):
    """Evidence lower bound, in one of its three published forms, which have the same mean over draws of z.

    form "kl":        E_q[log p(x|z)] - KL(q(z|x), p(z)), the KL in closed form where there is one
    form "entropy":   E_q[log p(x, z)] + H[q(z|x)], the entropy H in closed form
    form "log_ratio": E_q[log p(x, z) - log q(z|x)], all from draws

    loss = mean over the batch of (-log_likelihood + beta * kl)

    Args:
        beta: weight of the KL in the loss: 1 is the ELBO, above 1 the beta-VAE. A
            `keras.optimizers.schedules.LearningRateSchedule` is a function of the model's training step, for KL
            warm-up (`PolynomialDecay(0., steps, 1.)`) or `keras_vae.objectives.CyclicSchedule`. A `keras.Variable` is
            read at each step, so that a callback may assign to it; another number, as in `vae.objective.beta = 4.0`,
            takes effect at the next call of `fit` or `evaluate`.
            `LossTerms.elbo` is always the ELBO itself.
        num_samples: S, posterior draws per example.
        form: see above.
        gradient: Str, or a `keras_vae.objectives.Estimator`. "pathwise" goes through the draws of z;
            "sticking_the_landing" too, without the score of q, and differentiates the form "log_ratio". The others
            serve posteriors that are not reparameterised: "score_function" is REINFORCE with the other draws' mean as
            a control variate, for any posterior and two draws or more, and "nvil" with a learned baseline, also for
            one; "disarm" takes Bernoulli units and pairs of draws; "gumbel_softmax" and "straight_through" relax
            discrete z, and are biased; "enumeration" sums over all z, which must be few. In the form "kl" they
            estimate the gradient of the reconstruction alone, where the KL has a closed form.

    Call arguments and result as in `keras_vae.objectives.Objective`.

    Raises:
        ValueError: if an argument is out of range, if the form "entropy" meets a posterior without a closed form of
            its entropy, or if the posterior is not reparameterised and `gradient` needs that.

    References:
        Kingma & Welling (2014), "Auto-Encoding Variational Bayes", Eq. 7 (form "kl") and Eq. 6 ("log_ratio").
        Hoffman & Johnson (2016), "ELBO surgery", Sec. 2 (all three). Higgins et al. (2017), "beta-VAE", Eq. 4.
    """

    gradients: ClassVar[tuple[str, ...]] = (
        "pathwise",
        "sticking_the_landing",
        "score_function",
        "nvil",
        "disarm",
        "gumbel_softmax",
        "straight_through",
        "enumeration",
    )

    def __init__(
        self,
        beta: float | keras.optimizers.schedules.LearningRateSchedule = 1.0,
        num_samples: int = 1,
        form: str = "kl",
        gradient: str | Estimator = "pathwise",
    ):
        if not callable(beta):
            check_numbers(positive=False, beta=beta)
        if form not in _FORMS:
            raise ValueError(f"`form` must be one of {', '.join(_FORMS)}. Received: form={form!r}")
        super().__init__(num_samples, gradient)
        if self.estimator.name == "sticking_the_landing" and form != "log_ratio":
            raise ValueError(
                f'gradient="{self.estimator.name}" differentiates the form "log_ratio": pass it. '
                f"Received: form={form!r}"
            )
        self.beta = beta
        self.form = form

    def terms(self, draws: LatentDraws, sample_weight: tf.Tensor | None = None, step: Any = 0) -> LossTerms:
        log_likelihood = draws.mean(draws.log_likelihood)
        beta = tf.cast(self.beta(step) if callable(self.beta) else self.beta, log_likelihood.dtype)
        signal = draws.log_likelihood  # what is estimated from draws, [S, B]
        if self.form == "kl" and (draws.has_closed_form_kl or self.estimator.name == "pathwise"):
            kl = sum(tf.reduce_sum(part, axis=list(range(1, part.shape.rank))) for part in draws.kl.values())
        elif self.form == "entropy":
            if draws.entropy is None:
                raise ValueError('The posterior has no closed form of its entropy. Received: form="entropy"')
            kl = -draws.mean(draws.log_prior) - draws.entropy
            signal += beta * draws.log_prior
        else:
            log_ratio = draws.log_posterior - draws.log_prior  # [S, B]
            kl = draws.mean(log_ratio)
            signal -= beta * log_ratio
        losses = -log_likelihood + beta * self.penalty(draws, kl, sample_weight)
        losses -= draws.estimator.surrogate(draws, tf.stop_gradient(signal))
        return LossTerms.of(losses, log_likelihood, kl, sample_weight)

    def penalty(self, draws: LatentDraws, kl: tf.Tensor, sample_weight: tf.Tensor | None) -> tf.Tensor:
        """Return what beta multiplies, [B]: the KL; the hook for variants."""
        return kl

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "form": self.form, "beta": keras.saving.serialize_keras_object(self.beta)}
