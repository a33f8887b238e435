"""Noise is a pure function of (seed, row): the same for any batch, on any execution path."""

import itertools

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae import layers, random

EPS = {"float32": np.finfo("float32").eps, "float64": np.finfo("float64").eps}
GENERATORS = {"normal": random.normal, "uniform": random.uniform}
DTYPES = ["float32", "float64"]
ROW_SHAPES = [(), (1,), (3,), (7,), (8,), (2, 3), (5, 1, 1)]


def assert_same(x, y, scale=1.0):
    """Assert equality up to rounding: two units in the last place each for logarithm, root, cosine and product."""
    x, y = np.asarray(x), np.asarray(y)
    assert x.dtype == y.dtype
    eps = np.finfo(x.dtype).eps if x.dtype.kind == "f" else 0.0
    np.testing.assert_allclose(x, y, rtol=8 * eps, atol=8 * eps * scale)


def assert_uncorrelated(x, y):
    """Assert |correlation| < 4 standard errors (a correct generator fails 6 seeds in 100,000)."""
    x, y = np.ravel(x), np.ravel(y)
    assert abs(np.corrcoef(x, y)[0, 1]) < 4 / np.sqrt(len(x))


def words(seed):
    """Return the int32[2] seed as one integer of 64 bits."""
    high, low = np.asarray(seed).astype(np.int64) & 0xFFFFFFFF
    return int(high) << 32 | int(low)


# Seeds.


@pytest.mark.parametrize("seed", [0, 7, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**40 + 5, 2**63 - 1, 2**63, 2**64 - 1])
def test_as_seed_keeps_all_64_bits_of_an_int(seed):
    assert words(random.as_seed(seed)) == seed


@pytest.mark.parametrize("seed", [-1, -7, -(2**31), -(2**40), -(2**63)])
def test_as_seed_of_a_negative_int_is_its_twos_complement(seed):
    assert words(random.as_seed(seed)) == seed % 2**64


@pytest.mark.parametrize("kind", [np.int32, np.int64, np.uint8])
def test_as_seed_of_a_numpy_integer_is_that_of_the_int(kind):
    np.testing.assert_array_equal(random.as_seed(kind(7)), random.as_seed(7))


@pytest.mark.parametrize(
    "seed",
    [
        [3, -4],
        (3, -4),
        np.array([3, -4]),
        np.array([3, -4], "int32"),
        tf.constant([3, -4]),
        tf.constant([3, -4], "int64"),
    ],
    ids=["list", "tuple", "int64 array", "int32 array", "int32 tensor", "int64 tensor"],
)
def test_as_seed_keeps_two_integers(seed):
    result = random.as_seed(seed)
    assert result.dtype == tf.int32
    np.testing.assert_array_equal(result, [3, -4])


def test_as_seed_advances_a_seed_generator_by_one():
    generator, twin = keras.random.SeedGenerator(5), keras.random.SeedGenerator(5)
    seeds = [random.as_seed(generator) for _ in range(3)]
    for seed in seeds:
        np.testing.assert_array_equal(seed, twin.next())
    assert len({words(seed) for seed in seeds}) == 3
    assert all(seed.dtype == tf.int32 and seed.shape == [2] for seed in seeds)


@pytest.mark.parametrize(
    "seed",
    [
        None,
        True,
        1.5,
        "1",
        tf.constant(3),
        tf.constant([1, 2, 3]),
        [1],
        [0.5, 1.5],
        np.array([0.5, 1.5]),
        [True, False],
    ],
    ids=str,
)
def test_as_seed_refuses_what_is_no_seed(seed):
    with pytest.raises(TypeError, match=r"`seed` must be an int, an integer tensor of shape .* Received: seed="):
        random.as_seed(seed)


def test_fold_in_of_nothing_is_the_seed():
    np.testing.assert_array_equal(random.fold_in(7), random.as_seed(7))


def test_fold_in_of_two_numbers_is_fold_in_twice():
    np.testing.assert_array_equal(random.fold_in(7, 1, 2), random.fold_in(random.fold_in(7, 1), 2))


def test_fold_in_depends_on_the_order_of_its_numbers():
    assert words(random.fold_in(7, 1, 2)) != words(random.fold_in(7, 2, 1))


