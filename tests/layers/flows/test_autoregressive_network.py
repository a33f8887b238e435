"""MADE: what each output may see, told by Jacobians; conditional inputs; masks that survive saving."""

import inspect
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae.layers import AutoregressiveNetwork

EPS = np.finfo("float32").eps
RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 4)).astype("float32")
C = RNG.normal(size=(3, 2)).astype("float32")

# One non-default value for every argument.
ARGUMENTS = {
    "params": 2,
    "event_shape": 4,
    "conditional": True,
    "conditional_event_shape": 2,
    "conditional_input_layers": "first_layer",
    "hidden_units": [8, 6],
    "input_order": "random",
    "hidden_degrees": "random",
    "activation": "tanh",
    "use_bias": False,
    "kernel_initializer": "he_normal",
    "bias_initializer": "ones",
    "kernel_regularizer": "l2",
    "bias_regularizer": "l1",
    "kernel_constraint": "max_norm",
    "bias_constraint": "non_neg",
    "validate_args": True,
    "seed": 5,
}
ORDERS = {
    "left-to-right": [1, 2, 3, 4],
    "right-to-left": [4, 3, 2, 1],
    (3, 1, 4, 2): [3, 1, 4, 2],
}


def jacobian(layer, x=X, **kwargs):
    """Return d output[b, i, p] / d x[b, j] as [B, D, params, D]."""
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, **kwargs)
    return tape.batch_jacobian(y, x).numpy()


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("hidden_degrees", ["equal", "random"])
@pytest.mark.parametrize("hidden_units", [[], [16], [64, 32]])
def test_an_output_depends_on_inputs_of_lower_degree_only(order, hidden_degrees, hidden_units):
    layer = AutoregressiveNetwork(
        3, hidden_units=hidden_units, input_order=order, hidden_degrees=hidden_degrees, activation="tanh", seed=1
    )
    degree = np.array(ORDERS[order])
    may_see = degree[None, :] < degree[:, None]  # [output, input]
    derivative = jacobian(layer)
    assert derivative.shape == (3, 4, 3, 4)
    np.testing.assert_array_equal(np.any(derivative != 0, axis=(0, 2)), may_see)


def test_a_random_order_is_a_permutation_that_the_seed_decides():
    seen = []
    for seed in (1, 1, 2):
        derivative = jacobian(AutoregressiveNetwork(1, hidden_units=[64], input_order="random", seed=seed))
        numbers = np.any(derivative != 0, axis=(0, 2)).sum(-1)  # of inputs that each output sees
        assert sorted(numbers) == [0, 1, 2, 3]
        seen.append(numbers.tolist())
    assert seen[0] == seen[1] != seen[2]


@pytest.mark.parametrize(("seed", "are_equal"), [(None, False), (1, True)])
def test_layers_of_equal_shape_begin_with_kernels_and_biases_of_their_own_unless_the_initializer_has_a_seed(
    seed, are_equal
):
    initializer = keras.initializers.RandomNormal(seed=seed)
    layer = AutoregressiveNetwork(
        1, event_shape=2, hidden_units=[6] * 3, kernel_initializer=initializer, bias_initializer=initializer
    )
    layer.build((None, 2))
    for first, second in (layer._kernels[1:3], layer._biases[:2]):
        assert np.array_equal(first, second) == are_equal


def test_without_a_seed_the_global_seed_decides():
    seeds = []
    for seed in (1, 1, 2):
        keras.utils.set_random_seed(seed)
        seeds.append(AutoregressiveNetwork(2).seed)
    assert seeds[0] == seeds[1] != seeds[2]


def test_the_output_is_that_of_a_masked_network_computed_by_hand():
    """D = 2 and one hidden unit: it sees x_0, and only the parameters of x_1 see it."""
    layer = AutoregressiveNetwork(2, hidden_units=[1], activation="relu", bias_initializer="random_normal")
    y = layer(X[:, :2])
    kernel, bias, kernel_out, bias_out = (w.numpy() for w in layer.weights)
    assert kernel[1, 0] == 0
    np.testing.assert_array_equal(kernel_out[:, :2], 0)
    hidden = np.maximum(X[:, :1] * kernel[0, 0] + bias, 0)
    expected = np.stack([np.broadcast_to(bias_out[:2], (3, 2)), hidden * kernel_out[0, 2:] + bias_out[2:]], axis=1)
    np.testing.assert_allclose(y, expected, rtol=8 * EPS, atol=8 * EPS)


