"""The adversarial autoencoder, which needs samples of the prior and no density."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_vae import random, replicas
from keras_vae.distributions import latents
from keras_vae.models.vae import VAE
from keras_vae.networks import MLP
from keras_vae.objectives import Adversarial, LossTerms
from keras_vae.objectives.adversarial import JudgedDraws
from keras_vae.objectives.estimators import Estimator
from keras_vae.protocols import Batch
from keras_vae.random import Noise, Stream
from keras_vae.registration import register

__all__ = ["AdversarialAutoencoder"]


@register
class AdversarialAutoencoder(VAE):
    """Autoencoder whose aggregate posterior is drawn to the prior by a discriminator, in the place of the KL.

    It is made of the parts of a VAE and a discriminator, which learns with an optimizer of its own to tell draws of
    q(z|x) from draws of p(z). What is trained is no bound of log p(x), so there are no metrics `elbo` and `kl`.
    `keras_vae.evaluation` still gives the ELBO and log p(x) of the model that encoder, decoder and prior make.

    Args:
        encoder: As of `VAE`.
        decoder: As of `VAE`.
        prior: As of `VAE`. Its weights are not trained.
        discriminator: Keras model from z, all its entries as one vector [B, D], to a logit [B, 1].
        objective: A `keras_vae.objectives.Adversarial`. None: that with its defaults.
        *args: As of `VAE`, after its objective.
        **kwargs: As of `VAE`.

    Raises:
        TypeError: if the objective is another one, or as of `VAE`.
        ValueError: if the discriminator does not return one logit, or as of `VAE`.

    Example:

    >>> x = np.random.default_rng(0).integers(0, 2, [64, 4, 4, 1])
    >>> aae = AdversarialAutoencoder.for_images((4, 4, 1), latent_dim=2, seed=0)
    >>> aae.compile(keras.optimizers.Adam(1e-3), discriminator_optimizer=keras.optimizers.Adam(1e-3))
    >>> sorted(aae.fit(x, epochs=1, verbose=0).history)
    ['discriminator_loss', 'generator_loss', 'loss', 'reconstruction_loss']

    References:
        Makhzani et al. (2016), "Adversarial Autoencoders", Sec. 2.
    """

    _parts = ("encoder", "decoder", "prior", "discriminator", "objective", "corruption")

    def __init__(
        self,
        encoder: keras.layers.Layer,
        decoder: keras.layers.Layer,
        prior: Any,
        discriminator: keras.layers.Layer,
        objective: Adversarial | None = None,
        *args: Any,
        **kwargs: Any,
    ):
        objective = Adversarial() if objective is None else objective
        if not isinstance(objective, Adversarial):
            raise TypeError(
                f"`objective` must be a keras_vae.objectives.Adversarial. Received: objective={objective!r}"
            )
        super().__init__(encoder, decoder, prior, objective, *args, **kwargs)
        self.discriminator = discriminator
        if type(self) is AdversarialAutoencoder and len(getattr(encoder, "inputs", None) or []) == 1:
            self.build(encoder.input_shape)

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        logit = self.discriminator(tf.zeros([1, self.latent_dim], self.variable_dtype))
        if tuple(logit.shape) != (1, 1):
            raise ValueError(
                "The discriminator must return one logit for each z, [B, 1]. "
                f"Received: the shape {tuple(logit.shape)} for one z"
            )

    @classmethod
    def _other_parts(
        cls, event_shape: Sequence[int], latent_dim: int, network: Any, scale: float, missing: bool, arguments: Any
    ) -> tuple[Any, ...]:
        body = MLP() if getattr(network, "sees_axes", False) else network
        return (body.encoder((latent_dim,), 1),)

    def _own_arguments(self) -> dict[str, Any]:
        return {"discriminator": self.discriminator}

    def draw(
        self,
        batch: Batch,
        num_samples: int,
        noise: Noise,
        estimator: Estimator | None = None,
        training: bool = False,
    ) -> JudgedDraws:
        """Run the networks, and the discriminator on the first draw of each example, see `JudgedDraws`."""
        draws = super().draw(batch, num_samples, noise, estimator, training)
        z = latents.entries(tf.nest.map_structure(lambda part: part[0], draws.z))
        of_prior = random.sample(draws.prior, tf.shape(batch.x)[0], noise.of(Stream.ADVERSARY))

        def logit(z: tf.Tensor) -> tf.Tensor:
            return tf.cast(self.discriminator(z, training=training), self.variable_dtype)[:, 0]

        return JudgedDraws(
            **{field.name: getattr(draws, field.name) for field in dataclasses.fields(draws)},
            logit=logit(z),
            logit_of_constant=logit(tf.stop_gradient(z)),
            logit_of_prior=logit(tf.stop_gradient(latents.entries(of_prior))),
        )

    def compile(
        self, optimizer: Any = "adam", *args: Any, discriminator_optimizer: Any = "adam", **kwargs: Any
    ) -> None:
        """Configure training as `VAE.compile` does.

        Args:
            optimizer: Str or object, the optimizer of encoder and decoder. "adam".
            *args: As of `VAE.compile`.
            discriminator_optimizer: Str or object, the optimizer of the discriminator. "adam".
            **kwargs: As of `VAE.compile`.
        """
        super().compile(optimizer, *args, **kwargs)
        self.discriminator_optimizer = keras.optimizers.get(discriminator_optimizer)

    def get_compile_config(self) -> dict[str, Any] | None:
        config = super().get_compile_config()
        if not config:
            return config
        serialized = keras.saving.serialize_keras_object(self.discriminator_optimizer)
        return {**config, "discriminator_optimizer": serialized}

    @property
    def optimizers(self) -> list[keras.Optimizer]:
        return [self.optimizer, self.discriminator_optimizer]

    def build_optimizers(self) -> None:
        if not self.optimizer.built:
            self.optimizer.build(self._autoencoder_variables)
        if not self.discriminator_optimizer.built:
            self.discriminator_optimizer.build(self.discriminator.trainable_variables)

    @property
    def _autoencoder_variables(self) -> list[keras.Variable]:
        others = {id(variable) for part in (self.discriminator, self.prior) for variable in part.trainable_variables}
        return [variable for variable in self.trainable_variables if id(variable) not in others]

    def _losses_to_minimize(self, terms: LossTerms, penalty: Any, batch: Batch) -> list[tuple[Any, Any, list]]:
        ((optimizer, loss, _),) = super()._losses_to_minimize(terms, penalty, batch)
        of_discriminator = replicas.batch_mean(terms.metrics["discriminator_loss"], batch.example_weight)
        return [
            (optimizer, loss, self._autoencoder_variables),
            (
                self.discriminator_optimizer,
                self.discriminator_optimizer.scale_loss(of_discriminator),
                self.discriminator.trainable_variables,
            ),
        ]
