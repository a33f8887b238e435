"""Precision, recall and the Frechet distance of sets whose distributions are known."""

import numpy as np
import pytest
from scipy import linalg
from sklearn.metrics.pairwise import euclidean_distances

from keras_vae.evaluation import frechet_distance, precision_recall

CENTRES = 20 * np.eye(4)  # of four modes that do not touch


def mixture(rng, num_modes=4, num_points=400, scale=1.0):
    modes = np.arange(num_points) % num_modes
    return CENTRES[modes] + scale * rng.normal(size=(num_points, 4))


def whitened(rng, num_points, dimensions):
    """Return points of mean 0 and covariance I, but for rounding."""
    points = rng.normal(size=(num_points, dimensions))
    points -= points.mean(axis=0)
    return points @ np.linalg.inv(np.linalg.cholesky(np.cov(points.T))).T


def closed_form(means, covariances):
    """The formula as it stands in Dowson & Landau, with the root of a matrix."""
    root = linalg.sqrtm(covariances[0] @ covariances[1]).real
    return np.sum((means[0] - means[1]) ** 2) + np.trace(covariances[0] + covariances[1] - 2 * root)


# The Frechet distance.


def test_of_sets_with_given_means_and_covariances_it_is_the_closed_form():
    rng = np.random.default_rng(0)
    means, factors = rng.normal(size=(2, 5)), rng.normal(size=(2, 5, 5))
    sets = [whitened(rng, n, 5) @ a.T + m for n, a, m in zip((50, 80), factors, means, strict=True)]
    exact = closed_form(means, factors @ factors.transpose(0, 2, 1))
    assert frechet_distance(*sets).mean == pytest.approx(exact, rel=1e-9)


def test_of_draws_of_two_normal_densities_it_is_the_closed_form_within_its_standard_error():
    """Of 4,000 points the bias, some F^2 / N, is a tenth of the standard error; errors have the size of the spread."""
    rng = np.random.default_rng(0)
    scale = np.array([1.0, 2.0, 0.5])
    runs = [
        frechet_distance(rng.normal(size=(4_000, 3)), scale * rng.normal(size=(4_000, 3)) + 1, seed)
        for seed in range(30)
    ]
    means, errors = np.array(runs).T
    exact = 3 + np.sum((1 - scale) ** 2)
    assert abs(means.mean() - exact) < 4 * means.std(ddof=1) / np.sqrt(len(runs)) + 9 / 4_000
    # The spread of 30 values has a relative standard error of 13 %.
    assert np.sqrt(np.mean(errors**2)) == pytest.approx(means.std(ddof=1), rel=4 * 0.13)


@pytest.mark.parametrize("dimensions", [3, 60], ids=["few dimensions", "more than points"])
def test_of_one_set_and_itself_it_is_0_and_of_two_sets_it_does_not_change_under_rotation(dimensions):
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 50, dimensions)) * np.geomspace(1e-3, 1e3, dimensions)
    rotation = np.linalg.qr(rng.normal(size=(dimensions, dimensions)))[0]
    distance = frechet_distance(first, second).mean
    assert frechet_distance(first, first).mean <= 1e-12 * np.square(first).sum(axis=1).mean()
    assert frechet_distance(first @ rotation, second @ rotation).mean == pytest.approx(distance, rel=1e-9)
    assert frechet_distance(second, first).mean == pytest.approx(distance, rel=1e-9)


def test_its_floor_for_two_sets_of_one_distribution_falls_with_their_size():
    rng = np.random.default_rng(0)
    small, large = (
        np.mean([frechet_distance(*rng.normal(size=(2, n, 5))).mean for _ in range(10)]) for n in (100, 1_000)
    )
    assert small / large == pytest.approx(10, rel=0.5)


# Precision and recall.


def test_they_are_those_of_the_definition():
    """Each point against each ball, by loops."""
    rng = np.random.default_rng(0)
    real, samples = rng.normal(size=(30, 2)), 1.5 * rng.normal(size=(40, 2)) + 0.5

    def fraction(points, reference):
        radii = [np.sort([np.linalg.norm(a - b) for b in reference])[3] for a in reference]  # the first is a itself
        inside = [any(np.linalg.norm(p - a) <= r for a, r in zip(reference, radii, strict=True)) for p in points]
        return np.mean(inside)

    result = precision_recall(real, samples, k=3)
    assert result.precision.mean == fraction(samples, real)
    assert result.recall.mean == fraction(real, samples)


def test_perfect_samples_have_the_precision_and_recall_of_real_examples():
    rng = np.random.default_rng(0)
    result = precision_recall(mixture(rng), mixture(rng))
    calibration = precision_recall(mixture(rng), mixture(rng))
    for one, other in zip(result, calibration, strict=True):
        assert abs(one.mean - other.mean) < 4 * np.hypot(one.standard_error, other.standard_error)
        assert one.mean > 0.85