def test_masked_entries_do_not_count_even_when_they_are_loaded():
    layer = AutoregressiveNetwork(2, hidden_units=[8])
    layer(X)
    for w in layer.weights:
        w.assign(tf.ones_like(w))
    assert not np.any(np.triu(np.any(jacobian(layer) != 0, axis=(0, 2))))


@pytest.mark.parametrize("shape", [(4,), (1, 4), (5, 4), (2, 3, 4), (0, 4)])
def test_every_axis_before_the_last_is_batch(shape):
    layer, x = AutoregressiveNetwork(2, hidden_units=[5]), RNG.normal(size=shape).astype("float32")
    y, of_rows = layer(x), layer(x.reshape(-1, 4)).numpy()
    assert y.shape == (*shape, 2)
    np.testing.assert_allclose(y, of_rows.reshape(y.shape), rtol=8 * EPS, atol=8 * EPS)


def test_it_is_a_layer_of_functional_models_of_unknown_batch_size():
    x = keras.Input((4,))
    y = AutoregressiveNetwork(2, hidden_units=[5])(x)
    assert y.shape == (None, 4, 2)
    assert keras.Model(x, y).predict(X, verbose=0).shape == (3, 4, 2)


# Conditional inputs.


@pytest.mark.parametrize(("layers", "number"), [("all_layers", 3), ("first_layer", 1)])
def test_every_output_sees_the_conditional_input(layers, number):
    layer = AutoregressiveNetwork(2, 4, True, 2, layers, [64, 64], activation="tanh", bias_initializer="random_normal")
    c = tf.constant(C)
    with tf.GradientTape() as tape:
        tape.watch(c)
        y = layer(X, conditional_input=c)
    seen = np.any(tape.batch_jacobian(y, c).numpy() != 0, axis=(0, 2, 3))
    np.testing.assert_array_equal(seen, [layers == "all_layers", True, True, True])
    assert len(layer._conditional_kernels) == number
    assert not np.any(np.triu(np.any(jacobian(layer, conditional_input=C) != 0, axis=(0, 2))))


def test_batches_of_both_inputs_are_broadcast():
    layer = AutoregressiveNetwork(2, 4, conditional=True, conditional_event_shape=2, hidden_units=[8])
    y = layer(X[:, None], conditional_input=C)
    assert y.shape == (3, 3, 4, 2)
    np.testing.assert_allclose(y[1, 2], layer(X[1], conditional_input=C[2]), rtol=8 * EPS, atol=8 * EPS)


# Precision, configuration, saving.


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_it_computes_in_float32_under_mixed_precision(policy):
    layer, exact = (AutoregressiveNetwork(2, hidden_units=[8], dtype=dtype) for dtype in (policy, "float32"))
    exact(X), layer(X)
    layer.set_weights(exact.get_weights())
    np.testing.assert_array_equal(layer(X), exact(X))


def test_it_computes_in_float64_when_asked():
    layer = AutoregressiveNetwork(2, hidden_units=[8], dtype="float64")
    y = layer(X)
    assert y.dtype == tf.float64
    kernel, _, kernel_out, _ = layer.get_weights()  # the biases, and masked entries of the kernels, are zero
    np.testing.assert_allclose(y, (X @ kernel @ kernel_out).reshape(y.shape), rtol=16 * 2**-52, atol=16 * 2**-52)


