import keras
import numpy as np
import pytest
from tensorflow_probability import distributions as tfd

import keras_vae as kv
from keras_vae.distributions import AutoregressiveFlow, QuantizedLogistic
from keras_vae.likelihoods import LIKELIHOODS
from keras_vae.models import image_decoder


@pytest.mark.parametrize("network", ["mlp", "conv"])
@pytest.mark.parametrize(
    ("likelihood", "family"),
    [
        ("bernoulli", tfd.Bernoulli),
        ("beta", tfd.Beta),
        ("categorical", tfd.Categorical),
        ("continuous-bernoulli", tfd.ContinuousBernoulli),
        ("gaussian", tfd.Normal),
        ("gaussian-fixed", tfd.Normal),
        ("gaussian-shared", tfd.Normal),
        ("laplace", tfd.Laplace),
        ("negative-binomial", tfd.NegativeBinomial),
        ("poisson", tfd.Poisson),
        ("quantized-logistic", QuantizedLogistic),
        ("quantized-logistic-mixture", tfd.MixtureSameFamily),
        ("soft-bernoulli", tfd.Bernoulli),
    ],
)
def test_parts_by_name(network, likelihood, family):
    vae = kv.VAE.for_images((7, 5, 3), 4, likelihood, network, hidden=(4,), num_levels=6)
    p_x = vae.decode([[0.0] * 4])
    assert isinstance(p_x.distribution, family)
    for part in (vae.encoder, vae.decoder):
        assert any(isinstance(layer, keras.layers.Conv2D) for layer in part.layers) == (network == "conv")
    assert (vae.event_shape, vae.latent_dim) == ((7, 5, 3), 4)
    x = vae.sample(2, seed=0)  # inside the support, whatever it is
    assert np.all(np.isfinite(vae.elbo(x, seed=0)))


def test_every_likelihood_has_a_case():
    marks = {mark.args[0][0]: mark.args[1] for mark in test_parts_by_name.pytestmark if isinstance(mark.args[0], tuple)}
    assert [name for name, _ in marks["likelihood"]] == list(LIKELIHOODS)


@pytest.mark.parametrize("likelihood", ["gaussian", "categorical"])
def test_parameters_of_an_entry_come_from_its_own_place_in_the_image(likelihood):
    """A decoder of convolutions alone is local: the top left of z's image does not reach the bottom right of x."""
    decoder = image_decoder((9, 9, 1), 1, likelihood, "conv", hidden=(2,), num_levels=3)
    convolution = next(layer for layer in decoder.layers if isinstance(layer, keras.layers.Conv2D))
    tail = keras.Sequential(decoder.layers[decoder.layers.index(convolution) :])
    features = np.zeros((1, 9, 9, 2), "float32")
    changed = features.copy()
    changed[:, 0, 0] = 1.0
    difference = np.abs(tail(features).mean() - tail(changed).mean())[0, :, :, 0]
    assert np.any(difference[:3, :3] > 0)
    assert np.all(difference[3:, :] == 0)
    assert np.all(difference[:, 3:] == 0)


def test_sigma_is_the_scale_of_the_fixed_gaussian():
    vae = kv.VAE.for_images((4, 4, 1), 2, kv.likelihoods.Gaussian(scale=0.25))
    np.testing.assert_allclose(vae.decode([[0.0, 0.0]]).stddev(), 0.25)


def test_bits_per_dim_of_dequantised_levels_count_their_number(make_vae):
    """A density p(x) = 1 on [0, 1) says nothing of 256 levels: 8 bits."""
    assert float(kv.objectives.bits_per_dim(0.0, (4, 4, 1), dequantized_levels=256)) == 8
    x = np.random.default_rng(0).random((20, 4, 4, 1)).astype("float32")
    bits = [
        kv.VAE.for_images((4, 4, 1), 2, "gaussian", seed=0, dequantized_levels=levels, hidden=(3,))
        for levels in (1, 16)
    ]
    bits[1].set_weights(bits[0].get_weights())
    plain, counted = (kv.evaluation.evaluate(vae, x)["bits_per_dim"].mean for vae in bits)
    assert counted == pytest.approx(plain + 4, rel=1e-6)
    restored = kv.VAE.from_config(bits[1].get_config())
    assert restored.dequantized_levels == 16
    with pytest.raises(ValueError, match="`dequantized_levels` must be 1 or more. Received: dequantized_levels=0"):
        make_vae(dequantized_levels=0)


