"""Exactly known models: their densities are normalised, of the samples, and agree with independent integrals."""

import itertools

import numpy as np
import pytest
import scipy.integrate
import scipy.stats

from keras_vae.data.synthetic import BernoulliLatents, GaussianMixture, LinearGaussian, Ring

RNG = np.random.default_rng(0)
LINEAR = LinearGaussian(RNG.normal(size=(4, 2)), RNG.normal(size=4), 0.6)
ENUMERABLE = BernoulliLatents(RNG.normal(size=(5, 3)) * 2, RNG.normal(size=5))
PLANAR = {"mixture": GaussianMixture.on_a_circle(5, sigma=0.3), "ring": Ring(0.15)}


def test_linear_gaussian_is_scipys_normal():
    x = LINEAR.sample(20)
    expected = scipy.stats.multivariate_normal(LINEAR.bias, LINEAR.weight @ LINEAR.weight.T + 0.36 * np.eye(4))
    np.testing.assert_allclose(LINEAR.log_prob(x), expected.logpdf(x), rtol=1e-10)


def test_log_marginal_is_log_joint_minus_log_posterior_at_any_z():
    """Bayes' rule, which ties likelihood, posterior and marginal together."""
    x, z = LINEAR.sample(20), RNG.normal(size=(20, 2))
    log_prior = scipy.stats.norm.logpdf(z).sum(-1)
    log_px = LINEAR.likelihood(z).log_prob(x) + log_prior - LINEAR.posterior(x).log_prob(z)
    np.testing.assert_allclose(log_px, LINEAR.log_prob(x), rtol=1e-9)


def test_a_random_linear_gaussian_has_as_many_large_principal_components_as_latents():
    x = LinearGaussian.random(dimensions=50, latent_dim=7, sigma=0.01).sample(2_000)
    variances = np.linalg.eigvalsh(np.cov(x.T))[::-1]
    assert np.all(variances[:7] > 0.5)
    assert np.all(variances[7:] < 2e-4)


@pytest.mark.parametrize("name", PLANAR)
def test_a_density_of_the_plane_integrates_to_one(name):
    grid = np.linspace(-4.5, 4.5, 301)
    points = np.stack(np.meshgrid(grid, grid, indexing="ij"), -1).reshape(-1, 2)
    density = np.exp(PLANAR[name].log_prob(points))
    assert density.sum() * 0.03**2 == pytest.approx(1, abs=1e-6)


def test_the_rings_quadrature_agrees_with_an_adaptive_integral():
    ring, x = Ring(0.15), np.array([0.9, 0.6])

    def integrand(angle, r):
        z = r * np.array([[np.cos(angle), np.sin(angle)]])
        return scipy.stats.norm.pdf(x, ring.decode(z)[0], ring.sigma).prod() * np.exp(-(r**2) / 2) * r / (2 * np.pi)

    angles = 2 * np.pi * np.arange(200) / 200  # for which the rectangle rule is exact to rounding
    mean_over_angles = np.vectorize(lambda r: 2 * np.pi * np.mean([integrand(angle, r) for angle in angles]))
    exact, _ = scipy.integrate.quad(mean_over_angles, 1e-9, 8, epsabs=1e-9, limit=20)
    assert ring.log_prob(x) == pytest.approx(np.log(exact), abs=1e-6)


@pytest.mark.parametrize("name", PLANAR)
def test_samples_are_of_the_density(name):
    """Chi-square of counts in cells against their probability by the density's own grid; p > 1e-4."""
    model, edges = PLANAR[name], np.linspace(-3, 3, 13)
    x = model.sample(5_000, seed=1)
    counts = np.histogram2d(x[:, 0], x[:, 1], [edges, edges])[0].ravel()
    fine = (np.arange(12 * 20) + 0.5) * 0.025 - 3
    points = np.stack(np.meshgrid(fine, fine, indexing="ij"), -1).reshape(-1, 2)
    probability = np.exp(model.log_prob(points)).reshape(12, 20, 12, 20).sum((1, 3)).ravel() * 0.025**2
    kept = probability * 5_000 > 5
    observed = np.append(counts[kept], 5_000 - counts[kept].sum())
    expected = np.append(probability[kept], 1 - probability[kept].sum()) * 5_000
    assert scipy.stats.chisquare(observed, expected, sum_check=False).pvalue > 1e-4


def test_enumerable_latents_sum_to_one_and_match_the_frequencies_of_samples():
    every_x = np.array(list(itertools.product([0, 1], repeat=5)))
    probs = np.exp(ENUMERABLE.log_prob(every_x))
    assert probs.sum() == pytest.approx(1, abs=1e-12)
    counts = np.bincount((ENUMERABLE.sample(20_000, seed=2) @ 2 ** np.arange(4, -1, -1)).astype(int), minlength=32)
    error = np.sqrt(probs * (1 - probs) / 20_000)
    assert np.all(np.abs(counts / 20_000 - probs) < 4.5 * error)


def test_seeds_repeat_and_differ():
    for model in (LINEAR, ENUMERABLE, *PLANAR.values()):
        np.testing.assert_array_equal(model.sample(10, seed=3), model.sample(10, seed=3))
        assert not np.array_equal(model.sample(10, seed=3), model.sample(10, seed=4))


def test_too_many_latents_are_refused():
    with pytest.raises(ValueError, match=r"At most 15 latents can be enumerated. Received: weight.shape=\(2, 16\)"):
        BernoulliLatents(np.zeros([2, 16]), np.zeros(2))
