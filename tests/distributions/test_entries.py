"""Weights of entries against sums of TFP's own log-probabilities."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae import layers
from keras_vae.distributions.entries import weighted_log_prob

RNG = np.random.default_rng(0)
X, W = RNG.normal(size=(4, 3)).astype("float32"), RNG.random((4, 3)).astype("float32")


@pytest.mark.parametrize("layer", [layers.IndependentNormal(3), layers.MultivariateNormalDiag(3)])
def test_entries_of_independent_families_are_weighed(layer):
    p = layer(RNG.normal(size=(4, 6)).astype("float32")).tensor_distribution
    entries = tfd.Normal(p.mean(), p.stddev()).log_prob(X)
    np.testing.assert_allclose(weighted_log_prob(p, X, W), np.sum(W * entries, -1), rtol=1e-5)
    np.testing.assert_allclose(weighted_log_prob(p, X, np.ones_like(W)), p.log_prob(X), rtol=1e-5)


def test_an_entry_may_have_axes_of_its_own():
    p = tfd.Independent(tfd.OneHotCategorical(tf.zeros([2, 3, 4])), 1)
    x = tf.one_hot([[0, 1, 2], [1, 2, 3]], 4, dtype=tf.int32)
    np.testing.assert_allclose(weighted_log_prob(p, x, [[1.0, 0.0, 2.0]] * 2), [-3 * np.log(4)] * 2, rtol=1e-6)


def test_weights_of_other_axes_and_dependent_entries_are_refused():
    p = layers.IndependentNormal(3)(tf.zeros([4, 6])).tensor_distribution
    with pytest.raises(ValueError, match=r"Received: weights of shape \(4,\), entries of shape \(4, 3\)"):
        weighted_log_prob(p, X, W[:, 0])
    with pytest.raises(ValueError, match="Received: MultivariateNormalTriL"):
        weighted_log_prob(tfd.MultivariateNormalTriL(tf.zeros([4, 3]), tf.eye(3)), X, W)
