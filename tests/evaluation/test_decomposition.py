"""The parts of the ELBO on probabilistic PCA, where the aggregate posterior is known in the limit."""

import math

import numpy as np
import pytest

import keras_vae as kv
from keras_vae.evaluation import Decomposition, Estimate, decompose, diagnose, evaluate
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
    total = -parts.reconstruction_loss.mean - parts.mutual_information.mean - parts.marginal_kl.mean
    assert total == pytest.approx(kv.evaluation.log_marginal(vae, x, 1).log_marginal.mean(), rel=1e-9)
    elbo = evaluate(vae, x)["elbo"]
    assert abs(total - elbo.mean) < 4 * elbo.standard_error


def test_at_the_true_posterior_of_data_from_the_model_the_aggregate_posterior_is_the_prior(exact, model):
    """I(x; z) is then that of the model, 0.5 log det(I + W'W / sigma^2)."""
    _, parts = exact
    information = 0.5 * np.linalg.slogdet(np.eye(2) + model.weight.T @ model.weight / model.sigma**2)[1]
    assert abs(parts.mutual_information.mean - information) < 4 * parts.mutual_information.standard_error
    assert abs(parts.marginal_kl.mean) < 4 * parts.marginal_kl.standard_error
    assert parts.active_units == 2
    assert diagnose(parts) == []


def test_kl_per_dimension_adds_up_to_the_two_parts_of_the_kl_in_the_mean(exact):
    _, parts = exact
    kl = parts.mutual_information.mean + parts.marginal_kl.mean
    error = math.hypot(parts.mutual_information.standard_error, parts.marginal_kl.standard_error)
    assert abs(parts.kl_per_dimension.sum() - kl) < 4 * error


def test_the_result_does_not_depend_on_the_batch_size(exact, x):
    vae, _ = exact
    other = decompose(vae, x[:300], batch_size=70), decompose(vae, x[:300], batch_size=300)
    for name, first, second in zip(Decomposition._fields, *other, strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-10, err_msg=name)


def test_a_collapsed_posterior_has_no_information_and_is_named(model, x):
    vae = model.vae(np.zeros((5, 2)), np.zeros(2), np.ones(2))
    parts = decompose(vae, x[:200])
    assert parts.mutual_information.mean == pytest.approx(0, abs=1e-10)
    assert parts.active_units == 0
    assert len(diagnose(parts)) == 1
    assert diagnose(parts)[0].startswith("Posterior collapse: no dimension of z depends on x.")


def test_a_posterior_far_from_the_prior_is_named(model, x):
    vae = model.vae(np.zeros((5, 2)), np.array([5.0, 0.0]), np.ones(2))
    parts = decompose(vae, x[:200])
    assert parts.marginal_kl.mean == pytest.approx(12.5, abs=4 * parts.marginal_kl.standard_error)
    assert f"The aggregate posterior is {parts.marginal_kl.mean:.1f} nats from the prior" in diagnose(parts)[1]


def test_one_dead_dimension_is_counted():
    parts = Decomposition(Estimate(1, 0), Estimate(3, 0), Estimate(0, 0), np.array([0.5, 0.009]), np.zeros(2), 100)
    assert parts.active_units == 1
    assert diagnose(parts)[0].startswith("1 of 2 dimensions of z do not depend on x")
