import pytest

from keras_vae import priors
from tests.contracts.cases import lent


@pytest.mark.parametrize("name", priors.PRIORS)
def test_every_named_prior_is_made_anew_for_the_latent_dimension(name):
    prior = lent(priors.get(name, 3))
    assert type(prior) is priors.PRIORS[name]
    assert prior().event_shape == [3]
    assert priors.get(name, 3) is not prior


def test_an_object_is_returned_itself():
    prior = priors.StandardNormal(3)
    assert priors.get(prior, 3) is prior


@pytest.mark.parametrize("prior", ["nope", priors.StandardNormal, object()], ids=["name", "class", "object"])
def test_what_is_no_prior_is_refused(prior):
    with pytest.raises(
        ValueError, match="`prior` must be one of standard-normal, .*or an object of the kind Prior. Rec"
    ):
        priors.get(prior, 3)
