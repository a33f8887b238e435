"""Measures of samples beside real examples, both as features [N, F]: precision, recall and the Frechet distance."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from sklearn.metrics.pairwise import euclidean_distances

from keras_vae.arguments import as_count
from keras_vae.evaluation.elbo import Estimate
from keras_vae.evaluation.point_sets import checked_sets, generator, standard_errors

__all__ = ["PrecisionRecall", "frechet_distance", "precision_recall"]

_POINTS_AT_ONCE = 500
_ROUNDING = 100 * np.finfo(np.float64).eps


class PrecisionRecall(NamedTuple):
    """How many samples look real, and how much of what is real the samples reach.

    Both are below 1 for two sets of one distribution, and depend on the number of points and of features: compare them
    with those of two sets of real examples.

    A real example far from all others has a large ball, in which useless samples may lie: the precision is then high,
    its standard error too, and the recall is 0.

    Attributes:
        precision: Fraction of the samples within the real examples' manifold; low where samples are bad.
        recall: Fraction of the real examples within the samples' manifold; low where samples lack variety.
    """

    precision: Estimate
    recall: Estimate


def precision_recall(real: np.ndarray, samples: np.ndarray, k: int = 3, seed: Any = 0) -> PrecisionRecall:
    """Return the precision and the recall of samples, by nearest neighbours.

    The manifold of a set is the union of balls around its points, each as large as the distance to the k-th nearest
    other point. The standard errors come from random halves of both sets, as the binomial error would leave out that
    the manifold is random, too.

    Args:
        real: [N, F].
        samples: [M, F]; N and M should be equal, as a manifold of more points is finer.
        k: Int, which neighbour's distance is the radius. 3.
        seed: Seed of the halves. 0.

    Raises:
        ValueError: if `k` is not a positive integer, if a set has fewer than 2 (k + 1) points or one that is not
            finite, or if the two differ in the number of features.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> real, samples = rng.normal(size=[400, 2]), rng.normal(size=[400, 2]) * [0.1, 1]  # too narrow
    >>> result = precision_recall(real, samples)
    >>> result.precision.mean > 0.95, result.recall.mean < 0.4
    (True, True)

    References:
        Kynkaanniemi et al. (2019), "Improved precision and recall metric for assessing generative models", Eq. 1-2.
    """
    k = as_count(k=k)
    real, samples = checked_sets(2 * (k + 1), real=real, samples=samples)

    def measure(real: np.ndarray, samples: np.ndarray) -> tuple[float, float]:
        return float(_within(samples, real, k).mean()), float(_within(real, samples, k).mean())

    errors = standard_errors(measure, real, samples, generator(seed))
    return PrecisionRecall(*(Estimate(*pair) for pair in zip(measure(real, samples), errors.tolist(), strict=True)))


def frechet_distance(real: np.ndarray, samples: np.ndarray, seed: Any = 0) -> Estimate:
    """Return the squared Frechet distance of two normal densities with the means and covariances of two sets.

    d^2 = ||m1 - m2||^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))

    This is "FID" where the features are those of the Inception network; with others the numbers cannot be compared. It
    is above 0 for two sets of one distribution, by an amount that falls with 1 / N: compare it with the distance of two
    sets of real examples of the same size. The standard error, from random halves of both sets, is too large there.

    Args:
        real: [N, F].
        samples: [M, F].
        seed: Seed of the halves. 0.

    Raises:
        ValueError: if a set has fewer than 4 points or one that is not finite, or if the two differ in the number of
            features.

    Example:

    >>> points = np.random.default_rng(0).normal(size=[100, 2])
    >>> frechet_distance(points, points + [3, 4]).mean.__round__(9)
    25.0

    References:
        Dowson & Landau (1982), "The Frechet distance between multivariate normal distributions", Eq. 4. Heusel et al.
        (2017), "GANs trained by a two time-scale update rule converge to a local Nash equilibrium", Eq. 6.
    """
    real, samples = checked_sets(real=real, samples=samples)
    error = standard_errors(_squared_frechet, real, samples, generator(seed))
    return Estimate(_squared_frechet(real, samples), float(error))


def _within(points: np.ndarray, reference: np.ndarray, k: int) -> np.ndarray:
    """Return for each point [N] whether it lies in a ball around a point of `reference`."""
    centre = reference.mean(axis=0)  # rounding grows with the norm
    points, reference = points - centre, reference - centre
    # Among the distances from a point of a set to the points of the set, the first is that to itself.
    nearest = (np.partition(squared, k, axis=1)[:, k] for squared in _squared_distances(reference, reference))
    squared_radii = np.concatenate(list(nearest))
    # The surface belongs to the ball: points that are equal, and integers, lie on it, but for rounding.
    norms = np.linalg.norm(reference, axis=1)
    squared_radii += _ROUNDING * np.square(norms + np.sqrt(squared_radii))
    within = ((squared <= squared_radii).any(axis=1) for squared in _squared_distances(points, reference))
    return np.concatenate(list(within))


def _squared_distances(points: np.ndarray, reference: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the squared distances from some of the points at a time to each point of `reference`."""
    for chunk in np.array_split(points, -(-len(points) // _POINTS_AT_ONCE)):
        yield euclidean_distances(chunk, reference, squared=True)


def _squared_frechet(first: np.ndarray, second: np.ndarray) -> float:
    """Return d^2; with C = R.T @ R, tr (C1 C2)^(1/2) is the sum of the singular values of R1 @ R2.T.

    No root of a covariance is taken, which would make 1e-8 of a rounding error of 1e-16.
    """
    roots = [_root_of_covariance(points) for points in (first, second)]
    traces = sum(float(np.square(root).sum()) for root in roots)
    shared = np.linalg.svd(roots[0] @ roots[1].T, compute_uv=False).sum()
    shift = first.mean(axis=0) - second.mean(axis=0)
    return max(float(np.square(shift).sum() + traces - 2 * shared), 0.0)


def _root_of_covariance(points: np.ndarray) -> np.ndarray:
    """Return R, triangular, where the covariance of the points is R.T @ R."""
    centred = points - points.mean(axis=0)
    return np.asarray(np.linalg.qr(centred / math.sqrt(len(points) - 1), mode="r"))  # NumPy's types know no mode "r"
