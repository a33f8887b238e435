"""The mean of a quantised logistic of many levels, in bounded memory."""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from keras_vae.distributions import QuantizedLogistic


@pytest.mark.parametrize("num_levels", [2, 3, 256, 257, 258, 600, 1_025])
def test_the_mean_is_the_sum_over_all_levels(num_levels):
    loc, scale = np.array([-1.2, -0.3, 0.0, 0.9]), np.array([0.5, 0.001, 0.1, 2.0])
    edges = (2 * np.arange(1, num_levels)[:, None] - num_levels) / (num_levels - 1)
    expected = scipy.stats.logistic(loc, scale).sf(edges).sum(axis=0)  # E X = sum_x P(X >= x)
    np.testing.assert_allclose(QuantizedLogistic(loc, scale, num_levels).mean(), expected, rtol=1e-12)


def test_the_mean_visits_65536_levels_in_parts(monkeypatch):
    sigmoid, sizes = tf.sigmoid, []
    monkeypatch.setattr(tf, "sigmoid", lambda x: sizes.append(x.shape.as_list()) or sigmoid(x))
    assert QuantizedLogistic(np.zeros(3), 0.1, 2**16).mean().numpy() == pytest.approx([(2**16 - 1) / 2] * 3)
    assert sizes == [[3, 256]] * 256
