import keras
import numpy as np
import pytest
from tensorflow_probability import distributions as tfd

import keras_vae as kv


def test_the_defaults_are_a_gaussian_likelihood_a_diagonal_posterior_and_a_standard_normal_prior():
    vae = kv.VAE.for_vectors((30,), 5)
    assert (vae.event_shape, vae.latent_dim) == ((30,), 5)
    assert isinstance(vae.decode([[0.0] * 5]).distribution, tfd.Normal)
    assert isinstance(vae.encode(np.zeros([1, 30])), tfd.MultivariateNormalDiag)
    assert isinstance(vae.prior, kv.priors.StandardNormal)


def test_the_encoder_sees_x_as_it_is():
    vae = kv.VAE.for_vectors((30,), 5, likelihood=kv.likelihoods.Categorical(12))
    (rescaling,) = (layer for layer in vae.encoder.layers if isinstance(layer, keras.layers.Rescaling))
    assert (rescaling.scale, rescaling.offset) == (1, 0)


@pytest.mark.parametrize("event_shape", [(6,), (3, 2)])
def test_it_learns_a_table_and_is_the_same_after_saving(event_shape, tmp_path):
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(200, 1)) * np.ones(6) + 0.1 * rng.normal(size=(200, 6))).reshape(200, *event_shape)
    vae = kv.VAE.for_vectors(event_shape, 2, likelihood="gaussian-shared", hidden=(8,), seed=0)
    vae.compile(keras.optimizers.Adam(0.02), jit_compile=False)
    losses = vae.fit(x, batch_size=50, epochs=10, verbose=0).history["loss"]
    assert losses[-1] < losses[0] - 1
    vae.save(tmp_path / "vae.keras")
    loaded = keras.saving.load_model(tmp_path / "vae.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded.elbo(x, seed=0), vae.elbo(x, seed=0))


@pytest.mark.parametrize("argument", ["likelihood", "network", "posterior", "prior"])
def test_unknown_names_are_refused(argument):
    with pytest.raises(ValueError, match=f"`{argument}` must be one of .* Received: {argument}='nope'"):
        kv.VAE.for_vectors((4,), 2, **{argument: "nope"})


def test_a_network_of_images_is_refused():
    with pytest.raises(ValueError, match=r"images of shape \(H, W, C\). Received: event_shape=\(4,\)"):
        kv.VAE.for_vectors((4,), 2, network="conv")
