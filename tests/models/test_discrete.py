"""Models of a discrete z, against sums over all z, and all that a model can do."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_vae as kv
from keras_vae.distributions.discrete import all_states
from keras_vae.objectives import ELBO, IWAE, GumbelSoftmax

POSTERIORS = {"bernoulli": "bernoulli", "categorical": kv.posteriors.Categorical(num_categories=3)}
GRADIENTS = {
    "bernoulli": ELBO(num_samples=2, gradient="disarm"),
    "categorical": ELBO(gradient=GumbelSoftmax(0.4)),
    "score function": ELBO(num_samples=3, gradient="score_function"),
    "nvil": ELBO(gradient="nvil"),
    "straight through": ELBO(gradient="straight_through"),
    "enumeration": ELBO(gradient="enumeration"),
    "vimco": IWAE(3, gradient="vimco"),
}


def vae_of(posterior, objective=None, **kwargs):
    keras.utils.set_random_seed(0)
    objective = GRADIENTS[posterior] if objective is None else objective
    vae = kv.VAE.for_images(
        (4, 4, 1), 4, posterior=POSTERIORS[posterior], hidden=(8,), objective=objective, seed=0, **kwargs
    )
    vae.compile(keras.optimizers.Adam(0.02), jit_compile=False)
    return vae


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    patterns, flips = rng.random((5, 4, 4, 1)) < 0.5, rng.random((300, 4, 4, 1)) < 0.1
    return (patterns[rng.integers(0, 5, 300)] ^ flips).astype("float32")


@pytest.fixture(scope="module", params=POSTERIORS)
def trained(request, images):
    vae = vae_of(request.param)
    vae.fit(images, batch_size=50, epochs=8, verbose=0)
    return vae


def exact_log_marginal(vae, x):
    """log p(x) = log sum_z p(x|z) p(z)."""
    z = all_states(vae.prior_distribution())
    log_joint = (
        vae.log_likelihood(x, np.repeat(z[:, None], len(x), axis=1)) + vae.prior_distribution().log_prob(z)[:, None]
    )
    return tf.reduce_logsumexp(log_joint, axis=0).numpy()


def test_importance_sampling_has_log_p_of_x_and_the_elbo_is_below_it(trained, images):
    x = images[:20]
    exact = exact_log_marginal(trained, x)
    estimate, standard_error = trained.log_marginal(x, 500, seed=0)
    assert np.all(np.abs(estimate - exact) < 4 * standard_error + 1e-3)
    elbo = np.mean(trained.elbo(x, num_samples=200, seed=1), axis=0)
    assert np.mean(exact) - 5 < elbo < np.mean(exact)


def test_the_elbo_of_enumeration_is_log_p_of_x_less_the_kl_to_the_true_posterior(trained, images):
    x = images[:10]
    z = all_states(trained.prior_distribution())
    log_q = trained.encode(x).log_prob(z[:, None])
    log_joint = (
        trained.log_likelihood(x, np.repeat(z[:, None], 10, axis=1)) + trained.prior_distribution().log_prob(z)[:, None]
    )
    kl = tf.reduce_sum(tf.exp(log_q) * (log_q - log_joint + exact_log_marginal(trained, x)), axis=0)
    elbo = ELBO(gradient="enumeration")(trained, x, seed=0).elbo
    np.testing.assert_allclose(elbo, exact_log_marginal(trained, x) - kl, rtol=1e-4)


def test_samples_reconstructions_and_the_prior_have_discrete_z(trained, images):
    z = kv.random.sample(trained.prior_distribution(), 50, seed=0).numpy()
    assert set(np.unique(z)) == {0.0, 1.0}
    assert z.shape[1:] == trained.latent_shape
    assert trained.sample(3, seed=0).shape == (3, 4, 4, 1)
    mode = trained.encode(images[:5]).mode()
    np.testing.assert_allclose(trained.reconstruct(images[:5]), trained.decode(mode).mean(), rtol=1e-6)


def test_the_logits_of_the_prior_are_learned(trained):
    assert np.all(trained.prior.logits.numpy() != 0)
    fixed = kv.priors.Bernoulli(4, trainable=False)
    assert fixed.trainable_variables == []


@pytest.mark.parametrize(
    ("posterior", "objective"),
    [
        *(("bernoulli", name) for name in ("score function", "nvil", "straight through", "enumeration", "vimco")),
        ("categorical", "straight through"),
    ],
)
def test_every_gradient_trains(posterior, objective, images):
    vae = vae_of(posterior, GRADIENTS[objective])
    before = vae.evaluate(images, verbose=0, return_dict=True)["elbo"]
    vae.fit(images, batch_size=50, epochs=4, verbose=0)
    after = vae.evaluate(images, verbose=0, return_dict=True)["elbo"]
    assert after > before + 1


def test_a_file_and_an_export_have_the_same_numbers(trained, images, tmp_path):
    trained.save(tmp_path / "vae.keras")
    loaded = keras.saving.load_model(tmp_path / "vae.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded.elbo(images, seed=1), trained.elbo(images, seed=1))
    assert type(loaded.objective.estimator) is type(trained.objective.estimator)
    signatures = tf.saved_model.load(trained.export(tmp_path)).signatures
    seed = tf.constant([0, 7])
    of_export = signatures["elbo"](x=tf.constant(images[:9]), seed=seed)["elbo"]
    np.testing.assert_allclose(of_export, trained.elbo(images[:9], seed=seed), rtol=1e-5)
    drawn = signatures["sample"](num_samples=tf.constant(5), seed=seed)["x"]
    np.testing.assert_array_equal(drawn, trained.sample(5, seed=seed))


def test_a_learned_baseline_follows_the_signal_and_is_saved_with_the_model(images, tmp_path):
    vae = vae_of("bernoulli", ELBO(gradient="nvil"))
    vae.fit(images, batch_size=50, epochs=10, verbose=0)
    baseline = vae.objective.estimator.baseline
    reconstruction = ELBO(num_samples=100, gradient="score_function")(vae, images, seed=0).log_likelihood
    assert np.corrcoef(baseline(images), reconstruction)[0, 1] > 0.5
    assert abs(float(np.mean(baseline(images) - reconstruction))) < 1  # of some -9 nats
    vae.save(tmp_path / "vae.keras")
    loaded = keras.saving.load_model(tmp_path / "vae.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded.objective.estimator.baseline(images), baseline(images))


def test_an_objective_with_a_baseline_that_the_model_does_not_train_is_refused(images):
    vae = vae_of("bernoulli")
    vae.objective = ELBO(gradient="nvil")
    with pytest.raises(ValueError, match="layers that the model was not made with: pass it to the constructor"):
        vae.fit(images, verbose=0)


def test_all_forms_of_data_have_the_same_numbers(trained, images):
    examples = tf.data.Dataset.from_tensor_slices(images)
    expected = trained.evaluate(images, batch_size=50, verbose=0, return_dict=True)
    for data in ([tf.constant(images)], [images, None], [examples.batch(50)]):
        found = trained.evaluate(*data, batch_size=50, verbose=0, return_dict=True)
        assert found == pytest.approx(expected, rel=1e-5)
    elbo = kv.evaluation.evaluate(trained, images)["elbo"]
    for data in (examples, kv.data.Split(tf.constant(images), 300)):
        assert kv.evaluation.evaluate(trained, data)["elbo"] == elbo


@pytest.mark.slow
@pytest.mark.parametrize("posterior", ["bernoulli", "categorical"])
def test_two_replicas_take_the_steps_of_one(posterior, images, strategy):
    single = vae_of(posterior)
    single.fit(images[:100], batch_size=50, epochs=1, verbose=0)
    with strategy.scope():
        double = vae_of(posterior)
    double.fit(images[:100], batch_size=50, epochs=1, verbose=0)
    for one, two in zip(single.trainable_variables, double.trainable_variables, strict=True):
        np.testing.assert_allclose(one, two, atol=2e-5)


@pytest.mark.slow
def test_xla_trains_with_the_same_loss(images):
    losses = []
    for jit_compile in (False, True):
        vae = vae_of("bernoulli")
        vae.compile(keras.optimizers.SGD(0.01), jit_compile=jit_compile)
        losses.append(vae.fit(images, batch_size=100, epochs=1, verbose=0).history["loss"][0])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_what_needs_a_continuous_z_is_refused(trained, images):
    with pytest.raises(ValueError, match="need latents that take all real values: use `log_marginal`"):
        kv.evaluation.annealed_log_marginal(trained, images[:2])
    with pytest.raises(ValueError, match="must carry a gradient"):
        kv.evaluation.inference_gap(trained, images[:2])
    for objective in (ELBO(), IWAE(3, gradient="doubly_reparameterized")):
        vae = vae_of("bernoulli", objective)
        with pytest.raises(ValueError, match='pass gradient="score_function"'):
            vae.fit(images[:10], verbose=0)


def test_a_prior_of_real_z_is_refused(images):
    with pytest.raises(
        ValueError, match="such as keras_vae.priors.Bernoulli. Received: a prior of MultivariateNormalDiag"
    ):
        vae_of("bernoulli", prior="standard-normal").build((None, 4, 4, 1))


def test_figures_flip_every_variable_and_show_the_use_of_codes(trained, images):
    use = kv.evaluation.code_use(trained, images)
    codes = {tuple(np.ravel(code)) for code in trained.encode(images).mode().numpy()}
    assert use.num_codes == len(codes)
    num_values = 3 if trained.latent_shape == (4, 3) else 2
    assert np.all((use.perplexity >= 1) & (use.perplexity <= num_values + 1e-6))
    assert np.all((use.mutual_information > -1e-6) & (use.mutual_information <= np.log(use.perplexity) + 1e-6))
    assert kv.plotting.codes(trained, images).axes
    assert kv.plotting.traversals(trained, images).axes


def test_the_use_of_a_unit_that_follows_x_is_one_bit():
    """z_0 is the first pixel, which is 1 in half of the images; z_1 a fair coin."""
    encoder = keras.Sequential(
        [
            keras.Input((2, 2, 1)),
            keras.layers.Flatten(),
            keras.layers.Dense(2, use_bias=True),
            kv.layers.IndependentBernoulli(2),
        ]
    )
    encoder.layers[1].set_weights([np.array([[80.0, 0], [0, 0], [0, 0], [0, 0]]), np.array([-40.0, 0.0])])
    decoder = kv.VAE.for_images((2, 2, 1), 2, posterior="bernoulli").decoder
    vae = kv.VAE(encoder, decoder, kv.priors.Bernoulli(2))
    x = np.zeros([10, 2, 2, 1], "float32")
    x[:5, 0, 0] = 1
    use = kv.evaluation.code_use(vae, x)
    np.testing.assert_allclose(use.probs, [0.5, 0.5])
    np.testing.assert_allclose(use.mutual_information, [np.log(2), 0], atol=1e-6)


def test_the_use_of_codes_is_that_of_a_discrete_z(images):
    with pytest.raises(ValueError, match="`kv.evaluation.decompose` counts the active units"):
        kv.evaluation.code_use(kv.VAE.for_images((4, 4, 1), 2), images)
