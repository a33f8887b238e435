"""Exactly known models: their densities are normalised, of the samples, and agree with independent integrals."""

import dataclasses
import itertools

import numpy as np
import pytest
import scipy.integrate
import scipy.spatial
import scipy.stats

from keras_vae.data.synthetic import BernoulliLatents, GaussianMixture, LinearGaussian, Manifold, Ring

RNG = np.random.default_rng(0)
LINEAR = LinearGaussian(RNG.normal(size=(4, 2)), RNG.normal(size=4), 0.6)
ENUMERABLE = BernoulliLatents(RNG.normal(size=(5, 3)) * 2, RNG.normal(size=5))
PLANAR = {
    "mixture": GaussianMixture.on_a_circle(5, sigma=0.3),
    "ring": Ring(0.15),
    "manifold": Manifold.random(dimensions=2, latent_dim=1, sigma=0.3),
}


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
    grid = np.linspace(-5.4, 5.4, 136)  # a step of half a sigma, for which the rectangle rule is exact to rounding
    points = np.stack(np.meshgrid(grid, grid, indexing="ij"), -1).reshape(-1, 2)
    density = np.exp(PLANAR[name].log_prob(points))
    assert density.sum() * 0.08**2 == pytest.approx(1, abs=1e-6)


def test_the_rings_quadrature_agrees_with_an_adaptive_integral():
    ring, x = Ring(0.15), np.array([0.9, 0.6])

    def integrand(angle, r):
        z = r * np.array([[np.cos(angle), np.sin(angle)]])
        return scipy.stats.norm.pdf(x, ring.decode(z)[0], ring.sigma).prod() * np.exp(-(r**2) / 2) * r / (2 * np.pi)

    angles = 2 * np.pi * np.arange(200) / 200  # for which the rectangle rule is exact to rounding
    mean_over_angles = np.vectorize(lambda r: 2 * np.pi * np.mean([integrand(angle, r) for angle in angles]))
    exact, _ = scipy.integrate.quad(mean_over_angles, 1e-9, 8, epsabs=1e-9, limit=20)
    assert ring.log_prob(x) == pytest.approx(np.log(exact), abs=1e-6)


@pytest.mark.parametrize("latent_dim", [1, 2])
def test_a_manifold_that_does_not_bend_is_a_linear_gaussian(latent_dim):
    manifold = Manifold.random(dimensions=6, latent_dim=latent_dim, sigma=0.2)
    flat = dataclasses.replace(manifold, bend=0 * manifold.bend)
    expected = LinearGaussian(flat.weight, np.zeros(6), 0.2)
    x = np.concatenate([expected.sample(20), 10 * flat.weight.T])  # some of them 10 standard deviations out
    np.testing.assert_allclose(flat.log_prob(x), expected.log_prob(x), rtol=1e-10)


def test_the_manifolds_quadrature_agrees_with_an_adaptive_integral():
    manifold = Manifold.random(dimensions=4, latent_dim=1, sigma=0.1)
    for x in manifold.sample(3, seed=1):

        def integrand(z, x=x):
            return scipy.stats.norm.pdf(x, manifold.decode(np.array([z])), 0.1).prod() * scipy.stats.norm.pdf(z)

        peak = (manifold.weight.T @ x).item()
        exact, _ = scipy.integrate.quad(integrand, peak - 2, peak + 2, points=[peak], epsabs=0, epsrel=1e-10)
        assert manifold.log_prob(x) == pytest.approx(np.log(exact), abs=1e-9)


def test_a_manifold_of_two_dimensions_agrees_with_monte_carlo_from_the_prior():
    """Within 4 standard errors, at points of the manifold and beside it."""
    manifold, z = Manifold.random(dimensions=5, latent_dim=2, sigma=0.5), RNG.normal(size=(100_000, 2))
    for x in manifold.sample(3, seed=1):
        densities = scipy.stats.norm.pdf(x, manifold.decode(z), 0.5).prod(-1)
        error = densities.std(ddof=1) / np.sqrt(len(z))
        assert abs(np.exp(manifold.log_prob(x)) - densities.mean()) < 4 * error


@pytest.mark.parametrize("latent_dim", [2, 3])
def test_a_manifold_has_its_dimension_at_every_point_and_more_principal_components(latent_dim):
    """The Jacobian's singular values are 1 or more, as the columns of W are orthonormal and orthogonal to V's."""
    manifold = Manifold.random(dimensions=20, latent_dim=latent_dim, sigma=1e-3)
    assert manifold.dimension == latent_dim
    for z in RNG.normal(size=(10, latent_dim)):
        ends = (manifold.decode(z + sign * 1e-5 * np.eye(latent_dim)) for sign in (1, -1))
        jacobian = np.subtract(*ends) / 2e-5
        assert np.linalg.svd(jacobian, compute_uv=False).min() > 1 - 1e-8
    variances = np.linalg.eigvalsh(np.cov(manifold.sample(2_000).T))[::-1]
    assert np.all(variances[: 2 * latent_dim] > 0.1)
    assert np.all(variances[2 * latent_dim :] < 2e-6)


def test_nearest_neighbours_of_samples_tell_the_manifolds_dimension():
    """TwoNN (Facco et al., 2017): the ratio of the distances to the second and the first neighbour is Pareto(D)."""
    x = Manifold.random(dimensions=20, latent_dim=2, sigma=1e-4).sample(2_000)
    distances, _ = scipy.spatial.KDTree(x).query(x, k=3)
    log_ratio = np.log(distances[:, 2] / distances[:, 1])
    standard_error = log_ratio.std(ddof=1) / np.sqrt(len(x))
    assert abs(log_ratio.mean() - 1 / 2) < 4 * standard_error


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


def test_a_manifolds_arguments_are_refused_where_there_is_no_room_or_no_quadrature():
    with pytest.raises(ValueError, match="twice `latent_dim` or more. Received: dimensions=5, latent_dim=3"):
        Manifold.random(dimensions=5, latent_dim=3)
    with pytest.raises(ValueError, match="of one or two dimensions only. Received: dimension=3"):
        Manifold.random(dimensions=6, latent_dim=3).log_prob(np.zeros(6))
    with pytest.raises(ValueError, match="`sigma` must be positive and finite. Received: sigma=0"):
        Manifold.random(dimensions=6, latent_dim=3, sigma=0)
