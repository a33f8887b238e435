"""KL(q, p) of each pair of posterior and prior, in float64."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae import random
from keras_vae.objectives import entropy_kl, has_closed_form_kl, kl_divergence, monte_carlo_kl
from tests.reference import kl_normal

NUM_SAMPLES = 20_000
CLOSED_FORMS = {  # from draws, KL of all other pairs
    ("independent", "independent"),
    ("independent", "diagonal"),
    ("independent", "standard"),
    ("diagonal", "independent"),
    *itertools.product(["diagonal", "full covariance"], ["standard", "diagonal", "full covariance"]),
}


def loc_and_factors(latent_dim):
    """Return locations [3, D] and lower triangular factors [3, D, D]."""
    rng = np.random.default_rng(latent_dim)
    factors = np.tril(rng.normal(size=(3, latent_dim, latent_dim)), -1)
    return rng.normal(size=(3, latent_dim)), factors + np.eye(latent_dim) * rng.uniform(0.5, 1.5, (3, 1, latent_dim))


def posterior(family, latent_dim):
    """Return q(z|x) of one family, batch [1], and the normals it is a mixture of: weights, locations, factors."""
    loc, factors = loc_and_factors(latent_dim)
    diagonals = np.einsum("kii->ki", factors)
    if family == "full covariance":
        return tfd.MultivariateNormalTriL(loc[:1], factors[:1]), ([1.0], loc[:1], factors[:1])
    parts = ([1.0], loc[:1], [np.diag(diagonals[0])])
    if family == "diagonal":
        return tfd.MultivariateNormalDiag(loc[:1], diagonals[:1]), parts
    if family == "independent":
        return tfd.Independent(tfd.Normal(loc[:1], diagonals[:1]), 1), parts
    components = tfd.MultivariateNormalDiag(loc[None, :2], diagonals[None, :2])
    mixture = tfd.MixtureSameFamily(tfd.Categorical(probs=np.array([[0.3, 0.7]])), components)
    return mixture, ([0.3, 0.7], loc[:2], [np.diag(diagonal) for diagonal in diagonals[:2]])


def prior(family, latent_dim):
    """Return p(z), batch []."""
    loc, factors = loc_and_factors(latent_dim)
    loc, factor = loc[2], factors[2]
    if family == "standard":
        return tfd.MultivariateNormalDiag(np.zeros(latent_dim), np.ones(latent_dim))
    if family == "diagonal":
        return tfd.MultivariateNormalDiag(loc, np.diag(factor))
    if family == "full covariance":
        return tfd.MultivariateNormalTriL(loc, factor)
    if family == "independent":
        return tfd.Independent(tfd.Normal(loc, np.diag(factor)), 1)
    components = tfd.MultivariateNormalDiag(np.stack([loc, -loc]), np.ones([2, latent_dim]))
    return tfd.MixtureSameFamily(tfd.Categorical(probs=np.array([0.4, 0.6])), components)


def kl_by_quadrature(q_z, p_z, parts, num_nodes=60):
    """Gauss-Hermite: sum_k w_k E[log q(z) - log p(z)], z ~ N(loc_k, factor_k factor_k'); q is the mixture of them."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(num_nodes)
    latent_dim = len(parts[1][0])
    eps = np.array(list(itertools.product(nodes, repeat=latent_dim)))
    weights = np.array([np.prod(w) for w in itertools.product(weights / weights.sum(), repeat=latent_dim)])
    total = 0.0
    for probability, loc, factor in zip(*parts, strict=True):
        z = tf.constant((loc + eps @ np.transpose(factor))[:, None])
        total += probability * weights @ (q_z.log_prob(z) - p_z.log_prob(z)).numpy()[:, 0]
    return total


@pytest.mark.parametrize("latent_dim", [1, 2])
@pytest.mark.parametrize("p", ["standard", "diagonal", "full covariance", "independent", "mixture"])
@pytest.mark.parametrize("q", ["diagonal", "full covariance", "independent", "mixture"])
def test_kl_is_that_of_quadrature(q, p, latent_dim):
    """Closed forms to rounding, for which quadrature is exact; means over draws within 4 standard errors."""
    (q_z, parts), p_z = posterior(q, latent_dim), prior(p, latent_dim)
    exact = kl_by_quadrature(q_z, p_z, parts)
    z = random.sample(q_z, NUM_SAMPLES, seed=1)
    terms = (q_z.log_prob(z) - p_z.log_prob(z)).numpy()
    error = terms.std(ddof=1) / np.sqrt(NUM_SAMPLES)
    assert abs(monte_carlo_kl(q_z, p_z, z)[0] - exact) < 4 * error
    assert has_closed_form_kl(q_z, p_z) == ((q, p) in CLOSED_FORMS)
    if (q, p) in CLOSED_FORMS:
        np.testing.assert_allclose(kl_divergence(q_z, p_z, z=None), [exact], rtol=1e-10)
    else:
        np.testing.assert_array_equal(kl_divergence(q_z, p_z, z), monte_carlo_kl(q_z, p_z, z))


def test_the_closed_form_of_a_batch_is_the_textbook_formula_of_each_example():
    rng = np.random.default_rng(0)
    loc, scale = rng.normal(size=(4, 3)), np.exp(rng.normal(size=(4, 3)) / 2)
    q_z, p_z = tfd.MultivariateNormalDiag(loc, scale), tfd.MultivariateNormalDiag(np.zeros(3), np.ones(3))
    expected = [kl_normal(loc[i], np.diag(scale[i] ** 2), np.zeros(3), np.eye(3)) for i in range(4)]
    np.testing.assert_allclose(kl_divergence(q_z, p_z, z=None), expected, rtol=1e-12)


@pytest.mark.parametrize("family", ["diagonal", "full covariance"])
def test_the_gradient_of_a_sampled_kl_of_a_normal_posterior_is_that_with_the_entropy_in_closed_form(family):
    """Only log p(z) makes it vary: of a prior without a closed form, such as a mixture."""
    mixture = tfd.MixtureSameFamily(
        tfd.Categorical(logits=tf.zeros(2, tf.float64)),
        tfd.MultivariateNormalDiag(tf.constant([[-1.0, 0.0], [1.0, 0.5]], tf.float64), tf.ones(2, tf.float64)),
    )
    loc, factor = (tf.Variable(part[:1]) for part in loc_and_factors(2))
    gradients = []
    for estimate in (monte_carlo_kl, entropy_kl):
        with tf.GradientTape() as tape:
            scale = factor if family == "full covariance" else tf.linalg.diag_part(factor)
            made = tfd.MultivariateNormalTriL if family == "full covariance" else tfd.MultivariateNormalDiag
            q_z = made(loc, scale)
            kl = estimate(q_z, mixture, random.sample(q_z, 3, seed=0))
        gradients.append([tf.convert_to_tensor(part) for part in tape.gradient(kl, [loc, factor])])
    for actual, expected in zip(*gradients, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-10, atol=1e-12)
