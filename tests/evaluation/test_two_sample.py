"""Two-sample tests: no difference where there is none, and one where there is."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from keras_vae.evaluation import classifier_test, mmd_test
from keras_vae.evaluation.two_sample import auc


def sets(rng, shift=0.0, dimensions=3, num_points=200):
    first, second = rng.normal(size=(2, num_points, dimensions))
    return first + shift * np.eye(dimensions)[0], second


def test_auc_is_that_of_scikit_learn_with_ties():
    rng = np.random.default_rng(0)
    positive, negative = rng.integers(0, 5, 30) + 1, rng.integers(0, 5, 40)
    labels = np.repeat([1, 0], [30, 40])
    assert auc(positive, negative).mean == pytest.approx(
        roc_auc_score(labels, np.concatenate([positive, negative])), rel=1e-12
    )


def test_the_standard_error_of_auc_is_its_spread():
    """The spread of 400 values has a relative standard error of 3.5 %."""
    rng = np.random.default_rng(0)
    runs = np.array([auc(rng.normal(size=50) + 1, rng.normal(size=80)) for _ in range(400)])
    assert abs(runs[:, 0].mean() - stats.norm.cdf(1 / np.sqrt(2))) < 4 * runs[:, 0].std() / np.sqrt(400)
    assert np.sqrt(np.mean(runs[:, 1] ** 2)) == pytest.approx(runs[:, 0].std(ddof=1), rel=4 * 0.035)


def test_the_classifier_is_scored_on_points_that_it_was_not_trained_on():
    """Of one distribution: the AUC is 0.5 in the mean, and within 1.96 standard errors as often as it says."""
    rng = np.random.default_rng(0)
    runs = np.array([classifier_test(*sets(rng, num_points=60), seed=run) for run in range(10)])
    assert abs(runs[:, 0].mean() - 0.5) < 4 * runs[:, 0].std(ddof=1) / np.sqrt(10)
    outside = np.sum(np.abs(runs[:, 0] - 0.5) > 1.96 * runs[:, 1])
    assert outside <= stats.binom.ppf(0.999, 10, 0.05)


def test_the_classifier_is_not_better_than_the_best_there_is():
    """Two normal densities with means 1 apart: no classifier is better in the mean than Phi(1 / sqrt(2))."""
    score = classifier_test(*sets(np.random.default_rng(0), shift=1.0, num_points=2_000))
    best = stats.norm.cdf(1 / np.sqrt(2))
    assert best - 0.05 < score.mean < best + 4 * score.standard_error


@pytest.mark.parametrize("constant", [True, False])
def test_dimensions_without_variance_or_with_more_dimensions_than_points_are_no_trouble(constant):
    rng = np.random.default_rng(0)
    first, second = sets(rng, dimensions=5 if constant else 60, num_points=80)
    if constant:
        first[:, 1:3] = second[:, 1:3] = 0
    assert abs(classifier_test(first, second).mean - 0.5) < 4 * classifier_test(first, second).standard_error


def test_few_points_that_differ_are_told_apart():
    first, second = sets(np.random.default_rng(0), num_points=30)
    assert classifier_test(first + 5, second).mean > 0.9


def test_the_mmd_of_normal_sets_is_the_closed_form():
    """With k(a, b) = exp(-||a - b||^2 / (2 h^2)) in D dimensions, N(m, I) and N(0, I):

    MMD^2 = 2 c (1 - exp(-m^2 / (2 h^2 + 4))),  c = (h^2 / (h^2 + 2))^(D / 2)
    """
    rng, shift = np.random.default_rng(0), 1.0
    values = []
    for run in range(30):
        first, second = sets(rng, shift, num_points=300)
        squared = np.square(np.concatenate([first, second])[:, None] - np.concatenate([first, second])[None]).sum(-1)
        width = np.median(squared[~np.eye(600, dtype=bool)])
        exact = 2 * (width / (width + 2)) ** 1.5 * (1 - np.exp(-(shift**2) / (2 * width + 4)))
        values.append(mmd_test(first, second, seed=run).squared - exact)
    assert abs(np.mean(values)) < 4 * np.std(values, ddof=1) / np.sqrt(len(values))


def test_p_values_of_one_distribution_are_uniform():
    rng = np.random.default_rng(0)
    p_values = [mmd_test(*sets(rng, num_points=40), seed=run).p_value for run in range(100)]
    assert stats.kstest(p_values, "uniform").pvalue > 0.001
    assert mmd_test(*sets(rng, shift=1.0)).p_value == pytest.approx(1 / 501)


@pytest.mark.parametrize("test", [classifier_test, mmd_test])
def test_sets_that_cannot_be_compared_are_refused(test):
    with pytest.raises(ValueError, match=r"4 points or more.*first.shape=\(3, 2\)"):
        test(np.zeros((3, 2)), np.zeros((9, 2)))
    with pytest.raises(ValueError, match=r"second.shape=\(9, 3\)"):
        test(np.zeros((9, 2)), np.zeros((9, 3)))
    with pytest.raises(ValueError, match="`second` must be finite.* Received: second with 1 entries .* in row 4$"):
        test(np.zeros((9, 2)), np.where(np.arange(18).reshape(9, 2) == 9, np.nan, 0))
