"""The base of models alone: a model of one's own on an objective, without encoder and decoder."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae.models.objective_model import ObjectiveModel
from keras_vae.objectives import LossTerms, Objective
from keras_vae.protocols import as_batch


class LogLikelihood(Objective):
    """Log N(x; loc, 1), of a model without latents."""

    def __call__(self, model, x, seed, sample_weight=None, first_row=0, training=False):
        batch = as_batch(x)
        log_prob = -0.5 * tf.square(batch.x - model.loc)[:, 0] - 0.5 * np.log(2 * np.pi)
        return LossTerms.of(-log_prob, log_prob, tf.zeros_like(log_prob), batch.example_weight)


class Normal(ObjectiveModel):
    """N(loc, 1) with a learned location."""

    event_shape, is_normalized = (1,), True

    def __init__(self):
        super().__init__(LogLikelihood(), seed=0)
        self.loc = self.add_weight((), "zeros", name="loc")
        self.built = True

    def check(self, x):
        return tf.convert_to_tensor(x)


X = np.random.default_rng(0).normal(3.0, size=(50, 1)).astype("float32")


def test_gradient_descent_reaches_the_weighted_mean():
    model, weight = Normal(), np.linspace(0, 1, 50).astype("float32")
    model.compile(keras.optimizers.SGD(0.5), jit_compile=False)
    model.fit(X, sample_weight=weight, batch_size=50, epochs=30, verbose=0)
    assert float(model.loc) == pytest.approx(np.average(X[:, 0], weights=weight), rel=1e-5)
    assert int(model.step) == 30


def test_metrics_are_means_over_the_examples():
    model = Normal()
    model.compile("sgd", jit_compile=False)
    logs = model.evaluate(X, batch_size=32, verbose=0, return_dict=True)
    expected = np.mean(0.5 * X**2) + 0.5 * np.log(2 * np.pi)
    assert logs["loss"] == pytest.approx(expected, rel=1e-5)
    assert logs["elbo"] == pytest.approx(-expected, rel=1e-5)
    assert list(logs) == list(model.metric_units)


def test_a_model_that_does_not_say_what_it_can_score_is_told_to():
    with pytest.raises(NotImplementedError, match="ObjectiveModel must override `check`"):
        ObjectiveModel(LogLikelihood(), seed=0).check(X)