def test_a_layer_made_of_its_config_has_its_arguments_and_masks():
    layer = AutoregressiveNetwork(**ARGUMENTS)
    config = json.loads(json.dumps(layer.get_config()))
    named = {
        p.name for p in inspect.signature(AutoregressiveNetwork.__init__).parameters.values() if p.kind != p.VAR_KEYWORD
    }
    assert set(config) == named - {"self"} | {"name", "trainable", "dtype"}
    assert set(ARGUMENTS) == named - {"self"}
    twin = AutoregressiveNetwork.from_config(config)
    assert twin.get_config() == layer.get_config()
    layer(X, conditional_input=C), twin(X, conditional_input=C)
    twin.set_weights(layer.get_weights())
    np.testing.assert_array_equal(twin(X, conditional_input=C), layer(X, conditional_input=C))


def test_regularizers_and_constraints_reach_the_weights():
    layer = AutoregressiveNetwork(
        2,
        hidden_units=[3],
        bias_initializer="random_normal",
        kernel_regularizer="l2",
        bias_regularizer="l1",
        kernel_constraint="max_norm",
        bias_constraint="non_neg",
    )
    layer(X)
    penalties = [np.sum(w**2) if w.ndim == 2 else np.sum(np.abs(w)) for w in layer.get_weights()]
    np.testing.assert_allclose(sum(layer.losses), 0.01 * sum(penalties), rtol=8 * EPS)
    assert [type(w.constraint).__name__ for w in layer.weights] == ["MaxNorm", "NonNeg"] * 2


@pytest.mark.parametrize("seed", [None, 7])
def test_a_saved_model_is_the_same_with_its_random_masks(seed, tmp_path):
    made = AutoregressiveNetwork(
        2, hidden_units=[8], input_order="random", hidden_degrees="random", activation="relu", seed=seed
    )
    model = keras.Sequential([keras.Input((4,)), made])
    model.save(tmp_path / "model.keras")
    keras.utils.set_random_seed(99)
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded(X), model(X))


def test_it_is_exported(tmp_path):
    model = keras.Sequential([keras.Input((4,)), AutoregressiveNetwork(2, hidden_units=[8])])
    model.export(tmp_path / "model", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "model")
    np.testing.assert_allclose(loaded.serve(X), model(X), rtol=8 * EPS, atol=8 * EPS)


# Errors.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"params": 0}, "`params` must be 1 or more. Received: params=0"),
        ({"params": 2, "hidden_units": [4, 0]}, r"each 1 or more. Received: hidden_units=\[4, 0\]"),
        ({"params": 2, "event_shape": (2, 3)}, r"`event_shape` must be the shape of a vector.*event_shape=\(2, 3\)"),
        ({"params": 2, "conditional": True}, "`conditional_event_shape` is required when `conditional`"),
        ({"params": 2, "conditional_event_shape": 2}, "and only then. Received: conditional=False"),
        ({"params": 2, "conditional_input_layers": "last"}, '"all_layers" or "first_layer". Received: .*\'last\''),
        ({"params": 2, "hidden_degrees": "odd"}, '`hidden_degrees` must be "equal" or "random". Received: .*\'odd\''),
    ],
)
def test_bad_arguments_raise(arguments, message):
    with pytest.raises(ValueError, match=message):
        AutoregressiveNetwork(**arguments)


@pytest.mark.parametrize("order", ["up", [1, 2, 3], [0, 1, 2, 3], [1, 1, 2, 3]])
def test_an_order_that_is_no_permutation_raises(order):
    with pytest.raises(
        ValueError, match="`input_order` must be .* or a permutation of 1 ... 4. Received: input_order="
    ):
        AutoregressiveNetwork(2, input_order=order)(X)


def test_an_input_of_another_size_raises():
    with pytest.raises(ValueError, match=r"last axis of the input must be that of `event_shape`=\(3,\)"):
        AutoregressiveNetwork(2, event_shape=3)(X)


@pytest.mark.parametrize("conditional", [True, False])
def test_a_conditional_input_that_is_missing_or_unasked_for_raises(conditional):
    layer = AutoregressiveNetwork(2, 4, conditional, 2 if conditional else None)
    with pytest.raises(ValueError, match="`conditional_input` must be given to a conditional layer, and to no other"):
        layer(X, conditional_input=None if conditional else C)
