"""What all families of independent entries share: densities of SciPy, TFP's layout, gradients, samples, saving."""

import itertools

import keras
import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from keras_vae import layers, random
from keras_vae.distributions.support import check_support
from keras_vae.layers.families.independent import IndependentFamily
from keras_vae.saving import parameters

EPS = {"float32": np.finfo("float32").eps, "float64": np.finfo("float64").eps}
RNG = np.random.default_rng(0)
EVENT = (2, 3)


def positive(raw, eps=0.0):
    return np.logaddexp(0, raw) + eps


class ContinuousBernoulli:
    """SciPy's truncated exponential distribution, mirrored where the logits are positive; moments by quadrature."""

    def __init__(self, logits):
        self.mirrored, size = logits > 0, np.abs(logits)
        self.base = scipy.stats.truncexpon(size, scale=1 / size)
        nodes, weights = np.polynomial.legendre.leggauss(40)
        self.nodes, self.weights = (nodes.reshape(-1, *[1] * np.ndim(logits)) + 1) / 2, weights / 2

    def _mirror(self, x):
        return np.where(self.mirrored, 1 - x, x)

    def logpdf(self, x):
        return self.base.logpdf(self._mirror(x))

    def cdf(self, x):
        return self._mirror(self.base.cdf(self._mirror(x)))

    def _expectation(self, values):
        return np.tensordot(self.weights, values * np.exp(self.logpdf(self.nodes)), 1)

    def mean(self):
        return self._expectation(self.nodes)

    def var(self):
        return self._expectation((self.nodes - self.mean()) ** 2)


# name: (number of blocks, SciPy's distribution of the blocks, values, constructor parameters)
REAL, UNIT, COUNTS = RNG.normal(size=EVENT), RNG.uniform(0.05, 0.95, EVENT), RNG.integers(0, 9, EVENT).astype("float64")
FAMILIES = {
    "Normal": (2, lambda a, b: scipy.stats.norm(a, positive(b)), REAL, {"loc", "scale"}),
    "Logistic": (2, lambda a, b: scipy.stats.logistic(a, positive(b)), REAL, {"loc", "scale"}),
    "Laplace": (2, lambda a, b: scipy.stats.laplace(a, positive(b)), REAL, {"loc", "scale"}),
    "StudentT": (
        3,
        lambda a, b, c: scipy.stats.t(2 * (1 + positive(a)), b, positive(c)),
        REAL,
        {"df", "loc", "scale"},
    ),
    "ContinuousBernoulli": (1, ContinuousBernoulli, UNIT, {"logits"}),
    "Beta": (
        2,
        lambda a, b: scipy.stats.beta(positive(a), positive(b)),
        UNIT,
        {"concentration1", "concentration0"},
    ),
    "Poisson": (1, lambda a: scipy.stats.poisson(np.exp(a)), COUNTS, {"log_rate"}),
    "NegativeBinomial": (
        2,
        lambda a, b: scipy.stats.nbinom(positive(a), scipy.special.expit(-b)),
        COUNTS,
        {"total_count", "logits"},
    ),
}
DISCRETE = ("Poisson", "NegativeBinomial")


def layer_of(name):
    return getattr(layers, f"Independent{name}")


def blocks_of(name, params):
    """Return the blocks of `params` [..., blocks * 6], each [..., 2, 3]."""
    return [part.reshape(*part.shape[:-1], *EVENT) for part in np.split(params, FAMILIES[name][0], -1)]


def params_of(name, dtype="float64"):
    size = layer_of(name).params_size(EVENT)
    return np.random.default_rng(1).uniform(-1.5, 1.5, (5, size)).astype(dtype)


def log_prob_of_scipy(name, x, *blocks):
    d = FAMILIES[name][1](*blocks)
    return (d.logpmf if name in DISCRETE else d.logpdf)(x)