FAMILIES = {"diagonal": tfd.MultivariateNormalDiag, "flow": AutoregressiveFlow, "full": tfd.MultivariateNormalTriL}


@pytest.mark.parametrize("posterior", ["diagonal", "full", pytest.param("flow", marks=pytest.mark.slow)])
def test_a_vae_of_every_posterior_trains_and_is_the_same_after_saving(posterior, binary_images, tmp_path):
    vae = kv.VAE.for_images((4, 4, 1), 3, posterior=posterior, hidden=(8,), seed=0)
    assert type(vae.encode(binary_images)) is FAMILIES[posterior]
    vae.compile(keras.optimizers.Adam(0.01), jit_compile=False)
    losses = vae.fit(binary_images, batch_size=50, epochs=4, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    vae.save(tmp_path / "vae.keras")
    loaded = keras.saving.load_model(tmp_path / "vae.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded.elbo(binary_images, seed=0), vae.elbo(binary_images, seed=0))
    np.testing.assert_array_equal(loaded.reconstruct(binary_images), vae.reconstruct(binary_images))


def test_parts_given_by_name_and_as_objects_make_the_same_model():
    named = {"likelihood": "categorical", "network": "conv", "posterior": "full", "prior": "standard-normal"}
    objects = {
        "likelihood": kv.likelihoods.Categorical(8),
        "network": kv.networks.Conv((4,)),
        "posterior": kv.posteriors.Full(),
        "prior": kv.priors.StandardNormal(3),
    }
    x = np.random.default_rng(0).integers(0, 8, (5, 6, 5, 1)).astype("float32")
    elbos = []
    for parts in ({**named, "hidden": (4,), "num_levels": 8}, objects):
        keras.utils.set_random_seed(0)
        elbos.append(kv.VAE.for_images((6, 5, 1), 3, **parts, seed=0).elbo(x, seed=1))
    np.testing.assert_array_equal(*elbos)


@pytest.mark.parametrize(
    ("options", "num_levels"),
    [
        ({}, 2),
        ({"likelihood": "poisson", "num_levels": 17}, 17),
        ({"likelihood": "quantized-logistic", "num_levels": 17}, 17),
        ({"likelihood": kv.likelihoods.QuantizedLogistic(17)}, 17),
    ],
    ids=["default", "not counted", "named", "object"],
)
def test_the_encoder_scales_the_levels_of_x_to_1(options, num_levels):
    encoder = kv.VAE.for_images((4, 4, 1), 2, **options).encoder
    (rescaling,) = (layer for layer in encoder.layers if isinstance(layer, keras.layers.Rescaling))
    assert rescaling.scale * (num_levels - 1) == pytest.approx(1)


@pytest.mark.parametrize("num_levels", [0, 1])
def test_less_than_two_levels_are_refused(num_levels):
    with pytest.raises(ValueError, match=f"`num_levels` must be 2 or more. Received: num_levels={num_levels}"):
        kv.VAE.for_images((4, 4, 1), 2, num_levels=num_levels)


def test_a_prior_of_another_dimension_is_refused():
    with pytest.raises(ValueError, match=r"prior's event shape \(3,\)"):
        kv.VAE.for_images((4, 4, 1), 2, prior=kv.priors.StandardNormal(3))


@pytest.mark.parametrize("argument", ["likelihood", "network", "posterior", "prior"])
def test_unknown_names_are_refused(argument):
    with pytest.raises(ValueError, match=f"`{argument}` must be one of .* Received: {argument}='nope'"):
        kv.VAE.for_images((4, 4, 1), 2, **{argument: "nope"})


@pytest.mark.parametrize(
    ("keyword", "part"),
    [("activation", "network"), ("initial", "network"), ("batch_norm", "network"), ("sigma", "likelihood")],
)
def test_a_keyword_that_has_moved_to_a_part_is_refused_with_the_part(keyword, part):
    with pytest.raises(TypeError, match=f"`{keyword}`.* of the {part}.*Received: {keyword}$"):
        kv.VAE.for_images((4, 4, 1), 2, **{keyword: 1})
