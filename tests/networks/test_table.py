import numpy as np
import pytest

from keras_vae import networks


@pytest.mark.parametrize("name", networks.NETWORKS)
def test_every_named_network_makes_bodies_of_the_documented_sizes(name):
    network = networks.get(name)
    assert isinstance(network, networks.Network)
    assert network.encoder((6, 5, 2), 7).output_shape == (None, 7)
    assert network.decoder(3, (6, 5, 2), 4).output_shape == (None, 6 * 5 * 2 * 4)


@pytest.mark.parametrize("name", networks.NETWORKS)
def test_every_named_network_scales_x(name):
    network = networks.get(name, hidden=(3,))
    scaled, plain = network.encoder((4, 4, 1), 2, scale=1 / 16), network.encoder((4, 4, 1), 2)
    plain.set_weights(scaled.get_weights())
    x = np.random.default_rng(0).integers(0, 17, (5, 4, 4, 1)).astype("float32")
    np.testing.assert_allclose(scaled(x), plain(x / 16), rtol=1e-5, atol=1e-6)


def test_hidden_replaces_the_widths_or_filters_of_a_named_network():
    assert networks.get("mlp", hidden=[4, 3]) == networks.MLP((4, 3))
    assert networks.get("conv", hidden=[4, 3]) == networks.Conv((4, 3))


def test_hidden_beside_an_object_is_refused():
    with pytest.raises(ValueError, match=r"`hidden` requires a network that is given by name.* hidden=\(3,\)"):
        networks.get(networks.MLP((4,)), hidden=(3,))


@pytest.mark.parametrize("network", ["nope", networks.MLP, object()], ids=["name", "class", "without methods"])
def test_what_is_no_network_is_refused(network):
    with pytest.raises(ValueError, match="`network` must be one of mlp, conv, or an object of the kind Network. Rec"):
        networks.get(network)
