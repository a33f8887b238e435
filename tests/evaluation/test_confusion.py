"""Overlap of posteriors and confusion of examples, where both are known."""

import keras
import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp

import keras_vae as kv
from keras_vae.distributions.bhattacharyya import bhattacharyya_distances
from keras_vae.evaluation import overlap
from keras_vae.evaluation.confusion import _errors
from tests.reference import linear_gaussian


@pytest.fixture(scope="module")
def model():
    return linear_gaussian()


@pytest.fixture(scope="module")
def vae(model):
    gain, bias, covariance = model.true_posterior()
    vae = model.normal_vae(gain, bias, np.diag(covariance))
    vae.compile(jit_compile=False)
    return vae


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(1).normal(size=(7, 5))


@pytest.fixture(scope="module")
def result(vae, x):
    return overlap(vae, x, num_samples=5, num_pairs=4, batch_size=3)


def test_coefficients_are_in_closed_form_and_the_pairs_are_the_greatest(vae, x, result):
    q_z = vae.encode(x)
    np.testing.assert_allclose(result.coefficients, np.exp(-bhattacharyya_distances(q_z, q_z)), rtol=1e-10)
    i, j = np.triu_indices(7, 1)
    greatest = np.sort(result.coefficients[i, j])[::-1][:4]
    np.testing.assert_array_equal(result.pair_coefficients, greatest)
    np.testing.assert_array_equal(result.coefficients[tuple(result.pairs.T)], greatest)
    assert np.all(result.pairs[:, 0] < result.pairs[:, 1])


def jackknife(log_p):
    """Confusion rate and expected error from log p(x_j|z_i) [S, N, N], and their errors: leave out one x at a time."""

    def rates(log_p):
        own = np.einsum("sii->si", log_p)
        return (log_p.max(-1) > own).mean(), (1 - np.exp(own - logsumexp(log_p, -1))).mean()

    num = log_p.shape[1]
    without = [rates(np.delete(np.delete(log_p, m, 1), m, 2)) for m in range(num)]
    return rates(log_p), np.sqrt((num - 1) * np.var(without, axis=0))


def test_confusion_is_that_of_the_likelihood_by_scipy(model, vae, x, result):
    noise = kv.random.as_noise(0).of(kv.random.Stream.EVALUATION, kv.random.Stream.POSTERIOR)
    z = kv.random.sample(vae.encode(x), 5, noise).numpy()
    means = z @ model.weight.T + model.bias  # [S, I, E]
    log_p = stats.norm(means[:, :, None], model.sigma).logpdf(x).sum(-1)  # [S, I, J]

    for estimate, mean, error in zip(result[:2], *jackknife(log_p), strict=True):
        assert estimate == pytest.approx((mean, error), rel=1e-9)


def test_errors_are_right_where_another_example_has_all_of_the_probability():
    """1 - p(x_j|z) / sum p rounds to 0 there, and p(x_i|z) too."""
    log_p = 1_000 * np.random.default_rng(0).normal(size=(3, 6, 6))
    for value, share, mean, error in zip(*_errors(log_p, 0), *jackknife(log_p), strict=True):
        assert value.mean() == pytest.approx(mean)
        assert kv.evaluation.estimate(value + share).standard_error == pytest.approx(error)


def test_standard_errors_are_those_of_the_spread_over_sets(model, vae):
    """The jackknife is at least the spread in the mean (Efron & Stein), and here not far above it."""
    rng, num_sets = np.random.default_rng(2), 40
    results = []
    for seed in range(num_sets):
        x = rng.normal(size=(40, 2)) @ model.weight.T + model.bias + model.sigma * rng.normal(size=(40, 5))
        results.append(overlap(vae, x, seed=seed)[:2])
    spread = np.std(results, axis=0, ddof=1)[:, 0]
    stated = np.sqrt(np.mean(np.square(results), axis=0))[:, 1]
    error_of_spread = 1 / np.sqrt(2 * num_sets)
    assert np.all(stated > spread * (1 - 2 * error_of_spread))
    assert np.all(stated < spread * 1.5)


