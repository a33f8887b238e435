"""The adversarial autoencoder: its game where the answer is known, and the Keras contract with two optimizers."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_vae as kv
from keras_vae import layers
from keras_vae.objectives import Adversarial

RNG = np.random.default_rng(0)
X = RNG.integers(0, 2, [60, 4, 4, 1]).astype("float32")


def aae_of(**kwargs):
    keras.utils.set_random_seed(0)
    aae = kv.AdversarialAutoencoder.for_images((4, 4, 1), 2, hidden=(8,), seed=0, **kwargs)
    aae.compile(
        keras.optimizers.Adam(0.01), jit_compile=False, discriminator_optimizer=keras.optimizers.SGD(0.05, momentum=0.5)
    )
    return aae


def test_the_losses_are_those_of_the_game():
    aae = aae_of(objective=Adversarial(weight=3.0))
    terms = Adversarial(3.0)(aae, X, seed=0)
    sigmoid_of_z = np.exp(-np.asarray(terms.metrics["generator_loss"]))
    assert np.all((sigmoid_of_z > 0) & (sigmoid_of_z < 1))
    # -log(1 - sigmoid(D(z))) of the same z, and what is left is -log sigmoid(D) of one draw of the prior
    of_prior = np.asarray(terms.metrics["discriminator_loss"]) + np.log1p(-sigmoid_of_z)
    assert np.all(of_prior > 0)
    np.testing.assert_allclose(
        terms.loss_per_example, -terms.log_likelihood + 3 * terms.metrics["generator_loss"], rtol=1e-6
    )


def test_a_discriminator_that_knows_nothing_loses_2_log_2():
    aae = aae_of()
    for layer in aae.discriminator.layers:
        layer.set_weights([np.zeros_like(weight) for weight in layer.get_weights()])
    terms = Adversarial()(aae, X, seed=0)
    np.testing.assert_allclose(terms.metrics["discriminator_loss"], 2 * np.log(2), rtol=1e-6)
    np.testing.assert_allclose(terms.metrics["generator_loss"], np.log(2), rtol=1e-6)


def test_each_optimizer_changes_its_own_networks():
    for frozen, moving in (("autoencoder", "discriminator"), ("discriminator", "autoencoder")):
        aae = aae_of()
        rates = {"autoencoder": 0.1, "discriminator": 0.1, frozen: 0.0}
        aae.compile(
            keras.optimizers.SGD(rates["autoencoder"]),
            jit_compile=False,
            discriminator_optimizer=keras.optimizers.SGD(rates["discriminator"]),
        )
        parts = {"autoencoder": [aae.encoder, aae.decoder], "discriminator": [aae.discriminator]}
        before = {name: [weights for part in group for weights in part.get_weights()] for name, group in parts.items()}
        aae.fit(X, epochs=1, verbose=0)
        after = {name: [weights for part in group for weights in part.get_weights()] for name, group in parts.items()}
        assert all(np.array_equal(a, b) for a, b in zip(before[frozen], after[frozen], strict=True))
        assert not any(np.array_equal(a, b) for a, b in zip(before[moving], after[moving], strict=True))


def test_the_game_moves_the_aggregate_posterior_to_the_prior():
    """x is two clusters far from N(0, 1), which the encoder passes on at first: its z has mean 5, and in the end 0."""
    x = np.concatenate([RNG.normal(4, 0.5, [500, 1]), RNG.normal(6, 0.5, [500, 1])]).astype("float32")
    keras.utils.set_random_seed(0)
    encoder = keras.Sequential([keras.Input((1,)), keras.layers.Dense(2), layers.MultivariateNormalDiag(1)])
    encoder.layers[0].set_weights([np.array([[1.0, 0.0]]), np.array([0.0, -1.0])])
    decoder = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1), layers.IndependentNormal(1, scale=1.0)])
    discriminator = keras.Sequential([keras.Input((1,)), keras.layers.Dense(16, "relu"), keras.layers.Dense(1)])
    aae = kv.AdversarialAutoencoder(encoder, decoder, kv.priors.StandardNormal(1), discriminator, seed=0)
    optimizers = [keras.optimizers.Adam(0.01, beta_1=0.5) for _ in range(2)]
    aae.compile(optimizers[0], discriminator_optimizer=optimizers[1])
    aae.fit(x, batch_size=100, epochs=100, verbose=0)
    z = kv.random.sample(aae.encode(x), 1, seed=1).numpy()
    assert abs(z.mean()) < 0.5  # a tenth of where it began: the game goes on around the equilibrium


def test_what_is_no_bound_is_not_called_one(tmp_path):
    aae = aae_of()
    names = {"loss", "reconstruction_loss", "generator_loss", "discriminator_loss"}
    assert set(aae.fit(X, verbose=0).history) == names
    assert set(aae.evaluate(X, verbose=0, return_dict=True)) == names
    assert set(kv.evaluation.evaluate(aae, X)) == {"elbo", "reconstruction_loss", "kl", "bits_per_dim"}


def test_a_file_has_both_optimizers_and_training_goes_on_as_if_never_stopped(tmp_path):
    whole, stopped = aae_of(), aae_of()
    whole.fit(X, batch_size=20, epochs=4, verbose=0)
    stopped.fit(X, batch_size=20, epochs=2, verbose=0)
    stopped.save(tmp_path / "aae.keras")
    loaded = keras.saving.load_model(tmp_path / "aae.keras", safe_mode=True)
    assert isinstance(loaded.discriminator_optimizer, keras.optimizers.SGD)
    loaded.fit(X, batch_size=20, epochs=4, initial_epoch=2, verbose=0)
    for one, two in zip(whole.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(one, two, err_msg=one.path)
    np.testing.assert_array_equal(loaded.sample(3, seed=0), whole.sample(3, seed=0))


@pytest.mark.slow
def test_two_replicas_take_the_steps_of_one(strategy):
    single = aae_of()
    with strategy.scope():
        double = aae_of()
    for aae in (single, double):
        aae.fit(X, batch_size=20, epochs=1, verbose=0)
    for one, two in zip(single.trainable_variables, double.trainable_variables, strict=True):
        np.testing.assert_allclose(one, two, atol=2e-5)


def test_all_forms_of_data_have_the_same_numbers():
    histories = [
        aae_of().fit(data, batch_size=20, shuffle=False, verbose=0).history
        for data in (X, tf.data.Dataset.from_tensor_slices(X).batch(20))
    ]
    for name, values in histories[0].items():
        assert values == pytest.approx(histories[1][name], rel=1e-5)


def test_xla_trains_with_the_same_loss():
    losses = []
    for jit_compile in (False, True):
        aae = aae_of()
        aae.compile(keras.optimizers.SGD(0.01), jit_compile=jit_compile)
        losses.append(aae.fit(X, batch_size=20, verbose=0).history["loss"][0])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_what_does_not_fit_is_refused():
    vae = kv.VAE.for_images((4, 4, 1), 2)
    parts = vae.encoder, vae.decoder, vae.prior
    with pytest.raises(TypeError, match="must be a keras_vae.objectives.Adversarial"):
        kv.AdversarialAutoencoder(*parts, kv.networks.MLP().encoder((2,), 1), kv.objectives.ELBO())
    with pytest.raises(ValueError, match=r"one logit for each z, \[B, 1\]. Received: the shape \(1, 2\)"):
        kv.AdversarialAutoencoder(*parts, kv.networks.MLP().encoder((2,), 2))
    with pytest.raises(ValueError, match="`weight` must be"):
        Adversarial(weight=0.0)
    aae = aae_of()
    assert aae.with_prior(kv.priors.MixtureOfNormals(2)).discriminator is aae.discriminator
    conv = kv.AdversarialAutoencoder.for_images((4, 4, 1), 2, network="conv")
    assert conv.discriminator(np.zeros([3, 2])).shape == (3, 1)
