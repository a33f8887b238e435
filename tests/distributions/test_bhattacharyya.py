"""Bhattacharyya distances against quadrature and draws."""

import numpy as np
import pytest
from scipy import integrate, stats
from tensorflow_probability import distributions as tfd

from keras_vae.distributions.bhattacharyya import bhattacharyya_distances

RNG = np.random.default_rng(0)
LOC = RNG.normal(size=(4, 3))
ROOT = np.tril(RNG.normal(size=(4, 3, 3)), -1) + np.eye(3) * RNG.uniform(0.5, 1.5, (4, 1, 3))
FULL = tfd.MultivariateNormalTriL(LOC, ROOT)
DIAGONAL = tfd.MultivariateNormalDiag(LOC, RNG.uniform(0.5, 1.5, (4, 3)))


def test_one_dimension_agrees_with_quadrature():
    loc, scale = np.array([0.0, 1.0, -3.0]), np.array([0.3, 2.0, 0.1])
    distances = bhattacharyya_distances(*[tfd.MultivariateNormalDiag(loc[:, None], scale[:, None])] * 2)
    for i, j in np.ndindex(3, 3):
        p, q = stats.norm(loc[i], scale[i]), stats.norm(loc[j], scale[j])
        expected, _ = integrate.quad(lambda z, p=p, q=q: np.sqrt(p.pdf(z) * q.pdf(z)), -15, 15, points=[*loc])
        assert np.exp(-distances[i, j]) == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("pair", [(FULL, FULL), (FULL, DIAGONAL), (DIAGONAL, DIAGONAL)], ids=["full", "mixed", "diag"])
def test_several_dimensions_agree_with_draws(pair):
    """E_r sqrt(q p) / r of 20,000 draws of r = (q + p) / 2, within 4 standard errors."""
    q, p = pair
    coefficients = np.exp(-bhattacharyya_distances(q, p))
    for i, j in [(0, 1), (2, 1), (3, 2)]:
        draws = np.concatenate([part.sample(10_000, seed=k)[:, n] for k, (part, n) in enumerate([(q, i), (p, j)])])
        log_ratio = (q[i].log_prob(draws) - p[j].log_prob(draws)).numpy()
        similarity = 1 / np.cosh(log_ratio / 2)
        assert abs(similarity.mean() - coefficients[i, j]) < 4 * similarity.std() / np.sqrt(20_000)


def test_a_diagonal_normal_is_a_full_one_and_independent_normals():
    root = tfd.MultivariateNormalTriL(DIAGONAL.mean(), np.eye(3) * DIAGONAL.stddev().numpy()[:, None])
    independent = tfd.Independent(tfd.Normal(DIAGONAL.mean(), DIAGONAL.stddev()), 1)
    expected = bhattacharyya_distances(DIAGONAL, DIAGONAL)
    np.testing.assert_allclose(bhattacharyya_distances(root, root), expected, atol=1e-12)
    np.testing.assert_allclose(bhattacharyya_distances(independent, DIAGONAL), expected, atol=1e-12)


def test_narrow_normals_of_float32_are_finite_and_equal_ones_have_no_distance():
    loc, root = LOC.astype("float32"), (1e-4 * ROOT).astype("float32")
    distances = bhattacharyya_distances(*[tfd.MultivariateNormalTriL(loc, root)] * 2).numpy()
    assert np.all(np.isfinite(distances))
    np.testing.assert_allclose(np.diag(distances), 0, atol=1e-6)


def test_other_families_have_no_closed_form():
    laplace = tfd.Independent(tfd.Laplace(LOC, 1.0), 1)
    assert bhattacharyya_distances(laplace, laplace) is None