def rounding(name, eps, x, *blocks):
    """Return what 16 eps of relative rounding in x, each block and the result can change, summed over the event."""
    base = log_prob_of_scipy(name, x, *blocks)
    change = np.abs(base) + 1
    movable = blocks if name in DISCRETE else (x, *blocks)
    for i in range(len(movable)):
        moved = [a * (1 + 1e-6 * (i == j)) for j, a in enumerate(movable)]
        change += np.abs(log_prob_of_scipy(name, *([x] if name in DISCRETE else []), *moved) - base) / 1e-6
    return 16 * eps * change.sum((-2, -1))


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_log_prob_is_the_sum_over_the_event_of_that_of_scipy(dtype, name):
    params, x = params_of(name, dtype), FAMILIES[name][2].astype(dtype)
    y = layer_of(name)(EVENT, dtype=dtype)(params)
    assert (y.batch_shape, y.event_shape, y.dtype) == ([5], EVENT, dtype)
    blocks = blocks_of(name, params.astype("float64"))
    expected = log_prob_of_scipy(name, x.astype("float64"), *blocks)
    assert np.all(
        np.abs(y.log_prob(x) - expected.sum((1, 2))) <= rounding(name, EPS[dtype], x.astype("float64"), *blocks)
    )


def by_hand(name, params, eps=0.0):
    """Return the distribution as TFP's layer makes it, with `eps` added to what goes through softplus."""
    a, *rest = [tf.reshape(part, [-1, *EVENT]) for part in tf.split(params, FAMILIES[name][0], -1)]
    family = {
        "Normal": lambda: tfd.Normal(a, tf.math.softplus(rest[0]) + eps),
        "Logistic": lambda: tfd.Logistic(a, tf.math.softplus(rest[0]) + eps),
        "Laplace": lambda: tfd.Laplace(a, tf.math.softplus(rest[0]) + eps),
        "Poisson": lambda: tfd.Poisson(log_rate=a),
    }
    return tfd.Independent(family[name](), 2)


@pytest.mark.parametrize("name", ["Normal", "Logistic", "Laplace", "Poisson"])
@pytest.mark.parametrize("eps", [EPS["float32"], 0.0], ids=["ours", "TFP's"])
def test_parameters_lie_as_in_tfps_layers(eps, name):
    """Bit for bit with the machine epsilon, and within its effect without."""
    params = params_of(name, "float32")
    y, expected = layer_of(name).new(params, EVENT), by_hand(name, params, eps)
    if not eps and name != "Laplace":  # of which TFP has no layer
        expected = getattr(tfp.layers, f"Independent{name}").new(params, EVENT)
    assert type(y) is tfd.Independent
    tolerance = 0 if eps or name == "Poisson" else 64 * EPS["float32"]  # scale > 0.2, (x - loc) / scale < 16
    x = FAMILIES[name][2].astype("float32")
    np.testing.assert_allclose(y.log_prob(x), expected.log_prob(x), rtol=tolerance, atol=6 * tolerance)
    np.testing.assert_array_equal(y.mean(), expected.mean())


