"""Seeds keep all their bits, and every number below a seed names another stream."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import random
from keras_vae.random import Noise, Stream
from keras_vae.random.streams import fold_in


def words(seed):
    """Return the int32[2] seed as one integer of 64 bits."""
    high, low = np.asarray(seed).astype(np.int64) & 0xFFFFFFFF
    return int(high) << 32 | int(low)


@pytest.mark.parametrize("seed", [0, 7, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**40 + 5, 2**63 - 1, 2**63, 2**64 - 1])
def test_as_seed_keeps_all_64_bits_of_an_int(seed):
    assert words(random.as_seed(seed)) == seed


@pytest.mark.parametrize("seed", [-1, -7, -(2**31), -(2**40), -(2**63)])
def test_as_seed_of_a_negative_int_is_its_twos_complement(seed):
    assert words(random.as_seed(seed)) == seed % 2**64


@pytest.mark.parametrize("seed", [2**64, -(2**63) - 1, 10**30])
def test_as_seed_refuses_an_int_of_more_than_64_bits(seed):
    with pytest.raises(ValueError, match=f"A seed has 64 bits: take a smaller number. Received: seed={seed}"):
        random.as_seed(seed)


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
    np.testing.assert_array_equal(fold_in(7), random.as_seed(7))


def test_fold_in_of_two_numbers_is_fold_in_twice():
    np.testing.assert_array_equal(fold_in(7, 1, 2), fold_in(fold_in(7, 1), 2))


def test_fold_in_depends_on_the_order_of_its_numbers():
    assert words(fold_in(7, 1, 2)) != words(fold_in(7, 2, 1))


def test_fold_in_gives_every_seed_and_number_another_stream():
    """A collision among 400 streams of 64 bits has probability 400**2 / 2**65 = 4e-15."""
    streams = {words(fold_in(seed, number)) for seed, number in itertools.product(range(20), range(-10, 10))}
    assert len(streams) == 400


@pytest.mark.parametrize("jit_compile", [False, True])
def test_fold_in_is_the_same_in_graphs(jit_compile):
    graph = tf.function(fold_in, jit_compile=jit_compile)
    expected = fold_in(7, 3, 5)
    np.testing.assert_array_equal(graph(random.as_seed(7), tf.constant(3), tf.constant(5)), expected)


def test_no_chain_of_streams_and_numbers_is_another_chain():
    """Steps, epochs, rows and draws of each purpose, one and two purposes deep: no two share a key."""
    purposes = [(stream, *numbers) for stream in Stream for numbers in [(), (0,), (1,)]]
    chains = {words(random.as_noise(7).of(*purpose).seed): (purpose,) for purpose in purposes}
    for outer, inner in itertools.product(purposes[:: len(Stream) - 1], purposes):
        chains[words(random.as_noise(7).of(*outer).of(*inner).seed)] = (outer, inner)
    assert len(chains) == len(purposes) * (1 + len(purposes[:: len(Stream) - 1]))


def test_streams_are_negative_as_no_number_of_a_step_or_row_is():
    assert all(stream < 0 for stream in Stream)
    assert len({int(stream) for stream in Stream}) == len(Stream.__members__)  # a second name of a number counts there


def test_noise_keeps_its_first_row_below_every_purpose():
    noise = random.as_noise(7, 30).of(Stream.TRAINING, 3).of(Stream.POSTERIOR)
    assert noise.first_row == 30
    assert isinstance(noise, Noise)
    assert random.as_noise(noise) is noise


def test_a_noise_with_another_first_row_is_refused():
    with pytest.raises(ValueError, match="A Noise has a first row of its own.*Received: first_row=3"):
        random.as_noise(random.as_noise(7), 3)
