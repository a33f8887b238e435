"""A distribution layer's output is a distribution to the user and a tensor to everything else."""

import operator

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from keras_vae import layers
from keras_vae.layers import DistributionTensor, as_distribution

LOC = np.array([[1.0, -2.0], [0.5, 3.0], [4.0, 0.25]], "float32")


def normal():
    return tfd.Normal(tf.constant(LOC), 2.0)


@pytest.fixture
def y():
    """Normal [3, 2] whose tensor value is its mean, LOC."""
    return DistributionTensor(normal(), lambda d: d.mean())


class Counted:
    """Concretisation that counts its calls and returns another draw each time."""

    def __init__(self):
        self.calls = 0

    def __call__(self, distribution):
        self.calls += 1
        return distribution.sample()


# A tensor.


def test_it_is_a_distribution_and_a_tensor(y):
    assert isinstance(y, tfd.Distribution)
    assert tf.is_tensor(y)
    assert keras.ops.is_tensor(y)
    assert (y.shape, y.get_shape(), y.ndim, len(y)) == ((3, 2), (3, 2), 2, 3)


def test_numpy_takes_its_value(y):
    for array in (np.asarray(y), y.numpy(), np.array(y), np.stack([y])[0], np.array(list(y))):
        np.testing.assert_array_equal(array, LOC)
    assert np.asarray(y, "float64").dtype == np.float64
    assert np.sum(y) == np.sum(LOC)


def test_a_scalar_becomes_a_python_number():
    y = DistributionTensor(tfd.Normal(2.0, 1.0), lambda d: d.mean())
    assert float(y) == 2.0
    assert int(y) == 2
    assert bool(y) is True
    assert bool(DistributionTensor(tfd.Normal(0.0, 1.0), lambda d: d.mean())) is False


@pytest.mark.parametrize(
    "op",
    [
        tf.convert_to_tensor,
        tf.reduce_sum,
        tf.identity,
        tf.exp,
        tf.shape,
        lambda t: tf.concat([t, t], 0),
        lambda t: tf.stack([t, t]),
        lambda t: tf.cast(t, tf.float64),
        lambda t: tf.matmul(t, t, transpose_b=True),
        lambda t: tf.add_n([t, t]),
        lambda t: tf.where(t > 0, t, 0.0),
        lambda t: tf.map_fn(lambda row: 2 * row, t),
        lambda t: tf.gather(t, [2, 0]),
        lambda t: tf.nest.map_structure(lambda leaf: leaf + 1, {"t": t})["t"],
        lambda t: tf.function(tf.reduce_sum)(t),
        lambda t: tf.data.Dataset.from_tensors(t).get_single_element(),
        lambda t: tf.Variable(t).read_value(),
        keras.ops.convert_to_tensor,
        keras.ops.sum,
        keras.ops.softmax,
        lambda t: keras.ops.concatenate([t, t]),
        keras.layers.Flatten(),
        keras.layers.Dense(4, kernel_initializer="ones"),
        keras.layers.Activation("tanh"),
        lambda t: keras.layers.Add()([t, t]),
        lambda t: keras.layers.Concatenate()([t, t]),
        lambda t: keras.losses.mean_squared_error(t, t + 1),
    ],
)
def test_functions_of_tensors_take_its_value(op, y):
    np.testing.assert_array_equal(op(y), op(tf.constant(LOC)))


OPERATORS = ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "lt", "le", "gt", "ge"]


@pytest.mark.parametrize("name", OPERATORS)
def test_binary_operators_take_its_value_on_either_side(name):
    function = getattr(operator, name)
    y = DistributionTensor(normal(), lambda d: d.loc**2)
    z = DistributionTensor(normal(), lambda d: d.loc**2)
    for other in (2.0, tf.constant(LOC[::-1] ** 2), LOC[:1] ** 2, z):
        value, other_value = tf.constant(LOC**2), tf.convert_to_tensor(other)
        np.testing.assert_array_equal(function(y, other), function(value, other_value))
        np.testing.assert_array_equal(function(other, y), function(other_value, value))


def test_equality_is_identity_as_for_all_distributions_of_tfp(y):
    """So that it can be a key, as tensors cannot; `tf.equal` compares values."""
    assert y == y
    assert y != DistributionTensor(normal(), lambda d: d.mean())
    assert {y: 1}[y] == 1
    np.testing.assert_array_equal(tf.equal(y, 3.0), LOC == 3.0)


@pytest.mark.parametrize("name", ["neg", "abs"])
def test_unary_operators_take_its_value(name, y):
    np.testing.assert_array_equal(getattr(operator, name)(y), getattr(operator, name)(LOC))


