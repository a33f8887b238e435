"""Figures of posteriors and prior: what is drawn is what the model says."""

import numpy as np
import pytest

import keras_vae as kv
from keras_vae.plotting import bubbles, holes


@pytest.mark.parametrize("labels", [None, np.arange(60)])
def test_each_bubble_is_one_posterior(make_vae, binary_images, labels):
    vae = make_vae()
    (axes,) = bubbles(vae, binary_images, labels, num_bubbles=20).axes
    prior, ellipses, _ = axes.collections
    q_z = vae.encode(binary_images[:20])
    np.testing.assert_allclose(ellipses.get_offsets(), q_z.mean(), rtol=1e-6)
    np.testing.assert_allclose(ellipses.get_widths(), 2 * q_z.stddev()[:, 0], rtol=1e-6)
    np.testing.assert_allclose(ellipses.get_heights(), 2 * q_z.stddev()[:, 1], rtol=1e-6)
    assert len(prior.get_offsets()) == 200


def test_of_many_dimensions_those_are_drawn_whose_means_vary_most(make_vae, binary_images):
    vae = make_vae(latent_dim=4)
    (axes,) = bubbles(vae, binary_images).axes
    most = sorted(np.argsort(-vae.encode(binary_images).mean().numpy().var(axis=0))[:2])
    assert (axes.get_xlabel(), axes.get_ylabel()) == tuple(f"z{j}" for j in most)


def test_holes_and_data_are_the_ends_of_the_order(make_vae, binary_images):
    vae = make_vae()
    draws = kv.evaluation.prior_draws(vae, binary_images, num_samples=50)
    assert np.all(np.diff(draws.log_ratio) >= 0)
    log_q = vae.encode(binary_images).log_prob(draws.z[:, None]).numpy().astype("float64")
    expected = np.log(np.mean(np.exp(log_q), axis=1)) - vae.prior().log_prob(draws.z)
    np.testing.assert_allclose(draws.log_ratio, expected, rtol=1e-4, atol=1e-4)
    (axes,) = holes(vae, binary_images, num_images=3, num_samples=50).axes
    canvas = axes.images[0].get_array()
    first = vae.decode(draws.z[:1]).mean()[0, ..., 0].numpy()
    scale = canvas[:4, :4].max() / first.max()
    np.testing.assert_allclose(canvas[:4, :4], scale * first, rtol=1e-4)


def test_numbers_of_images_without_draws_are_refused(make_vae, binary_images):
    vae = make_vae()
    with pytest.raises(ValueError, match="`num_images` must be 1 or more. Received: num_images=0"):
        holes(vae, binary_images, num_images=0)
    with pytest.raises(ValueError, match="pass as many draws or more. Received: num_images=5, num_samples=4"):
        holes(vae, binary_images, num_images=5, num_samples=4)
