import keras
import numpy as np
import pytest

from keras_vae import networks
from keras_vae.networks.gated_linear_unit import GatedLinearUnit
from keras_vae.networks.initializers import ACTIVATIONS, INITIALIZERS


@pytest.mark.parametrize("event_shape", [(8, 8, 1), (28, 28, 1), (28, 20, 1), (7, 5, 3), (105, 105, 1), (4, 4, 1)])
@pytest.mark.parametrize("filters", [(4,), (4, 6), (4, 6, 8)])
def test_convolutions_fit_any_image(event_shape, filters):
    size = int(np.prod(event_shape))
    assert networks.conv_encoder(event_shape, 10, filters).output_shape == (None, 10)
    assert networks.conv_decoder(3, event_shape, 5, filters).output_shape == (None, 5 * size)


def test_convolutional_parameters_belong_to_their_pixels():
    """A change of z reaches all outputs, but the last convolution keeps (H, W, C, K) order: K is the fastest."""
    decoder = networks.conv_decoder(2, (4, 4, 2), params_per_entry=3, filters=(4,))
    last = decoder.layers[-2]
    kernel, bias = last.get_weights()
    bias[1 * 3 + 2] = 7.0  # channel 1, parameter 2
    last.set_weights([kernel * 0, bias])
    out = decoder(np.zeros((1, 2), "float32")).numpy().reshape(4, 4, 2, 3)
    assert np.all(out[..., 1, 2] == 7.0)
    assert np.count_nonzero(out) == 16
    last.set_weights([kernel, bias])
    z = np.ones((1, 2), "float32")
    np.testing.assert_array_equal(decoder(z), np.reshape(keras.Model(decoder.inputs[0], last.output)(z), (1, -1)))


@pytest.mark.parametrize("make", [networks.mlp_encoder, networks.conv_encoder])
def test_levels_are_scaled(make):
    keras.utils.set_random_seed(0)
    scaled = make((4, 4, 1), 2, (3,), scale=1 / 16)
    plain = make((4, 4, 1), 2, (3,))
    plain.set_weights(scaled.get_weights())
    x = np.random.default_rng(0).integers(0, 17, (5, 4, 4, 1)).astype("float32")
    np.testing.assert_allclose(scaled(x), plain(x / 16), rtol=1e-5, atol=1e-6)


def test_convolutions_refuse_what_is_no_image():
    with pytest.raises(ValueError, match=r"images of shape \(H, W, C\). Received: event_shape=\(64,\)"):
        networks.conv_encoder((64,), 2)


def kernels(model):
    return [layer.kernel.numpy() for layer in model.layers if hasattr(layer, "kernel")]


@pytest.mark.parametrize(
    "make",
    [
        lambda **kwargs: networks.mlp_encoder((8, 8, 1), 20, (50, 30), **kwargs),
        lambda **kwargs: networks.mlp_decoder(20, (8, 8, 1), hidden_units=(30, 50), **kwargs),
        lambda **kwargs: networks.conv_encoder((8, 8, 1), 20, (16, 8), **kwargs),
        lambda **kwargs: networks.conv_decoder(20, (8, 8, 1), filters=(8, 16), **kwargs),
    ],
    ids=["mlp encoder", "mlp decoder", "conv encoder", "conv decoder"],
)
def test_initial_weights_are_those_asked_for(make):
    """Uniform(-a, a) with a = 1 / sqrt(fan_in) fills its range, and each kernel has draws of its own.

    Their mean is 0 within 4 standard errors, a / sqrt(3 n) each.
    """
    drawn = kernels(make(initial="fan_in_uniform"))
    for kernel in drawn:
        bound = kernel[..., 0].size ** -0.5
        assert 0.9 * bound < np.abs(kernel).max() <= bound
        assert abs(kernel.mean()) < 4 * bound / np.sqrt(3 * kernel.size)
    assert len({kernel.ravel()[0] for kernel in drawn}) == len(drawn)
    assert all(np.all(kernel == 0) for kernel in kernels(make(initial="zeros")))


