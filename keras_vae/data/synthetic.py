"""Models whose log p(x) is known, to learn from and to test with.

Each has `sample(num_samples, seed)` -> x [N, E] and the exact `log_prob(x)` [N] in nats (a `Manifold` of one or two
dimensions has). All compute in float64.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae import random
from keras_vae.arguments import check_numbers

__all__ = ["BernoulliLatents", "GaussianMixture", "LinearGaussian", "Manifold", "Ring"]


@dataclasses.dataclass(frozen=True)
class LinearGaussian:
    """z ~ N(0, I), x | z ~ N(W z + b, sigma^2 I): probabilistic PCA.

    With few latents in many dimensions and a small sigma, x lies near a linear manifold of known dimension.

    Args:
        weight: W [E, D].
        bias: b [E].
        sigma: standard deviation of the noise.

    Example:

    >>> model = LinearGaussian.random(dimensions=100, latent_dim=3, sigma=0.1)
    >>> x = model.sample(5, seed=0)
    >>> x.shape, model.log_prob(x).shape, model.posterior(x).event_shape.as_list()
    ((5, 100), (5,), [3])

    References:
        Tipping & Bishop (1999), "Probabilistic principal component analysis", Eq. 3 and 7.
    """

    weight: np.ndarray
    bias: np.ndarray
    sigma: float

    @classmethod
    def random(cls, dimensions: int, latent_dim: int, sigma: float = 0.1, seed: int = 0) -> LinearGaussian:
        """Return a model whose W has orthonormal columns, drawn from `seed`, and whose b is 0."""
        normal = np.random.default_rng(seed).normal(size=(dimensions, latent_dim))
        return cls(np.linalg.qr(normal)[0], np.zeros(dimensions), sigma)

    def likelihood(self, z: Any) -> tfd.MultivariateNormalDiag:
        """Return p(x|z) for z [..., D]."""
        loc = tf.linalg.matvec(tf.constant(self.weight, tf.float64), z) + self.bias
        return tfd.MultivariateNormalDiag(loc, self.sigma * tf.ones(len(self.bias), tf.float64))

    def posterior(self, x: Any) -> tfd.MultivariateNormalTriL:
        """Return p(z|x) for x [..., E]: N(M^-1 W' (x - b), sigma^2 M^-1), M = W' W + sigma^2 I."""
        m = self.weight.T @ self.weight + self.sigma**2 * np.eye(self.weight.shape[1])
        loc = np.linalg.solve(m, self.weight.T @ (np.asarray(x, np.float64) - self.bias)[..., None])[..., 0]
        return tfd.MultivariateNormalTriL(loc, np.linalg.cholesky(self.sigma**2 * np.linalg.inv(m)))

    def marginal(self) -> tfd.MultivariateNormalTriL:
        """Return p(x) = N(b, W W' + sigma^2 I)."""
        covariance = self.weight @ self.weight.T + self.sigma**2 * np.eye(len(self.bias))
        return tfd.MultivariateNormalTriL(tf.constant(self.bias, tf.float64), np.linalg.cholesky(covariance))

    def sample(self, num_samples: int, seed: Any = 0) -> np.ndarray:
        return random.sample(self.marginal(), num_samples, seed).numpy()

    def log_prob(self, x: Any) -> np.ndarray:
        return self.marginal().log_prob(np.asarray(x, np.float64)).numpy()


@dataclasses.dataclass(frozen=True)
class GaussianMixture:
    """x ~ sum_k probs_k N(locs_k, sigma^2 I).

    Args:
        probs: [K].
        locs: [K, E].
        sigma: standard deviation of each component.

    Example:

    >>> GaussianMixture.on_a_circle(8).sample(5).shape
    (5, 2)
    """

    probs: np.ndarray
    locs: np.ndarray
    sigma: float

    @classmethod
    def on_a_circle(cls, num_components: int, radius: float = 2.0, sigma: float = 0.2) -> GaussianMixture:
        """Return equally weighted components on a circle in the plane."""
        angle = 2 * math.pi * np.arange(num_components) / num_components
        locs = radius * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        return cls(np.full(num_components, 1 / num_components), locs, sigma)

    def sample(self, num_samples: int, seed: Any = 0) -> np.ndarray:
        noise = random.as_noise(seed)
        chosen = random.sample(tfd.Categorical(probs=self.probs), num_samples, noise.of(random.Stream.CHOICES)).numpy()
        eps = random.normal([num_samples, self.locs.shape[1]], *noise.of(random.Stream.OBSERVATIONS), dtype=tf.float64)
        return self.locs[chosen] + self.sigma * eps.numpy()

    def log_prob(self, x: Any) -> np.ndarray:
        components = tfd.MultivariateNormalDiag(self.locs, self.sigma * np.ones_like(self.locs))
        log_probs = components.log_prob(np.asarray(x, np.float64)[..., None, :]) + np.log(self.probs)
        return tf.reduce_logsumexp(log_probs, axis=-1).numpy()


@dataclasses.dataclass(frozen=True)
class Ring:
    """z ~ N(0, I) in the plane, x | z ~ N(g(z), sigma^2 I), g(z) = z / 10 + z / ||z||: a ring with a hole.

    In polar coordinates z = (r, angle), the integral over the angle is a Bessel function I0, and that over r is
    done by Gauss-Legendre quadrature:

        p(x) = integral r exp(-r^2 / 2) exp(-(||x||^2 + m^2) / (2 sigma^2)) I0(m ||x|| / sigma^2) dr / (2 pi sigma^2)

    with m = 1 + r / 10.

    Args:
        sigma: standard deviation of the noise.

    Example:

    >>> ring = Ring(0.1)
    >>> bool(ring.log_prob([[1.1, 0.]])[0] > ring.log_prob([[0., 0.]])[0] + 30)
    True

    References:
        Doersch (2016), "Tutorial on Variational Autoencoders", Fig. 2.
    """

    sigma: float = 0.1

    def decode(self, z: np.ndarray) -> np.ndarray:
        """Return g(z)."""
        return z / 10 + z / np.linalg.norm(z, axis=-1, keepdims=True)

    def sample(self, num_samples: int, seed: Any = 0) -> np.ndarray:
        noise = random.normal([num_samples, 2, 2], seed, dtype=tf.float64).numpy()
        return self.decode(noise[:, 0]) + self.sigma * noise[:, 1]

    def log_prob(self, x: Any) -> np.ndarray:
        nodes, weights = np.polynomial.legendre.leggauss(100)
        r, weights = 5 * (nodes + 1), 5 * weights  # beyond r = 10 lies exp(-50) of z
        m, norm = 1 + r / 10, np.linalg.norm(x, axis=-1)[..., None]
        log_i0e = np.log(tf.math.bessel_i0e(tf.constant(m * norm / self.sigma**2, tf.float64)).numpy())
        log_angle = log_i0e - (norm - m) ** 2 / (2 * self.sigma**2) - math.log(2 * math.pi * self.sigma**2)
        return tf.reduce_logsumexp(np.log(weights * r) - r**2 / 2 + log_angle, axis=-1).numpy()


@dataclasses.dataclass(frozen=True)
class Manifold:
    """z ~ N(0, I), x | z ~ N(g(z), sigma^2 I), g(z) = W z + V sin(F z + phase): a curved manifold of known dimension.

    The columns of V are orthogonal to those of W, so that x without noise gives z back: the manifold has D dimensions
    everywhere, bends into as many others as V has, and does not meet itself.

    Args:
        weight: W [E, D], of rank D.
        bend: V [E, K], with W' V = 0.
        frequency: F [K, D].
        phase: [K].
        sigma: standard deviation of the noise, and so the thickness of the manifold.

    Raises:
        ValueError: if sigma is not positive.

    Example:

    >>> manifold = Manifold.random(dimensions=100, latent_dim=2, sigma=0.2)
    >>> x = manifold.sample(5, seed=0)
    >>> x.shape, manifold.dimension, manifold.log_prob(x).shape
    ((5, 100), 2, (5,))
    """

    weight: np.ndarray
    bend: np.ndarray
    frequency: np.ndarray
    phase: np.ndarray
    sigma: float

    def __post_init__(self) -> None:
        check_numbers(sigma=self.sigma)

    @classmethod
    def random(cls, dimensions: int, latent_dim: int, sigma: float = 0.1, seed: int = 0) -> Manifold:
        """Return a manifold that bends into D further dimensions, drawn from `seed`; W and V have orthonormal columns.

        Raises:
            ValueError: if dimensions < 2 * latent_dim, which leaves no room for that.
        """
        if dimensions < 2 * latent_dim:
            raise ValueError(
                "`dimensions` must be twice `latent_dim` or more. "
                f"Received: dimensions={dimensions}, latent_dim={latent_dim}"
            )
        rng = np.random.default_rng(seed)
        weight, bend = np.split(np.linalg.qr(rng.normal(size=(dimensions, 2 * latent_dim)))[0], 2, axis=1)
        frequency = 2 * np.linalg.qr(rng.normal(size=(latent_dim, latent_dim)))[0]
        return cls(weight, bend, frequency, rng.uniform(0, 2 * math.pi, latent_dim), sigma)

    @property
    def dimension(self) -> int:
        """D, of the manifold."""
        return self.weight.shape[1]

    def decode(self, z: np.ndarray) -> np.ndarray:
        """Return g(z), the points [..., E] of the manifold, for z [..., D]."""
        return self._features(z) @ self._basis().T

    def _features(self, z: np.ndarray) -> np.ndarray:
        return np.concatenate([z, np.sin(z @ self.frequency.T + self.phase)], axis=-1)

    def _basis(self) -> np.ndarray:
        """Return [W V], so that g(z) = [W V] [z, sin(F z + phase)]."""
        return np.concatenate([self.weight, self.bend], axis=1)

    def sample(self, num_samples: int, seed: Any = 0) -> np.ndarray:
        noise = random.normal([num_samples, self.dimension + len(self.weight)], seed, dtype=tf.float64).numpy()
        return self.decode(noise[:, : self.dimension]) + self.sigma * noise[:, self.dimension :]

    def log_prob(self, x: Any) -> np.ndarray:
        """Return log p(x) of a manifold of one or two dimensions, by the trapezoidal rule over |z_j| <= 8.

        Where x lies farther out, so does the grid.

        The step is half the width of the narrowest peak that p(x|z) p(z) has at a point of the manifold: rounding is
        all of the error there. In two dimensions it takes 500,000 nodes for each x at sigma = 0.1, and 1 / sigma^2 as
        many for another.

        Raises:
            ValueError: if the manifold has more than two dimensions.
        """
        if self.dimension > 2:
            raise ValueError(
                f"log p(x) is computed of manifolds of one or two dimensions only. Received: dimension={self.dimension}"
            )
        x, basis = np.asarray(x, np.float64), self._basis()
        slope = np.linalg.norm(basis, 2) * np.hypot(1, np.linalg.norm(self.frequency, 2))  # of g, or less everywhere
        step = 0.5 / np.hypot(1, slope / self.sigma)
        inverse = np.linalg.pinv(self.weight)
        end = max(8.0, np.max(np.abs(x @ inverse.T), initial=0) + 8 * self.sigma * np.linalg.norm(inverse, 2))
        axis = np.arange(-end, end, step)
        z = np.stack(np.meshgrid(*[axis] * self.dimension), axis=-1).reshape(-1, self.dimension)
        u = self._features(z)
        # ||x - g(z)||^2 = ||x||^2 - 2 x' [W V] u + ||[W V] u||^2, of which x and z meet in one matrix product
        log_of_z = -np.square(z).sum(-1) / 2 - ((u @ (basis.T @ basis)) * u).sum(-1) / (2 * self.sigma**2)
        coordinates = (x @ basis).reshape(-1, u.shape[1]) / self.sigma**2
        blocks = np.array_split(coordinates, 1 + len(coordinates) * len(z) // 2**22)
        log_sum = np.concatenate([tf.reduce_logsumexp(block @ u.T + log_of_z, axis=-1).numpy() for block in blocks])
        log_of_x = -np.square(x).sum(-1) / (2 * self.sigma**2) - x.shape[-1] * math.log(2 * math.pi * self.sigma**2) / 2
        return log_of_x + log_sum.reshape(log_of_x.shape) + self.dimension * math.log(step / math.sqrt(2 * math.pi))


@dataclasses.dataclass(frozen=True)
class BernoulliLatents:
    """z_j ~ Bernoulli(1/2), x_i | z ~ Bernoulli(logits = (W z + b)_i): log p(x) by a sum over all 2^D z.

    Args:
        weight: W [E, D]; D of 15 or less.
        bias: b [E].

    Raises:
        ValueError: if there are too many z to enumerate.

    Example:

    >>> model = BernoulliLatents(np.ones([4, 3]), np.zeros(4))
    >>> every_x = np.array(list(itertools.product([0, 1], repeat=4)))
    >>> round(float(np.exp(model.log_prob(every_x)).sum()), 12)
    1.0
    """

    weight: np.ndarray
    bias: np.ndarray

    def __post_init__(self) -> None:
        if self.weight.shape[1] > 15:
            raise ValueError(f"At most 15 latents can be enumerated. Received: weight.shape={self.weight.shape}")

    def likelihood(self, z: Any) -> tfd.Independent:
        """Return p(x|z) for z [..., D]."""
        logits = tf.linalg.matvec(tf.constant(self.weight, tf.float64), tf.cast(z, tf.float64)) + self.bias
        return tfd.Independent(tfd.Bernoulli(logits=logits, dtype=tf.float64), 1)

    def every_z(self) -> np.ndarray:
        """Return all latents, [2^D, D]."""
        return np.array(list(itertools.product([0.0, 1.0], repeat=self.weight.shape[1])))

    def sample(self, num_samples: int, seed: Any = 0) -> np.ndarray:
        noise = random.as_noise(seed)
        prior = tfd.Bernoulli(probs=tf.fill([self.weight.shape[1]], tf.constant(0.5, tf.float64)), dtype=tf.float64)
        z = random.sample(tfd.Independent(prior, 1), num_samples, noise.of(random.Stream.PRIOR))
        return random.sample(self.likelihood(z), 1, noise.of(random.Stream.OBSERVATIONS))[0].numpy()

    def log_prob(self, x: Any) -> np.ndarray:
        z = self.every_z()
        log_joint = self.likelihood(z).log_prob(np.asarray(x, np.float64)[..., None, :]) - math.log(len(z))
        return tf.reduce_logsumexp(log_joint, axis=-1).numpy()
