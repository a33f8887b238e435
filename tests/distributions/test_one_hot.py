"""Distributions of one-hot vectors against TFP's."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.distributions import MixtureOfOneHotCategorical, QuantizedLogistic, RelaxedOneHotCategorical
from tests.distributions.helpers import EPS64, LEVEL_LOGITS, RNG, f64


def test_a_mixture_of_one_hot_categoricals_is_one_of_the_mean_probabilities():
    weights, probs = RNG.dirichlet(np.ones(2), size=6), RNG.dirichlet(np.ones(5), size=(6, 2))
    d = MixtureOfOneHotCategorical(tfd.Categorical(probs=f64(weights)), tfd.OneHotCategorical(probs=f64(probs)))
    expected = tfd.OneHotCategorical(probs=f64((weights[..., None] * probs).sum(1)), dtype=d.dtype)
    for unit in np.eye(5):
        np.testing.assert_allclose(d.log_prob(unit), expected.log_prob(unit), rtol=64 * EPS64)
    for statistic in ("mean", "mode", "variance", "covariance"):
        value, wanted = getattr(d, statistic)(), getattr(expected, statistic)()
        np.testing.assert_allclose(value, wanted, rtol=0, atol=16 * EPS64)


def test_weights_of_a_mixture_of_one_hot_categoricals_may_have_no_batch():
    probs = RNG.dirichlet(np.ones(5), size=(6, 2))
    d = MixtureOfOneHotCategorical(tfd.Categorical(probs=f64([0.25, 0.75])), tfd.OneHotCategorical(probs=f64(probs)))
    np.testing.assert_allclose(d.mean(), 0.25 * probs[:, 0] + 0.75 * probs[:, 1], rtol=16 * EPS64)


def test_a_relaxation_is_that_of_tfp_off_the_corners():
    x, logits = RNG.dirichlet(np.ones(5), size=6), f64(LEVEL_LOGITS)
    ours, theirs = (cls(f64(0.5), logits=logits) for cls in (RelaxedOneHotCategorical, tfd.RelaxedOneHotCategorical))
    np.testing.assert_allclose(ours.log_prob(x), theirs.log_prob(x), rtol=64 * EPS64)


@pytest.mark.parametrize(
    "d",
    [
        QuantizedLogistic(f64([0.0, 0.5]), f64([1.0, 2.0]), 5),
        MixtureOfOneHotCategorical(
            tfd.Categorical(logits=f64(LEVEL_LOGITS[:2, :2])),
            tfd.OneHotCategorical(logits=f64(LEVEL_LOGITS[2:].reshape(2, 2, 5))),
        ),
        RelaxedOneHotCategorical(f64(0.5), logits=f64(LEVEL_LOGITS[:2])),
    ],
    ids=lambda d: type(d).__name__,
)
def test_slices_of_these_stay_of_their_class_and_compiled_functions_take_them(d):
    x = tf.ones(d.event_shape, tf.float64) / max(1, d.event_shape.num_elements())
    assert type(d[1]) is type(d)
    np.testing.assert_allclose(d[1].log_prob(x), d.log_prob(x)[1], rtol=4 * EPS64)
    np.testing.assert_allclose(tf.function(lambda d: d.log_prob(x))(d), d.log_prob(x), rtol=4 * EPS64)
