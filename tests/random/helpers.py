"""What tests of noise and of samples share."""

import numpy as np


def assert_same(x, y, scale=1.0):
    """Assert equality up to rounding: two units in the last place each for logarithm, root, cosine and product."""
    x, y = np.asarray(x), np.asarray(y)
    assert x.dtype == y.dtype
    eps = np.finfo(x.dtype).eps if x.dtype.kind == "f" else 0.0
    np.testing.assert_allclose(x, y, rtol=8 * eps, atol=8 * eps * scale)
