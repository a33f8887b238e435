"""What tests of distributions share: parameters and derivatives in float64."""

import numpy as np
import tensorflow as tf

EPS32, EPS64 = np.finfo("float32").eps, np.finfo("float64").eps
LOGITS = np.array([-100.0, -30.0, -10.0, -1.0, -1e-3, 0.0, 1e-3, 0.5, 2.0, 10.0, 30.0, 100.0])
MODERATE = np.array([-5.0, -1.0, 0.0, 0.5, 5.0])
RNG = np.random.default_rng(0)
LEVEL_LOGITS = RNG.normal(scale=3.0, size=(6, 5))


def f64(x):
    """Return a float64 tensor (TFP would make float32 of a NumPy array beside an integer dtype)."""
    return tf.constant(x, tf.float64)


def central_difference(f, x):
    """Return df/dx of a function of float64; the step balances rounding against the third derivative."""
    step = EPS64 ** (1 / 3)
    return (np.asarray(f(f64(x + step))) - np.asarray(f(f64(x - step)))) / (2 * step)


def gradient(f, x, dtype=tf.float64):
    x = tf.constant(x, dtype)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = f(x)
    return np.asarray(tape.gradient(y, x))


def central_tolerance(scale):
    """Return the error of `central_difference` of a function of size `scale` whose third derivative is below 1."""
    return 4 * max(scale, 1.0) * EPS64 ** (2 / 3)
