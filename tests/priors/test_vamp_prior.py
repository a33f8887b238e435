"""The VampPrior: the mean of the model's own posteriors, whatever the encoder is."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_vae as kv
from keras_vae.priors import VampPrior

EPS = np.finfo("float32").eps
X = np.random.default_rng(0).normal(size=(40, 4)).astype("float32")
Z = np.random.default_rng(1).normal(size=(7, 2)).astype("float32")


def vae_of(posterior="diagonal", num_components=5, network=None):
    return kv.VAE.for_vectors(
        (4,), 2, posterior=posterior, prior=VampPrior(num_components), network=network or "mlp", seed=0
    )


def mean_of_posteriors(vae, u, z):
    """1/K sum_k q(z|u_k), by one call of the model a component."""
    densities = [np.exp(vae.encode(u[k : k + 1]).log_prob(z).numpy().astype("float64")) for k in range(len(u))]
    return np.mean(densities, axis=0)


@pytest.mark.parametrize("posterior", ["diagonal", "full", "flow"])
def test_it_is_the_mean_of_the_posteriors_at_the_pseudo_inputs(posterior):
    vae = vae_of(posterior)
    vae.prior.set_pseudo_inputs(X[:5])
    np.testing.assert_allclose(vae.prior.pseudo_inputs(), X[:5], rtol=4 * EPS)
    expected = np.log(mean_of_posteriors(vae, X[:5], Z))
    np.testing.assert_allclose(vae.prior().log_prob(Z), expected, rtol=1e-5, atol=1e-5)


def test_with_the_data_as_pseudo_inputs_the_aggregate_posterior_is_the_prior():
    """The bound that counts each draw's own posterior is then 0, draw by draw."""
    vae = vae_of(num_components=40)
    vae.prior.set_pseudo_inputs(X)
    bound = kv.evaluation.decompose(vae, X).marginal_kl_upper
    assert bound.mean == pytest.approx(0, abs=1e-5)


def test_the_encoder_is_lent_not_copied():
    vae = vae_of()
    assert {weight.name for weight in vae.prior.weights} == {"scale", "scaled_inputs"}
    before = vae.prior().log_prob(Z).numpy()
    vae.encoder.layers[-2].bias.assign_add(tf.ones_like(vae.encoder.layers[-2].bias))
    assert np.all(vae.prior().log_prob(Z) != before)


def test_after_loading_the_encoder_is_still_lent(tmp_path):
    vae = vae_of()
    vae.prior.set_pseudo_inputs(X[:5])
    vae.save(tmp_path / "vae.keras")
    loaded = keras.saving.load_model(tmp_path / "vae.keras")
    np.testing.assert_array_equal(loaded.prior().log_prob(Z), vae.prior().log_prob(Z))
    loaded.encoder.layers[-2].bias.assign_add(tf.ones_like(loaded.encoder.layers[-2].bias))
    expected = np.log(mean_of_posteriors(loaded, X[:5], Z))
    np.testing.assert_allclose(loaded.prior().log_prob(Z), expected, rtol=1e-5, atol=1e-5)


def test_batch_normalisation_sees_no_pseudo_inputs():
    """A step with the prior in it leaves the moving averages where a step on x alone leaves them."""
    vae = vae_of(network=kv.networks.MLP((6,), batch_norm=True))
    vae.prior.set_pseudo_inputs(100 + X[:5])
    (layer,) = [layer for layer in vae.encoder.layers if isinstance(layer, keras.layers.BatchNormalization)]
    hidden = vae.encoder.layers[vae.encoder.layers.index(layer) - 1].output
    of_batch = keras.Model(vae.encoder.inputs[0], hidden)(X).numpy().mean(axis=0)
    vae.compile("sgd", jit_compile=False)
    vae.fit(X, batch_size=40, verbose=0)
    np.testing.assert_allclose(layer.moving_mean, (1 - layer.momentum) * of_batch, rtol=1e-4, atol=1e-6)


def test_pseudo_inputs_of_256_levels_move_as_far_as_those_of_unit_scale():
    """One step of Adam moves each entry by the learning rate times the standard deviation of the data."""
    levels = np.random.default_rng(0).integers(0, 256, (60, 4, 4, 1))
    vae = kv.VAE.for_images((4, 4, 1), 2, "categorical", num_levels=256, prior=VampPrior(20), seed=0)
    vae.prior.set_pseudo_inputs(levels[:20])
    vae.compile(keras.optimizers.Adam(0.01), jit_compile=False)
    before = vae.prior.pseudo_inputs().numpy()
    vae.fit(levels, batch_size=60, verbose=0)
    moved = np.abs(vae.prior.pseudo_inputs().numpy() - before)
    assert np.median(moved) == pytest.approx(0.01 * levels[:20].std(), rel=0.05)


def test_regularisers_of_the_encoder_act_on_x_not_on_pseudo_inputs():
    def losses(prior):
        keras.utils.set_random_seed(0)
        head = keras.layers.Dense(4, activity_regularizer=keras.regularizers.L2(1.0))
        encoder = keras.Sequential([keras.Input((4,)), head, kv.layers.MultivariateNormalDiag(2)])
        vae = kv.VAE(encoder, kv.models.make_decoder((4,), 2, "gaussian"), prior, seed=0)
        if isinstance(prior, VampPrior):
            prior.set_pseudo_inputs(100 + X[:5])
        vae.draw(kv.protocols.Batch(X), 1, kv.random.as_noise(0))
        return float(sum(vae.losses))

    assert losses(VampPrior(5)) == pytest.approx(losses(kv.priors.StandardNormal(2)), rel=1e-5)


def test_a_prior_of_one_encoder_is_refused_by_a_model_with_another():
    prior = VampPrior(3)
    vae = kv.VAE.for_vectors((4,), 2, prior=prior)
    assert vae.with_prior(prior).prior is prior  # the same encoder
    with pytest.raises(ValueError, match="the posteriors of one encoder: make another one for this model. Received"):
        kv.VAE.for_vectors((4,), 2, prior=prior)


def test_misuse_is_refused():
    with pytest.raises(ValueError, match="pass it to a model as `prior`.*Received: a VampPrior without a model"):
        VampPrior(3)()
    with pytest.raises(ValueError, match=r"\[K, \*event_shape\] = \(5, 4\). Received: x.shape=\(6, 4\)"):
        vae_of().prior.set_pseudo_inputs(X[:6])
    with pytest.raises(ValueError, match="Received: num_components=0"):
        VampPrior(0)