@pytest.mark.parametrize("name", ["and_", "or_", "xor"])
def test_logical_operators_take_its_value(name):
    y = DistributionTensor(tfd.Bernoulli([1.0, -1.0], dtype=tf.bool), lambda d: d.mode())
    other = tf.constant([True, True])
    function = getattr(operator, name)
    np.testing.assert_array_equal(function(y, other), function(np.array([True, False]), other.numpy()))
    np.testing.assert_array_equal(function(other, y), function(other.numpy(), np.array([True, False])))
    np.testing.assert_array_equal(~y, [False, True])


def test_matrix_products_take_its_value(y):
    np.testing.assert_array_equal(y @ LOC.T, tf.constant(LOC) @ LOC.T)
    np.testing.assert_array_equal(tf.constant(LOC.T) @ y, tf.constant(LOC.T) @ LOC)


@pytest.mark.parametrize("index", [0, slice(1, 3), (..., 1), (slice(None), tf.newaxis, 0), -1])
def test_indices_take_its_value(index, y):
    np.testing.assert_array_equal(y[index], LOC[index])


@pytest.mark.parametrize(
    "op",
    [
        lambda y: tf.cast(y, tf.float64),
        lambda y: keras.ops.convert_to_tensor(y, dtype="float64"),
        lambda y: tf.expand_dims(y, -1),
        lambda y: keras.ops.squeeze(keras.ops.expand_dims(y, 0), 0),
    ],
)
def test_what_keras_does_to_predictions_changes_the_value_and_keeps_the_distribution(op, y):
    changed, expected = op(y), op(tf.constant(LOC))
    assert isinstance(changed, DistributionTensor)
    assert changed.tensor_distribution is y.tensor_distribution
    assert (changed.shape, changed.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_array_equal(changed, expected)
    np.testing.assert_array_equal(changed.log_prob(LOC), normal().log_prob(LOC))


def test_floating_point_values_are_scored_in_the_dtype_of_the_distribution(y):
    for dtype in (tf.bfloat16, tf.float64):
        x = tf.cast([[0.5, 2.0]], dtype)
        np.testing.assert_array_equal(y.log_prob(x), normal().log_prob([[0.5, 2.0]]))
        np.testing.assert_array_equal(y.prob(value=x), normal().prob([[0.5, 2.0]]))


# One value.


def test_the_value_is_not_computed_before_its_first_use():
    convert = Counted()
    y = DistributionTensor(normal(), convert)
    y.log_prob(LOC)
    y.mean()
    y.sample(3)
    assert (y.batch_shape, y.event_shape, y.dtype) == ([3, 2], [], tf.float32)
    assert convert.calls == 0


def test_every_use_sees_the_same_value():
    convert = Counted()
    y = DistributionTensor(normal(), convert)
    first = np.asarray(y)
    for value in (tf.identity(y), y + 0.0, keras.ops.convert_to_tensor(y), y.numpy(), tf.function(tf.identity)(y)):
        np.testing.assert_array_equal(value, first)
    assert convert.calls == 1


def test_a_value_first_used_in_a_function_is_that_of_eager_code_after_it():
    convert = Counted()
    y = DistributionTensor(normal(), convert)
    inside = tf.function(lambda: tf.identity(y))()
    np.testing.assert_array_equal(np.asarray(y), inside)
    assert convert.calls == 1


def _inside_cond(y):
    return tf.cond(tf.reduce_sum(y.log_prob(0.0)) < 0.0, lambda: tf.identity(y), lambda: 0.0 * y.loc)


def _inside_while(y):
    return tf.while_loop(lambda i, _: i < 3, lambda i, t: (i + 1, t + y), (0, tf.zeros_like(y.loc)))[1] / 3.0


def _inside_map(y):
    return tf.map_fn(lambda i: y[i], tf.range(3), fn_output_signature=tf.float32)


def _inside_function(y):
    return tf.function(lambda: tf.identity(y))()


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("use", [_inside_cond, _inside_while, _inside_map, _inside_function])
def test_a_value_first_used_in_control_flow_is_the_same_outside(use, jit_compile):
    @tf.function(jit_compile=jit_compile, autograph=False)
    def graph(loc):
        y = DistributionTensor(tfd.Normal(loc, 2.0), lambda d: d.sample(seed=tf.constant([1, 2])))
        inside = use(y)
        return inside, y + 0.0

    inside, outside = graph(tf.constant(LOC))
    assert np.all(np.asarray(outside) != LOC)
    eps = np.finfo("float32").eps  # a third of three times the value
    np.testing.assert_allclose(inside, outside, rtol=4 * eps)


@pytest.mark.parametrize("run_eagerly", [False, True])
def test_gradients_flow_through_the_value(run_eagerly):
    """d(loc + scale * noise) = d(loc) + noise * d(scale)."""

    def gradients(loc, scale):
        with tf.GradientTape() as tape:
            tape.watch([loc, scale])
            y = DistributionTensor(tfd.Normal(loc, scale), lambda d: d.loc + 3.0 * d.scale)
            z = tf.reduce_sum(y * y)
        return tape.gradient(z, [loc, scale])

    loc, scale = tf.constant(LOC), tf.constant(2.0)
    by_loc, by_scale = (gradients if run_eagerly else tf.function(gradients))(loc, scale)
    np.testing.assert_allclose(by_loc, 2 * (LOC + 6), rtol=1e-6)
    np.testing.assert_allclose(by_scale, np.sum(6 * (LOC + 6)), rtol=1e-6)


def test_returned_from_a_function_it_is_its_value():
    graph = tf.function(lambda loc: DistributionTensor(tfd.Normal(loc, 1.0), lambda d: d.mean()))
    np.testing.assert_array_equal(graph(tf.constant(LOC)), LOC)


# A distribution.


@pytest.mark.parametrize(
    ("name", "args"),
    [
        *((name, ()) for name in ["mean", "mode", "variance", "stddev", "entropy"]),
        *((name, (0.3,)) for name in ["log_prob", "unnormalized_log_prob", "prob", "cdf", "log_cdf", "quantile"]),
        *((name, (0.3,)) for name in ["survival_function", "log_survival_function"]),
    ],
)
def test_statistics_are_those_of_the_distribution(name, args, y):
    np.testing.assert_array_equal(getattr(y, name)(*args), getattr(normal(), name)(*args))


def test_covariance_is_that_of_the_distribution():
    d = tfd.MultivariateNormalTriL(tf.zeros(2), [[1.0, 0.0], [2.0, 3.0]])
    y = DistributionTensor(d, lambda d: d.mean())
    np.testing.assert_array_equal(y.covariance(), d.covariance())


def test_samples_are_those_of_the_distribution(y):
    np.testing.assert_array_equal(y.sample(4, seed=[1, 2]), normal().sample(4, seed=[1, 2]))
    for ours, theirs in zip(
        y.experimental_sample_and_log_prob(4, seed=[1, 2]),
        normal().experimental_sample_and_log_prob(4, seed=[1, 2]),
        strict=True,
    ):
        np.testing.assert_array_equal(ours, theirs)


def test_shapes_dtype_and_parameters_are_those_of_the_distribution():
    d = tfd.Independent(tfd.Normal(tf.constant(LOC), 2.0), 1)
    y = DistributionTensor(d, lambda d: d.mean())
    assert (y.batch_shape, y.event_shape, y.dtype, y.name) == (d.batch_shape, d.event_shape, d.dtype, d.name)
    np.testing.assert_array_equal(y.batch_shape_tensor(), [3])
    np.testing.assert_array_equal(y.event_shape_tensor(), [2])
    assert y.reparameterization_type == d.reparameterization_type
    assert y.distribution is d.distribution
    assert y.experimental_default_event_space_bijector()(1.0) == 1.0
    with pytest.raises(AttributeError, match="no_such_parameter"):
        _ = y.no_such_parameter


def test_shapes_of_a_batch_of_unknown_size_are_those_of_the_distribution():
    @tf.function(input_signature=[tf.TensorSpec([None, 2])])
    def shapes(loc):
        d = tfd.Independent(tfd.Normal(loc, 2.0), 1)
        y = DistributionTensor(d, lambda d: d.mean())
        assert y.batch_shape.as_list() == [None]
        return y.batch_shape_tensor(), tf.shape(y.log_prob(loc))

    for shape in shapes(tf.constant(LOC)):
        np.testing.assert_array_equal(shape, [3])


def test_a_statistic_the_family_lacks_raises_as_in_tfp():
    y = DistributionTensor(tfd.Independent(tfd.Cauchy([0.0, 0.0], 1.0), 1), lambda d: d.mode())
    with pytest.raises(NotImplementedError, match="quantile is not implemented: Independent"):
        y.quantile(0.3)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda d: tfd.Independent(d, 1),
        lambda d: tfd.BatchReshape(d, [2, 3]),
        lambda d: tfd.TransformedDistribution(d, tfb.Exp()),
        lambda d: d.copy(),
    ],
    ids=["Independent", "BatchReshape", "TransformedDistribution", "copy"],
)
def test_distributions_made_of_it_are_those_made_of_the_distribution(wrap, y):
    x = tf.ones([2, 3]) if wrap(normal()).batch_shape == [2, 3] else tf.ones([3, 2])
    np.testing.assert_array_equal(wrap(y).log_prob(x), wrap(normal()).log_prob(x))


