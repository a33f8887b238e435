"""The evidence lower bound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae import random, replicas
from keras_vae.distributions.kl import entropy_kl, kl_divergence, monte_carlo_kl
from keras_vae.objectives.gradients import check_reparameterized, log_prob_of_draws, score_function
from keras_vae.objectives.loss_terms import LossTerms
from keras_vae.registration import register

if TYPE_CHECKING:
    from keras_vae.models.vae import VAE

__all__ = ["ELBO"]

_KL = {"kl": kl_divergence, "entropy": entropy_kl, "log_ratio": monte_carlo_kl}
_GRADIENTS = ("pathwise", "sticking_the_landing", "score_function")


@register
class ELBO:
    """Evidence lower bound, in one of its three published forms, which have the same mean over draws of z.

    form "kl":        E_q[log p(x|z)] - KL(q(z|x), p(z)), the KL in closed form where there is one
    form "entropy":   E_q[log p(x, z)] + H[q(z|x)], the entropy H in closed form
    form "log_ratio": E_q[log p(x, z) - log q(z|x)], all from draws

    loss = mean over the batch of (-log_likelihood + beta * kl)

    Args:
        beta: weight of the KL in the loss: 1 is the ELBO, above 1 the beta-VAE. A
            `keras.optimizers.schedules.LearningRateSchedule` is a function of the model's training step, for KL
            warm-up (`PolynomialDecay(0., steps, 1.)`) or `keras_vae.objectives.CyclicSchedule`.
            `LossTerms.elbo` is always the ELBO itself.
        num_samples: S, posterior draws per example.
        form: see above.
        gradient: "pathwise" goes through the draws of z; "sticking_the_landing" too, without the score of q;
            "score_function" is REINFORCE with the other draws' mean as a control variate: it needs no
            reparameterised posterior and two draws or more. The latter two differentiate the form "log_ratio".

    Call arguments:
        vae: the `VAE` (anything with `encode`, `log_likelihood`, `prior` and, for a schedule, `step`).
        x: [B, *event].
        seed: of the posterior's noise, see `keras_vae.random.as_seed`.
        sample_weight: [B] or None.
        first_row: number of the first row of `x` in the global batch.
        training: passed to the networks.

    Returns:
        `LossTerms`.

    Raises:
        ValueError: if an argument is out of range, or if the posterior is not reparameterised and `gradient`
            needs that.

    References:
        Kingma & Welling (2014), "Auto-Encoding Variational Bayes", Eq. 7 (form "kl") and Eq. 6 ("log_ratio").
        Hoffman & Johnson (2016), "ELBO surgery", Sec. 2 (all three). Higgins et al. (2017), "beta-VAE", Eq. 4.
    """

    def __init__(
        self,
        beta: float | keras.optimizers.schedules.LearningRateSchedule = 1.0,
        num_samples: int = 1,
        form: str = "kl",
        gradient: str = "pathwise",
    ):
        if not callable(beta) and beta < 0:
            raise ValueError(f"`beta` must not be negative. Received: beta={beta}")
        if num_samples < 1:
            raise ValueError(f"`num_samples` must be 1 or more. Received: num_samples={num_samples}")
        for name, value, known in (("form", form, _KL), ("gradient", gradient, _GRADIENTS)):
            if value not in known:
                raise ValueError(f"`{name}` must be one of {', '.join(known)}. Received: {name}={value!r}")
        if gradient != "pathwise" and form != "log_ratio":
            raise ValueError(
                f'gradient="{gradient}" differentiates the form "log_ratio": pass it. Received: form={form!r}'
            )
        if gradient == "score_function" and num_samples < 2:
            raise ValueError(f"The control variate needs 2 draws or more. Received: num_samples={num_samples}")
        self.beta = beta
        self.num_samples = num_samples
        self.form = form
        self.gradient = gradient

    def __call__(
        self,
        vae: VAE,
        x: tf.Tensor,
        seed: Any,
        sample_weight: tf.Tensor | None = None,
        first_row: Any = 0,
        training: bool = False,
    ) -> LossTerms:
        q_z, p_z = vae.encode(x, training=training), vae.prior()
        if self.gradient != "score_function":
            check_reparameterized(q_z)
        z = random.sample(q_z, self.num_samples, seed, first_row)
        if self.gradient == "score_function":
            z = tf.stop_gradient(z)
        log_likelihoods = vae.log_likelihood(x, z, training=training)  # [S, B]
        log_likelihood = tf.reduce_mean(log_likelihoods, axis=0)
        beta = tf.cast(self.beta(vae.step) if callable(self.beta) else self.beta, log_likelihood.dtype)

        if self.gradient == "pathwise":
            kl = _KL[self.form](q_z, p_z, z)
        elif self.gradient == "sticking_the_landing":
            kl = tf.reduce_mean(log_prob_of_draws(q_z, z) - p_z.log_prob(z), axis=0)
        else:
            log_q = q_z.log_prob(z)
            kls = tf.stop_gradient(log_q) - p_z.log_prob(z)
            kl = tf.reduce_mean(kls, axis=0)
        losses = -log_likelihood + beta * self.penalty(kl, q_z, p_z, sample_weight)
        if self.gradient == "score_function":
            losses -= tf.reduce_mean(score_function(log_q, log_likelihoods - beta * kls), axis=0)
        return LossTerms(
            loss=replicas.batch_mean(losses, sample_weight),
            loss_per_example=losses,
            log_likelihood=log_likelihood,
            kl=kl,
            elbo=log_likelihood - kl,
        )

    def penalty(self, kl: tf.Tensor, q_z: tfd.Distribution, p_z: tfd.Distribution, weight: Any) -> tf.Tensor:
        """Return what beta multiplies, [B]: the KL; the hook for variants."""
        return kl

    def get_config(self) -> dict[str, Any]:
        config = {name: getattr(self, name) for name in ("beta", "num_samples", "form", "gradient")}
        return {**config, "beta": keras.saving.serialize_keras_object(self.beta)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> ELBO:
        return cls(**{**config, "beta": keras.saving.deserialize_keras_object(config["beta"])})
