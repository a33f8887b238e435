"""Every public name of `keras_vae.layers` and `keras_vae.losses`, and every prior, has a case; cases have names."""

import inspect

import keras
import pytest

from keras_vae import layers, likelihoods, losses, networks, posteriors, priors
from tests.contracts import cases


def test_every_name_of_layers_has_a_case():
    assert set(layers.__all__) - set(cases.CASES) - set(cases.EXEMPT) == set()


def test_every_case_is_a_name_of_layers():
    assert (set(cases.CASES) | set(cases.EXEMPT)) - set(layers.__all__) == set()


def test_every_loss_has_a_case():
    assert set(losses.__all__) == set(cases.LOSSES)


def test_every_prior_has_a_case():
    public = {name: getattr(priors, name) for name in priors.__all__}
    classes = {name for name, value in public.items() if inspect.isclass(value) and issubclass(value, priors.Prior)}
    assert classes - {"Prior"} == set(cases.PRIORS) | {"Bernoulli", "Categorical", "TopDown"}  # tests/models
    assert {prior.__name__ for prior in priors.PRIORS.values()} <= classes


@pytest.mark.parametrize(
    ("package", "table", "base"),
    [
        (likelihoods, likelihoods.LIKELIHOODS, "Likelihood"),
        (networks, networks.NETWORKS, "Network"),
        (posteriors, posteriors.POSTERIORS, "Posterior"),
    ],
    ids=["likelihoods", "networks", "posteriors"],
)
def test_every_part_has_a_row_so_that_the_walks_over_the_tables_reach_it(package, table, base):
    classes = {name for name in package.__all__ if inspect.isclass(getattr(package, name))}
    assert classes - {base, "DiscretePosterior", "Columns"} == {type(part).__name__ for part in table.values()}


@pytest.mark.parametrize("name", cases.PRIORS)
def test_priors_are_registered_under_the_name_of_the_package(name):
    assert type(cases.PRIORS[name]()) is getattr(priors, name)
    assert keras.saving.get_registered_name(getattr(priors, name)) == f"keras_vae>{name}"


@pytest.mark.parametrize("name", cases.present(cases.CASES))
def test_names_are_registered_under_the_name_of_the_package(name):
    assert keras.saving.get_registered_name(getattr(layers, name)) == f"keras_vae>{name}"


@pytest.mark.parametrize("name", cases.present([*cases.DISTRIBUTIONS, *cases.LAYERS]))
def test_the_variant_changes_an_argument_from_its_default(name):
    arguments, variant = cases.CASES[name].arguments(), cases.CASES[name].variant()
    defaults = {
        parameter.name: parameter.default
        for cls in reversed(getattr(layers, name).mro())
        for parameter in inspect.signature(cls.__init__).parameters.values()
    }
    added = set(variant) - set(arguments)
    assert added
    for key in added:
        assert variant[key] != defaults[key], key