def test_fold_in_gives_every_seed_and_number_another_stream():
    """A collision among 400 streams of 64 bits has probability 400**2 / 2**65 = 4e-15."""
    streams = {words(random.fold_in(seed, number)) for seed, number in itertools.product(range(20), range(-10, 10))}
    assert len(streams) == 400


@pytest.mark.parametrize("jit_compile", [False, True])
def test_fold_in_is_the_same_in_graphs(jit_compile):
    graph = tf.function(random.fold_in, jit_compile=jit_compile)
    expected = random.fold_in(7, 3, 5)
    np.testing.assert_array_equal(graph(random.as_seed(7), tf.constant(3), tf.constant(5)), expected)


# Rows.


@pytest.mark.parametrize("row_shape", ROW_SHAPES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_of_uniform_noise_depend_on_their_global_number_only(dtype, row_shape):
    whole = random.uniform([11, *row_shape], 1, dtype=dtype)
    assert whole.shape == (11, *row_shape)
    assert whole.dtype == dtype
    for first_row, rows in [(0, 4), (1, 1), (3, 8), (10, 1)]:
        part = random.uniform([rows, *row_shape], 1, first_row, dtype)
        np.testing.assert_array_equal(part, whole[first_row : first_row + rows])


@pytest.mark.parametrize("row_shape", ROW_SHAPES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_of_normal_noise_depend_on_their_global_number_only(dtype, row_shape):
    whole = random.normal([11, *row_shape], 1, dtype=dtype)
    assert whole.shape == (11, *row_shape)
    assert whole.dtype == dtype
    for first_row, rows in [(0, 4), (1, 1), (3, 8), (10, 1)]:
        assert_same(random.normal([rows, *row_shape], 1, first_row, dtype), whole[first_row : first_row + rows])


@pytest.mark.parametrize("boundary", [2**31, 2**32, 2**40])
def test_rows_go_on_beyond_32_bits(boundary):
    whole = random.uniform([6, 3], 1, boundary - 3)
    np.testing.assert_array_equal(random.uniform([3, 3], 1, boundary), whole[3:])
    assert len(np.unique(whole)) == 18


@pytest.mark.parametrize("row_size", [1, 3, 4, 5])
@pytest.mark.parametrize("dtype", DTYPES)
def test_no_two_rows_share_uniform_noise(dtype, row_size):
    """Two of 64 * 5 numbers of 24 bits are equal by chance with probability 320**2 / 2**25 = 0.3 % a case."""
    noise = random.uniform([64, row_size], 1, dtype=dtype)
    assert len(np.unique(noise)) == 64 * row_size


# The generator.


def philox(counter, key):
    """Return the four words of 32 bits of Philox 4x32-10 (Salmon et al. 2011, Sec. 3.3) in Python integers."""
    c, k, mask = [counter & 0xFFFFFFFF, counter >> 32, 0, 0], [key & 0xFFFFFFFF, key >> 32], 0xFFFFFFFF
    for _ in range(10):
        low, high = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(high >> 32) ^ c[1] ^ k[0], high & mask, (low >> 32) ^ c[3] ^ k[1], low & mask]
        k = [(k[0] + 0x9E3779B9) & mask, (k[1] + 0xBB67AE85) & mask]
    return c


@pytest.mark.parametrize("first_row", [0, 3, 2**33])
@pytest.mark.parametrize("row_size", [1, 4, 5, 9])
def test_uniform_noise_is_philox_of_the_block_whose_number_the_row_decides(row_size, first_row):
    """Every row owns the least whole number of blocks of 128 bits; the leading 24 (53) bits of a word are kept."""
    key = tf.random.stateless_uniform([1], random.as_seed(7), None, None, tf.uint64, alg="philox")
    for dtype, bits in (("float32", 24), ("float64", 53)):
        blocks = -(-row_size * (1 if dtype == "float32" else 2) // 4)
        first_block = first_row * blocks
        low = [word for i in range(first_block, first_block + 2 * blocks) for word in philox(i, int(key[0]))]
        whole = low if dtype == "float32" else [a | b << 32 for a, b in zip(low[::2], low[1::2], strict=True)]
        drop = (32 if dtype == "float32" else 64) - bits
        expected = np.array([(word >> drop) * 2.0**-bits for word in whole], dtype).reshape(2, -1)[:, :row_size]
        np.testing.assert_array_equal(random.uniform([2, row_size], 7, first_row, dtype), expected)


def test_normal_noise_is_box_muller_of_the_uniform_noise():
    """A row of five needs three pairs: radii from the first half of its uniform draws, angles from the second."""
    pairs = np.asarray(random.uniform([11, 2, 3], 7, 2, "float64"))
    radius, angle = np.sqrt(-2 * np.log(1 - pairs[:, 0])), 2 * np.pi * pairs[:, 1]
    expected = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], 1)[:, :5]
    assert_same(random.normal([11, 5], 7, 2, "float64"), expected)


