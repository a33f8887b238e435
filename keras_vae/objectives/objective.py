"""The base of all objectives."""

from __future__ import annotations

from typing import Any, ClassVar

import keras
import tensorflow as tf

from keras_vae.arguments import as_count
from keras_vae.objectives import table
from keras_vae.objectives.estimators import Estimator
from keras_vae.objectives.loss_terms import LossTerms
from keras_vae.protocols import Batch, LatentDraws, LatentVariableModel, as_batch
from keras_vae.random import Noise, as_noise

__all__ = ["Objective"]


class Objective:
    """Function of the scored draws of z: a subclass overrides `terms`, which is arithmetic on log-probabilities.

    The model runs its networks and hands out `LatentDraws`; the estimator that `gradient` names says where gradients
    are stopped.

    Args:
        num_samples: Int, S, posterior draws per example.
        gradient: Str, a name among the class's `gradients`, or a `keras_vae.objectives.Estimator` that has such a name.

    Attributes:
        gradients: The names that `gradient` may have.
        is_bound: Bool, whether what it minimises is a bound of -log p(x), which has an ELBO and a KL as metrics.
        units: Dict, the unit of each metric that `terms` puts into `LossTerms.metrics` beside the usual ones.

    Call arguments:
        model: A `keras_vae.VAE`, or another `keras_vae.protocols.LatentVariableModel`.
        x: Array [B, *event], a tuple (x, y, sample_weight) or a `keras_vae.protocols.Batch`.
        seed: Noise of the posterior: see `keras_vae.random.as_seed`; or a `keras_vae.random.Noise`.
        sample_weight: Array [B], or None.
        first_row: Int, number of the first row of `x` in the global batch.
        training: Bool, passed to the networks.

    Returns:
        `LossTerms`.

    Raises:
        ValueError: if an argument is out of range, or if the posterior is not reparameterised and `gradient` needs
            that.

    Example:

    >>> class SquaredKL(Objective):
    ...     units = {"squared_kl": "nats^2"}
    ...     def terms(self, draws, sample_weight=None, step=0):
    ...         log_likelihood = tf.reduce_mean(draws.log_likelihood, axis=0)
    ...         kl = tf.reduce_mean(draws.log_posterior - draws.log_prior, axis=0)
    ...         return LossTerms.of(kl**2 - log_likelihood, log_likelihood, kl, sample_weight, squared_kl=kl**2)
    >>> vae = kv.VAE.for_images((4, 4, 1), latent_dim=2, objective=SquaredKL(), seed=0)
    >>> sorted(vae.metric_units)
    ['bits_per_dim', 'elbo', 'kl', 'loss', 'reconstruction_loss', 'squared_kl']
    """

    gradients: ClassVar[tuple[str, ...]] = ("pathwise", "sticking_the_landing", "doubly_reparameterized")
    units: ClassVar[dict[str, str]] = {}
    is_bound: ClassVar[bool] = True

    def __init__(self, num_samples: int = 1, gradient: str | Estimator = "pathwise"):
        if getattr(gradient, "name", gradient) not in self.gradients:
            raise ValueError(f"`gradient` must be one of {', '.join(self.gradients)}. Received: gradient={gradient!r}")
        self.num_samples = as_count(num_samples=num_samples)
        self.gradient = gradient
        self.estimator = table.get(gradient)
        if self.num_samples < self.estimator.least_draws:
            raise ValueError(
                f'gradient="{self.estimator.name}" needs {self.estimator.least_draws} draws or more. '
                f"Received: num_samples={num_samples}"
            )

    def __call__(
        self,
        model: LatentVariableModel,
        x: Any,
        seed: Any,
        sample_weight: tf.Tensor | None = None,
        first_row: Any = 0,
        training: bool = False,
    ) -> LossTerms:
        batch = as_batch(x)
        weight = batch.example_weight if sample_weight is None else sample_weight
        step = getattr(model, "step", 0)
        estimator = self.estimator.of(batch, step, training)
        draws = self.draw(model, batch, as_noise(seed, first_row), estimator, training)
        estimator.weigh(draws)
        return self.terms(draws, weight, step)

    def draw(
        self, model: LatentVariableModel, batch: Batch, noise: Noise, estimator: Estimator, training: bool
    ) -> LatentDraws:
        """Return the scored draws of z: those of `model.draw`."""
        return model.draw(batch, self.num_samples, noise, estimator, training)

    def terms(self, draws: LatentDraws, sample_weight: tf.Tensor | None = None, step: Any = 0) -> LossTerms:
        """Return the loss and what it is made of.

        Args:
            draws: What the model says of S draws of z for each example.
            sample_weight: [B], or None.
            step: Training steps taken, for schedules.
        """
        raise NotImplementedError(f"{type(self).__name__} must override `terms`.")

    def get_config(self) -> dict[str, Any]:
        return {"num_samples": self.num_samples, "gradient": keras.saving.serialize_keras_object(self.gradient)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Objective:
        return cls(**{name: keras.saving.deserialize_keras_object(value) for name, value in config.items()})
