"""Noise on x: its frequencies and moments, its seeds and rows, its configuration."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae.corruptions import Corruption, GaussianNoise, MaskingNoise, SaltAndPepperNoise, corrupt
from keras_vae.random import as_noise

N = 100_000
EACH = [GaussianNoise(0.3), MaskingNoise(0.2), SaltAndPepperNoise(0.3, low=-1.0, high=2.0)]
each = pytest.mark.parametrize("corruption", EACH, ids=lambda part: type(part).__name__)


def of_half(corruption, rows=N):
    return np.asarray(corruption.corrupt(tf.fill([rows, 1], 0.5), as_noise(1)), "float64")


def within_four_standard_errors(frequency, probability):
    return abs(frequency - probability) < 4 * np.sqrt(probability * (1 - probability) / N)


def test_masked_entries_are_zero_at_the_rate_and_the_others_stay():
    x = of_half(MaskingNoise(0.2))
    assert set(np.unique(x)) == {0.0, 0.5}
    assert within_four_standard_errors(np.mean(x == 0), 0.2)


def test_salt_and_pepper_are_equally_frequent_and_the_others_stay():
    x = of_half(SaltAndPepperNoise(0.3, low=-1.0, high=2.0))
    assert set(np.unique(x)) == {-1.0, 0.5, 2.0}
    assert within_four_standard_errors(np.mean(x == -1), 0.15)
    assert within_four_standard_errors(np.mean(x == 2), 0.15)


def test_gaussian_noise_has_mean_0_and_its_standard_deviation():
    noise = of_half(GaussianNoise(0.3)) - 0.5
    assert abs(noise.mean()) < 4 * 0.3 / np.sqrt(N)
    assert abs(noise.std() - 0.3) < 4 * 0.3 / np.sqrt(2 * N)


@each
def test_noise_is_that_of_its_seed_and_row(corruption):
    x = tf.random.stateless_uniform([6, 4, 4, 1], [0, 0])
    whole = corruption.corrupt(x, as_noise(3))
    np.testing.assert_array_equal(corruption.corrupt(x[2:5], as_noise(3, first_row=2)), whole[2:5])
    assert np.any(corruption.corrupt(x, as_noise(4)) != whole)


@each
def test_its_configuration_makes_it_again(corruption):
    config = keras.saving.serialize_keras_object(corruption)
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is type(corruption)
    assert vars(again) == vars(corruption)


def test_a_keras_layer_is_called_as_in_training():
    x = tf.ones([1000, 1])
    assert float(tf.math.reduce_std(corrupt(keras.layers.GaussianNoise(0.5, seed=0), x, as_noise(0)))) > 0.4


@pytest.mark.parametrize("rate", [0, 1, -0.1, 1.5, float("nan"), "0.5"])
@pytest.mark.parametrize("kind", [MaskingNoise, SaltAndPepperNoise])
def test_a_rate_that_is_no_probability_is_refused(kind, rate):
    with pytest.raises(ValueError, match=f"`rate` must be .*Received: rate={rate!r}"):
        kind(rate)


def test_a_range_that_is_empty_is_refused():
    with pytest.raises(ValueError, match=r"`low` must be below `high`, both finite. Received: low=1.0, high=1.0"):
        SaltAndPepperNoise(0.1, low=1.0)


def test_the_base_class_corrupts_nothing():
    with pytest.raises(NotImplementedError, match="Corruption must override `corrupt`"):
        Corruption().corrupt(tf.ones([1, 1]), as_noise(0))
