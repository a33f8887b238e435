"""Figures of single dimensions, and of the exact posterior."""

import numpy as np
import pytest

import keras_vae as kv
from keras_vae.plotting import exact_posterior, holes, traversals
from keras_vae.plotting.traversals import _levels
from tests.reference import linear_gaussian


def test_a_row_changes_one_dimension_and_the_most_used_comes_first(make_vae, binary_images):
    vae, seen = make_vae(latent_dim=4), []
    decode = vae.decode
    vae.decode = lambda z: seen.append(z) or decode(z)
    traversals(vae, binary_images, num_dimensions=3, num_steps=5, reach=2.0)
    q_z = vae.encode(binary_images)
    loc, variance = q_z.mean().numpy(), q_z.variance().numpy()
    order = np.argsort(-loc.var(axis=0))[:3]
    z = seen[0].reshape(3, 5, 4)
    for row, j in enumerate(order):
        others = np.delete(np.arange(4), j)
        np.testing.assert_array_equal(z[row][:, others], np.tile(loc[0][others], [5, 1]))
        reach = 2 * np.sqrt(loc[:, j].var() + variance[:, j].mean())
        np.testing.assert_allclose(z[row][[0, -1], j], loc[:, j].mean() + np.array([-reach, reach]), rtol=1e-5)


def test_levels_hold_their_mass():
    axis = np.linspace(-5, 5, 201)
    density = np.exp(-(axis[:, None] ** 2 + axis**2) / 2).ravel()
    mass = density / density.sum()
    for level, share in zip(_levels(mass), (0.99, 0.9, 0.5), strict=True):
        assert mass[mass >= level].sum() == pytest.approx(share, abs=2 * mass.max() + 0.01)


def test_where_the_encoder_is_right_the_lines_lie_on_the_contours():
    model = linear_gaussian()
    _, covariance = model.posterior(np.zeros(5))
    gain = model.weight @ covariance / model.sigma**2
    vae = model.vae(gain, -model.bias @ gain, np.sqrt(np.diag(covariance)))
    figure = exact_posterior(vae, vae.sample(2, seed=0).numpy(), num_steps=60)
    for panel in figure.axes:
        exact, approximate = panel.collections
        np.testing.assert_allclose(exact.levels[:-1], approximate.levels, rtol=1e-6)


def test_other_dimensions_than_two_are_refused(make_vae, binary_images):
    with pytest.raises(ValueError, match=r"two dimensions. Received: a model with latent_shape=\(4,\)"):
        exact_posterior(make_vae(latent_dim=4), binary_images[:2])


def test_a_second_stage_which_has_no_density_is_refused(make_vae, binary_images):
    second = kv.VAE.for_vectors((2,), latent_dim=1, likelihood="gaussian-shared", hidden=(4,), seed=0)
    vae = make_vae(latent_dim=2).with_prior(kv.priors.SecondStage(second))
    with pytest.raises(ValueError, match="needs the density p.* Received: vae="):
        exact_posterior(vae, binary_images[:2])


def test_white_is_high_in_all_figures_of_images(make_vae, binary_images):
    vae = make_vae()
    for figure in (
        lambda high: traversals(vae, binary_images, num_dimensions=1, num_steps=2, high=high),
        lambda high: holes(vae, binary_images, num_images=1, num_samples=2, high=high),
    ):
        canvases = [figure(high).axes[0].images[0].get_array()[:4, :4] for high in (1.0, 2.0)]
        np.testing.assert_allclose(canvases[0], 2 * canvases[1])
