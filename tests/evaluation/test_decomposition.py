"""The parts of the ELBO on probabilistic PCA, where the aggregate posterior is known in the limit."""

import math

import numpy as np
import pytest

import keras_vae as kv
from keras_vae.evaluation import Decomposition, decompose, evaluate
from tests.reference import linear_gaussian


@pytest.fixture(scope="module")
def model():
    return linear_gaussian()


@pytest.fixture(scope="module")
def x(model):
    rng = np.random.default_rng(5)
    return rng.normal(size=(1_500, 2)) @ model.weight.T + model.bias + model.sigma * rng.normal(size=(1_500, 5))


@pytest.fixture(scope="module")
def exact(model, x):
    """The decomposition at the true posterior."""
    _, covariance = model.posterior(x)
    gain = model.weight @ covariance / model.sigma**2
    vae = model.vae(gain, -model.bias @ gain, np.sqrt(np.diag(covariance)))
    return vae, decompose(vae, x)


def test_the_parts_add_up_to_the_elbo(exact, x):
    """The same draws: mean log p(x|z) - I - KL is mean log p(x, z) - log q(z|x), which is log p(x) here."""
    vae, parts = exact
    total = -parts.reconstruction_loss.mean - parts.mutual_information_lower.mean - parts.marginal_kl_upper.mean
    assert total == pytest.approx(kv.evaluation.log_marginal(vae, x, 1).log_marginal.mean(), rel=1e-9)
    elbo = evaluate(vae, x)["elbo"]
    assert abs(total - elbo.mean) < 4 * elbo.standard_error


def test_at_the_true_posterior_of_data_from_the_model_the_aggregate_posterior_is_the_prior(exact, model):
    """I(x; z) is then that of the model, 0.5 log det(I + W'W / sigma^2)."""
    _, parts = exact
    information = 0.5 * np.linalg.slogdet(np.eye(2) + model.weight.T @ model.weight / model.sigma**2)[1]
    lower, upper = parts.mutual_information_lower, parts.mutual_information_upper
    assert lower.mean - 4 * lower.standard_error < information < upper.mean + 4 * upper.standard_error
    lower, upper = parts.marginal_kl_lower, parts.marginal_kl_upper
    assert lower.mean - 4 * lower.standard_error < 0 < upper.mean + 4 * upper.standard_error
    assert upper.mean - lower.mean < 0.1  # 1,500 points in two dimensions
    assert parts.active_units == 2


def test_kl_per_dimension_adds_up_to_the_two_parts_of_the_kl_in_the_mean(exact):
    _, parts = exact
    terms = parts.mutual_information_lower, parts.marginal_kl_upper
    kl, error = sum(term.mean for term in terms), math.hypot(*(term.standard_error for term in terms))
    assert abs(parts.kl_per_dimension.sum() - kl) < 4 * error


def test_the_result_does_not_depend_on_the_batch_size(exact, x):
    vae, _ = exact
    other = decompose(vae, x[:300], batch_size=70), decompose(vae, x[:300], batch_size=300)
    for name, first, second in zip(Decomposition._fields, *other, strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-10, err_msg=name)


def test_a_collapsed_posterior_has_no_information(model, x):
    parts = decompose(model.vae(np.zeros((5, 2)), np.zeros(2), np.ones(2)), x[:200])
    for bound in (parts.mutual_information_lower, parts.mutual_information_upper):
        assert bound.mean == pytest.approx(0, abs=1e-10)
    assert parts.active_units == 0


def test_the_draws_are_one_of_each_posterior(exact, model, x):
    parts = exact[1]
    loc, covariance = model.posterior(x)
    standardised = (parts.draws - loc) / np.sqrt(np.diag(covariance))
    assert standardised.shape == (1_500, 2)
    assert np.all(np.abs(standardised.mean(axis=0)) < 4 / math.sqrt(1_500))
    assert np.all(np.abs(standardised.var(axis=0) - 1) < 4 * math.sqrt(2 / 1_500))
