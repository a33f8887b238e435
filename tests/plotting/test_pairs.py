"""The figure of the most confused pairs."""

import numpy as np
import pytest

from keras_vae.evaluation import Estimate, Overlap
from keras_vae.plotting import confused_pairs


@pytest.mark.parametrize("channels", [1, 3])
def test_each_pair_is_drawn_side_by_side_under_its_coefficient(channels):
    x = np.arange(4).reshape(4, 1, 1, 1) * np.ones((4, 3, 2, channels))
    pairs, coefficients = np.array([[0, 3], [1, 2]]), np.array([0.9, 0.25])
    figure = confused_pairs(x, Overlap(Estimate(0, 0), Estimate(0, 0), np.eye(4), pairs, coefficients))
    assert [axes.get_title() for axes in figure.axes] == ["0, 3: 0.900", "1, 2: 0.250"]
    for axes, (i, j) in zip(figure.axes, pairs, strict=True):
        drawn = axes.images[0].get_array().reshape(3, 5, channels)
        np.testing.assert_allclose(drawn[:, :2], i / 3)
        np.testing.assert_allclose(drawn[:, 3:], j / 3)