@pytest.mark.parametrize("name", FAMILIES)
def test_the_mean_and_variance_are_those_of_scipy(name):
    params = params_of(name)
    y, d = layer_of(name).new(params, EVENT), FAMILIES[name][1](*blocks_of(name, params))
    np.testing.assert_allclose(y.mean(), d.mean(), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(y.variance(), d.var(), rtol=1e-11)
    np.testing.assert_allclose(y.stddev(), np.sqrt(d.var()), rtol=1e-11)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_gradient_of_the_log_probability_is_its_central_difference(name):
    """Within the change of the difference at the double step, plus rounding over the step."""
    params, x, step = params_of(name)[:1], FAMILIES[name][2], 2 ** (-52 / 3)
    log_prob = lambda p: np.asarray(layer_of(name).new(p, EVENT).log_prob(x))[0]  # noqa: E731
    variable = tf.constant(params)
    with tf.GradientTape() as tape:
        tape.watch(variable)
        value = layer_of(name).new(variable, EVENT).log_prob(x)
    gradient = np.asarray(tape.gradient(value, variable))[0]
    for i, direction in enumerate(np.eye(params.shape[1])):
        near, wide = (
            (log_prob(params + h * direction) - log_prob(params - h * direction)) / (2 * h) for h in (step, 2 * step)
        )
        assert abs(gradient[i] - near) <= abs(wide - near) + 64 * 2**-52 * (1 + abs(value[0])) / step


def extreme_params(name, dtype):
    """Return every combination of raw values; the rate of a Poisson overflows at 100, as its density does."""
    values = [-1e4, -100.0, 0.0, 80.0] if name == "Poisson" else [-1e4, -100.0, 0.0, 100.0, 1e4]
    return np.array(list(itertools.product(values, repeat=FAMILIES[name][0])), dtype)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_log_probabilities_samples_and_gradients_are_finite_at_extreme_parameters(dtype, name):
    params = tf.constant(extreme_params(name, dtype))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(params)
        y = layer_of(name)(1, dtype=dtype)(params)
        log_prob = y.log_prob(FAMILIES[name][2].reshape(6, 1, 1).astype(dtype))
        samples = random.sample(y, 20, 0)
    assert np.all(np.isfinite(log_prob))
    assert np.all(np.isfinite(tape.gradient(log_prob, params)))
    assert np.all(np.isfinite(samples))
    assert name in DISCRETE or np.all(np.isfinite(tape.gradient(samples, params)))
    check_support(y, samples)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("raw", [-1.0, 2.5])
def test_samples_have_the_distribution_of_scipy(raw, name):
    """Mean and variance within 4 standard errors and the Kolmogorov-Smirnov test at 1e-4: one seed in 4,000 fails.

    A count is made uniform as F(k - 1) + v (F(k) - F(k - 1)), with v uniform.
    """
    blocks = [np.array(value) for value in (raw, 0.7, -0.3)[: FAMILIES[name][0]]]
    x = np.asarray(random.sample(layer_of(name).new(np.stack(blocks), ()), 4000, 0), "float64")
    d = FAMILIES[name][1](*blocks)
    assert abs(x.mean() - d.mean()) < 4 * np.sqrt(d.var() / len(x))
    if name != "StudentT" or raw > 0:  # else the fourth moment is infinite
        standard_error = np.sqrt((np.mean((x - d.mean()) ** 4) - d.var() ** 2) / len(x))
        assert abs(np.mean((x - d.mean()) ** 2) - d.var()) < 4 * standard_error
    uniform = d.cdf(x)
    if name in DISCRETE:
        uniform -= np.random.default_rng(0).random(len(x)) * d.pmf(x)
    assert scipy.stats.kstest(uniform, "uniform").pvalue > 1e-4


@pytest.mark.parametrize("name", FAMILIES)
def test_every_method_and_parameter_is_a_concretisation_by_name(name):
    params = params_of(name, "float32")
    for method in ("mean", "mode", "variance", "stddev", *FAMILIES[name][3]):
        layer = layer_of(name)(EVENT, method)
        y = layer(params)
        of_entries = getattr(y.tensor_distribution.distribution, method)
        expected = of_entries() if callable(of_entries) else of_entries
        np.testing.assert_array_equal(np.asarray(y), expected)
        assert layer.get_config()["convert_to_tensor_fn"] == method


@pytest.mark.parametrize("name", FAMILIES)
def test_export_names_the_constructors_parameters(name):
    y = layer_of(name).new(params_of(name, "float32"), EVENT)
    found = parameters(y)
    assert set(found) == FAMILIES[name][3]
    again = tfd.Independent(type(y.distribution)(**found), 2)
    np.testing.assert_array_equal(again.mean(), y.mean())


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize(
    ("event_shape", "expected"),
    [((), ()), (4, (4,)), ([2, 2], (2, 2)), (np.array([2, 2]), (2, 2)), (tf.TensorShape([4]), (4,))],
)
def test_event_shape_may_be_an_int_or_integers(event_shape, expected, name):
    layer = layer_of(name)(event_shape)
    size = layer_of(name).params_size(event_shape)
    assert layer.event_shape == expected
    assert size == FAMILIES[name][0] * int(np.prod(expected))
    y = layer(tf.zeros([3, 2, size]))
    assert (y.batch_shape, y.event_shape) == ([3, 2], expected)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_config_makes_an_equal_layer(name):
    layer = layer_of(name)(EVENT, "stddev", True, seed=3, name="likelihood", dtype="float64")
    again = keras.layers.deserialize(keras.layers.serialize(layer))
    assert type(again) is type(layer)
    assert again.get_config() == layer.get_config()
    assert (again.event_shape, again.validate_args, again.seed) == (EVENT, True, 3)
    np.testing.assert_array_equal(np.asarray(again(params_of(name))), np.asarray(layer(params_of(name))))


@pytest.mark.parametrize("name", FAMILIES)
def test_the_batch_size_may_be_unknown(name):
    size = layer_of(name).params_size(EVENT)
    model = keras.Sequential([keras.Input((size,)), layer_of(name)(EVENT, seed=1)])
    assert model.output_shape == (None, *EVENT)
    assert model.predict(params_of(name, "float32"), verbose=0).shape == (5, *EVENT)


@pytest.mark.parametrize("name", FAMILIES)
def test_params_of_another_size_raise(name):
    size = layer_of(name).params_size(EVENT)
    with pytest.raises(ValueError, match=rf"The layer needs {size} parameters .* Received: params.shape=\(5, 5\)"):
        layer_of(name)(EVENT)(tf.zeros([5, 5]))


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("event_shape", [(-2, 3), (2, 0), (2.5, 2)], ids=str)
def test_an_event_shape_of_other_than_positive_integers_raises(event_shape, name):
    with pytest.raises(
        ValueError,
        match="`event_shape` must be whole numbers, each 1 or more. Received: event_shape=",
    ):
        layer_of(name)(event_shape)


@pytest.mark.parametrize("name", FAMILIES)
def test_validate_args_refuses_parameters_that_are_not_numbers_or_values_below_the_support(name):
    """The latter for families whose parameters TFP does not check."""
    if name in ("ContinuousBernoulli", "Poisson", "NegativeBinomial"):
        layer, x = layer_of(name)(1, validate_args=True), tf.constant([-0.5])
        with pytest.raises(tf.errors.InvalidArgumentError, match="must be non-negative"):
            layer(tf.zeros([1, FAMILIES[name][0]])).log_prob(x)
    else:
        with pytest.raises(tf.errors.InvalidArgumentError, match="must be positive"):
            layer_of(name)(1, validate_args=True)(np.full([1, FAMILIES[name][0]], np.nan, "float32"))


def test_a_family_must_override_entries():
    class Nothing(IndependentFamily):
        pass

    with pytest.raises(NotImplementedError, match="Nothing must override `entries`"):
        Nothing(2)(tf.zeros([1, 2]))


def test_in_a_traced_function_an_event_shape_is_static_or_a_constant():
    @tf.function
    def log_prob(params, x, event_shape):
        return layers.IndependentNormal.new(params, tf.constant([2]) if event_shape is None else event_shape).log_prob(
            x
        )

    expected = -2 * np.log(np.sqrt(2 * np.pi) * np.log(2))
    np.testing.assert_allclose(log_prob(tf.zeros([3, 4]), tf.zeros([3, 2]), None), expected, rtol=1e-6)
    with pytest.raises(ValueError, match="`event_shape` must be known when a graph is traced: give integers"):
        log_prob(tf.zeros([3, 4]), tf.zeros([3, 2]), tf.constant([2]))
