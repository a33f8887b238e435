import dataclasses
import typing

import pytest
import yaml

from keras_vae.cli.config import Config, LossConfig, ModelConfig
from keras_vae.models.for_images import LIKELIHOODS, POSTERIORS


def test_every_value_survives_the_way_to_a_dictionary_and_back():
    config = Config(model=ModelConfig(likelihood="categorical", hidden=(3, 4)), loss=LossConfig(beta=0.5))
    assert Config.from_dict(config.to_dict()) == config


def test_what_is_left_out_keeps_its_default():
    assert Config.from_dict({"model": {"latent_dim": 3}}) == Config(model=ModelConfig(latent_dim=3))


def test_numbers_are_numbers_also_where_yaml_takes_them_for_text():
    values = yaml.safe_load("training: {learning_rate: 1e-3, epsilon: 1.0e-4}")
    assert values["training"]["learning_rate"] == "1e-3"
    assert Config.from_dict(values).training.learning_rate == 1e-3


def test_configuration_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field"):
        Config().model = ModelConfig()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"modell": {}}, "cannot be used: .*modell"),
        ({"model": {"latent": 3}}, "cannot be used: .*latent"),
        ({"model": {"latent_dim": "3"}}, "cannot be used: .*latent_dim.* should be .*int"),
        ({"training": {"learning_rate": "fast"}}, "cannot be used: .*learning_rate.* should be .*float"),
        ({"model": {"likelihood": "cauchy"}}, "cannot be used: .*likelihood"),
        ({"model": {"latent_dim": 0}}, "`latent_dim` must be positive. Received: latent_dim=0"),
        ({"model": {"hidden": [4, -1]}}, "`hidden` must be positive. Received: hidden=-1"),
        ({"loss": {"beta": -1.0}}, "`beta` must not be negative. Received: beta=-1.0"),
        ({"loss": {"objective": "iwae", "warm_up": 3}}, "are of the elbo. Received: objective=iwae, .* warm_up=3"),
        (
            {"loss": {"free_bits": 0.1, "gradient": "sticking_the_landing"}},
            "pathwise gradient .* gradient=sticking_the",
        ),
        (
            {"loss": {"free_bits": 0.1}, "model": {"posterior": "flow"}},
            "diagonal posterior. Received: .*posterior=flow",
        ),
        ({"loss": {"gradient": "doubly_reparameterized"}}, "elbo has no such gradient. Received: gradient=doubly"),
        (
            {"loss": {"objective": "iwae", "gradient": "score_function", "num_samples": 2}},
            "iwae has no such gradient. Received: gradient=score_function",
        ),
        ({"loss": {"gradient": "score_function"}}, "needs 2 draws or more. Received: num_samples=1"),
        ({"model": {"batch_norm": True, "network": "conv"}}, "`batch_norm` is of mlp only. Received: network=conv"),
        (
            {"training": {"learning_rate": float("inf")}},
            "`learning_rate` must be positive. Received: learning_rate=inf",
        ),
        (
            {"model": {"likelihood": "poisson", "output_bias": "data_mean"}},
            "`output_bias` data_mean is of bernoulli and soft-bernoulli. Received: likelihood=poisson",
        ),
    ],
)
def test_unknown_names_wrong_types_and_values_out_of_range_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        Config.from_dict(values)


@pytest.mark.parametrize(("field", "table"), [("likelihood", LIKELIHOODS), ("posterior", POSTERIORS)])
def test_the_families_of_the_flags_are_those_of_for_images(field, table):
    literal = typing.get_type_hints(ModelConfig)[field]
    assert list(typing.get_args(literal)) == list(table)
