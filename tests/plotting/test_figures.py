import numpy as np
import pytest
from matplotlib.figure import Figure

import keras_vae as kv
from keras_vae.plotting import image_grid, latent_scatter, report, training_curves


def drawn(figure):
    return figure.axes[0].images[0].get_array()


def test_grid_puts_images_in_reading_order():
    images = np.arange(6).reshape(6, 1, 1, 1) * np.ones((6, 3, 2, 1))
    canvas = drawn(image_grid(images, num_columns=3))
    assert canvas.shape == (2 * 3 + 1, 3 * 2 + 2)
    corners = canvas[::4, ::3]
    np.testing.assert_allclose(corners, np.arange(6).reshape(2, 3) / 5)


def test_grid_maps_low_to_black_and_high_to_white():
    figure = image_grid(np.array([2.0, 4.0, 6.0]).reshape(3, 1, 1, 1), num_columns=3, low=2, high=6)
    np.testing.assert_allclose(drawn(figure)[0, ::2], [0, 0.5, 1])
    black, _, white = figure.axes[0].images[0].to_rgba(drawn(figure))[0, ::2, :3]
    assert (black.tolist(), white.tolist()) == ([0, 0, 0], [1, 1, 1])


def test_curves_show_training_and_validation_of_each_metric():
    history = {"loss": [3.0, 2.0], "val_loss": [3.5, 2.5], "kl": [1.0, 1.5], "val_kl": [1.0, 1.4]}
    figure = training_curves(history)
    assert [axes.get_title() for axes in figure.axes] == ["loss", "kl"]
    for axes, name in zip(figure.axes, ("loss", "kl"), strict=True):
        curves = [line.get_ydata() for line in axes.lines]
        np.testing.assert_array_equal(curves, [history[name], history[f"val_{name}"]])


def test_curves_survive_a_loss_that_is_not_finite():
    assert isinstance(training_curves({"loss": [1.0, float("nan")]}), Figure)
    assert isinstance(training_curves({"loss": [float("nan")]}), Figure)


@pytest.mark.parametrize("labels", [None, np.arange(50) % 10, np.arange(50)])
def test_scatter_draws_every_point(labels):
    z = np.random.default_rng(0).normal(size=(50, 2))
    points = latent_scatter(z, labels).axes[0].collections[0]
    np.testing.assert_allclose(points.get_offsets(), z)


@pytest.mark.parametrize(("latent_dim", "likelihood"), [(1, "bernoulli"), (2, "categorical"), (3, "soft-bernoulli")])
def test_report_has_the_documented_figures(latent_dim, likelihood):
    vae = kv.VAE.for_images((4, 4, 1), latent_dim, likelihood, num_levels=3, seed=0)
    images = np.random.default_rng(0).integers(0, 2, (7, 4, 4, 1)).astype("float32")
    figures = report(vae, kv.data.Split(images, 7, labels=np.arange(7)), {"loss": [2.0, 1.0]})
    expected = {"training_curves", "samples", "sample_means", "reconstructions", "latent", "interpolation"}
    of_dimensions = {1: set(), 2: {"manifold"}, 3: {"traversals"}}
    assert set(figures) == expected | of_dimensions[latent_dim]
    assert all(isinstance(figure, Figure) for figure in figures.values())
