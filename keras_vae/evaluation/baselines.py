"""Simple densities on the same images, in the same units: what a VAE must beat."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tensorflow as tf
from sklearn.decomposition import PCA
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.mixture import GaussianMixture

from keras_vae.evaluation.elbo import Estimate, estimate

__all__ = ["density_baselines", "kernel_density", "pixel_histogram"]

_BANDWIDTHS = np.geomspace(0.03, 1.0, 12)
_POINTS_AT_ONCE = 500


def density_baselines(
    train: np.ndarray, validation: np.ndarray, test: np.ndarray, num_levels: int, seed: int = 0
) -> dict[str, Estimate]:
    """Return the mean log-likelihood of the test images under four densities fitted to the training images.

    * `pixel_histogram`: independent pixels, each with its frequencies of levels;
    * `kernel_density`: a normal kernel at each training image, bandwidth chosen on the validation images;
    * `gaussian_mixture`: 10 diagonal normals;
    * `probabilistic_pca`: its log-likelihood in closed form, the number of components chosen on the validation images.

    The first is a distribution of integer levels. The other three are densities: they are fitted to and score
    y = (x + u) / K with uniform noise u, so that E_u log p(y) - E log K, with E the number of entries, is a lower
    bound of log P(x), in the same nats as the log-likelihood of a VAE for integer levels. It can be compared with
    nothing but that.

    Args:
        train: integer levels [N, *event].
        validation: integer levels [M, *event].
        test: integer levels [L, *event].
        num_levels: K; the levels are 0 ... K-1.
        seed: of the noise and of the mixture's start.

    Returns:
        `Estimate` of log p(x) in nats per example, by name: up is better.

    Raises:
        ValueError: if there are other values than the levels.

    References:
        Theis et al. (2016), "A note on the evaluation of generative models", Sec. 3.1 (uniform noise). Tipping &
        Bishop (1999), "Probabilistic principal component analysis".
    """
    flat = [np.reshape(x, [len(x), -1]).astype(np.float64) for x in (train, validation, test)]
    for x in flat:
        if np.any((x != np.round(x)) | (x < 0) | (x >= num_levels)):
            raise ValueError(
                f"The images must hold the levels 0 ... {num_levels - 1}. Received: values from {x.min()} to {x.max()}"
            )
    rng = np.random.default_rng(seed)
    fit, choose, score = ((x + rng.random(x.shape)) / num_levels for x in flat)
    constant = score.shape[1] * math.log(num_levels)

    bandwidth = max(_BANDWIDTHS, key=lambda h: kernel_density(fit, choose, h).mean())
    most = min(fit.shape[0] - 1, fit.shape[1] - 1)
    sizes = sorted({min(size, most) for size in (1, 2, 5, 10, 20, 50, 100, 200)})
    pca = max((PCA(size).fit(fit) for size in sizes), key=lambda model: model.score(choose))
    mixture = GaussianMixture(min(10, len(fit)), covariance_type="diag", random_state=seed).fit(fit)
    return {
        "pixel_histogram": estimate(pixel_histogram(flat[0], flat[2], num_levels)),
        "kernel_density": estimate(kernel_density(fit, score, bandwidth) - constant),
        "gaussian_mixture": estimate(mixture.score_samples(score) - constant),
        "probabilistic_pca": estimate(pca.score_samples(score) - constant),
    }


def pixel_histogram(train: np.ndarray, test: np.ndarray, num_levels: int) -> np.ndarray:
    """Return log P(x) [L] of `test` [L, E] under independent pixels with the frequencies of `train` [N, E].

    One is added to every count (Laplace's rule), so that no level has probability 0.

    Example:

    >>> np.exp(pixel_histogram(np.array([[0], [0], [1]]), np.array([[0], [1]]), num_levels=2)).round(3).tolist()
    [0.6, 0.4]
    """
    counts = np.stack([(train == level).sum(axis=0) for level in range(num_levels)]) + 1.0  # [K, E]
    log_probs = np.log(counts / counts.sum(axis=0))
    return np.take_along_axis(log_probs, test.astype(np.int64), axis=0).sum(axis=1)


def kernel_density(train: np.ndarray, test: np.ndarray, bandwidth: Any) -> np.ndarray:
    """Return log(mean_n N(y; y_n, bandwidth^2 I)) [L], of `test` [L, E] given the points y_n of `train` [N, E].

    References:
        Parzen (1962), "On estimation of a probability density function and mode", Eq. 1.4.
    """
    chunks = np.array_split(test, -(-len(test) // _POINTS_AT_ONCE))
    squared_distances = (euclidean_distances(chunk, train, squared=True) for chunk in chunks)
    log_sums = [tf.reduce_logsumexp(-distances / (2 * bandwidth**2), axis=1) for distances in squared_distances]
    log_scale = math.log(bandwidth * math.sqrt(2 * math.pi))
    return np.concatenate(log_sums) - math.log(len(train)) - train.shape[1] * log_scale
