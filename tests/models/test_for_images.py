import pytest
from tensorflow_probability import distributions as tfd

import keras_vae as kv


@pytest.mark.parametrize("network", ["mlp", "conv"])
@pytest.mark.parametrize(
    ("likelihood", "family"),
    [("bernoulli", tfd.Bernoulli), ("categorical", tfd.Categorical), ("soft-bernoulli", tfd.Bernoulli)],
)
def test_parts_by_name(network, likelihood, family):
    vae = kv.VAE.for_images((7, 5, 3), 4, likelihood, network, hidden=(4, 6), num_levels=6)
    p_x = vae.decode([[0.0] * 4])
    assert isinstance(p_x.distribution, family)
    assert (vae.event_shape, vae.latent_dim) == ((7, 5, 3), 4)


@pytest.mark.parametrize("argument", ["likelihood", "network"])
def test_unknown_names_are_refused(argument):
    with pytest.raises(ValueError, match=f"`{argument}` must be one of .* Received: {argument}='nope'"):
        kv.VAE.for_images((4, 4, 1), 2, **{argument: "nope"})
