import numpy as np
import pytest
import tensorflow as tf

from keras_vae import likelihoods, random
from keras_vae.data import pixels
from keras_vae.distributions.support import support_of

every_name = pytest.mark.parametrize("name", likelihoods.LIKELIHOODS)


@every_name
def test_the_layer_takes_params_per_entry_parameters_for_each_entry(name):
    family = likelihoods.get(name, num_levels=6)
    params = np.random.default_rng(0).normal(size=(3, 2 * 5 * family.params_per_entry)).astype("float32")
    p_x = family.layer((2, 5))(params)
    assert (p_x.batch_shape, p_x.event_shape) == ([3], [2, 5])
    assert np.all(np.isfinite(p_x.log_prob(random.sample(p_x, 4, seed=0))))


@every_name
def test_the_layer_takes_no_other_number_of_parameters(name):
    family = likelihoods.get(name)
    size = 2 * 5 * family.params_per_entry
    with pytest.raises(ValueError, match=rf"The layer needs {size} parameters .* params.shape=\(3, {size + 1}\)"):
        family.layer((2, 5))(np.zeros([3, size + 1], "float32"))


@every_name
def test_the_default_pixels_lie_in_the_support(name):
    """A dequantised value may be 0, outside of beta's open support, with probability 2^-24: not under this seed."""
    treatment = pixels(likelihoods.get(name).pixels)
    family = likelihoods.get(name, num_levels=treatment.num_values)
    p_x = family.layer((256,))(np.zeros([1, 256 * family.params_per_entry], "float32"))
    assert support_of(p_x).contains(treatment(tf.range(256)[None], seed=0).numpy())


def test_num_levels_is_that_of_a_named_likelihood_that_counts_levels():
    assert likelihoods.get("categorical", 6) == likelihoods.Categorical(6)
    assert likelihoods.get("quantized-logistic-mixture", 6) == likelihoods.QuantizedLogisticMixture(6, num_components=5)
    assert likelihoods.get("poisson", 6) == likelihoods.Poisson()


def test_num_levels_beside_an_object_of_another_number_is_refused():
    assert likelihoods.get(likelihoods.Categorical(6), 6) == likelihoods.Categorical(6)
    with pytest.raises(
        ValueError, match=r"that of the likelihood. Received: .*Categorical\(num_levels=6\), num_levels=7"
    ):
        likelihoods.get(likelihoods.Categorical(6), 7)


@pytest.mark.parametrize("likelihood", ["nope", likelihoods.Bernoulli, object()], ids=["name", "class", "object"])
def test_what_is_no_likelihood_is_refused(likelihood):
    with pytest.raises(
        ValueError, match="`likelihood` must be one of bernoulli, .*, or an object of the kind Likelihood"
    ):
        likelihoods.get(likelihood)


@pytest.mark.parametrize(
    ("scale", "params_per_entry", "stddev"), [(0.25, 1, 0.25), ("shared", 1, 1.0), ("per_dimension", 1, 1.0)]
)
def test_a_gaussian_of_a_fixed_or_learned_scale_takes_locations_alone(scale, params_per_entry, stddev):
    family = likelihoods.Gaussian(scale)
    assert family.params_per_entry == params_per_entry
    np.testing.assert_allclose(family.layer((2, 2))(np.zeros([1, 4], "float32")).stddev(), stddev, rtol=1e-6)


def test_a_mixture_has_the_number_of_components_of_its_object():
    family = likelihoods.QuantizedLogisticMixture(num_levels=8, num_components=3)
    p_x = family.layer((2,))(np.zeros([1, 2 * family.params_per_entry], "float32"))
    assert p_x.distribution.mixture_distribution.logits.shape == [1, 2, 3]


def test_a_likelihood_without_a_layer_raises():
    class Nothing(likelihoods.Likelihood):
        pass

    with pytest.raises(NotImplementedError, match="Nothing must override `layer`"):
        Nothing().layer((2,))