def test_the_result_does_not_depend_on_the_batch_size(vae, x, result):
    whole = overlap(vae, x, num_samples=5, num_pairs=4)
    for name, first, second in zip(whole._fields, whole, result, strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-9, err_msg=name)


@pytest.mark.parametrize("batch_size", [2, 1])
def test_two_equal_examples_far_from_all_others_share_their_latents(model, vae, x, batch_size):
    """Each draw fits both alike: neither is more probable, and a classifier between them errs every other time."""
    twins = np.stack([x[0], x[0]])
    same = overlap(vae, twins, batch_size=batch_size)
    assert same.pair_coefficients == pytest.approx([1])
    assert same.confusion_rate.mean == 0
    assert same.expected_error.mean == pytest.approx(0.5)
    apart = overlap(vae, np.array([[-9.0, 0.0], [9.0, 0.0]]) @ model.weight.T + model.bias, batch_size=batch_size)
    assert apart.pair_coefficients == pytest.approx([0])
    assert apart.confusion_rate.mean == apart.expected_error.mean == 0


def test_a_greater_beta_confuses_more(model, x):
    """q is the optimum of the beta-VAE with this decoder: that of a likelihood to the power of 1 / beta."""
    results = []
    for beta in (0.01, 1.0, 100.0):
        precision = np.eye(2) + model.weight.T @ model.weight / (beta * model.sigma**2)
        gain = model.weight @ np.linalg.inv(precision) / (beta * model.sigma**2)
        vae = model.normal_vae(gain, -model.bias @ gain, 1 / np.diag(precision))
        vae.compile(jit_compile=False)
        results.append(overlap(vae, x))
    for name in ("confusion_rate", "expected_error"):
        assert np.all(np.diff([getattr(result, name).mean for result in results]) > 0), name
    assert np.all(np.diff([result.coefficients.mean() for result in results]) > 0)


@pytest.fixture(scope="module")
def laplace():
    """A VAE whose posterior has no closed form of the coefficient: Laplace(x_1, scale) of z [1]."""
    encoder = keras.Sequential([keras.Input((2,)), kv.layers.IndependentLaplace(1)])
    decoder = keras.Sequential([keras.Input((1,)), keras.layers.Dense(4), kv.layers.IndependentNormal(2)])
    vae = kv.VAE(encoder, decoder, kv.priors.StandardNormal(1), seed=0)
    vae.compile(jit_compile=False)
    return vae


def test_other_families_are_compared_by_draws(laplace):
    """Between Laplace(0, b) and Laplace(d, b) the coefficient is exp(-d / 2b) (1 + d / 2b)."""
    raw = np.log(np.expm1(1.0))
    x = np.array([[0.0, raw], [1.0, raw], [0.0, raw], [60.0, raw]], "float32")
    scale = float(laplace.encode(x).stddev()[0, 0]) / np.sqrt(2)
    coefficients = overlap(laplace, x, num_samples=1_000, batch_size=3).coefficients
    half = 1 / (2 * scale)
    # a value in [0, 1] has a standard deviation of 1/2 at most, and the mean of 2,000 an error of 1/2 / sqrt(2,000)
    assert abs(coefficients[0, 1] - np.exp(-half) * (1 + half)) < 4 * 0.5 / np.sqrt(2_000)
    assert coefficients[0, 2] == pytest.approx(1)
    assert coefficients[0, 3] == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(coefficients, coefficients.T, rtol=1e-5)


def test_one_example_and_grey_targets_are_refused(vae, x):
    with pytest.raises(ValueError, match="give two or more. Received: 1 example"):
        overlap(vae, x[:1])
    soft = kv.VAE.for_images((4, 4, 1), 2, likelihood="soft-bernoulli", hidden=(4,), seed=0)
    with pytest.raises(ValueError, match="Grey targets under a soft Bernoulli have no log p"):
        overlap(soft, np.ones([2, 4, 4, 1]))
