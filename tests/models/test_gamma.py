"""The learned scale of a Gaussian likelihood as a metric."""

import keras
import numpy as np
import pytest

import keras_vae as kv

SIGMA, DIMENSIONS, LATENT, NUM_EXAMPLES = 0.3, 8, 2, 4_000


@pytest.fixture(scope="module")
def x():
    model = kv.data.synthetic.LinearGaussian.random(DIMENSIONS, LATENT, SIGMA)
    return model.sample(NUM_EXAMPLES, seed=1).astype("float32")


@pytest.fixture(scope="module")
def trained(x):
    vae = kv.VAE.for_vectors((DIMENSIONS,), LATENT, "gaussian-shared", kv.networks.MLP(()), seed=0)
    rate = keras.optimizers.schedules.CosineDecay(0.03, 800)
    vae.compile(keras.optimizers.Adam(rate), jit_compile=False)
    vae.fit(x, batch_size=100, epochs=20, validation_data=(x[:100],), verbose=0)
    return vae


def test_it_converges_to_the_standard_deviation_of_the_noise(trained):
    """The optimum of a linear VAE is that of probabilistic PCA (Lucas et al., 2019), whose error is sampling's."""
    standard_error = SIGMA / np.sqrt(2 * NUM_EXAMPLES * (DIMENSIONS - LATENT))
    gamma = trained.history.history["gamma"]
    assert abs(gamma[-1] - SIGMA) < 4 * standard_error
    assert gamma[0] > 1.3 * gamma[-1]


def test_it_is_the_present_scale_in_history_units_evaluation_and_figure(trained, x):
    scale = float(trained.decoder.layers[-1].learned_scale())
    history = trained.history.history
    assert history["gamma"][-1] == history["val_gamma"][-1] == pytest.approx(scale)
    assert trained.evaluate(x[:10], verbose=0, return_dict=True)["gamma"] == pytest.approx(scale)
    axes = kv.plotting.training_curves(history, trained.metric_units).axes
    assert {ax.get_title(): ax.get_ylabel() for ax in axes}["gamma"] == "units of x"


def test_it_comes_back_with_a_file(trained, x, tmp_path):
    trained.save(tmp_path / "vae.keras")
    loaded = keras.saving.load_model(tmp_path / "vae.keras")
    expected = trained.evaluate(x[:10], verbose=0, return_dict=True)
    assert loaded.evaluate(x[:10], verbose=0, return_dict=True) == pytest.approx(expected)
    assert "gamma" in expected


@pytest.mark.parametrize(
    "likelihood", ["gaussian", "gaussian-fixed", "laplace", kv.likelihoods.Gaussian(scale="per_dimension")]
)
def test_a_likelihood_without_one_learned_scale_has_none(likelihood):
    vae = kv.VAE.for_vectors((4,), 2, likelihood, hidden=(3,))
    assert "gamma" not in vae.metric_units
    assert "gamma" not in [metric.name for metric in vae.metrics]


def test_other_layers_may_have_a_scale_of_their_own():
    decoder = keras.Sequential(
        [
            keras.Input((2,)),
            keras.layers.Rescaling(np.array([1.0, 2.0])),
            keras.layers.Dense(8),
            kv.layers.IndependentNormal(4),
        ]
    )
    vae = kv.VAE(kv.models.make_encoder((4,), 2), decoder, kv.priors.StandardNormal(2))
    assert "gamma" not in vae.metric_units