def test_a_missing_mode_lowers_recall_and_not_precision():
    rng = np.random.default_rng(0)
    whole, missing = (precision_recall(mixture(rng), mixture(rng, num_modes)) for num_modes in (4, 3))
    assert abs(missing.precision.mean - whole.precision.mean) < 4 * whole.precision.standard_error
    assert missing.recall.mean == pytest.approx(0.75 * whole.recall.mean, abs=4 * missing.recall.standard_error)


def test_bad_samples_among_good_ones_lower_precision_and_not_recall():
    """A fourth of the samples lies far from all real examples, and far from each other in pairs of one mode."""
    rng = np.random.default_rng(0)
    real, samples = mixture(rng), mixture(rng)
    whole = precision_recall(real, samples)
    spoilt = precision_recall(real, np.concatenate([samples[:300], -samples[300:]]))
    assert spoilt.precision.mean == pytest.approx(0.75 * whole.precision.mean, abs=4 * spoilt.precision.standard_error)
    assert abs(spoilt.recall.mean - whole.recall.mean) < 4 * whole.recall.standard_error


@pytest.mark.parametrize("offset", [0, 1e6])
def test_copies_of_the_real_examples_have_both_and_useless_samples_neither(offset):
    """Also where every point stands there five times, so that each ball is a point."""
    rng = np.random.default_rng(0)
    real = np.repeat(mixture(rng, num_points=80), 5, axis=0) + offset
    copies = precision_recall(real, rng.permutation(real))
    assert (copies.precision.mean, copies.recall.mean) == (1, 1)
    useless = precision_recall(real, -real - 50)
    assert (useless.precision.mean, useless.recall.mean) == (0, 0)


def test_they_do_not_depend_on_the_origin():
    real, samples = np.random.default_rng(0).normal(size=(2, 100, 2))
    near, far = (precision_recall(real + origin, samples + origin) for origin in (0, 1e7))
    np.testing.assert_allclose(far, near, rtol=0, atol=1e-12)


def test_binary_points_on_the_surface_of_a_ball_are_within():
    rng = np.random.default_rng(0)
    real, samples = rng.integers(0, 2, size=(2, 60, 30))
    radii = np.sort(euclidean_distances(real, squared=True).round(), axis=1)[:, 3]
    exact = (((samples[:, None] != real[None]).sum(-1)) <= radii).any(axis=1).mean()
    assert precision_recall(real, samples).precision.mean == exact


def test_the_standard_errors_are_the_spread():
    """That of a binomial is a half too small here. A spread of 40 values has a relative standard error of 11 %."""
    rng = np.random.default_rng(0)
    runs = np.array(
        [precision_recall(rng.normal(size=(200, 2)), 1.5 * rng.normal(size=(200, 2)), seed=run) for run in range(40)]
    )
    spread, error = runs[:, :, 0].std(axis=0, ddof=1), np.sqrt(np.square(runs[:, :, 1]).mean(axis=0))
    np.testing.assert_allclose(error, spread, rtol=4 * 0.11)
    binomial = np.sqrt(runs[:, 0, 0].mean() * (1 - runs[:, 0, 0].mean()) / 200)
    assert binomial < 0.7 * spread[0]


def test_the_same_seed_gives_the_same_numbers():
    real, samples = np.random.default_rng(0).normal(size=(2, 40, 2))
    for measure in (precision_recall, frechet_distance):
        assert measure(real, samples, seed=1) == measure(real, samples, seed=1)
        assert measure(real, samples, seed=1) != measure(real, samples, seed=2)


# The door.


@pytest.mark.parametrize("measure", [precision_recall, frechet_distance])
def test_sets_that_cannot_be_compared_are_refused(measure):
    points = np.random.default_rng(0).normal(size=(20, 2))
    with pytest.raises(ValueError, match=r"points or more.* Received: real.shape=\(3, 2\), samples.shape=\(20, 2\)$"):
        measure(points[:3], points)
    with pytest.raises(ValueError, match=r"Received: real.shape=\(20, 2\), samples.shape=\(20, 1\)$"):
        measure(points, points[:, :1])
    bad = points.copy()
    bad[7, 1] = np.nan
    with pytest.raises(ValueError, match="`samples` must be finite.* with 1 entries .* the first in row 7$"):
        measure(points, bad)
    with pytest.raises(ValueError, match="Masked entries would be taken for data.* Received: samples"):
        measure(points, np.ma.masked_invalid(bad))


@pytest.mark.parametrize(("k", "message"), [(0, "1 or more. Received: k=0"), (2.5, "whole number.* Received: k=2.5")])
def test_k_is_a_count(k, message):
    with pytest.raises(ValueError, match=message):
        precision_recall(np.zeros((20, 2)), np.zeros((20, 2)), k)


def test_each_half_of_a_set_must_have_k_neighbours_of_each_point():
    points = np.random.default_rng(0).normal(size=(11, 2))
    assert precision_recall(points[:10], points, k=4)
    with pytest.raises(ValueError, match="Two sets of 12 points or more"):
        precision_recall(points, points, k=5)
