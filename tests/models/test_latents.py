"""Latents of any static shape, and structures of them: trained, evaluated, saved and exported."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

import keras_vae as kv
from keras_vae import evaluation
from keras_vae.distributions import latents
from keras_vae.distributions.bhattacharyya import bhattacharyya_distances


@keras.saving.register_keras_serializable("tests")
class Matrix(kv.priors.Prior):
    """N(0, 1) for each entry of z [2, 3]."""

    def distribution(self):
        return tfd.Independent(tfd.Normal(tf.zeros([2, 3]), 1.0), 2)


@keras.saving.register_keras_serializable("tests")
class Pair(kv.priors.Prior):
    """A vector of 2 and a matrix [2, 3]."""

    def distribution(self):
        return [tfd.MultivariateNormalDiag(tf.zeros(2)), Matrix().distribution()]


def encoder_head(x, *shapes):
    h = keras.layers.Dense(8, "tanh")(keras.layers.Flatten()(x))
    heads = []
    for shape in shapes:
        family = kv.layers.MultivariateNormalDiag if len(shape) == 1 else kv.layers.IndependentNormal
        size = shape[0] if len(shape) == 1 else shape
        heads.append(family(size)(keras.layers.Dense(family.params_size(size))(h)))
    return heads[0] if len(heads) == 1 else heads


def make(form):
    shapes = {"matrix": [(2, 3)], "pair": [(2,), (2, 3)]}[form]
    keras.utils.set_random_seed(0)
    x = keras.Input((4, 4, 1))
    zs = [keras.Input(shape) for shape in shapes]
    flat = [keras.layers.Flatten()(z) for z in zs]
    h = flat[0] if len(flat) == 1 else keras.layers.Concatenate()(flat)
    p_x = kv.layers.IndependentBernoulli((4, 4, 1))(keras.layers.Dense(16)(h))
    decoder = keras.Model(zs[0] if len(zs) == 1 else zs, p_x)
    prior = Matrix() if form == "matrix" else Pair()
    return kv.VAE(keras.Model(x, encoder_head(x, *shapes)), decoder, prior, seed=0)


@pytest.fixture(scope="module", params=["matrix", "pair"])
def trained(request):
    """The model's form, the model after some epochs, its history, and the data."""
    x = (np.random.default_rng(0).random((60, 4, 4, 1)) < 0.4).astype("float32")
    vae = make(request.param)
    vae.compile(keras.optimizers.Adam(0.01), jit_compile=False)
    return request.param, vae, vae.fit(x, batch_size=20, epochs=5, verbose=0).history, x


def test_the_shape_is_known_and_training_lowers_the_loss(trained):
    form, vae, history, _ = trained
    assert vae.latent_shape == {"matrix": (2, 3), "pair": ((2,), (2, 3))}[form]
    assert vae.latent_dim == {"matrix": 6, "pair": 8}[form]
    assert history["loss"][-1] < history["loss"][0]


def test_the_kl_is_the_sum_over_the_latents_of_the_closed_forms(trained):
    _, vae, _, x = trained
    q_z, p_z = vae.encode(x), vae.prior()
    pairs = zip(tf.nest.flatten(q_z), tf.nest.flatten(p_z), strict=True)
    expected = sum(tfd.kl_divergence(q, p) for q, p in pairs)
    terms = vae.objective(vae, x, seed=0)
    np.testing.assert_allclose(terms.kl, expected, rtol=1e-5)


def test_log_marginal_lies_above_the_elbo_and_agrees_with_annealing(trained):
    _, vae, _, x = trained
    log_px = evaluation.log_marginal(vae, x[:5], num_samples=500)
    annealed = evaluation.annealed_log_marginal(vae, x[:5], num_chains=50, num_steps=20).estimate
    assert np.mean(log_px.log_marginal) > np.mean(vae.elbo(x[:5], num_samples=100, seed=0))
    error = np.hypot(log_px.standard_error, annealed.standard_error)
    assert np.all(np.abs(log_px.log_marginal - annealed.log_marginal) < 4 * error)


