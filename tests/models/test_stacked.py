"""Two stochastic layers: probabilities that sum to 1, draws that have them, and a model of them against sums over z."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_vae as kv
from keras_vae.distributions import Stacked
from keras_vae.objectives import ELBO, IWAE

Bernoulli = kv.layers.IndependentBernoulli
STATES = np.array(list(itertools.product([0.0, 1.0], repeat=5)), "float32")


def network(inputs, outputs):
    return keras.Sequential(
        [keras.Input((inputs,)), keras.layers.Dense(outputs, bias_initializer="normal"), Bernoulli(outputs)]
    )


def vae_of(objective):
    keras.utils.set_random_seed(0)
    x = keras.Input((4, 4, 1))
    params = keras.layers.Dense(3)(keras.layers.Flatten()(x))
    encoder = keras.Model(x, kv.layers.Stacked(Bernoulli(3), network(3, 2))(params))
    decoder = kv.models.make_decoder((4, 4, 1), 5, network=kv.networks.MLP(()), num_seen=3)
    vae = kv.VAE(encoder, decoder, kv.priors.TopDown(kv.priors.Bernoulli(2), network(2, 3)), objective, seed=0)
    vae.build((None, 4, 4, 1))
    vae.compile(keras.optimizers.Adam(0.05), jit_compile=False)
    return vae


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    patterns, flips = rng.random((5, 4, 4, 1)) < 0.5, rng.random((200, 4, 4, 1)) < 0.1
    return (patterns[rng.integers(0, 5, 200)] ^ flips).astype("float32")


@pytest.fixture(scope="module")
def trained(images):
    vae = vae_of(ELBO(num_samples=3, gradient="score_function"))
    vae.fit(images, batch_size=50, epochs=10, verbose=0)
    return vae


def test_the_probabilities_of_all_z_sum_to_1_under_prior_and_posterior(trained, images):
    p_z, q_z = trained.prior_distribution(), trained.encode(images[:4])
    assert isinstance(p_z, Stacked)
    assert float(tf.reduce_sum(p_z.prob(STATES))) == pytest.approx(1, rel=1e-5)
    np.testing.assert_allclose(tf.reduce_sum(q_z.prob(STATES[:, None]), axis=0), np.ones(4), rtol=1e-5)


def test_draws_have_these_probabilities(trained, images):
    for distribution in (trained.prior_distribution(), trained.encode(images[:1])):
        probs = np.ravel(distribution.prob(STATES[:, None] if distribution.batch_shape.rank else STATES))
        for draws in (kv.random.sample(distribution, 20_000, seed=0), distribution.sample(20_000, seed=0)):
            codes = np.reshape(draws, [-1, 5]).astype(int) @ 2 ** np.arange(5)[::-1]
            frequency = np.bincount(codes, minlength=32) / 20_000
            assert np.all(np.abs(frequency - probs) < 4.5 * np.sqrt(probs * (1 - probs) / 20_000) + 1e-4)


def test_the_noise_of_a_row_does_not_depend_on_the_batch(trained, images):
    whole = kv.random.sample(trained.encode(images[:6]), 3, seed=1)
    part = kv.random.sample(trained.encode(images[4:6]), 3, seed=1, first_row=4)
    np.testing.assert_array_equal(part, whole[:, 4:])
    p_z = trained.prior_distribution()
    np.testing.assert_array_equal(kv.random.sample(p_z, 64, seed=0)[:10], kv.random.sample(p_z, 10, seed=0))


def test_the_noise_of_a_mixture_of_such_layers_goes_by_the_row_too():
    vae = kv.VAE.for_images((4, 4, 1), 3, posterior="two-layer-bernoulli", prior=kv.priors.VampPrior(4), seed=0)
    p_z = vae.prior_distribution()
    whole = kv.random.sample(p_z, 40, seed=0)
    np.testing.assert_array_equal(kv.random.sample(p_z, 20, seed=0, first_row=20), whole[20:])


def test_importance_sampling_has_log_p_of_x_and_the_elbo_is_below_it(trained, images):
    x = images[:20]
    log_likelihood = trained.log_likelihood(x, np.repeat(STATES[:, None], 20, axis=1))
    exact = tf.reduce_logsumexp(log_likelihood + trained.prior_distribution().log_prob(STATES)[:, None], axis=0)
    estimate, standard_error = trained.log_marginal(x, 500, seed=0)
    assert np.all(np.abs(estimate - exact) < 4 * standard_error + 1e-3)
    assert np.mean(trained.elbo(x, num_samples=100, seed=0)) < np.mean(exact)


@pytest.mark.parametrize("objective", [ELBO(gradient="nvil"), IWAE(3, gradient="vimco")], ids=["nvil", "vimco"])
def test_other_gradients_train_it_too(objective, images):
    vae = vae_of(objective)
    assert not vae.objective.estimator.needs_one_layer
    before = vae.evaluate(images, verbose=0, return_dict=True)["elbo"]
    vae.fit(images, batch_size=50, epochs=5, verbose=0)
    assert vae.evaluate(images, verbose=0, return_dict=True)["elbo"] > before + 1


def test_every_weight_is_trained_and_a_file_and_an_export_have_the_same_numbers(trained, images, tmp_path):
    assert len(trained.trainable_variables) == 2 + 2 + 2 + 1 + 2  # encoder, its second layer, decoder, prior of two
    at_start = vae_of(trained.objective).trainable_variables  # of the same seed
    assert all(np.any(now != before) for now, before in zip(trained.trainable_variables, at_start, strict=True))
    trained.save(tmp_path / "vae.keras")
    loaded = keras.saving.load_model(tmp_path / "vae.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded.elbo(images, seed=1), trained.elbo(images, seed=1))
    signatures = tf.saved_model.load(trained.export(tmp_path)).signatures
    seed = tf.constant([0, 7])
    drawn = signatures["sample"](num_samples=tf.constant(5), seed=seed)["x"]
    np.testing.assert_array_equal(drawn, trained.sample(5, seed=seed))
    elbo = signatures["elbo"](x=tf.constant(images[:5]), seed=seed)["elbo"]
    np.testing.assert_allclose(elbo, trained.elbo(images[:5], seed=seed), rtol=1e-5)


def test_a_gradient_through_the_draws_is_refused_also_where_the_first_layer_would_carry_it():
    p = Stacked(kv.layers.MultivariateNormalDiag.new(tf.zeros([1, 4]), 2), lambda a: Bernoulli.new(a, 2), 2)
    with pytest.raises(ValueError, match="the posterior does not reparameterise"):
        ELBO(form="log_ratio").estimator.sample(p, 1, kv.random.as_noise(0))


def test_what_needs_one_layer_is_refused(images):
    for gradient, samples in (("disarm", 2), ("gumbel_softmax", 1), ("enumeration", 1)):
        vae = vae_of(ELBO(num_samples=samples, gradient=gradient))
        assert vae.objective.estimator.needs_one_layer
        with pytest.raises(ValueError, match=r"independent Bernoulli entries.*Received: Stacked"):
            vae.fit(images, verbose=0)


def test_the_model_of_the_named_posterior_has_two_linear_layers_and_a_decoder_of_the_first(images):
    objective = ELBO(num_samples=2, gradient="score_function")
    vae = kv.VAE.for_images((4, 4, 1), 3, posterior="two-layer-bernoulli", hidden=(), objective=objective, seed=0)
    z = np.zeros([2, 6], "float32")
    z[1, 3:] = 1  # z_2
    np.testing.assert_array_equal(*vae.decode(z).mean())
    weights, bias = vae.prior.first.weights
    np.testing.assert_allclose(
        vae.prior_distribution().second_of(z[1:, 3:]).distribution.logits_parameter()[0],
        np.sum(weights, axis=0) + bias,
        rtol=1e-6,
    )
