from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import yaml

import keras_vae as kv
from keras_vae.cli.config import Config, LossConfig, ModelConfig, TrainingConfig
from keras_vae.cli.runs import divergence, doubts, learning_rate, likelihood, network, objective

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.yaml"))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_is_a_configuration_named_after_its_file(recipe):
    config = Config.from_dict(yaml.safe_load(recipe.read_text()))
    assert config.run.name == recipe.stem.replace("_", "-")
    assert objective(config, steps_per_epoch=10).num_samples == config.num_samples
    learning_rate(config.training, num_steps=10_000)


def test_beta_rises_from_zero_over_the_epochs_of_warm_up():
    beta = objective(Config(loss=LossConfig(beta=2.0, warm_up=3)), steps_per_epoch=10).beta
    assert [float(beta(step)) for step in (0, 15, 30, 100)] == [0.0, 1.0, 2.0, 2.0]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (LossConfig(), kv.objectives.ELBO()),
        (
            LossConfig(num_samples=2, gradient="score_function"),
            kv.objectives.ELBO(1.0, 2, "kl", "score_function"),
        ),
        (LossConfig(free_bits=0.5, beta=0.9), kv.objectives.FreeBits(0.5, beta=0.9)),
        (
            LossConfig("iwae", num_samples=5, gradient="doubly_reparameterized"),
            kv.objectives.IWAE(5, "doubly_reparameterized"),
        ),
    ],
)
def test_the_objective_is_the_one_that_is_named(options, expected):
    made = objective(Config(loss=options), steps_per_epoch=10)
    assert type(made) is type(expected)
    assert made.get_config() == expected.get_config()


def test_the_stages_of_burda_take_three_times_as_many_epochs_each_and_end_at_a_tenth():
    schedule = learning_rate(TrainingConfig(learning_rate=1e-3, schedule="burda"), num_steps=3280)
    all_rates = tf.function(lambda: tf.map_fn(schedule, tf.range(3280), fn_output_signature=tf.float32))()
    assert np.all(np.diff(all_rates) <= 0)
    rates, lengths = np.unique(all_rates, return_counts=True)
    np.testing.assert_array_equal(lengths[::-1], 3 ** np.arange(8))
    np.testing.assert_allclose(rates[::-1], 1e-3 * 10 ** (-np.arange(8) / 7), rtol=1e-6)


def test_the_cosine_falls_from_the_learning_rate_to_zero_at_the_last_step():
    schedule = learning_rate(TrainingConfig(learning_rate=0.5, schedule="cosine"), num_steps=10)
    np.testing.assert_allclose([float(schedule(step)) for step in (0, 5, 10)], [0.5, 0.25, 0.0], atol=1e-7)


@pytest.mark.parametrize("name", kv.likelihoods.LIKELIHOODS)
def test_the_likelihood_is_the_one_that_is_named_with_the_levels_of_x(name):
    assert likelihood(ModelConfig(likelihood=name), num_levels=6) == kv.likelihoods.get(name, num_levels=6)


@pytest.mark.parametrize(
    ("name", "pixels", "is_doubted"),
    [
        ("bernoulli", "binarize=dynamic", False),
        ("quantized-logistic", "levels", False),
        ("soft-bernoulli", "unit", False),
        ("gaussian", "dequantize", False),
        ("gaussian", "binarize=dynamic", True),
        ("laplace", "quantize=4", True),
        ("continuous-bernoulli", "unit", True),
    ],
)
def test_a_density_of_isolated_values_is_doubted(name, pixels, is_doubted):
    treatment = kv.data.pixels(pixels, 17)
    split = kv.data.Split(tf.zeros([1, 2, 2, 1], tf.uint8), 1, treatment)
    data = kv.data.ImageData("a", (2, 2, 1), treatment, split, None, split)
    levels = treatment.num_values
    vae = kv.VAE.for_images((2, 2, 1), 1, likelihood=name, num_levels=levels, network=kv.networks.MLP(()))
    assert [f"isolated values, {treatment}:" in sentence for sentence in doubts(vae, data)] == [True] * is_doubted


def test_the_flags_of_the_network_are_its_settings():
    options = {"hidden": (3, 4), "activation": "elu", "initial": "fan_in_uniform"}
    assert network(ModelConfig(**options)) == kv.networks.MLP((3, 4), "elu", "fan_in_uniform")
    assert network(ModelConfig(**options, batch_norm=True)) == kv.networks.MLP((3, 4), "elu", "fan_in_uniform", True)
    assert network(ModelConfig(**options, network="conv")) == kv.networks.Conv((3, 4), "elu", "fan_in_uniform")
    assert network(ModelConfig()) == kv.networks.MLP()
    assert network(ModelConfig(hidden=())) == kv.networks.MLP(())


@pytest.mark.parametrize(
    ("elbo", "is_told"),
    [([-240.0, -95.0, -90.0], False), ([-240.0, -95.0, -240.5], True), ([-240.0], False), ([], False)],
)
def test_an_elbo_that_ended_below_that_of_the_first_epoch_is_told(elbo, is_told):
    assert ["it diverged. Lower the learning rate" in sentence for sentence in divergence({"elbo": elbo})] == [
        True
    ] * is_told
