"""Noise without a seed, from several threads at once."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np

from keras_vae import random


def test_threads_never_get_the_same_seed_of_a_generator():
    generator = keras.random.SeedGenerator(0)
    with ThreadPoolExecutor(4) as pool:
        seeds = list(pool.map(lambda _: tuple(random.as_seed(generator).numpy()), range(200)))
    assert len(set(seeds)) == 200


def test_unseeded_samples_of_threads_all_differ(make_vae):
    vae = make_vae(event_shape=(8, 8, 1))
    with ThreadPoolExecutor(4) as pool:
        samples = list(pool.map(lambda _: vae.sample(2).numpy().tobytes(), range(60)))
    assert len(set(samples)) == 60


def test_a_model_is_copied_and_pickled_with_its_generator(make_vae):
    vae = make_vae()
    vae.sample(1)
    for copied in (copy.deepcopy(vae), pickle.loads(pickle.dumps(vae)), keras.models.clone_model(vae)):
        np.testing.assert_array_equal(copied.sample(2, seed=1).shape, vae.sample(2, seed=1).shape)
        assert copied.sample(2).shape == (2, 4, 4, 1)
