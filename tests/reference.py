"""Slow, plain oracles: closed forms of models whose likelihood is known."""

import dataclasses

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from scipy import stats
from tensorflow_probability import distributions as tfd

import keras_vae as kv


@dataclasses.dataclass(frozen=True)
class LinearGaussian:
    """z ~ N(0, I), x | z ~ N(W z + b, sigma^2 I): probabilistic PCA (Tipping & Bishop, 1999)."""

    weight: np.ndarray  # W [E, D]
    bias: np.ndarray  # b [E]
    sigma: float

    def log_marginal(self, x):
        """log N(x; b, W W' + sigma^2 I), [B]."""
        covariance = self.weight @ self.weight.T + self.sigma**2 * np.eye(len(self.bias))
        return stats.multivariate_normal(self.bias, covariance).logpdf(x)

    def posterior(self, x):
        """Mean [B, D] and covariance [D, D] of p(z|x)."""
        precision = np.eye(self.weight.shape[1]) + self.weight.T @ self.weight / self.sigma**2
        covariance = np.linalg.inv(precision)
        return (x - self.bias) @ self.weight @ covariance / self.sigma**2, covariance

    def vae(self, loc_weight, loc_bias, scale):
        """A float64 VAE with this decoder, whose posterior is N(x loc_weight + loc_bias, diag(scale)^2)."""
        posterior = kv.layers.DistributionLambda(
            lambda loc: tfd.MultivariateNormalDiag(loc, tf.constant(scale) * tf.ones_like(loc)), dtype="float64"
        )
        return self.vae_ending_in(posterior, loc_weight, loc_bias)

    def vae_ending_in(self, posterior, weight, bias):
        """A float64 VAE with this decoder, whose posterior is the layer's of parameters x weight + bias."""
        dimensions, latent_dim = self.weight.shape
        likelihood = kv.layers.DistributionLambda(
            lambda loc: tfd.Independent(tfd.Normal(loc, tf.constant(self.sigma, tf.float64)), 1), dtype="float64"
        )
        encoder_parameters = keras.layers.Dense(len(bias), dtype="float64")
        decoder_mean = keras.layers.Dense(dimensions, dtype="float64")
        encoder = keras.Sequential([keras.Input((dimensions,), dtype="float64"), encoder_parameters, posterior])
        decoder = keras.Sequential([keras.Input((latent_dim,), dtype="float64"), decoder_mean, likelihood])
        encoder_parameters.set_weights([weight, bias])
        decoder_mean.set_weights([self.weight.T, self.bias])
        prior = kv.priors.StandardNormal(latent_dim, dtype="float64")
        return kv.VAE(encoder, decoder, prior, seed=0, dtype="float64")

    def normal_vae(self, loc_weight, loc_bias, covariance):
        """A float64 VAE with this decoder, whose posterior N(x loc_weight + loc_bias, covariance) is a layer's.

        The layer is `MultivariateNormalDiag` for variances [D], `MultivariateNormalTriL` for a covariance [D, D].
        """
        head = kv.layers.MultivariateNormalDiag if np.ndim(covariance) == 1 else kv.layers.MultivariateNormalTriL
        weight, bias = normal_parameters(loc_weight, loc_bias, covariance)
        return self.vae_ending_in(head(len(loc_bias), dtype="float64"), weight, bias)

    def true_posterior(self):
        """Arguments of `normal_vae` for the true posterior."""
        _, covariance = self.posterior(np.zeros([1, len(self.bias)]))
        gain = self.weight @ covariance / self.sigma**2
        return gain, -self.bias @ gain, covariance


def normal_parameters(loc_weight, loc_bias, covariance):
    """Weight and bias of the parameters of N(x loc_weight + loc_bias, covariance), for the layers of `normal_vae`."""

    def raw(scale):
        return np.log(np.expm1(scale - 1e-5))

    if np.ndim(covariance) == 1:
        of_scale = raw(np.sqrt(covariance))
    else:
        root = np.linalg.cholesky(covariance)
        np.fill_diagonal(root, raw(np.diag(root)))
        of_scale = tfp.math.fill_triangular_inverse(root).numpy()
    weight = np.concatenate([loc_weight, np.zeros([len(loc_weight), len(of_scale)])], axis=1)
    return weight, np.concatenate([loc_bias, of_scale])


def linear_gaussian(seed=0, dimensions=5, latent_dim=2, orthogonal=True):
    """A linear-Gaussian model; with orthogonal columns of W its true posterior is diagonal."""
    rng = np.random.default_rng(seed)
    weight = rng.normal(size=(dimensions, latent_dim))
    if orthogonal:
        weight = np.linalg.qr(weight)[0] * np.array([1.5, 0.7])[:latent_dim]
    return LinearGaussian(weight, rng.normal(size=dimensions), sigma=0.6)


def kl_normal(loc_q, covariance_q, loc_p, covariance_p):
    """KL(N(loc_q, covariance_q), N(loc_p, covariance_p)) in nats, by the textbook's formula."""
    inverse = np.linalg.inv(covariance_p)
    shift = loc_p - loc_q
    log_ratio = np.linalg.slogdet(covariance_p)[1] - np.linalg.slogdet(covariance_q)[1]
    return 0.5 * (np.trace(inverse @ covariance_q) + shift @ inverse @ shift - len(loc_q) + log_ratio)
