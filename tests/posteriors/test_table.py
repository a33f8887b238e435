import numpy as np
import pytest

from keras_vae import posteriors, random


@pytest.mark.parametrize("name", posteriors.POSTERIORS)
def test_the_layer_of_every_named_posterior_takes_params_size_parameters(name):
    family = posteriors.get(name)
    assert isinstance(family, posteriors.Posterior)
    params = np.random.default_rng(0).normal(size=(3, family.params_size(4))).astype("float32")
    q_z = family.layer(4)(params)
    latent_shape = family.latent_shape(4) if isinstance(family, posteriors.DiscretePosterior) else (4,)
    assert (q_z.batch_shape, q_z.event_shape) == ([3], latent_shape)
    assert np.all(np.isfinite(q_z.log_prob(random.sample(q_z, 2, seed=0))))


@pytest.mark.parametrize("name", posteriors.POSTERIORS)
def test_the_layer_of_every_named_posterior_takes_no_other_number_of_parameters(name):
    family = posteriors.get(name)
    with pytest.raises(ValueError, match=rf"needs {family.params_size(4)} parameters per example"):
        family.layer(4)(np.zeros([3, family.params_size(4) + 1], "float32"))


def test_a_flow_has_the_context_and_the_steps_of_its_object():
    layer = posteriors.Flow(context_size=3, num_flows=4).layer(2)
    assert (layer.event_size, layer.context_size, layer.num_flows) == (2, 3, 4)


@pytest.mark.parametrize("posterior", ["nope", posteriors.Flow, object()], ids=["name", "class", "without methods"])
def test_what_is_no_posterior_is_refused(posterior):
    with pytest.raises(
        ValueError,
        match="`posterior` must be one of diagonal, flow, full, bernoulli, categorical, two-layer-bernoulli, or an",
    ):
        posteriors.get(posterior)
