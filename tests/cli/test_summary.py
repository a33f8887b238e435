"""What is said of a trained model, and what is left out, with the reason."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

import keras_vae as kv
from keras_vae.cli.summary import format_summary, summarize
from keras_vae.data import ImageData, Split


def data_of(pixels, validation=True):
    levels = np.random.default_rng(0).integers(0, 17, [40, 4, 4, 1]).astype("uint8")
    split = Split(tf.constant(levels), 40, pixels)
    return ImageData("levels", (4, 4, 1), pixels, split, split if validation else None, split)


def test_grey_targets_have_a_cross_entropy_and_no_log_marginal():
    vae = kv.VAE.for_images((4, 4, 1), 2, likelihood="soft-bernoulli", hidden=(8,), seed=0)
    summary = summarize(vae, data_of(kv.data.pixels("unit", 17)), num_samples=2, num_annealed=2)
    assert "log_marginal" not in summary
    assert summary["cross_entropy"]["mean"] > 0
    printed = format_summary(summary)
    assert "cross-entropy + kl" in printed
    assert "Left out: log p(x): a cross-entropy of grey targets is not a likelihood." in printed
    assert "Left out: Baselines: they are densities of integer levels, which these pixels are not." in printed


@pytest.fixture(scope="module")
def summary_of_one_image():
    """Return the summary of a single test image without validation images."""
    data = data_of(kv.data.pixels("levels", 17), validation=False)
    one = Split(data.test.images[:1], 1, data.pixels)
    vae = kv.VAE.for_images((4, 4, 1), 2, likelihood="categorical", num_levels=17, hidden=(8,), seed=0)
    return summarize(vae, dataclasses.replace(data, test=one), num_samples=2)


def test_baselines_without_validation_images_are_left_out_with_a_word(summary_of_one_image):
    assert "baselines" not in summary_of_one_image
    assert "Baselines: their settings are chosen on validation images" in format_summary(summary_of_one_image)


def test_the_numbers_of_one_image_have_no_standard_error(summary_of_one_image):
    elbo = summary_of_one_image["elbo"]
    assert np.isnan(elbo["standard_error"])
    lines = format_summary(summary_of_one_image).splitlines()[1:]
    assert f"  {'elbo':34s}{elbo['mean']:12.4f}" in lines
    assert not any("+-" in line or "nan" in line for line in lines)


@pytest.mark.slow
def test_the_codes_of_a_discrete_z_are_counted():
    vae = kv.VAE.for_images((4, 4, 1), 3, posterior="bernoulli", hidden=(8,), seed=0)
    data = data_of(kv.data.pixels("binarize=static", 17))
    summary = summarize(vae, data, num_samples=2, baselines=False)
    use = kv.evaluation.code_use(vae, data.test)
    np.testing.assert_array_equal(summary["codes"]["perplexity"], use.perplexity)
    printed = format_summary(summary)
    assert f"codes, most probable z{use.num_codes:19d} different ones" in printed
    assert f"perplexity of 3 variables{np.median(use.perplexity):21.4f} in the median" in printed


def test_baselines_are_not_put_beside_a_density_whose_numbers_compare_with_nothing():
    vae = kv.VAE.for_images((4, 4, 1), 2, likelihood="gaussian", hidden=(8,), seed=0)
    printed = format_summary(summarize(vae, data_of(kv.data.pixels("levels", 17)), num_samples=2))
    assert "Left out: Baselines: they bound probabilities of integer levels, and log p(x) of this" in printed
    assert "The likelihood is a density, and these pixels have isolated values, Quantize(" in printed
