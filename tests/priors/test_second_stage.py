"""The two-stage VAE, on models whose log p(z) and log p(x) are known."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

import keras_vae as kv
from keras_vae.evaluation import elbo_gain, evaluate
from tests.reference import LinearGaussian, linear_gaussian

MODEL = linear_gaussian()
SHIFT = np.array([3.0, 0.0])
COVARIANCE = MODEL.weight @ MODEL.weight.T + MODEL.sigma**2 * np.eye(5)


def vae_of(model, shift=0.0, widen=1.0):
    """Return the VAE of a linear-Gaussian model with its true posterior, or one that is shifted or too wide."""
    loc, covariance = model.posterior(np.zeros(len(model.bias)))
    gain = model.weight @ covariance / model.sigma**2
    return model.vae(gain, loc + shift, widen * np.sqrt(np.diag(covariance)))


def second_of(loc, **kwargs):
    """Return a VAE of z [2] under which z is N(loc, I)."""
    return vae_of(LinearGaussian(np.sqrt(1 - 0.4**2) * np.eye(2), np.asarray(loc), 0.4), **kwargs)


def two_stages(first, second):
    return first.with_prior(kv.priors.SecondStage(second, dtype="float64"))


@pytest.fixture(scope="module")
def x():
    return kv.data.synthetic.LinearGaussian(MODEL.weight, MODEL.bias, MODEL.sigma).sample(2_000, seed=3)


@pytest.fixture(scope="module")
def first():
    """A VAE of x whose z is shifted in encoder and decoder: its aggregate posterior is N([3, 0], I)."""
    vae = vae_of(MODEL, shift=SHIFT)
    vae.decoder.layers[0].set_weights([MODEL.weight.T, MODEL.bias - MODEL.weight @ SHIFT])
    return vae


@pytest.fixture(scope="module")
def two(first):
    return two_stages(first, second_of(SHIFT))


def test_samples_have_the_mean_and_covariance_of_the_data_which_those_of_one_stage_have_not(first, two):
    num_samples = 20_000
    standard_error = np.sqrt(np.diag(COVARIANCE) / num_samples)
    x = two.sample(num_samples, seed=0).numpy()
    assert np.all(np.abs(x.mean(axis=0) - MODEL.bias) < 4 * standard_error)
    error_of_covariance = np.sqrt((COVARIANCE**2 + np.outer(*[np.diag(COVARIANCE)] * 2)) / num_samples)
    assert np.all(np.abs(np.cov(x.T) - COVARIANCE) < 4 * error_of_covariance)
    of_one_stage = first.sample(num_samples, seed=0).numpy().mean(axis=0)
    assert np.all(np.abs(of_one_stage - MODEL.bias) > 4 * standard_error)


def test_the_elbo_is_log_p_of_x_at_the_true_posteriors_of_both_stages(two, x):
    np.testing.assert_allclose(two.elbo(x[:50], seed=0), MODEL.log_marginal(x[:50]), rtol=1e-10)


def test_with_a_wrong_posterior_of_u_the_elbo_is_below_log_p_of_x_by_its_kl_and_importance_sampling_is_not(first, x):
    """KL(N(m, (w s)^2), N(m, s^2)) = (w^2 - 1) / 2 - log w in each of two dimensions."""
    widen = 1.4
    two = two_stages(first, second_of(SHIFT, widen=widen))
    exact = MODEL.log_marginal(x)
    gap = exact - two.elbo(x, num_samples=5, seed=0).numpy()
    kl = 2 * ((widen**2 - 1) / 2 - np.log(widen))
    assert abs(gap.mean() - kl) < 4 * gap.std() / np.sqrt(len(x))
    estimate, standard_error = two.log_marginal(x[:50], num_samples=200, seed=1)
    assert np.all(np.abs(estimate - exact[:50]) < 4 * standard_error)


def test_the_second_training_closes_the_gap_and_leaves_encoder_and_decoder_alone(first, x):
    before = [weight.numpy() for weight in [*first.encoder.weights, *first.decoder.weights]]
    prior = kv.priors.SecondStage(second_of([0.0, 0.0]), dtype="float64")
    two = kv.fit_prior(first, x, prior, keras.optimizers.Adam(0.05), epochs=8, batch_size=100, verbose=0)
    gain = elbo_gain(first, two, x)
    assert abs(gain.mean - 4.5) < 0.1 + 4 * gain.standard_error  # KL(N([3, 0], I), N(0, I)); Adam's steps cost the rest
    assert two.encoder is first.encoder
    assert two.decoder is first.decoder
    after = [weight.numpy() for weight in [*first.encoder.weights, *first.decoder.weights]]
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old, new)
    assert two.history.history["elbo"][-1] > two.history.history["elbo"][0] + 1


def test_an_evaluation_does_not_depend_on_the_batch_size(first, x):
    two = two_stages(first, second_of(SHIFT, widen=1.4))
    few, many = (evaluate(two, x[:60], num_samples=3, batch_size=size)["elbo"].mean for size in (7, 60))
    assert few == pytest.approx(many, rel=1e-12)


@pytest.fixture(scope="module")
def learned():
    """Two small stages with hidden layers, in float32."""
    first = kv.VAE.for_vectors((5,), 2, likelihood="gaussian-shared", hidden=(4,), seed=0)
    second = kv.VAE.for_vectors((2,), 2, likelihood="gaussian-shared", hidden=(4,), seed=1)
    return first.with_prior(kv.priors.SecondStage(second))


def test_one_file_and_one_export_have_both_stages(learned, tmp_path):
    seed, x = tf.constant([0, 7]), np.ones([3, 5], "float32")
    learned.save(tmp_path / "two.keras")
    loaded = keras.saving.load_model(tmp_path / "two.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded.sample(4, seed), learned.sample(4, seed))
    np.testing.assert_array_equal(loaded.elbo(x, seed=seed), learned.elbo(x, seed=seed))
    served = tf.saved_model.load(str(learned.export(tmp_path / "export")))
    assert {"decode", "sample", "elbo"} <= set(served.signatures)
    np.testing.assert_allclose(served.sample(num_samples=4, seed=seed)["x"], learned.sample(4, seed), rtol=1e-5)
    np.testing.assert_allclose(served.elbo(x=tf.constant(x), seed=seed)["elbo"], learned.elbo(x, seed=seed), rtol=1e-5)


def test_draws_are_the_same_with_xla_and_in_parts(learned):
    x = learned.sample(6, seed=3).numpy()
    compiled = tf.function(lambda: learned.sample(6, seed=3), jit_compile=True)()
    np.testing.assert_allclose(compiled, x, rtol=1e-5, atol=1e-6)
    rest = learned.sample(4, seed=kv.random.as_noise(3, first_row=2))
    np.testing.assert_allclose(rest, x[2:], rtol=1e-5, atol=1e-6)


def test_the_metrics_are_those_of_the_first_stage_once_each(learned):
    names = [metric.name for metric in learned.metrics]
    assert sorted(names) == sorted(learned.metric_units)
    gamma = learned.evaluate(np.ones([3, 5]), verbose=0, return_dict=True)["gamma"]
    assert gamma == pytest.approx(float(learned.decoder.layers[-1].learned_scale()))


def test_naive_monte_carlo_draws_both_stages(two, x):
    estimate = kv.evaluation.log_marginal(two, x[:20], num_samples=20_000, proposal="prior")
    error = estimate.log_marginal - MODEL.log_marginal(x[:20])
    assert np.all(np.abs(error) < 5 * estimate.standard_error)


def test_three_stages_are_a_second_stage_that_has_one(first, x):
    of_u = kv.priors.SecondStage(second_of([0.0, 0.0]), dtype="float64")
    three = two_stages(first, second_of(SHIFT).with_prior(of_u))
    np.testing.assert_allclose(three.elbo(x[:20], seed=0), MODEL.log_marginal(x[:20]), rtol=1e-10)


def test_a_first_stage_in_float64_takes_a_second_one_in_float32(first, x):
    second = kv.VAE.for_vectors((2,), 2, likelihood="gaussian-shared", hidden=(4,), seed=1)
    two = first.with_prior(kv.priors.SecondStage(second))
    assert two.elbo(x[:3], seed=0).dtype == two.sample(3, seed=0).dtype == "float64"


def test_a_loose_bound_of_log_p_of_z_is_not_taken_for_a_hole(first, x):
    """KL(q(z), p(z)) is 0, and the ELBO of the second stage 1.6 nats below log p(z)."""
    loose = two_stages(first, second_of(SHIFT, widen=0.3))
    fit = kv.evaluation.diagnose(loose, x[:200]).prior_fit
    assert fit.parts.marginal_kl_lower.mean == 0
    assert fit.parts.marginal_kl_upper.mean > 0.5
    assert fit.verdict == "cannot tell"


def test_what_needs_the_density_of_z_is_refused(two, x):
    with pytest.raises(NotImplementedError, match="has no closed form: `vae.elbo` is a lower bound"):
        two.prior().log_prob([0.0, 0.0])
    with pytest.raises(ValueError, match="Annealing needs the density p\\(z\\).* Received: vae="):
        kv.evaluation.annealed_log_marginal(two, x[:2])


def _discrete():
    encoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3), kv.layers.OneHotCategorical(3)])
    decoder = kv.models.make_decoder((2,), 3, "gaussian")
    prior = _OneHot()
    return kv.VAE(
        encoder, decoder, prior, kv.objectives.ELBO(gradient="score_function", num_samples=2, form="log_ratio")
    )


class _OneHot(kv.priors.Prior):
    def distribution(self):
        return tfd.OneHotCategorical(logits=tf.zeros(3), dtype=tf.float32)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: kv.priors.StandardNormal(2),
            TypeError,
            "`vae` must be a keras_vae.VAE.* Received: vae=<StandardNormal",
        ),
        (lambda: kv.VAE.for_vectors((2,), 2, "bernoulli"), ValueError, "must be one of real numbers.* which scores"),
        (_discrete, ValueError, r"q\(u\|z\) of the second stage must be reparameterised.* Received: vae="),
    ],
    ids=["no VAE", "Bernoulli", "discrete"],
)
def test_what_cannot_be_a_second_stage_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        kv.priors.SecondStage(make())


def test_a_second_stage_of_another_dimension_is_refused(first):
    with pytest.raises(ValueError, match=r"the prior's event shape \(3,\)"):
        first.with_prior(kv.priors.SecondStage(kv.VAE.for_vectors((3,), 2, "gaussian")))


@pytest.mark.slow
def test_two_replicas_train_both_stages(strategy, x):
    """The second stage runs networks where log p(z) is asked for, and in them replicas wait for each other."""
    with strategy.scope():
        first = kv.VAE.for_vectors((5,), 2, hidden=(3,), seed=0)
        second = kv.VAE.for_vectors((2,), 2, hidden=(3,), seed=1)
        two = first.with_prior(kv.priors.SecondStage(second))
        two.compile("adam", jit_compile=False)
    two.fit(x[:32].astype("float32"), batch_size=32, verbose=0)
    assert np.isfinite(two.history.history["loss"][0])
