"""Missing entries: against the exact marginals and conditionals of a linear-Gaussian model, and the Keras contract."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_vae as kv
from keras_vae.data.synthetic import LinearGaussian
from keras_vae.objectives import ELBO, IWAE

NAN = np.nan
MODEL = LinearGaussian(np.random.default_rng(0).normal(size=(4, 2)), np.array([0.5, -1.0, 0.0, 2.0]), 0.5)


def hidden(x, rate=0.4, seed=1):
    """Return x with NaN in the place of some entries, and at least one entry left in each row."""
    rng = np.random.default_rng(seed)
    missing = rng.random(x.shape) < rate
    missing[np.arange(len(x)), rng.integers(0, x.shape[1], len(x))] = False
    return np.where(missing, NAN, x).astype("float32")


X = MODEL.sample(400, seed=3).astype("float32")
SOME = hidden(X)


@pytest.fixture(scope="module")
def exact():
    """Return a VAE with the model's decoder, and an encoder that learned little: importance sampling corrects it."""
    keras.utils.set_random_seed(0)
    decoder = keras.Sequential(
        [
            keras.Input((2,)),
            keras.layers.Dense(4, trainable=False),
            kv.layers.IndependentNormal(4, scale=MODEL.sigma),
        ]
    )
    decoder.layers[0].set_weights([MODEL.weight.T, MODEL.bias])
    encoder = kv.models.make_encoder((4,), 2, network=kv.networks.MLP((32,)), missing=True)
    vae = kv.VAE(encoder, decoder, kv.priors.StandardNormal(2), seed=0)
    vae.compile(keras.optimizers.Adam(0.01), jit_compile=False)
    vae.fit(SOME, batch_size=100, epochs=30, verbose=0)
    return vae


def conditional(x):
    """Return mean and covariance of the missing entries of one x given the others, and log p(those)."""
    mean, covariance = MODEL.bias, MODEL.weight @ MODEL.weight.T + MODEL.sigma**2 * np.eye(4)
    m, o = np.isnan(x), ~np.isnan(x)
    gain = covariance[np.ix_(m, o)] @ np.linalg.inv(covariance[np.ix_(o, o)])
    residual = x[o] - mean[o]
    _, log_det = np.linalg.slogdet(2 * np.pi * covariance[np.ix_(o, o)])
    log_prob = -0.5 * (log_det + residual @ np.linalg.solve(covariance[np.ix_(o, o)], residual))
    return mean[m] + gain @ residual, covariance[np.ix_(m, m)] - gain @ covariance[np.ix_(o, m)], log_prob


def test_log_p_is_that_of_the_observed_entries(exact):
    x = SOME[:50]
    expected = np.array([conditional(row)[2] for row in x])
    for proposal in ("posterior", "prior"):
        estimate = kv.evaluation.log_marginal(exact, x, 3000, seed=0, proposal=proposal)
        assert np.all(np.abs(estimate.log_marginal - expected) < 4 * estimate.standard_error + 1e-3), proposal
    elbo = np.mean(exact.elbo(x, num_samples=200, seed=0))
    assert np.mean(expected) - 1 < elbo < np.mean(expected)


def test_imputed_means_and_draws_are_those_of_the_missing_given_the_observed(exact):
    x = SOME[:50]
    mean = kv.evaluation.impute(exact, x, num_samples=3000, seed=0)
    draws = kv.evaluation.impute(exact, x, num_samples=3000, num_imputations=400, seed=0)
    assert draws.shape == (400, 50, 4)
    standardised = []
    for row, imputed, drawn in zip(x, mean, draws.transpose(1, 0, 2), strict=True):
        loc, covariance, _ = conditional(row)
        missing = np.isnan(row)
        np.testing.assert_array_equal(imputed[~missing], row[~missing])
        np.testing.assert_array_equal(drawn[:, ~missing], np.tile(row[~missing], (400, 1)))
        np.testing.assert_allclose(imputed[missing], loc, atol=0.15)
        standardised.append((drawn[:, missing] - loc) / np.sqrt(np.diag(covariance)))
    standardised = np.concatenate([part.ravel() for part in standardised])
    assert abs(standardised.mean()) < 0.05
    assert abs(standardised.std() - 1) < 0.05


