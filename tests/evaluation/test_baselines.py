"""Density baselines against scikit-learn, SciPy and the entropy of known data."""

import numpy as np
import pytest
import scipy.stats
from sklearn.neighbors import KernelDensity

from keras_vae.evaluation.baselines import density_baselines, kernel_density, pixel_histogram

RNG = np.random.default_rng(0)


def test_kernel_density_is_that_of_scikit_learn():
    train, test = RNG.normal(size=(50, 3)), RNG.normal(size=(20, 3))
    expected = KernelDensity(bandwidth=0.4).fit(train).score_samples(test)
    np.testing.assert_allclose(kernel_density(train, test, 0.4), expected, rtol=1e-10)


def test_pixel_histogram_sums_to_one_and_is_the_smoothed_frequency():
    train = RNG.integers(0, 3, size=(40, 1))
    log_probs = pixel_histogram(train, np.arange(3)[:, None], 3)
    np.testing.assert_allclose(np.exp(log_probs), (np.bincount(train[:, 0], minlength=3) + 1) / 43)
    assert np.exp(log_probs).sum() == pytest.approx(1)


def test_no_baseline_beats_the_entropy_of_independent_pixels_and_the_histogram_reaches_it():
    """x_i ~ Bernoulli(p_i): no density can beat -H(x) in the mean; with 4,000 images the histogram is near it."""
    probs = np.linspace(0.05, 0.95, 9)
    images = (RNG.random(size=(7_000, 3, 3)) < probs.reshape(3, 3)).astype(int)
    scores = density_baselines(images[:4_000], images[4_000:5_000], images[5_000:], num_levels=2)
    entropy = scipy.stats.bernoulli(probs).entropy().sum()
    for name, score in scores.items():
        assert score.mean < -entropy + 4 * score.standard_error, name
    assert abs(scores["pixel_histogram"].mean + entropy) < 4 * scores["pixel_histogram"].standard_error
    assert list(scores) == ["pixel_histogram", "kernel_density", "gaussian_mixture", "probabilistic_pca"]


def test_where_pixels_depend_on_each_other_the_mixture_beats_the_histogram():
    """Two images of 16 pixels, each with 2 % of its pixels flipped."""
    pattern = RNG.integers(0, 2, size=16)
    x = np.where(RNG.integers(0, 2, size=(900, 1)), pattern, 1 - pattern) ^ (RNG.random((900, 16)) < 0.02)
    scores = density_baselines(x[:500], x[500:700], x[700:], num_levels=2)
    assert scores["pixel_histogram"].mean == pytest.approx(-16 * np.log(2), abs=0.3)
    assert scores["gaussian_mixture"].mean > scores["pixel_histogram"].mean + 3


def test_values_that_are_no_levels_are_refused():
    with pytest.raises(ValueError, match=r"must hold the levels 0 ... 1. Received: values from 2.0 to 2.0"):
        density_baselines(np.zeros([5, 2]), np.zeros([5, 2]), np.full([5, 2], 2), num_levels=2)
