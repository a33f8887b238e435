"""Importance sampling against probabilistic PCA, whose log p(x) and posterior are known."""

import numpy as np
import pytest
import tensorflow as tf

import keras_vae as kv
from keras_vae.evaluation import importance_sampling, log_marginal
from tests.reference import linear_gaussian


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(1).normal(size=(30, 5))


def posterior_of(model, stretch=1.0):
    """Arguments of `LinearGaussian.vae`: the true posterior, its scales stretched."""
    _, covariance = model.posterior(np.zeros([1, 5]))
    gain = model.weight @ covariance / model.sigma**2
    return gain, -model.bias @ gain, stretch * np.sqrt(np.diag(covariance))


@pytest.fixture(scope="module")
def model():
    return linear_gaussian()


@pytest.fixture(scope="module")
def stretched(model):
    vae = model.vae(*posterior_of(model, 1.4))
    vae.compile(jit_compile=False)
    return vae


def test_at_the_true_posterior_one_sample_is_exact(model, x):
    """All weights are p(x) then, so every sample counts and nothing is uncertain."""
    vae = model.vae(*posterior_of(model))
    for num_samples in (1, 7):
        estimate = log_marginal(vae, x, num_samples)
        np.testing.assert_allclose(estimate.log_marginal, model.log_marginal(x), rtol=1e-10)
        np.testing.assert_allclose(estimate.effective_sample_size, num_samples, rtol=1e-10)
    np.testing.assert_allclose(estimate.standard_error, 0, atol=1e-6)  # root of the rounding of 1 - 1


def test_the_estimate_is_within_four_standard_errors_of_the_exact_log_marginal(model, x, stretched):
    estimate = log_marginal(stretched, x, num_samples=2000, seed=3)
    z = (estimate.log_marginal - model.log_marginal(x)) / estimate.standard_error
    assert np.all(np.abs(z) < 4)


def test_standard_errors_are_the_spread_of_repeated_estimates(model, x, stretched):
    """The mean square of 30 x 8 z-scores is 1 within 4 standard errors of it, sqrt(2 / 240)."""
    estimate = log_marginal(stretched, np.tile(x, (8, 1)), num_samples=1000)
    z = (estimate.log_marginal - np.tile(model.log_marginal(x), 8)) / estimate.standard_error
    assert abs(np.mean(np.square(z)) - 1) < 4 * np.sqrt(2 / 240)


def test_the_estimate_of_p_x_is_unbiased_and_of_log_p_x_biased_downwards(model, x, stretched):
    """2,000 estimates of 2 samples each: Jensen's gap is far above the noise."""
    repeats = log_marginal(stretched, np.repeat(x[:1], 2000, 0), num_samples=2).log_marginal
    exact = model.log_marginal(x[:1])
    ratios = np.exp(repeats - exact)
    error = ratios.std(ddof=1) / np.sqrt(len(ratios))
    assert abs(ratios.mean() - 1) < 4 * error
    assert repeats.mean() < exact - 4 * repeats.std(ddof=1) / np.sqrt(len(repeats))


@pytest.mark.parametrize("num_samples", [3, 50, 120])
def test_any_number_of_samples_is_the_mean_of_that_many_weights(x, stretched, num_samples):
    """Whole chunks and the rest: the draws are those of the chunks' seeds."""
    chunks = {3: [3], 50: [50], 120: [50, 50, 20]}[num_samples]
    log_w = tf.concat(
        [
            kv.evaluation.log_importance_weights(
                stretched, x, size, kv.random.as_noise(5).of(kv.random.Stream.PROPOSAL, number)
            )
            for number, size in enumerate(chunks)
        ],
        axis=0,
    )
    estimate = log_marginal(stretched, x, num_samples, seed=5)
    w = np.exp(log_w)
    np.testing.assert_allclose(estimate.log_marginal, np.log(w.mean(0)), rtol=1e-9)
    np.testing.assert_allclose(estimate.effective_sample_size, w.sum(0) ** 2 / np.square(w).sum(0), rtol=1e-9)
    relative_error = w.std(0, ddof=1) / w.mean(0) / np.sqrt(num_samples)
    np.testing.assert_allclose(estimate.standard_error, relative_error, rtol=1e-6)


@pytest.mark.parametrize("proposal", ["posterior", "prior"])
def test_the_estimate_of_an_example_depends_neither_on_the_others_nor_on_the_batch_size(
    x, stretched, monkeypatch, proposal
):
    whole = log_marginal(stretched, x, 20, seed=1, proposal=proposal)
    monkeypatch.setattr(importance_sampling, "_ROWS_AT_ONCE", 140)
    small = log_marginal(stretched, x[:9], 20, seed=1, proposal=proposal)
    np.testing.assert_allclose(small.log_marginal, whole.log_marginal[:9], rtol=1e-12)


def test_the_models_method_gives_the_same_numbers(x, stretched):
    estimate = log_marginal(stretched, x, 20, seed=1)
    log_px, standard_error = stretched.log_marginal(x, num_samples=20, seed=1)
    np.testing.assert_array_equal(log_px, estimate.log_marginal)
    np.testing.assert_array_equal(standard_error, estimate.standard_error)


def test_naive_monte_carlo_from_the_prior_agrees_and_needs_more_samples(model, x, stretched):
    naive = log_marginal(stretched, x, num_samples=5000, seed=3, proposal="prior")
    assert np.all(np.abs(naive.log_marginal - model.log_marginal(x)) < 4 * naive.standard_error)
    better = log_marginal(stretched, x, num_samples=5000, seed=3)
    assert np.all(naive.effective_sample_size < better.effective_sample_size)


def test_the_mean_elbo_lies_below(x, stretched):
    elbo = stretched.elbo(x, num_samples=100, seed=0)
    assert np.mean(elbo) < log_marginal(stretched, x, 1000).log_marginal.mean()


def test_bad_input_is_told(make_vae, stretched, x):
    with pytest.raises(ValueError, match="`num_samples` must be 1 or more. Received: num_samples=0"):
        log_marginal(stretched, x, num_samples=0)
    with pytest.raises(ValueError, match="`proposal` must be posterior or prior. Received: proposal='q'"):
        log_marginal(stretched, x, proposal="q")
    with pytest.raises(ValueError, match=r"scores \{0, 1\}"):
        log_marginal(make_vae(), np.full([2, 4, 4, 1], 0.5))
    soft = kv.VAE.for_images((4, 4, 1), 2, likelihood="soft-bernoulli")
    with pytest.raises(ValueError, match="have no log p"):
        log_marginal(soft, np.full([2, 4, 4, 1], 0.5))
