"""Whether two sets of points come from one distribution: a classifier's test, and a kernel's."""

from __future__ import annotations

import math
import warnings
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import norm, rankdata
from sklearn.decomposition import PCA, FastICA
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.pipeline import make_pipeline

from keras_vae.evaluation.point_sets import checked_sets, generator

__all__ = ["AUC", "MMD", "auc", "classifier_test", "mmd_test"]

_POINTS_PER_COMPONENT = 10  # fewer, and independent components are those of the noise
_KERNEL_POINTS = 1_000
_PERMUTATIONS = 500


class AUC(NamedTuple):
    """Area under a classifier's ROC curve: 0.5 where it cannot tell two sets apart, 1 where it always can.

    Attributes:
        mean: P(score of a first point > score of a second point), where ties count one half.
        standard_error: Of `mean`.
    """

    mean: float
    standard_error: float

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return the confidence interval of that level, within [0, 1].

        Example:

        >>> AUC(0.5, 0.01).interval()
        (0.4804, 0.5196)
        """
        reach = float(norm.ppf((1 + level) / 2)) * self.standard_error
        return round(max(self.mean - reach, 0.0), 4), round(min(self.mean + reach, 1.0), 4)


def classifier_test(first: np.ndarray, second: np.ndarray, seed: Any = 0) -> AUC:
    """Return how well a classifier tells the points of two sets apart that it was not trained on.

    Half of each set trains the classifier, gradient-boosted trees; the other half is scored. The trees see the entries
    of a point, its squared norm and, where there are ten training points for each dimension, the independent
    components of the first set: a hole in a direction of many dimensions is seen there only.

    Args:
        first: [N, D].
        second: [M, D].
        seed: Of the halves and of the classifier.

    Raises:
        ValueError: if a set has less than 4 points or one that is not finite, or the two differ in the number of
            dimensions.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> ring = rng.normal(size=[500, 2])
    >>> ring /= np.linalg.norm(ring, axis=1, keepdims=True)
    >>> classifier_test(ring, rng.normal(size=[500, 2])).mean > 0.9
    True

    References:
        Lopez-Paz & Oquab (2017), "Revisiting classifier two-sample tests". Hyvarinen (1999), "Fast and robust
        fixed-point algorithms for independent component analysis".
    """
    rng = generator(seed)
    sets = [rng.permutation(points) for points in checked_sets(first=first, second=second)]
    train = [points[: len(points) // 2] for points in sets]
    test = [points[len(points) // 2 :] for points in sets]
    dimensions = train[0].shape[1]
    state = int(rng.integers(2**31))
    components = None
    if 1 < dimensions <= len(train[0]) // _POINTS_PER_COMPONENT:
        # PCA leaves out directions without variance, in which there are no components.
        components = make_pipeline(PCA(0.9999, whiten=True), FastICA(whiten=False, tol=1e-3, random_state=state))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # any directions will do, and good ones do better
            components.fit(train[0])

    def features(points: np.ndarray) -> np.ndarray:
        columns = [points, np.square(points).sum(axis=1, keepdims=True)]
        return np.concatenate([*columns, components.transform(points)] if components else columns, axis=1)

    smallest_leaf = max(1, min(20, len(train[0]) // 10, len(train[1]) // 10))  # else blind to few points
    trees = HistGradientBoostingClassifier(
        learning_rate=0.05, max_leaf_nodes=8, min_samples_leaf=smallest_leaf, random_state=state
    )
    trees.fit(features(np.concatenate(train)), np.repeat([1, 0], [len(points) for points in train]))
    scores = [trees.predict_proba(features(points))[:, 1] for points in test]
    return auc(*scores)


def auc(positive: np.ndarray, negative: np.ndarray) -> AUC:
    """Return the area under the ROC curve of scores [N] of positive and [M] of negative examples.

    Example:

    >>> auc(np.array([3.0, 2.0]), np.array([2.0, 1.0])).mean
    0.875

    References:
        DeLong, DeLong & Clarke-Pearson (1988), "Comparing the areas under two or more correlated receiver operating
        characteristic curves", Sec. 2 (standard error).
    """
    num_positive, num_negative = len(positive), len(negative)
    ranks = rankdata(np.concatenate([positive, negative]))
    # Of each point, the fraction of the other set on the side on which it should be.
    above = (ranks[:num_positive] - rankdata(positive)) / num_negative
    below = 1 - (ranks[num_positive:] - rankdata(negative)) / num_positive
    variance = above.var(ddof=1) / num_positive + below.var(ddof=1) / num_negative
    return AUC(float(above.mean()), math.sqrt(variance))


class MMD(NamedTuple):
    """Squared maximum mean discrepancy of two sets of points.

    Attributes:
        squared: Unbiased estimate: 0 in the mean where both come from one distribution; may be negative.
        p_value: Probability of as large an estimate where both come from one distribution.
    """

    squared: float
    p_value: float


def mmd_test(first: np.ndarray, second: np.ndarray, seed: Any = 0) -> MMD:
    """Return the squared maximum mean discrepancy of two sets, and its p-value over 500 permutations.

    The kernel is exp(-||a - b||^2 / (2 h^2)), where h is the median distance between points. Of larger sets 1,000
    points are used, drawn at random.

    Args:
        first: [N, D].
        second: [M, D].
        seed: Of the points that are used and of the permutations.

    Raises:
        ValueError: if a set has less than 4 points or one that is not finite, or the two differ in the number of
            dimensions.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> mmd_test(rng.normal(size=[200, 3]), rng.normal(size=[200, 3]) + 1).p_value < 0.01
    True

    References:
        Gretton et al. (2012), "A kernel two-sample test", Eq. 3 and Sec. 5.
    """
    rng = generator(seed)
    some = [rng.permutation(points)[:_KERNEL_POINTS] for points in checked_sets(first=first, second=second)]
    squared = euclidean_distances(np.concatenate(some), squared=True)
    width = np.median(squared[~np.eye(len(squared), dtype=bool)])
    kernel = np.exp(-squared / (2 * max(width, np.finfo(float).tiny)))
    np.fill_diagonal(kernel, 0)
    is_first = np.repeat([1.0, 0.0], [len(points) for points in some])
    orders = [is_first, *(rng.permutation(is_first) for _ in range(_PERMUTATIONS))]
    values = _squared_mmd(kernel, np.stack(orders, axis=1))
    return MMD(float(values[0]), float(np.mean(values >= values[0])))


def _squared_mmd(kernel: np.ndarray, is_first: np.ndarray) -> np.ndarray:
    """Return the unbiased estimate [P] for each column of `is_first` [N, P]; the kernel's diagonal must be 0."""
    n, m = is_first[:, 0].sum(), (1 - is_first[:, 0]).sum()
    to_first = kernel @ is_first
    to_second = kernel.sum(axis=1, keepdims=True) - to_first
    within_first, within_second = (is_first * to_first).sum(0), ((1 - is_first) * to_second).sum(0)
    between = (is_first * to_second).sum(0)
    return within_first / (n * (n - 1)) + within_second / (m * (m - 1)) - 2 * between / (n * m)
