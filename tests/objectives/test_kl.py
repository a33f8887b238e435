import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae import random
from keras_vae.objectives import has_closed_form_kl, kl_divergence, monte_carlo_kl
from tests.reference import kl_normal

NUM_SAMPLES = 20_000


@pytest.fixture
def q_z():
    rng = np.random.default_rng(0)
    return tfd.MultivariateNormalDiag(rng.normal(size=(4, 3)), np.exp(rng.normal(size=(4, 3)) / 2))


@pytest.fixture
def p_z():
    return tfd.MultivariateNormalDiag(np.zeros(3), np.ones(3))


@pytest.fixture
def mixture():
    locs = tf.constant([[-1.0, 0.0, 0.0], [1.0, 0.5, 0.0]], tf.float64)
    components = tfd.MultivariateNormalDiag(locs, tf.ones_like(locs))
    return tfd.MixtureSameFamily(tfd.Categorical(logits=tf.zeros([2], tf.float64)), components)


def test_closed_form_is_the_textbook_formula(q_z, p_z):
    expected = [
        kl_normal(loc, np.diag(scale**2), np.zeros(3), np.eye(3))
        for loc, scale in zip(q_z.mean().numpy(), q_z.stddev().numpy(), strict=True)
    ]
    np.testing.assert_allclose(kl_divergence(q_z, p_z, z=None), expected, rtol=1e-12)


def test_monte_carlo_agrees_with_the_closed_form_within_4_standard_errors(q_z, p_z):
    z = random.sample(q_z, NUM_SAMPLES, seed=1)
    terms = q_z.log_prob(z) - p_z.log_prob(z)
    standard_error = terms.numpy().std(axis=0, ddof=1) / np.sqrt(NUM_SAMPLES)
    difference = np.abs(monte_carlo_kl(q_z, p_z, z) - kl_divergence(q_z, p_z, z=None))
    assert np.all(difference < 4 * standard_error)


def test_without_a_closed_form_the_draws_are_used(q_z, mixture):
    z = random.sample(q_z, 5, seed=1)
    assert not has_closed_form_kl(q_z, mixture)
    np.testing.assert_array_equal(kl_divergence(q_z, mixture, z), monte_carlo_kl(q_z, mixture, z))


def test_monte_carlo_kl_to_a_mixture_agrees_with_quadrature(mixture):
    """One posterior of one relevant dimension: q and the mixture differ in the first two coordinates only."""
    q_z = tfd.MultivariateNormalDiag(np.array([[0.3, 0.2, 0.0]]), np.array([[0.7, 0.9, 1.0]]))
    grid = np.linspace(-8, 8, 401)
    points = np.stack([*np.meshgrid(grid, grid, indexing="ij"), np.zeros((401, 401))], axis=-1)
    flat = points.reshape(-1, 3)
    log_q, log_p = q_z.log_prob(flat).numpy(), mixture.log_prob(flat).numpy()
    log_third = tfd.Normal(np.float64(0), 1).log_prob(0.0).numpy()  # the same factor in both, at 0
    cell = (grid[1] - grid[0]) ** 2
    exact = np.sum(np.exp(log_q - log_third) * (log_q - log_p)) * cell
    z = random.sample(q_z, NUM_SAMPLES, seed=2)
    terms = (q_z.log_prob(z) - mixture.log_prob(z)).numpy()
    standard_error = terms.std(ddof=1) / np.sqrt(NUM_SAMPLES)
    assert abs(monte_carlo_kl(q_z, mixture, z).numpy()[0] - exact) < 4 * standard_error


def test_pair_of_normals_has_a_closed_form(q_z, p_z):
    assert has_closed_form_kl(q_z, p_z)
