"""Student t entries: degrees of freedom above two."""

import numpy as np
import pytest
import tensorflow as tf

from keras_vae.layers import IndependentStudentT


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("raw", [-1e4, -100.0, 0.0, 100.0, 1e4])
def test_the_degrees_of_freedom_are_above_two_so_that_the_variance_is_finite(raw, dtype):
    y = IndependentStudentT(1, dtype=dtype)(tf.constant([[raw, 0.0, 0.0]], dtype))
    np.testing.assert_allclose(y.distribution.df, [[2 + 2 * np.logaddexp(0, raw)]], rtol=4 * np.finfo(dtype).eps)
    assert y.distribution.df > 2
    assert np.all(np.isfinite(y.variance()))


def test_parameters_are_degrees_of_freedom_locations_and_scales():
    d = IndependentStudentT(2)(tf.constant([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]])).distribution
    rtol = 4 * np.finfo("float32").eps
    np.testing.assert_allclose(d.df, 2 * (1 + np.logaddexp(0, [[1.0, 2.0]])), rtol=rtol)
    np.testing.assert_array_equal(d.loc, [[3.0, 4.0]])
    np.testing.assert_allclose(d.scale, np.logaddexp(0, [[5.0, 6.0]]), rtol=rtol)