def test_kl_and_cross_entropy_are_those_of_the_distributions(y):
    """On either side, and between two."""
    p, q = normal(), tfd.Normal(0.5, 3.0)
    z = DistributionTensor(q, lambda d: d.mean())
    kl = p.kl_divergence(q)
    for divergence in (y.kl_divergence(z), y.kl_divergence(q), p.kl_divergence(z), tfd.kl_divergence(y, z)):
        np.testing.assert_array_equal(divergence, kl)
    for cross_entropy in (y.cross_entropy(z), y.cross_entropy(q), p.cross_entropy(z)):
        np.testing.assert_array_equal(cross_entropy, p.cross_entropy(q))


def test_kl_that_tfp_does_not_know_is_refused_as_in_tfp(y):
    with pytest.raises(NotImplementedError, match="No KL"):
        tfd.kl_divergence(y, tfd.Cauchy(0.0, 1.0))


def test_kl_of_two_layers_is_that_of_their_distributions():
    layer, params = layers.MultivariateNormalDiag(2), np.arange(12, dtype="float32").reshape(3, 4) / 6
    p, q = layer(params), layer(-params)
    kl = tfd.kl_divergence(layer.new(params, 2), layer.new(-params, 2))
    assert kl.shape == [3]
    np.testing.assert_array_equal(tfd.kl_divergence(p, q), kl)


