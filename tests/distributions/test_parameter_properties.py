"""TFP finds what our distributions are made of, and has nothing to warn of."""

import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae import distributions
from keras_vae.distributions.batch_reshape import BatchReshape
from keras_vae.distributions.distribution_tensor import DistributionTensor

CLASSES = [*(getattr(distributions, name) for name in distributions.__all__), BatchReshape, DistributionTensor]


@pytest.mark.parametrize("cls", CLASSES)
def test_its_parameters_have_properties_and_no_warning_is_printed(cls, caplog):
    assert issubclass(cls, tfd.Distribution)
    properties = cls.parameter_properties(tf.float32)
    assert bool(properties) == (cls not in (distributions.Autoregressive, distributions.Stacked))  # made of functions
    assert not caplog.records