# Paths.


@pytest.mark.parametrize("row_size", [3, 8])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "xla"])
def test_uniform_noise_in_a_graph_is_bitwise_that_of_eager_execution(jit_compile, dtype, row_size):
    graph = tf.function(lambda seed, row: random.uniform([5, row_size], seed, row, dtype), jit_compile=jit_compile)
    seed = random.as_seed(7)
    for first_row in (0, 9):
        noise = graph(seed, tf.constant(first_row))
        np.testing.assert_array_equal(noise, random.uniform([5, row_size], seed, first_row, dtype))


@pytest.mark.parametrize("row_size", [3, 8])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "xla"])
def test_normal_noise_in_a_graph_is_that_of_eager_execution(jit_compile, dtype, row_size):
    graph = tf.function(lambda seed, row: random.normal([5, row_size], seed, row, dtype), jit_compile=jit_compile)
    seed = random.as_seed(7)
    for first_row in (0, 9):
        assert_same(graph(seed, tf.constant(first_row)), random.normal([5, row_size], seed, first_row, dtype))


@pytest.mark.parametrize("name", GENERATORS)
def test_noise_is_the_same_when_the_number_of_rows_is_a_tensor(name):
    generator = GENERATORS[name]
    graph = tf.function(lambda rows: generator([rows, 3], 7, 2), input_signature=[tf.TensorSpec([], tf.int32)])
    for rows in (1, 6):
        assert_same(graph(tf.constant(rows)), generator([rows, 3], 7, 2))


def test_noise_does_not_depend_on_the_global_seed_or_on_earlier_draws():
    keras.utils.set_random_seed(1)
    before = random.normal([4, 3], 7)
    keras.utils.set_random_seed(2)
    random.normal([4, 3], 8)
    np.testing.assert_array_equal(random.normal([4, 3], 7), before)


# Distributions.


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("dtype", DTYPES)
def test_uniform_noise_passes_the_kolmogorov_smirnov_test(dtype, seed):
    """A correct generator fails one seed in 10,000."""
    noise = np.ravel(random.uniform([4000, 5], seed, dtype=dtype))
    assert scipy.stats.kstest(noise, "uniform").pvalue > 1e-4


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("dtype", DTYPES)
def test_normal_noise_passes_the_kolmogorov_smirnov_test(dtype, seed):
    """A correct generator fails one seed in 10,000."""
    noise = np.ravel(random.normal([4000, 5], seed, dtype=dtype))
    assert scipy.stats.kstest(noise, "norm").pvalue > 1e-4


@pytest.mark.parametrize("dtype", DTYPES)
def test_first_four_moments_of_normal_noise_are_within_four_standard_errors(dtype):
    """A correct generator fails one seed in 4,000 (four moments, 6e-5 each)."""
    noise = np.ravel(random.normal([20_000, 5], 0, dtype=dtype)).astype("float64")
    variances_of_powers = {1: 1.0, 2: 2.0, 3: 15.0, 4: 96.0}  # E x^2k - (E x^k)^2
    for power, moment in {1: 0.0, 2: 1.0, 3: 0.0, 4: 3.0}.items():
        standard_error = np.sqrt(variances_of_powers[power] / len(noise))
        assert abs(np.mean(noise**power) - moment) < 4 * standard_error


def test_entries_of_a_row_are_uncorrelated_and_so_are_their_squares():
    """The sine and cosine halves of Box-Muller share their radius: only together are they independent."""
    noise = np.asarray(random.normal([20_000, 4], 0))
    for i, j in itertools.combinations(range(4), 2):
        assert_uncorrelated(noise[:, i], noise[:, j])
        assert_uncorrelated(noise[:, i] ** 2, noise[:, j] ** 2)