def test_the_parts_of_the_elbo_add_up(trained):
    _, vae, _, x = trained
    parts = evaluation.decompose(vae, x, seed=0)
    total = parts.reconstruction_loss.mean + parts.mutual_information_lower.mean + parts.marginal_kl_upper.mean
    draws = vae.draw(kv.protocols.Batch(x), 1, kv.random.as_noise(0).of(kv.random.Stream.EVALUATION))
    expected = tf.reduce_mean(draws.log_posterior - draws.log_prior - draws.log_likelihood)
    assert total == pytest.approx(float(expected), rel=1e-5)
    assert parts.variance_of_means.shape == parts.kl_per_dimension.shape == (vae.latent_dim,)


def test_each_latent_has_parameters_that_can_be_optimised(trained):
    _, vae, _, x = trained
    best = evaluation.optimize_posterior(vae, x[:5], num_steps=30)
    assert latents.latent_shape(best.posterior) == vae.latent_shape
    assert best.elbo.mean() > np.mean(vae.elbo(x[:5], num_samples=100, seed=0))


def test_overlap_of_several_latents_is_the_product_of_theirs(trained):
    _, vae, _, x = trained
    coefficients = evaluation.overlap(vae, x[:4]).coefficients
    q_z = tf.nest.flatten(vae.encode(x[:4]))
    expected = np.prod([np.exp(-bhattacharyya_distances(q, q)) for q in q_z], axis=0)
    np.testing.assert_allclose(coefficients, expected, rtol=1e-5)


def test_a_saved_model_is_the_same(trained, tmp_path):
    _, vae, _, x = trained
    vae.save(tmp_path / "vae.keras")
    loaded = keras.saving.load_model(tmp_path / "vae.keras")
    np.testing.assert_array_equal(loaded.elbo(x, seed=1), vae.elbo(x, seed=1))
    np.testing.assert_array_equal(loaded.sample(3, seed=1), vae.sample(3, seed=1))


def test_an_exported_model_takes_and_returns_each_latent_by_name(trained, tmp_path):
    form, vae, _, x = trained
    signatures = tf.saved_model.load(str(vae.export(tmp_path / "served"))).signatures
    encoded = signatures["encode"](x=tf.constant(x))
    names = {"matrix": ["z"], "pair": ["z0", "z1"]}[form]
    means = {name: encoded["mean" if name == "z" else f"{name}_mean"] for name in names}
    decoded = signatures["decode"](**means)["mean"]
    np.testing.assert_allclose(decoded, vae(x), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(signatures["elbo"](x=x, seed=[1, 2])["elbo"], vae.elbo(x, seed=[1, 2]), rtol=1e-5)


def test_free_bits_count_every_entry_of_every_latent(trained):
    _, vae, _, x = trained
    terms = kv.objectives.FreeBits(5.0)(vae, x, seed=0)
    np.testing.assert_allclose(terms.loss_per_example + terms.log_likelihood, 5.0 * vae.latent_dim, rtol=1e-5)


def test_a_dictionary_names_its_latents():
    pair = {"style": tfd.Normal(0.0, 1.0), "content": tfd.Normal(0.0, 1.0)}
    assert latents.latent_names(pair) == ["content", "style"]


def test_posterior_and_prior_of_different_structures_are_refused():
    x = keras.Input((4, 4, 1))
    decoder = make("pair").decoder
    with pytest.raises(ValueError, match=r"prior's event shape \(\(2,\), \(2, 3\)\)"):
        kv.VAE(keras.Model(x, encoder_head(x, (2,), (3, 2))), decoder, Pair())
    with pytest.raises(ValueError, match=r"prior's event shape \(\(2,\), \(2, 3\)\)"):
        kv.VAE(keras.Model(x, encoder_head(x, (2,))), decoder, Pair())
