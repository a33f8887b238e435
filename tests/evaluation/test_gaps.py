"""The gaps against probabilistic PCA, where log p(x), the true posterior and so every gap is known."""

import numpy as np
import pytest

import keras_vae as kv
from keras_vae.evaluation import inference_gap
from tests.reference import LinearGaussian, kl_normal, linear_gaussian, normal_parameters


@pytest.fixture(scope="module")
def model():
    """A model whose true posterior is correlated."""
    return linear_gaussian(seed=5, orthogonal=False)


@pytest.fixture(scope="module")
def x(model):
    rng = np.random.default_rng(1)
    return rng.normal(size=(40, 2)) @ model.weight.T + model.bias + model.sigma * rng.normal(size=(40, 5))


@pytest.fixture(scope="module")
def gaps_of(model, x):
    """Return a function of an encoder's location and covariance: the gaps; each family is compiled once."""
    vaes = {}

    def gaps_of(loc_weight, loc_bias, covariance, x=x, **options):
        family = np.ndim(covariance)
        if family not in vaes:
            vaes[family] = model.normal_vae(loc_weight, loc_bias, covariance)
            vaes[family].compile(jit_compile=False)
        vaes[family].encoder.set_weights(normal_parameters(loc_weight, loc_bias, covariance))
        return inference_gap(vaes[family], x, **{"num_samples": 200, **options})

    return gaps_of


LEFT_BY_ADAM = 1e-4  # nats, in a family that holds the true posterior


def test_at_the_true_posterior_all_gaps_are_0(model, x, gaps_of):
    """All weights are p(x) there, and the gradient has no variance."""
    gaps = gaps_of(*model.true_posterior())
    for gap in (gaps.gap, gaps.approximation_gap, gaps.amortization_gap):
        assert abs(gap.mean) < 4 * gap.standard_error + 1e-6
    assert gaps.log_marginal.mean == pytest.approx(model.log_marginal(x).mean(), abs=1e-6)
    np.testing.assert_allclose(gaps.effective_sample_size, 400, rtol=1e-6)


@pytest.fixture(scope="module")
def displaced(model, gaps_of):
    """The gaps of an encoder that errs by (0.3, -0.2) in z, and the KL that this costs, the same for each x."""
    gain, bias, covariance = model.true_posterior()
    shift = np.array([0.3, -0.2])
    kl = kl_normal(shift, covariance, np.zeros(2), covariance)
    return gaps_of(gain, bias + shift, covariance), kl


def test_a_displaced_encoder_of_the_full_family_has_an_amortisation_gap_alone(displaced):
    gaps, kl = displaced
    assert abs(gaps.amortization_gap.mean - kl) < 4 * gaps.amortization_gap.standard_error + LEFT_BY_ADAM
    assert abs(gaps.gap.mean - kl) < 4 * gaps.gap.standard_error + LEFT_BY_ADAM
    assert abs(gaps.approximation_gap.mean) < 4 * gaps.approximation_gap.standard_error + LEFT_BY_ADAM
    assert kl > 20 * gaps.amortization_gap.standard_error  # so that the first line says something


def test_log_marginal_is_exact_although_the_encoder_is_wrong(displaced, model, x):
    """Half of the samples are those of q*, so the weights are p(x) / (1/2 + q / 2 q*), no more than twice p(x)."""
    gaps, _ = displaced
    assert gaps.log_marginal.mean == pytest.approx(model.log_marginal(x).mean(), abs=0.01)
    assert np.all(gaps.effective_sample_size > 200)


def test_the_best_diagonal_normal_of_a_correlated_posterior_has_an_approximation_gap_alone(model, gaps_of):
    """min KL(q, N(m, inverse(P))) over diagonal q is (sum_d log P_dd - log det P) / 2, at the variances 1 / P_dd.

    Bishop (2006), Sec. 10.1.2, has these variances.
    """
    gain, bias, covariance = model.true_posterior()
    precision = np.linalg.inv(covariance)
    kl = 0.5 * (np.sum(np.log(np.diag(precision))) - np.linalg.slogdet(precision)[1])
    gaps = gaps_of(gain, bias, 1 / np.diag(precision))
    bias_of_log = np.mean(0.5 * (1 / gaps.effective_sample_size - 1 / 400))  # by which log p(x) is too low
    assert abs(gaps.approximation_gap.mean - kl) < 4 * gaps.approximation_gap.standard_error + bias_of_log + 0.01
    assert abs(gaps.amortization_gap.mean) < 4 * gaps.amortization_gap.standard_error + 0.01
    assert kl > 20 * gaps.approximation_gap.standard_error


def test_the_gaps_add_up_and_do_not_depend_on_the_batch_size(x, gaps_of):
    wrong = np.zeros((5, 2)), np.zeros(2), np.ones(2)
    whole, parts = (gaps_of(*wrong, x[:9], num_steps=5, batch_size=size) for size in (9, 4))
    for name, first, second in zip(whole._fields, whole, parts, strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-9, err_msg=name)
    assert whole.gap.mean == pytest.approx(whole.approximation_gap.mean + whole.amortization_gap.mean)
    assert whole.gap.mean == pytest.approx(whole.log_marginal.mean - whole.elbo.mean)


def test_the_parts_agree_with_the_other_functions_and_the_model_stays_as_it_is(make_vae, binary_images):
    """Of an encoder without training: the importance samples of q* come nearer to log p(x) than those of q."""
    x, vae = binary_images[:50], make_vae()
    vae.compile(jit_compile=False)
    before = [variable.numpy().copy() for variable in vae.variables]
    gaps = inference_gap(vae, x, num_samples=100, num_steps=50)
    elbos = vae.elbo(np.repeat(x, 100, 0), seed=0).numpy().reshape(50, 100)
    assert abs(gaps.elbo.mean - elbos.mean()) < 4 * np.sqrt(2 * np.mean(elbos.var(1)) / 5_000)
    assert gaps.log_marginal.mean > kv.evaluation.log_marginal(vae, x, num_samples=200).log_marginal.mean()
    assert gaps.optimized_elbo.mean > gaps.elbo.mean + 4 * gaps.amortization_gap.standard_error
    for variable, value in zip(vae.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)


def test_grey_targets_are_refused():
    vae = kv.VAE.for_images((4, 4, 1), 2, likelihood="soft-bernoulli", hidden=(4,), seed=0)
    with pytest.raises(ValueError, match="Grey targets under a soft Bernoulli have no log p"):
        inference_gap(vae, np.ones([2, 4, 4, 1]))


@pytest.mark.slow
def test_a_second_stage_that_is_exact_gives_the_gaps_of_its_prior(model, x, gaps_of):
    """Under the second stage, with its true posterior, z is N(0, I), as under the prior of the first."""
    second = LinearGaussian(0.8 * np.eye(2), np.zeros(2), 0.6)
    second = second.normal_vae(*second.true_posterior())
    vae = model.normal_vae(*model.true_posterior()).with_prior(kv.priors.SecondStage(second, dtype="float64"))
    vae.compile(jit_compile=False)
    gaps = inference_gap(vae, x, num_samples=20, num_steps=3)
    np.testing.assert_allclose(gaps.log_marginal.mean, model.log_marginal(x).mean(), rtol=1e-4)
    assert gaps.elbo.mean == pytest.approx(model.log_marginal(x).mean(), abs=1e-6)
