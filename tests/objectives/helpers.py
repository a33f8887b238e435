"""Independent estimates of a gradient, one for each row of a model with parameters of every row's own."""

import numpy as np
import tensorflow as tf


def estimates_of(objective, model, x, num_rows, seed=0):
    """Estimates [N, P] of the gradient of the bound (not of the loss) for the example x, N times."""
    with tf.GradientTape() as tape:
        tape.watch(model.parameters)
        terms = objective(model, np.tile(x, (num_rows, 1)), seed=seed)
        total = -tf.reduce_sum(terms.loss_per_example)
    return tf.concat(tape.gradient(total, model.parameters), axis=-1).numpy()
