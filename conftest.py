"""Shared fixtures: fixed seeds, small models, data."""

from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_vae as kv

# The CPU as two devices, for the tests of replicas. TensorFlow takes this before its first operation alone, so it is
# here; everything else runs on the first device, as it would on the only one.
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)


@pytest.fixture(autouse=True, scope="module")
def _fixed_seed_of_tensorflow():
    tf.random.set_seed(0)


def seed_keras(seed):
    """Do what `keras.utils.set_random_seed` does, but leave TensorFlow's own seed.

    The package draws nothing from it, and to set it clears TensorFlow's caches of kernels: a fifth of the time of short
    tests.
    """
    with mock.patch.object(tf.random, "set_seed"):
        keras.utils.set_random_seed(seed)


@pytest.fixture(autouse=True)
def _fixed_seeds():
    seed_keras(0)


_OPTIMIZED = ("contracts", "random")


@pytest.fixture(autouse=True)
def _graphs_as_traced(request):
    """Leave out TensorFlow's graph optimizer, a third of the time of a tiny training.

    The contracts of all layers and the tests of noise have it: they compare graphs with eager execution.
    """
    unoptimized = request.path.parent.name not in _OPTIMIZED
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": unoptimized})


@pytest.fixture(autouse=True)
def doctest_names(doctest_namespace):
    """Names every docstring example may use, as a reader has them after the usual imports."""
    from tensorflow_probability import distributions as tfd

    doctest_namespace.update(keras=keras, np=np, tf=tf, tfd=tfd, kv=kv)


@pytest.fixture(scope="session")
def strategy():
    """Return a strategy of two replicas on the CPU."""
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


@pytest.fixture
def binary_images():
    """Binary images [300, 4, 4, 1] of a few patterns."""
    rng = np.random.default_rng(0)
    patterns = rng.random((5, 4, 4, 1)) < 0.5
    flips = rng.random((300, 4, 4, 1)) < 0.1
    return (patterns[rng.integers(0, 5, 300)] ^ flips).astype("float32")


@pytest.fixture(scope="session")
def make_vae():
    """Return a function that makes the same linear Bernoulli VAE each time: each layer more is traced at each use."""

    def make(event_shape=(4, 4, 1), latent_dim=2, seed=3, **kwargs):
        seed_keras(1)
        encoder = keras.Sequential(
            [
                keras.Input(event_shape),
                keras.layers.Flatten(),
                keras.layers.Dense(kv.layers.MultivariateNormalDiag.params_size(latent_dim)),
                kv.layers.MultivariateNormalDiag(latent_dim),
            ]
        )
        decoder = keras.Sequential(
            [
                keras.Input((latent_dim,)),
                keras.layers.Dense(kv.layers.IndependentBernoulli.params_size(event_shape)),
                kv.layers.IndependentBernoulli(event_shape),
            ]
        )
        return kv.VAE(encoder, decoder, kv.priors.StandardNormal(latent_dim), seed=seed, **kwargs)

    return make
