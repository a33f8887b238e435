"""Annealing against probabilistic PCA, whose log p(x) is known."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

import keras_vae as kv
from keras_vae.evaluation import annealed_log_marginal, log_marginal
from tests.reference import linear_gaussian


@pytest.fixture(scope="module")
def model():
    return linear_gaussian(orthogonal=False)


@pytest.fixture(scope="module")
def vae(model):
    """A posterior in the wrong place, from which importance sampling fails."""
    vae = model.vae(np.zeros((5, 2)), np.full(2, 1.5), np.full(2, 0.45))
    vae.compile(jit_compile=False)
    return vae


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(1).normal(size=(20, 5))


def test_annealing_is_within_four_standard_errors_where_importance_sampling_is_lost(model, vae, x):
    exact = model.log_marginal(x)
    annealed = annealed_log_marginal(vae, x, num_chains=64, num_steps=100, step_size=0.5)
    estimate = annealed.estimate
    assert 0.5 < annealed.acceptance_rate < 1
    assert np.all(estimate.effective_sample_size > 5)
    assert np.all(np.abs(estimate.log_marginal - exact) < 4 * estimate.standard_error)
    plain = log_marginal(vae, x, num_samples=64)
    assert np.median(plain.effective_sample_size) < 5
    assert np.abs(plain.log_marginal - exact).mean() > 5 * np.abs(estimate.log_marginal - exact).mean()


@pytest.mark.slow
def test_the_batch_size_makes_no_difference(vae, x):
    options = {"num_chains": 4, "num_steps": 5, "seed": 3}
    whole = annealed_log_marginal(vae, x, **options)
    parts = annealed_log_marginal(vae, x, batch_size=7, **options)
    np.testing.assert_allclose(parts.estimate, whole.estimate, rtol=1e-12)
    assert parts.acceptance_rate == pytest.approx(whole.acceptance_rate, rel=1e-12)


def test_at_the_true_posterior_the_weights_are_exact(x):
    model = linear_gaussian()
    _, covariance = model.posterior(x)
    gain = model.weight @ covariance / model.sigma**2
    vae = model.vae(gain, -model.bias @ gain, np.sqrt(np.diag(covariance)))
    vae.compile(jit_compile=False)
    estimate = annealed_log_marginal(vae, x, num_chains=2, num_steps=3).estimate
    np.testing.assert_allclose(estimate.log_marginal, model.log_marginal(x), rtol=1e-10)


def test_the_estimate_of_p_x_is_unbiased(model, vae, x):
    """2,000 single chains for one x: mean of w / p(x) within 4 standard errors of 1."""
    repeated = np.repeat(x[:1], 2_000, 0)
    single = annealed_log_marginal(vae, repeated, num_chains=1, num_steps=15, step_size=0.5, batch_size=2_000)
    ratios = np.exp(single.estimate.log_marginal - model.log_marginal(x[:1]))
    assert abs(ratios.mean() - 1) < 4 * ratios.std(ddof=1) / np.sqrt(2_000)


@pytest.mark.parametrize(
    ("layer", "entries", "values"),
    [
        (kv.layers.IndependentBernoulli, lambda: tfd.Bernoulli(tf.zeros(2), dtype=tf.float32), r"\{0, 1\}"),
        (kv.layers.IndependentBeta, lambda: tfd.Beta(tf.ones(2), tf.ones(2)), r"\(0, 1\)"),
    ],
    ids=["discrete", "bounded"],
)
def test_discrete_and_bounded_latents_are_refused(layer, entries, values):
    class NotReal(kv.priors.Prior):
        def distribution(self):
            return tfd.Independent(entries(), 1)

    encoder = keras.Sequential([keras.Input((3,)), keras.layers.Dense(layer.params_size(2)), layer(2)])
    objective = kv.objectives.ELBO(num_samples=2, form="log_ratio", gradient="score_function")
    vae = kv.VAE(encoder, kv.models.make_decoder((3,), 2), NotReal(), objective=objective)
    message = f"need latents that take all real values.*Received: a prior of .* on {values}"
    with pytest.raises(ValueError, match=message):
        kv.evaluation.annealed_log_marginal(vae, np.zeros([4, 3]))
