"""The interface of distributions that can be drawn, but whose density is estimated."""

from __future__ import annotations

import abc
from typing import Any

import tensorflow as tf
from tensorflow_probability import distributions as tfd

__all__ = ["EstimatedDensity", "has_density", "scored_with"]


class EstimatedDensity(tfd.Distribution, abc.ABC):
    """Distribution p without batch, whose log-probability has no closed form.

    `scored_with` returns the same distribution with noise: its `prob(z)` is an unbiased estimate of p(z), and so its
    `log_prob(z)` is a lower bound of log p(z) in the mean over the noise. Without noise `log_prob` is not implemented.
    """

    @abc.abstractmethod
    def draw(self, num_samples: Any, noise: Any) -> tf.Tensor:
        """Return draws [S, *event] with the noise of `keras_vae.random`."""

    @abc.abstractmethod
    def scored_with(self, noise: Any, training: bool = False) -> tfd.Distribution:
        """Return the distribution whose `log_prob` estimates with this noise.

        Args:
            noise: A `keras_vae.random.Noise`; its rows are those of the last axis before the event.
            training: Bool, passed to the networks behind the distribution. False.
        """


def scored_with(distribution: Any, noise: Any, training: bool = False) -> Any:
    """Return a distribution, or a structure of such, in which every estimated density has noise."""
    return tf.nest.map_structure(
        lambda part: part.scored_with(noise, training) if isinstance(part, EstimatedDensity) else part, distribution
    )


def has_density(distribution: Any) -> bool:
    """Return whether the density of a distribution, or of each in a structure, is exact rather than estimated."""
    return not any(isinstance(part, EstimatedDensity) for part in tf.nest.flatten(distribution))