def test_x_without_missing_entries_is_scored_as_by_a_model_that_takes_none(exact):
    z = np.random.default_rng(0).normal(size=(5, 20, 2)).astype("float32")
    np.testing.assert_allclose(exact.log_likelihood(X[:20], z), exact.decode(z).log_prob(X[:20]), rtol=1e-5)


def test_the_gradient_of_missing_entries_is_zero_and_finite(exact):
    z = tf.Variable(np.zeros([1, 1, 2], "float32"))
    with tf.GradientTape() as tape:
        value = exact.log_likelihood(tf.constant([[NAN, 1.0, NAN, NAN]]), z)
    expected = MODEL.weight[1] * (1 - MODEL.bias[1]) / MODEL.sigma**2
    np.testing.assert_allclose(tape.gradient(value, z)[0, 0], expected, rtol=1e-5)


def test_missing_entries_leave_no_trace_in_the_gradient_of_a_density_that_is_infinite_at_zero():
    vae = kv.VAE.for_vectors((4,), 2, "beta", hidden=(8,), missing=True, seed=0)
    z, gradients = tf.Variable(np.ones([1, 1, 2], "float32")), []
    for x, weight in (([0.2, NAN, 0.7, NAN], None), ([0.2, 0.5, 0.7, 0.1], tf.constant([[1.0, 0.0, 1.0, 0.0]]))):
        with tf.GradientTape() as tape:
            value = vae.log_likelihood(tf.constant([x]), z, entry_weight=weight)
        gradients.append(tape.gradient(value, z))
    assert np.all(np.isfinite(gradients[0]))
    np.testing.assert_allclose(*gradients, rtol=1e-5)


def vae_of(likelihood="gaussian", **kwargs):
    keras.utils.set_random_seed(0)
    vae = kv.VAE.for_vectors((4,), 2, likelihood, hidden=(8,), missing=True, seed=0, **kwargs)
    vae.compile(keras.optimizers.SGD(1e-4), jit_compile=False)
    return vae


@pytest.mark.parametrize("likelihood", ["bernoulli", "poisson", "beta", "laplace"])
def test_other_likelihoods_take_missing_entries(likelihood):
    x = {
        "bernoulli": (X > 0).astype("float32"),
        "poisson": np.round(np.abs(X)),
        "beta": 1 / (1 + np.exp(-X)),
        "laplace": X,
    }[likelihood]
    vae = vae_of(likelihood, objective=IWAE(3))  # MIWAE
    history = vae.fit(hidden(x), batch_size=50, epochs=2, verbose=0).history["loss"]
    assert np.all(np.isfinite(history))
    assert history[1] < history[0]


def test_observed_entries_are_checked():
    with pytest.raises(ValueError, match="such as -5 in row 0"):
        vae_of("poisson").elbo(np.array([[-5.0, NAN, 1, 1]]))


@pytest.mark.parametrize(
    "options",
    [
        {"posterior": "bernoulli", "objective": ELBO(gradient="nvil")},
        {"prior": kv.priors.VampPrior(3)},
        {"corruption": kv.corruptions.MaskingNoise(0.3)},
    ],
    ids=["discrete z", "VampPrior", "noise"],
)
def test_other_parts_go_with_missing_entries(options):
    vae = vae_of(**options)
    if "prior" in options:
        with pytest.raises(ValueError, match="Pseudo-inputs must be finite"):
            vae.prior.set_pseudo_inputs(SOME[:3])
        vae.prior.set_pseudo_inputs(X[:3])
    assert np.all(np.isfinite(vae.fit(SOME, batch_size=50, epochs=1, verbose=0).history["loss"]))


@pytest.mark.parametrize("corruption", [kv.corruptions.MaskingNoise(0.5), keras.layers.Dropout(0.5)])
def test_what_is_missing_stays_missing_under_noise(corruption):
    seen = kv.corruptions.corrupt(corruption, tf.constant(SOME), kv.random.as_noise(0))
    np.testing.assert_array_equal(np.isnan(seen), np.isnan(SOME))
    assert np.mean(seen == 0) > 0.2