@pytest.mark.parametrize("dtype", DTYPES)
def test_uniform_noise_is_a_multiple_of_the_spacing_below_one(dtype):
    spacing = EPS[dtype] / 2
    noise = np.asarray(random.uniform([4000, 5], 0, dtype=dtype))
    assert noise.min() >= 0
    assert noise.max() < 1
    np.testing.assert_array_equal(noise % spacing, 0)
    assert np.any(noise % (2 * spacing))


@pytest.mark.parametrize("name", GENERATORS)
def test_noise_of_other_seeds_streams_and_rows_is_uncorrelated(name):
    generator, shape = GENERATORS[name], [20_000, 3]
    noise = generator(shape, 0)
    assert_uncorrelated(noise, generator(shape, 1))
    assert_uncorrelated(noise, generator(shape, 2**32))
    assert_uncorrelated(noise, generator(shape, random.fold_in(0, 0)))
    assert_uncorrelated(generator(shape, random.fold_in(0, 1)), generator(shape, random.fold_in(0, 2)))
    assert_uncorrelated(noise[1:], noise[:-1])


@pytest.mark.parametrize("name", GENERATORS)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "int32"])
def test_noise_of_other_dtypes_is_refused(name, dtype):
    with pytest.raises(ValueError, match=f"Noise is drawn in float32 or float64. Received: dtype={dtype}"):
        GENERATORS[name]([2, 3], 0, dtype=dtype)


# Samples. Parameters are functions of the row, so that a part of the batch can be made alone.


def _loc(rows, size=3):
    return tf.constant(np.linspace(-2, 2, 6 * size).reshape(6, size)[rows], tf.float32)


def _scale_tril(rows):
    factors = np.tril(np.linspace(-1, 1, 6 * 9).reshape(6, 3, 3)) + 2 * np.eye(3)
    return tf.constant(factors[rows], tf.float32)


FAMILIES = {
    "Normal": lambda rows: tfd.Normal(_loc(rows), tf.exp(_loc(rows))),
    "Independent Normal": lambda rows: tfd.Independent(tfd.Normal(_loc(rows), tf.exp(_loc(rows))), 1),
    "MultivariateNormalDiag": lambda rows: tfd.MultivariateNormalDiag(_loc(rows), tf.exp(_loc(rows))),
    "MultivariateNormalTriL": lambda rows: tfd.MultivariateNormalTriL(_loc(rows), _scale_tril(rows)),
    "Bernoulli": lambda rows: tfd.Independent(tfd.Bernoulli(_loc(rows), dtype=tf.float32), 1),
    "Categorical": lambda rows: tfd.Independent(tfd.Categorical(tf.reshape(_loc(rows, 12), [-1, 4, 3])), 1),
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


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "xla"])
def test_samples_in_a_graph_are_those_of_eager_execution(jit_compile, family):
    d = FAMILIES[family](slice(2, 5))
    graph = tf.function(lambda seed, row: random.sample(d, 2, seed, row), jit_compile=jit_compile)
    for first_row in (0, 9):
        eager = random.sample(d, 2, 7, first_row)
        assert_same(graph(random.as_seed(7), tf.constant(first_row)), eager, scale=np.max(np.abs(eager)))


@pytest.mark.parametrize("family", ["Independent Normal", "MultivariateNormalDiag", "Bernoulli"])
def test_samples_of_a_batch_of_unknown_size_are_those_of_the_static_batch(family):
    kinds = {
        "Independent Normal": lambda t: tfd.Independent(tfd.Normal(t, tf.exp(t)), 1),
        "MultivariateNormalDiag": lambda t: tfd.MultivariateNormalDiag(t, tf.exp(t)),
        "Bernoulli": lambda t: tfd.Independent(tfd.Bernoulli(t), 1),
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
}


@pytest.mark.parametrize("name", PRIORS)
def test_the_first_draws_of_a_distribution_without_batch_are_those_of_fewer_draws(name):
    p_z = PRIORS[name]()
    draws = random.sample(p_z, 64, 7)
    assert draws.shape == [64, *p_z.event_shape]
    assert_same(random.sample(p_z, 10, 7), draws[:10])
    assert_same(random.sample(p_z, 10, 7, first_row=54), draws[54:])


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
