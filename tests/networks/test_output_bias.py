import keras
import numpy as np
import pytest

from keras_vae import layers, networks


def test_where_z_has_no_effect_the_likelihoods_mean_is_that_of_the_data():
    x = (np.random.default_rng(0).random((1000, 4, 3, 1)) < np.linspace(0, 1, 12).reshape(4, 3, 1)).astype("float32")
    decoder = networks.mlp_decoder(2, (4, 3, 1), hidden_units=(5,), activation="tanh")
    decoder.add(layers.IndependentBernoulli((4, 3, 1)))
    networks.set_output_mean(decoder, x)
    mean = decoder(np.zeros((1, 2), "float32")).mean()[0]
    np.testing.assert_allclose(mean, (x.sum(axis=0) + 0.5) / 1001, rtol=1e-5)


def test_a_convolution_starts_with_the_mean_over_the_image():
    x = (np.random.default_rng(0).random((1000, 4, 4, 1)) < 0.2).astype("float32")
    decoder = networks.conv_decoder(2, (4, 4, 1), filters=(3,))
    networks.set_output_mean(decoder, x)
    mean = keras.ops.sigmoid(decoder(np.zeros((1, 2), "float32")))
    np.testing.assert_allclose(mean, np.full((1, 16), (x.mean() * 1000 + 0.5) / 1001), rtol=1e-5)


def test_several_parameters_an_entry_are_refused():
    with pytest.raises(ValueError, match=r"each entry of x, 4, or channel, 1. Received: bias.shape=\(8,\)"):
        networks.set_output_mean(networks.mlp_decoder(2, (2, 2, 1), 2), np.zeros((3, 2, 2, 1)))


def test_a_last_layer_without_a_bias_is_refused():
    hidden, last = keras.layers.Dense(3), keras.layers.Dense(3, use_bias=False)
    with pytest.raises(ValueError, match=r"must have a bias .* Received: bias.shape=None"):
        networks.set_output_mean(keras.Sequential([keras.Input((2,)), hidden, last]), np.zeros((5, 3)))


@pytest.mark.parametrize(
    ("x", "received"),
    [
        (np.full((5, 3), 255), "x from 255.0 to 255.0"),
        (np.full((5, 3), np.nan), "x from nan"),
        (np.zeros((0, 3)), r"x.shape=\(0, 3\)"),
    ],
)
def test_what_is_no_data_in_the_unit_interval_is_refused(x, received):
    with pytest.raises(ValueError, match=r"must be examples in \[0, 1\]. Received: " + received):
        networks.set_output_mean(networks.mlp_decoder(2, (3,)), x)
