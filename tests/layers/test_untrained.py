"""Variables that no Keras layer owns are found wherever they hide."""

import keras
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from keras_vae.layers.untrained import untrained_variables

GLOBAL = tf.Variable(1.0, name="global")


def function_of_a_global(t):
    return t * GLOBAL


def function_of(value):
    return lambda t: (t, value)


V = tf.Variable(1.0, name="v")
HIDING_PLACES = {
    "parameter": tfd.Normal(V, 1.0),
    "parameter of a component": tfd.Independent(tfd.Normal(tf.ones([2]) * 0, V), 0),
    "bijector": tfd.TransformedDistribution(tfd.Normal(0.0, 1.0), tfb.Scale(V)),
    "transformed variable": tfd.Normal(0.0, tfp.util.TransformedVariable(1.0, tfb.Softplus(), name="v")),
    "closure": function_of(V),
    "closure over a distribution": function_of(tfd.Normal(V, 1.0)),
}


@pytest.mark.parametrize("place", HIDING_PLACES)
def test_a_trainable_variable_is_found(place):
    assert untrained_variables(HIDING_PLACES[place]) == ["v:0"]


def test_a_global_of_a_function_is_found():
    assert untrained_variables(function_of_a_global) == ["global:0"]


def test_a_keras_variable_inside_a_distribution_is_found():
    assert untrained_variables(tfd.Normal(keras.Variable(1.0, name="k"), 1.0)) == ["k"]


def late():
    function = lambda t: t * later  # noqa: E731
    assert untrained_variables(function) == []
    later = 1.0
    return function


def test_what_is_none_of_these_is_let_be():
    dense = keras.layers.Dense(2)
    dense.build((None, 2))
    assert untrained_variables(dense) == []
    assert untrained_variables(function_of(dense)) == []
    assert untrained_variables(tfd.Normal(tf.Variable(1.0, trainable=False), 1.0)) == []
    late()  # a name that is bound after the look
