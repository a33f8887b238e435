import dataclasses
import typing

import pytest
import yaml

from keras_vae.cli.config import (
    Config,
    DataConfig,
    LossConfig,
    ModelConfig,
    RunConfig,
    TrainingConfig,
    parse_config,
)
from keras_vae.likelihoods import LIKELIHOODS
from keras_vae.networks import NETWORKS
from keras_vae.posteriors import POSTERIORS


def test_every_value_survives_the_way_to_a_dictionary_and_back():
    config = Config(
        DataConfig(image_size=8),
        ModelConfig(likelihood="categorical", hidden=(3, 4)),
        LossConfig(beta=0.5),
        TrainingConfig(epochs=3),
        RunConfig("name"),
    )
    values = config.to_dict()
    assert values == {section: vars(settings) for section, settings in vars(config).items()}
    assert Config.from_dict(values) == config


def test_what_is_left_out_keeps_its_default():
    assert Config.from_dict({"model": {"latent_dim": 3}}) == Config(model=ModelConfig(latent_dim=3))


def test_the_configuration_of_an_earlier_version_says_which_loop_and_is_read():
    assert Config.from_dict({"training": {"loop": "fit", "seed": 3}}).training.seed == 3


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
        (
            {"model": {"latent_dim": "3"}},
            "cannot be used: `model.latent_dim` must be a whole number. Received: model.latent_dim='3'",
        ),
        ({"training": {"learning_rate": "fast"}}, "cannot be used: `training.learning_rate` must be a number"),
        (
            {"model": {"likelihood": "cauchy"}},
            "cannot be used: `model.likelihood` must be one of bernoulli, .*soft-bernoulli",
        ),
        ({"model": {"latent_dim": 0}}, "`latent_dim` must be positive and finite. Received: latent_dim=0"),
        ({"model": {"hidden": [4, -1]}}, "`hidden` must be positive and finite. Received: hidden=-1"),
        ({"loss": {"beta": -1.0}}, "`beta` must be finite and not negative. Received: beta=-1.0"),
        (
            {"loss": {"objective": "iwae", "warm_up": 3}},
            "belong to objective=elbo. Received: objective=iwae, .* warm_up=3",
        ),
        (
            {"loss": {"free_bits": 0.1, "gradient": "sticking_the_landing"}},
            "requires gradient=pathwise.* gradient=sticking_the",
        ),
        (
            {"loss": {"free_bits": 0.1}, "model": {"posterior": "flow"}},
            "posterior=diagonal .*Received: .*posterior=flow",
        ),
        (
            {"loss": {"gradient": "doubly_reparameterized"}},
            "objective=elbo cannot have this gradient. Received: gradient=doubly",
        ),
        (
            {"loss": {"objective": "iwae", "gradient": "score_function", "num_samples": 2}},
            "objective=iwae cannot have this gradient. Received: gradient=score_function",
        ),
        (
            {"loss": {"gradient": "score_function", "num_samples": 1}},
            "score_function needs 2 draws or more. Received: num_samples=1",
        ),
        (
            {"model": {"batch_norm": True, "network": "conv"}},
            "`batch_norm` requires network=mlp. Received: network=conv",
        ),
        (
            {"training": {"learning_rate": float("inf")}},
            "`learning_rate` must be positive and finite. Received: learning_rate=inf",
        ),
        ({"training": {"learning_rate": 1e-46}}, "that float32, or int32 .* can hold. Received: learning_rate=1e-46"),
        ({"loss": {"warm_up": 10**20}}, "that float32, or int32 .* can hold. Received: warm_up=1000"),
        ({"training": {"seed": -1}}, r"`seed` must be from 0 to 2\*\*32 - 1. Received: seed=-1"),
        ({"training": {"seed": 2**32}}, r"`seed` must be from 0 to 2\*\*32 - 1. Received: seed=4294967296"),
        (
            {"model": {"posterior": "two-layer-bernoulli"}, "loss": {"gradient": "disarm"}},
            "needs a z of one stochastic layer: score_function does not. Received: .*gradient=disarm",
        ),
        (
            {"model": {"likelihood": "poisson", "output_bias": "data_mean"}},
            "output_bias=data_mean requires likelihood=bernoulli or soft-bernoulli. Received: likelihood=poisson",
        ),
    ],
)
def test_unknown_names_wrong_types_and_values_out_of_range_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        Config.from_dict(values)


TABLES = {"likelihood": LIKELIHOODS, "network": NETWORKS, "posterior": POSTERIORS}


@pytest.mark.parametrize("field", TABLES)
def test_the_names_of_a_flag_are_those_of_its_table(field):
    literal = typing.get_type_hints(ModelConfig)[field]
    assert list(typing.get_args(literal)) == list(TABLES[field])


@pytest.mark.parametrize("field", TABLES)
def test_every_name_of_a_table_is_a_configuration(field):
    for name in TABLES[field]:
        assert getattr(Config.from_dict({"model": {field: name}}).model, field) == name


def test_the_help_names_every_part_of_every_table(capsys):
    with pytest.raises(SystemExit, match="0"):
        parse_config(["--help"])
    words = capsys.readouterr().out.replace("│", " ").split()
    names = {word.strip("{},;:") for word in words for word in word.split(",")}
    assert names >= {name for table in TABLES.values() for name in table}