def test_the_network_of_images_scales_levels_and_sees_the_indicator():
    vae = kv.VAE.for_images((4, 4, 1), 2, "quantized-logistic", "conv", num_levels=256, missing=True, seed=0)
    x = np.random.default_rng(0).integers(0, 256, (6, 4, 4, 1)).astype("float32")
    x[:, 0] = NAN
    assert np.all(np.isfinite(vae.elbo(x, seed=0)))
    first = keras.Sequential(vae.encoder.layers[:2])(x).numpy()
    np.testing.assert_allclose(first[..., 0], np.nan_to_num(x[..., 0]) / 255, rtol=1e-6)
    np.testing.assert_array_equal(first[..., 1], ~np.isnan(x[..., 0]))


def test_weights_of_entries_and_missing_entries_go_together():
    vae = vae_of()
    weight = np.random.default_rng(0).random((40, 4)).astype("float32")
    z = np.zeros([1, 40, 2], "float32")
    every = vae.decode(z).distribution.distribution.log_prob(np.nan_to_num(SOME[:40]))
    expected = np.sum(every * np.where(np.isnan(SOME[:40]), 0, weight), axis=-1)
    np.testing.assert_allclose(vae.log_likelihood(SOME[:40], z, entry_weight=weight)[0], expected, rtol=1e-4)


def test_a_file_and_an_export_take_missing_entries_too(tmp_path):
    vae = vae_of()
    vae.fit(SOME, batch_size=100, epochs=1, verbose=0)
    vae.save(tmp_path / "vae.keras")
    loaded = keras.saving.load_model(tmp_path / "vae.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded.elbo(SOME, seed=1), vae.elbo(SOME, seed=1))
    elbo = tf.saved_model.load(vae.export(tmp_path)).signatures["elbo"]
    seed = tf.constant([0, 7])
    np.testing.assert_allclose(
        elbo(x=tf.constant(SOME[:9]), seed=seed)["elbo"], vae.elbo(SOME[:9], seed=seed), rtol=1e-5
    )
    with pytest.raises(tf.errors.InvalidArgumentError, match="Received: x with other, NaN or infinite"):
        elbo(x=tf.constant(np.where(np.isnan(SOME[:9]), np.inf, SOME[:9])), seed=seed)


@pytest.mark.slow
def test_two_replicas_take_the_steps_of_one(strategy):
    single = vae_of()
    with strategy.scope():
        double = vae_of()
    for vae in (single, double):
        vae.fit(SOME[:100], batch_size=50, epochs=1, verbose=0)
    for one, two in zip(single.trainable_variables, double.trainable_variables, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-6)


@pytest.mark.parametrize("form", ["array", "later batch of a stream"])
def test_a_row_without_an_observed_entry_is_refused_before_its_step(form):
    x = SOME[:100].copy()
    x[70] = NAN
    vae = vae_of()
    data = x if form == "array" else tf.data.Dataset.from_tensor_slices(x).batch(50)
    row = 70 if form == "array" else 20
    with pytest.raises(ValueError, match=f"must have an entry that was observed: .*Received: row {row} of x"):
        vae.fit(data, batch_size=50, verbose=0)
    assert int(vae.step) == (0 if form == "array" else 1)


def test_what_does_not_take_missing_entries_says_what_does():
    vae = kv.VAE.for_vectors((4,), 2, seed=0)
    with pytest.raises(ValueError, match="a model that is made with missing=True. Received: .* nan in row"):
        vae.elbo(SOME)
    with pytest.raises(ValueError, match="begin the encoder with keras_vae.layers.MissingIndicator"):
        kv.evaluation.impute(vae, X)
    encoder = kv.models.make_encoder((4,), 2, missing=True)
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(14), kv.layers.MultivariateNormalTriL(4)])
    with pytest.raises(ValueError, match="must be independent over its entries.*Received: MultivariateNormalTriL"):
        kv.VAE(encoder, decoder, kv.priors.StandardNormal(2))
