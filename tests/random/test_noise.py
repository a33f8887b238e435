"""Noise is a pure function of (seed, row): the same for any batch, on any execution path."""

import itertools

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from keras_vae import random
from tests.random.helpers import assert_same

EPS = {"float32": np.finfo("float32").eps, "float64": np.finfo("float64").eps}
GENERATORS = {"normal": random.normal, "uniform": random.uniform}
DTYPES = ["float32", "float64"]
ROW_SHAPES = [(), (1,), (3,), (7,), (8,), (2, 3), (5, 1, 1)]


def assert_uncorrelated(x, y):
    """Assert |correlation| < 4 standard errors (a correct generator fails 6 seeds in 100,000)."""
    x, y = np.ravel(x), np.ravel(y)
    assert abs(np.corrcoef(x, y)[0, 1]) < 4 / np.sqrt(len(x))


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
    from_zero = random.uniform([3, 3], 1)  # where numbers of rows that wrapped round would begin again
    assert len(np.unique([*from_zero, *whole])) == 27


@pytest.mark.parametrize("row_size", [1, 3, 4, 5])
@pytest.mark.parametrize("dtype", DTYPES)
def test_no_two_rows_share_uniform_noise(dtype, row_size):
    """Two of 64 * 5 numbers of 24 bits are equal by chance with probability 320**2 / 2**25 = 0.3 % a case."""
    noise = random.uniform([64, row_size], 1, dtype=dtype)
    assert len(np.unique(noise)) == 64 * row_size


# The generator.


def philox(counter, key):
    """Return the four words of 32 bits of Philox 4x32-10 (Salmon et al. 2011, Sec. 3.3) in Python integers."""
    c, k, mask = (
        [counter >> 32 * i & 0xFFFFFFFF for i in range(4)],
        [int(word) & 0xFFFFFFFF for word in key],
        0xFFFFFFFF,
    )
    for _ in range(10):
        low, high = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(high >> 32) ^ c[1] ^ k[0], high & mask, (low >> 32) ^ c[3] ^ k[1], low & mask]
        k = [(k[0] + 0x9E3779B9) & mask, (k[1] + 0xBB67AE85) & mask]
    return c


@pytest.mark.parametrize("first_row", [0, 3, 2**33])
@pytest.mark.parametrize("row_size", [1, 4, 5, 9])
def test_uniform_noise_is_philox_of_the_block_whose_number_the_row_decides(row_size, first_row):
    """Every row owns the least whole number of blocks of 128 bits; the leading 24 (53) bits of a word are kept."""
    for dtype, bits in (("float32", 24), ("float64", 53)):
        blocks = -(-row_size * (1 if dtype == "float32" else 2) // 4)
        first_block = first_row * blocks
        low = [word for i in range(first_block, first_block + 2 * blocks) for word in philox(i, random.as_seed(7))]
        whole = low if dtype == "float32" else [a | b << 32 for a, b in zip(low[::2], low[1::2], strict=True)]
        drop = (32 if dtype == "float32" else 64) - bits
        expected = np.array([(word >> drop) * 2.0**-bits for word in whole], dtype).reshape(2, -1)[:, :row_size]
        np.testing.assert_array_equal(random.uniform([2, row_size], 7, first_row, dtype), expected)


@pytest.mark.parametrize("number", [0, 3, 2**40, random.Stream.POSTERIOR])
@pytest.mark.parametrize("seed", [7, 2**40 + 5])
def test_the_seed_below_a_seed_is_philox_of_the_block_of_its_number_among_those_that_no_noise_has(seed, number):
    expected = np.array(philox(int(number) % 2**64 | 1 << 64, random.as_seed(seed))[:2], "uint32")
    for given in (number, tf.constant(int(number), tf.int64)):
        child = random.as_noise(seed).of(given).seed
        np.testing.assert_array_equal(np.asarray(child).astype("uint32"), expected)


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
    of_rows = [generator(shape, *random.as_noise(0).of(random.Stream.ROWS, number)) for number in range(3)]
    assert_uncorrelated(noise, of_rows[0])
    assert_uncorrelated(of_rows[1], of_rows[2])
    assert_uncorrelated(noise[1:], noise[:-1])


@pytest.mark.parametrize("name", GENERATORS)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "int32"])
def test_noise_of_other_dtypes_is_refused(name, dtype):
    with pytest.raises(ValueError, match=f"Noise is drawn in float32 or float64. Received: dtype={dtype}"):
        GENERATORS[name]([2, 3], 0, dtype=dtype)
