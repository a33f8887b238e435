"""Posteriors of discrete z, whose draws carry no gradient."""

from __future__ import annotations

import dataclasses

import keras

from keras_vae import layers, priors
from keras_vae.arguments import as_count

__all__ = ["Bernoulli", "Categorical", "TwoLayerBernoulli"]


@dataclasses.dataclass(frozen=True)
class Bernoulli:
    """Independent binary units: z [D] of zeros and ones.

    Example:

    >>> objective = kv.objectives.ELBO(num_samples=2, gradient="disarm")
    >>> vae = kv.VAE.for_images((4, 4, 1), latent_dim=6, posterior="bernoulli", objective=objective)
    >>> sorted(set(np.ravel(kv.random.sample(vae.prior_distribution(), 50, seed=0)).tolist()))
    [0.0, 1.0]
    """

    def params_size(self, latent_dim: int) -> int:
        """Return D: logits."""
        return latent_dim

    def layer(self, latent_dim: int) -> layers.IndependentBernoulli:
        """Return the layer of q(z|x)."""
        return layers.IndependentBernoulli(latent_dim)

    def latent_shape(self, latent_dim: int) -> tuple[int, ...]:
        """Return (D,)."""
        return (latent_dim,)

    def prior(self, latent_dim: int) -> priors.Bernoulli:
        """Return independent units whose probabilities are learned."""
        return priors.Bernoulli(latent_dim)


@dataclasses.dataclass(frozen=True)
class Categorical:
    """N independent variables of K categories: z [N, K] of one-hot vectors, where N is the `latent_dim` of a model.

    Args:
        num_categories: Int, K, 2 or more. 10.

    Example:

    >>> objective = kv.objectives.ELBO(gradient="gumbel_softmax")
    >>> posterior = kv.posteriors.Categorical(num_categories=5)
    >>> vae = kv.VAE.for_images((4, 4, 1), latent_dim=3, posterior=posterior, objective=objective)
    >>> vae.latent_shape
    (3, 5)
    """

    num_categories: int = 10

    def __post_init__(self) -> None:
        as_count(2, num_categories=self.num_categories)

    def params_size(self, latent_dim: int) -> int:
        """Return N K: logits."""
        return latent_dim * self.num_categories

    def layer(self, latent_dim: int) -> layers.IndependentOneHotCategorical:
        """Return the layer of q(z|x)."""
        return layers.IndependentOneHotCategorical(self.latent_shape(latent_dim))

    def latent_shape(self, latent_dim: int) -> tuple[int, ...]:
        """Return (N, K)."""
        return (latent_dim, self.num_categories)

    def prior(self, latent_dim: int) -> priors.Categorical:
        """Return independent variables whose probabilities are learned."""
        return priors.Categorical(latent_dim, self.num_categories)


@dataclasses.dataclass(frozen=True)
class TwoLayerBernoulli:
    """Two stochastic layers of D binary units each: z = [z_1, z_2], q(z_1|x) q(z_2|z_1) and p(z_2) p(z_1|z_2).

    The logits of q(z_2|z_1) and of p(z_1|z_2) are linear. With the prior that goes with it the decoder sees z_1 alone.

    Example:

    >>> objective = kv.objectives.ELBO(num_samples=2, gradient="score_function")
    >>> posterior = kv.posteriors.TwoLayerBernoulli()
    >>> vae = kv.VAE.for_images((4, 4, 1), latent_dim=6, posterior=posterior, objective=objective)
    >>> vae.latent_shape, vae.prior_distribution().name
    ((12,), 'Stacked')
    """

    def params_size(self, latent_dim: int) -> int:
        """Return D: logits of z_1."""
        return latent_dim

    def layer(self, latent_dim: int) -> layers.Stacked:
        """Return the layer of q(z|x)."""
        return layers.Stacked(layers.IndependentBernoulli(latent_dim), _linear(latent_dim))

    def latent_shape(self, latent_dim: int) -> tuple[int, ...]:
        """Return (2 D,)."""
        return (2 * latent_dim,)

    def prior(self, latent_dim: int) -> priors.TopDown:
        """Return p(z_2), independent units whose probabilities are learned, with p(z_1|z_2)."""
        return priors.TopDown(priors.Bernoulli(latent_dim), _linear(latent_dim))


def _linear(size: int) -> keras.Sequential:
    """Return the model from units [B, size] to as many units, whose logits are linear."""
    return keras.Sequential([keras.Input((size,)), keras.layers.Dense(size), layers.IndependentBernoulli(size)])
