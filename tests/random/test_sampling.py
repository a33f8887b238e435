"""Samples are textbook transformations of row-wise noise, the same on any execution path."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae import layers, random
from keras_vae.distributions import ContinuousBernoulli
from tests.random.helpers import assert_same

DTYPES = ["float32", "float64"]


# Parameters are functions of the row, so that a part of the batch can be made alone.
def _loc(rows, size=3):
    return tf.constant(np.linspace(-2, 2, 6 * size).reshape(6, size)[rows], tf.float32)


def _scale_tril(rows):
    factors = np.tril(np.linspace(-1, 1, 6 * 9).reshape(6, 3, 3)) + 2 * np.eye(3)
    return tf.constant(factors[rows], tf.float32)


def _mixture():
    components = tfd.MultivariateNormalDiag(_loc(slice(0, 2)), tf.ones([2, 3]))
    return tfd.MixtureSameFamily(tfd.Categorical(probs=[0.3, 0.7]), components)


FAMILIES = {
    "Normal": lambda rows: tfd.Normal(_loc(rows), tf.exp(_loc(rows))),
    "Independent Normal": lambda rows: tfd.Independent(tfd.Normal(_loc(rows), tf.exp(_loc(rows))), 1),
    "MultivariateNormalDiag": lambda rows: tfd.MultivariateNormalDiag(_loc(rows), tf.exp(_loc(rows))),
    "MultivariateNormalTriL": lambda rows: tfd.MultivariateNormalTriL(_loc(rows), _scale_tril(rows)),
    "Logistic": lambda rows: tfd.Logistic(_loc(rows), tf.exp(_loc(rows))),
    "Laplace": lambda rows: tfd.Laplace(_loc(rows), tf.exp(_loc(rows))),
    "StudentT": lambda rows: tfd.StudentT(3 + _loc(rows), _loc(rows), tf.exp(_loc(rows))),
    "ContinuousBernoulli": lambda rows: ContinuousBernoulli(10 * _loc(rows)),
    "Beta": lambda rows: tfd.Beta(tf.exp(_loc(rows)), 3 - _loc(rows)),
    "Poisson": lambda rows: tfd.Poisson(log_rate=_loc(rows) + 5),
    "NegativeBinomial": lambda rows: tfd.NegativeBinomial(3 + _loc(rows), logits=_loc(rows) + 5),
    "Bernoulli": lambda rows: tfd.Independent(tfd.Bernoulli(_loc(rows), dtype=tf.float32), 1),
    "Categorical": lambda rows: tfd.Independent(tfd.Categorical(tf.reshape(_loc(rows, 12), [-1, 4, 3])), 1),
    "BatchBroadcast": lambda rows: tfd.BatchBroadcast(_mixture(), _loc(rows).shape[:1]),
}


@pytest.mark.parametrize("num_samples", [1, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_samples_of_a_row_do_not_depend_on_the_batch_it_is_in(family, num_samples):
    make = FAMILIES[family]
    whole = random.sample(make(slice(0, 6)), num_samples, 7)
    assert whole.shape == [num_samples, *make(slice(0, 6)).batch_shape, *make(slice(0, 6)).event_shape]
    for rows in (slice(0, 2), slice(2, 5), slice(5, 6)):
        part = random.sample(make(rows), num_samples, 7, first_row=rows.start)
        assert_same(part, whole[:, rows], scale=np.max(np.abs(whole)))


@pytest.mark.parametrize("family", FAMILIES)
def test_samples_of_different_rows_and_of_one_row_differ(family):
    """Equal by chance: 18 levels of three with probability 3**-12 or less a pair."""
    d = FAMILIES[family]([0] * 6)
    x = np.asarray(random.sample(d, 6, 7)).reshape(6, 6, -1)
    assert len(np.unique(x.transpose(1, 0, 2).reshape(6, -1), axis=0)) == 6
    assert len(np.unique(x.reshape(6, -1), axis=0)) == 6


@pytest.fixture(scope="module", params=[False, True], ids=["graph", "xla"])
def samples(request):
    """Return what one graph of all families draws, by the first row."""
    made = {name: make(slice(2, 5)) for name, make in FAMILIES.items()}
    graph = tf.function(
        lambda seed, row: {name: random.sample(d, 2, seed, row) for name, d in made.items()},
        jit_compile=request.param,
        autograph=False,
    )
    return {first_row: graph(random.as_seed(7), tf.constant(first_row)) for first_row in (0, 9)}


@pytest.mark.parametrize("family", FAMILIES)
def test_samples_in_a_graph_are_those_of_eager_execution(samples, family):
    for first_row, drawn in samples.items():
        eager = random.sample(FAMILIES[family](slice(2, 5)), 2, 7, first_row)
        assert_same(drawn[family], eager, scale=np.max(np.abs(eager)))


@pytest.mark.parametrize("family", ["Independent Normal", "MultivariateNormalDiag", "Bernoulli", "BatchBroadcast"])
def test_samples_of_a_batch_of_unknown_size_are_those_of_the_static_batch(family):
    kinds = {
        "Independent Normal": lambda t: tfd.Independent(tfd.Normal(t, tf.exp(t)), 1),
        "MultivariateNormalDiag": lambda t: tfd.MultivariateNormalDiag(t, tf.exp(t)),
        "Bernoulli": lambda t: tfd.Independent(tfd.Bernoulli(t), 1),
        "BatchBroadcast": lambda t: tfd.BatchBroadcast(_mixture(), tf.shape(t)[:1]),
    }
    make = kinds[family]
    graph = tf.function(lambda t: random.sample(make(t), 2, 7, 4), input_signature=[tf.TensorSpec([None, 3])])
    for rows in (1, 6):
        loc = _loc(slice(0, rows))
        eager = random.sample(make(loc), 2, 7, 4)
        assert_same(graph(loc), eager, scale=np.max(np.abs(eager)))


PRIORS = {
    "Independent Normal": lambda: tfd.Independent(tfd.Normal(tf.zeros(3), tf.ones(3)), 1),
    "MultivariateNormalDiag": lambda: tfd.MultivariateNormalDiag(tf.zeros(3), tf.ones(3)),
    "MultivariateNormalDiag without loc": lambda: tfd.MultivariateNormalDiag(scale_diag=tf.ones(3)),
    "MultivariateNormalTriL": lambda: tfd.MultivariateNormalTriL(tf.zeros(3), tf.eye(3)),
    "Normal": lambda: tfd.Normal(0.0, 1.0),
    "Bernoulli": lambda: tfd.Bernoulli(0.3),
    "Categorical": lambda: tfd.Categorical(tf.zeros(7)),
    "BatchBroadcast": lambda: tfd.Independent(tfd.BatchBroadcast(tfd.Normal(0.0, 1.0), [3]), 1),
}


@pytest.mark.parametrize("name", PRIORS)
def test_the_first_draws_of_a_distribution_without_batch_are_those_of_fewer_draws(name):
    p_z = PRIORS[name]()
    draws = random.sample(p_z, 64, 7)
    assert draws.shape == [64, *p_z.event_shape]
    assert_same(random.sample(p_z, 10, 7), draws[:10])
    assert_same(random.sample(p_z, 10, 7, first_row=54), draws[54:])


def test_a_row_of_a_broadcast_distribution_is_a_run_of_its_draws():
    """Also of a row of several draws, and of row numbers near the end of int32."""
    d = tfd.Normal(0.0, 1.0)
    draws = random.sample(tfd.BatchBroadcast(d, to_shape=[4, 3]), 2, 7)
    assert_same(draws, np.swapaxes(np.reshape(random.sample(d, 24, 7), [4, 2, 3]), 0, 1))
    last = random.sample(tfd.BatchBroadcast(d, [1, 3]), 2, 7, first_row=np.int32(2**31 - 1))
    assert_same(last, np.reshape(random.sample(d, 6, 7, first_row=6 * (2**31 - 1)), [2, 1, 3]))


def test_a_batch_is_broadcast_by_tfp():
    d = tfd.BatchBroadcast(tfd.Normal(_loc(0), 1e-6), [6, 3])
    np.testing.assert_allclose(random.sample(d, 2, 7), np.broadcast_to(_loc(0), [2, 6, 3]), atol=1e-5)


def test_the_number_of_draws_of_a_distribution_without_batch_may_be_a_tensor():
    p_z = PRIORS["MultivariateNormalDiag"]()
    graph = tf.function(lambda n: random.sample(p_z, n, 7), input_signature=[tf.TensorSpec([], tf.int32)])
    assert_same(graph(tf.constant(5)), random.sample(p_z, 5, 7))


def test_normal_samples_have_the_mean_and_covariance_of_their_distribution():
    """Within 4 standard errors: a correct sampler fails one seed in 1,700 (9 numbers, 6e-5 each)."""
    d, n = tfd.MultivariateNormalTriL([1.0, -2.0, 0.5], _scale_tril(3)), 20_000
    x = np.asarray(random.sample(d, n, 0), "float64")
    covariance = np.asarray(d.covariance(), "float64")
    variances = np.diag(covariance)
    assert np.all(np.abs(x.mean(0) - d.mean()) < 4 * np.sqrt(variances / n))
    standard_errors = np.sqrt((np.outer(variances, variances) + covariance**2) / n)
    assert np.all(np.abs(np.cov(x.T) - covariance) < 4 * standard_errors)


@pytest.mark.parametrize("probs", [0.0, 0.01, 0.3, 0.5, 0.99, 1.0])
def test_bernoulli_frequency_is_within_four_standard_errors(probs):
    """A correct sampler fails 6 seeds in 100,000."""
    n = 20_000
    x = np.asarray(random.sample(tfd.Bernoulli(probs=probs), n, 0))
    assert set(np.unique(x)) <= {0, 1}
    assert abs(x.mean() - probs) <= 4 * np.sqrt(probs * (1 - probs) / n)


@pytest.mark.parametrize("probs", [[0.1, 0.2, 0.3, 0.4], [0.0, 0.5, 0.0, 0.5], [1.0, 0.0], [1 / 17] * 17])
def test_categorical_frequencies_are_within_four_standard_errors(probs):
    """A correct sampler fails one seed in 1,000 or less (17 levels, 6e-5 each); levels of no probability never come."""
    n = 20_000
    x = np.asarray(random.sample(tfd.Categorical(probs=probs), n, 0))
    frequencies = np.bincount(x, minlength=len(probs)) / n
    probs = np.array(probs)
    assert np.all(np.abs(frequencies - probs) <= 4 * np.sqrt(probs * (1 - probs) / n))


@pytest.mark.parametrize("u", [0.0, 1 - 2.0**-24])
def test_what_has_no_probability_is_not_drawn_by_the_extremes_of_the_uniform_noise(u, monkeypatch):
    monkeypatch.setattr(random.sampling, "uniform", lambda shape, *_: tf.fill(shape, tf.constant(u)))
    np.testing.assert_array_equal(random.sample(tfd.Bernoulli(probs=[[0.0, 1.0]]), 1, 0)[0], [[0, 1]])
    probs = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    np.testing.assert_array_equal(random.sample(tfd.Categorical(probs=probs), 1, 0)[0], [0, 1, 2])


@pytest.mark.parametrize("dtype", ["float32", "int32", "uint8"])
@pytest.mark.parametrize("family", [tfd.Bernoulli, tfd.Categorical])
def test_samples_have_the_dtype_of_their_distribution(family, dtype):
    assert random.sample(family(logits=[[0.0, 1.0]], dtype=tf.as_dtype(dtype)), 2, 0).dtype == dtype


AT_THE_EDGE = {
    "Logistic": lambda t: tfd.Logistic(t, t),
    "Laplace": lambda t: tfd.Laplace(t, t),
    "StudentT": lambda t: tfd.StudentT(2 + t, t, t),
    "ContinuousBernoulli": lambda t: ContinuousBernoulli([[-1.0, 1.0, -10.0, 10.0]] * t, dtype=t.dtype),
    "Beta": lambda t: tfd.Beta(t, [[1.0, 1e-6, 1e6, 3.0]] * t),
}


@pytest.mark.parametrize("size", [1e-6, 1e-2, 1.0, 1e3])
@pytest.mark.parametrize("family", AT_THE_EDGE)
@pytest.mark.parametrize("dtype", DTYPES)
def test_draws_are_finite_and_within_the_support_at_the_extremes_of_uniform_noise(dtype, family, size, monkeypatch):
    last = 1 - np.finfo(dtype).epsneg
    # each of the four entries has both ends in its two draws; of pairs of uniforms all four are there
    edges = np.array([[0, 0], [0, 0], [last, last], [last, last], [0, last], [0, last], [last, 0], [last, 0]])
    monkeypatch.setattr(random.sampling, "uniform", lambda shape, *_: tf.constant(np.resize(edges, shape), dtype))
    x = np.asarray(random.sample(AT_THE_EDGE[family](tf.fill([1, 4], tf.constant(size, dtype))), 2, 0))
    assert np.all(np.isfinite(x))
    assert family != "ContinuousBernoulli" or np.all((x >= 0) & (x <= 1))
    assert family != "Beta" or np.all((x > 0) & (x < 1))


def test_logistic_draws_are_the_inverse_cdf_of_the_uniform_noise():
    d = FAMILIES["Logistic"](slice(0, 6))
    u = np.asarray(random.uniform([6, 1, 3], 7)[:, 0], "float64")
    expected = np.asarray(d.loc) + np.asarray(d.scale) * np.log(u / (1 - u))
    assert_same(random.sample(d, 1, 7)[0], expected.astype("float32"), scale=np.max(np.abs(expected)))


def test_student_t_draws_are_bailey_s_transformation_of_the_uniform_noise():
    d = FAMILIES["StudentT"](slice(0, 6))
    u, v = np.moveaxis(np.asarray(random.uniform([6, 1, 3, 2], 7)[:, 0], "float64"), -1, 0)
    df = np.asarray(d.df, "float64")
    expected = np.asarray(d.loc) + np.asarray(d.scale) * np.sqrt(df * (u ** (-2 / df) - 1)) * np.cos(2 * np.pi * v)
    assert_same(random.sample(d, 1, 7)[0], expected.astype("float32"), scale=np.max(np.abs(expected)))


REPARAMETERISED = {
    "Logistic": lambda a: tfd.Logistic(a, tf.exp(a)),
    "Laplace": lambda a: tfd.Laplace(a, tf.exp(a)),
    "StudentT": lambda a: tfd.StudentT(3 + a, a, tf.exp(a)),
    "ContinuousBernoulli": lambda a: ContinuousBernoulli(5 * a, dtype=tf.float64),
    "Beta": lambda a: tfd.Beta(tf.exp(a), 2 - a),
}


@pytest.mark.parametrize("family", REPARAMETERISED)
def test_gradients_of_samples_are_their_central_differences(family):
    """Also at 0, where the continuous Bernoulli's quantile is a series; to TFP's 1e-9 over the step for beta draws."""
    make, step = REPARAMETERISED[family], 1e-4
    a = tf.constant([[-1.0, -1e-3, 0.0, 1e-4, 1.0]], tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(a)
        x = random.sample(make(a), 1, 7)[0]
    difference = (random.sample(make(a + step), 1, 7) - random.sample(make(a - step), 1, 7))[0] / (2 * step)
    wider = (random.sample(make(a + 2 * step), 1, 7) - random.sample(make(a - 2 * step), 1, 7))[0] / (4 * step)
    rounding = (1e-9 if family == "Beta" else 16 * 2**-52) * np.max(np.abs(x)) / step
    error = np.abs(tape.gradient(x, a) - difference)
    assert np.all(error <= np.abs(wider - difference) + rounding)


def test_normal_samples_are_reparameterised():
    loc, scale = tf.Variable(_loc(slice(0, 6))), tf.Variable(tf.exp(_loc(slice(0, 6))))
    with tf.GradientTape() as tape:
        z = random.sample(tfd.MultivariateNormalDiag(loc, scale), 1, 7)[0]
    by_loc, by_scale = tape.gradient(z, [loc, scale])
    np.testing.assert_array_equal(by_loc, tf.ones_like(loc))
    np.testing.assert_array_equal(by_scale, random.normal([6, 1, 3], 7)[:, 0])


def test_a_distribution_layers_output_is_sampled_as_its_distribution():
    y = layers.MultivariateNormalDiag(2)(tf.zeros([3, 4]))
    np.testing.assert_array_equal(random.sample(y, 2, 7), random.sample(y.tensor_distribution, 2, 7))


def test_a_family_without_a_textbook_transformation_is_reproducible():
    d = tfd.Gamma([1.0, 2.0, 3.0], 1.0)
    draws = random.sample(d, 4, 7)
    assert draws.shape == [4, 3]
    np.testing.assert_array_equal(random.sample(d, 4, 7), draws)
    assert np.all(random.sample(d, 4, 8) != draws)
    assert np.all(random.sample(d, 4, 7, first_row=3) != draws)


@pytest.mark.parametrize("family", [tfd.Normal, tfd.StudentT])
def test_one_sample_of_one_row_around_a_matrix_product_keeps_its_axes_in_a_graph(family):
    """TensorFlow's graph optimizer would take the noise for a bias, and lose an axis."""
    df = {"df": 3.0} if family is tfd.StudentT else {}

    @tf.function(autograph=False)
    def draw(x, weight):
        return random.sample(family(loc=tf.matmul(x, weight), scale=1.0, **df), 1, 0)

    assert draw(tf.ones([1, 4]), tf.ones([4, 3])).shape == [1, 1, 3]