@pytest.mark.parametrize("name", ["encoder", "decoder"])
def test_batch_normalisation_gives_hidden_units_mean_0_and_variance_1_over_the_batch_before_their_activation(name):
    options = {"hidden_units": (5, 4), "batch_norm": True}
    body = networks.mlp_encoder((3,), 2, **options) if name == "encoder" else networks.mlp_decoder(3, (2,), **options)
    kinds = [
        type(layer) for layer in body.layers if not isinstance(layer, keras.layers.Rescaling | keras.layers.Flatten)
    ]
    hidden = [keras.layers.Dense, keras.layers.BatchNormalization, keras.layers.Activation]
    assert kinds == [*hidden, *hidden, keras.layers.Dense]
    x = np.random.default_rng(0).normal(2.0, 3.0, (200, 3)).astype("float32")
    for layer in body.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            variance, x = np.var(x, axis=0), layer(x, training=True)
            np.testing.assert_allclose(np.mean(x, axis=0), 0.0, atol=1e-5)
            np.testing.assert_allclose(np.var(x, axis=0), variance / (variance + layer.epsilon), rtol=1e-4)
        else:
            x = layer(x)


@pytest.mark.parametrize("kind", ["mlp", "conv"])
def test_the_functions_make_the_same_bodies_as_the_objects(kind):
    make = {"mlp": networks.MLP, "conv": networks.Conv}[kind]
    encode, decode = {
        "mlp": (networks.mlp_encoder, networks.mlp_decoder),
        "conv": (networks.conv_encoder, networks.conv_decoder),
    }[kind]
    network = make((5, 3), "tanh", "fan_in_uniform")
    pairs = [
        (
            lambda: network.encoder((4, 4, 1), 6, 0.5),
            lambda: encode((4, 4, 1), 6, (5, 3), "tanh", "fan_in_uniform", 0.5),
        ),
        (lambda: network.decoder(2, (4, 4, 1), 3), lambda: decode(2, (4, 4, 1), 3, (3, 5), "tanh", "fan_in_uniform")),
    ]
    for of_object, of_function in pairs:
        bodies = []
        for body in (of_object, of_function):
            keras.utils.set_random_seed(0)
            bodies.append(body())
        x = np.random.default_rng(0).normal(size=(5, *bodies[0].input_shape[1:])).astype("float32")
        np.testing.assert_array_equal(bodies[0](x), bodies[1](x))


def test_each_call_of_a_network_makes_a_new_body():
    network = networks.MLP((5,))
    encoders = [network.encoder((3,), 2) for _ in range(2)]
    bodies = [*encoders, *(network.decoder(2, (3,), 1) for _ in range(2))]
    layers = [layer for body in bodies for layer in body.layers]
    assert len(set(map(id, layers))) == len(layers)


def test_a_convolutional_network_without_filters_is_refused():
    with pytest.raises(ValueError, match=r"`filters` must have one entry or more. Received: filters=\(\)"):
        networks.Conv(())


@pytest.mark.parametrize("network", [networks.MLP, networks.Conv])
def test_activations_and_initializers_without_such_a_name_are_refused_with_the_names_there_are(network):
    with pytest.raises(ValueError, match="`activation` must be one of celu, .*, tanh_.* Received: activation='tahn'"):
        network(activation="tahn")
    with pytest.raises(ValueError, match="`initial` must be one of fan_in_uniform, .* Received: initial='glorot'"):
        network(initial="glorot")


def test_every_activation_that_is_listed_keeps_the_shape_and_every_initializer_makes_a_kernel():
    for activation in ACTIVATIONS:
        assert keras.activations.get(activation)(np.ones((2, 3), "float32")).shape == (2, 3)
    for name in INITIALIZERS:
        assert networks.initializer(name)((2, 3)).shape == (2, 3)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_gated_layers_are_products_of_a_linear_layer_and_a_gate(batch_norm):
    network = networks.MLP((5, 4), activation="glu", batch_norm=batch_norm)
    encoder, decoder = network.encoder((3,), 2), network.decoder(2, (3,), 1)
    assert (encoder.output_shape, decoder.output_shape) == ((None, 2), (None, 3))
    x = np.random.default_rng(0).normal(size=(7, 3)).astype("float32")
    h = x
    for layer in encoder.layers[2:]:
        if isinstance(layer, GatedLinearUnit):
            linear, gate = np.split(h, 2, axis=1)
            h = linear / (1 + np.exp(-gate))
        else:
            h = np.asarray(layer(h))
    np.testing.assert_allclose(encoder(x), h, rtol=1e-5, atol=1e-6)
    assert sum(isinstance(layer, GatedLinearUnit) for layer in encoder.layers) == 2
    loaded = keras.Sequential.from_config(encoder.get_config())
    loaded.set_weights(encoder.get_weights())
    np.testing.assert_array_equal(loaded(x), encoder(x))