def test_as_distribution_returns_the_plain_distribution(y):
    assert as_distribution(y) is y.tensor_distribution
    assert type(as_distribution(y)) is tfd.Normal
    plain = normal()
    assert as_distribution(plain) is plain


def test_as_distribution_refuses_a_tensor():
    with pytest.raises(
        TypeError, match=r"Expected a TFP distribution: end the model in a layer .* Received: \w*Tensor"
    ):
        as_distribution(tf.zeros([3]))


def test_it_prints_as_its_distribution(y):
    assert "Normal" in repr(y)
    assert "Normal" in str(y)
    assert "batch_shape=[3, 2]" in repr(y)


OPERATORS = ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "lt", "le", "gt", "ge"]


@pytest.mark.parametrize("name", OPERATORS)
def test_numpy_on_the_left_gives_a_tensor_with_its_gradient(name):
    x = tf.constant([[1.5, 2.5], [3.5, 4.5]])
    array, function = np.full((2, 2), 2.0, "float32"), getattr(operator, name)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = function(array, DistributionTensor(tfd.Normal(x, 1.0), lambda d: d.mean()))
        plain = function(tf.constant(array), x)
    assert tf.is_tensor(y)
    np.testing.assert_allclose(y, function(array, x.numpy()), rtol=1e-6)
    if name not in ("floordiv", "lt", "le", "gt", "ge"):
        np.testing.assert_allclose(tape.gradient(y, x), tape.gradient(plain, x), rtol=1e-6)


@pytest.mark.parametrize(
    ("distribution", "shape"),
    [
        (tfd.Normal(tf.zeros(5), 1.0), [5, 1]),
        (tfd.Normal(tf.zeros([5, 1]), 1.0), [5]),
        (tfd.Independent(tfd.Normal(tf.zeros([5, 3]), 1.0), 1), [5, 3, 1]),
        (tfd.Independent(tfd.Normal(tf.zeros([5, 1]), 1.0), 1), [5]),
    ],
)
def test_values_with_a_last_axis_of_size_1_more_or_less_are_refused(distribution, shape):
    y = DistributionTensor(distribution, lambda d: d.mean())
    with pytest.raises(ValueError, match=r"a last axis of size 1 more or less.* Received: values of shape"):
        y.log_prob(tf.zeros(shape))


@pytest.mark.parametrize("shape", [[], [5], [1], [7, 5], [7, 1]])
def test_values_that_broadcast_as_in_tfp_are_scored(shape):
    """[7, 1] is a grid of seven values."""
    distribution = tfd.Normal(tf.range(5.0), 1.0)
    y = DistributionTensor(distribution, lambda d: d.mean())
    np.testing.assert_array_equal(y.log_prob(tf.ones(shape)), distribution.log_prob(tf.ones(shape)))
