"""What the base of all priors checks."""

import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.priors import Prior


class Given(Prior):
    """Prior that returns what it is given."""

    def __init__(self, result):
        super().__init__()
        self.result = [result]

    def distribution(self):
        return self.result[0]


def test_a_prior_without_distribution_raises():
    class Nothing(Prior):
        pass

    with pytest.raises(NotImplementedError, match="Nothing must override `distribution`"):
        Nothing()()


def test_what_is_no_distribution_is_refused():
    with pytest.raises(TypeError, match=r"Given.distribution must return a tfd.Distribution. Received: .*=3.0"):
        Given(3.0)()


def test_a_distribution_with_a_batch_is_refused():
    with pytest.raises(ValueError, match=r"wrap independent entries in tfd.Independent. Received: batch_shape=\(2,\)"):
        Given(tfd.Normal(tf.zeros(2), 1.0))()


def test_weights_are_trained_with_the_prior_and_frozen_with_it():
    prior = Given(None)
    weight = prior.add_weight((2,), "zeros", name="loc")
    assert prior.trainable_variables == [weight]
    prior.trainable = False
    assert prior.trainable_variables == []
