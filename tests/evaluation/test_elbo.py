import keras
import numpy as np
import pytest

import keras_vae as kv
from keras_vae.evaluation import elbo_gain, evaluate


@pytest.fixture(scope="module")
def vae(make_vae):
    vae = make_vae()
    vae.compile("sgd", jit_compile=False)
    return vae


def test_parts_add_up(vae, binary_images):
    result = evaluate(vae, binary_images)
    assert result["elbo"].mean == pytest.approx(-result["reconstruction_loss"].mean - result["kl"].mean, rel=1e-6)
    assert result["bits_per_dim"].mean == pytest.approx(-result["elbo"].mean / 16 / np.log(2), rel=1e-6)


@pytest.mark.parametrize("batch_size", [1, 7, 300])
def test_does_not_depend_on_the_batch_size(vae, binary_images, batch_size):
    x = binary_images[:40]
    whole = evaluate(vae, x, num_samples=2, batch_size=40)
    assert evaluate(vae, x, num_samples=2, batch_size=batch_size)["elbo"] == pytest.approx(whole["elbo"], rel=1e-5)


def test_standard_error_is_that_of_the_mean_over_examples(vae, binary_images):
    elbo = vae.elbo(binary_images, seed=kv.random.as_noise(0).of(kv.random.Stream.EVALUATION)).numpy()
    result = evaluate(vae, binary_images, seed=0)["elbo"]
    assert result.mean == pytest.approx(elbo.mean(), rel=1e-6)
    assert result.standard_error == pytest.approx(elbo.std(ddof=1) / np.sqrt(300), rel=1e-4)


def test_the_method_and_the_function_give_the_same_numbers_for_the_same_seed(make_vae, binary_images):
    vae = make_vae(seed=5, objective=kv.objectives.ELBO(num_samples=3))
    vae.compile("sgd", jit_compile=False)
    by_method = vae.evaluate(binary_images, batch_size=32, verbose=0, return_dict=True)
    by_function = evaluate(vae, binary_images, num_samples=3, seed=vae.seed)
    for name, estimate in by_function.items():
        assert by_method[name] == pytest.approx(estimate.mean, rel=1e-6)


def test_dynamic_pixels_are_drawn_once_by_the_stated_seed(vae):
    grey = np.full((20, 4, 4, 1), 128, "uint8")
    split = kv.data.Split(grey, 20, kv.data.Binarize())
    first, again, other = (evaluate(vae, split, seed=seed)["elbo"].mean for seed in (1, 1, 2))
    assert first == again != other


def test_soft_targets_are_reported_as_a_cross_entropy():
    vae = kv.VAE.for_images((4, 4, 1), latent_dim=2, likelihood="soft-bernoulli", hidden=(8,), seed=0)
    vae.compile(jit_compile=False)
    result = evaluate(vae, np.full((5, 4, 4, 1), 0.3))
    assert set(result) == {"cross_entropy_plus_kl", "cross_entropy", "kl"}
    total = result["cross_entropy"].mean + result["kl"].mean
    assert result["cross_entropy_plus_kl"].mean == pytest.approx(total, rel=1e-6)


def test_data_outside_the_support_is_refused(vae):
    with pytest.raises(ValueError, match="Bernoulli likelihood scores"):
        evaluate(vae, np.full((5, 4, 4, 1), 0.3))


@pytest.mark.parametrize("batch_size", [7, 300])
def test_batches_of_another_size_have_the_noise_of_their_rows(vae, binary_images, batch_size):
    batches = kv.data.as_batches(binary_images, 35, seed=0, training=False)
    given = evaluate(vae, batches, batch_size=batch_size)["elbo"]
    assert given.mean == pytest.approx(evaluate(vae, binary_images)["elbo"].mean, rel=1e-6)
    images = np.repeat(binary_images[:1], 40, 0)
    batches = kv.data.as_batches(images, 20, seed=0, training=False)
    by_batches = kv.evaluation.log_marginal(vae, batches, num_samples=50, seed=0).log_marginal
    by_array = kv.evaluation.log_marginal(vae, images, num_samples=50, seed=0).log_marginal
    np.testing.assert_allclose(by_batches, by_array, rtol=1e-5)


def test_a_gain_compares_the_same_noise_also_with_a_generator_of_seeds(make_vae):
    vae, x = make_vae(), np.ones([10, 4, 4, 1])
    assert elbo_gain(vae, vae, x, seed=keras.random.SeedGenerator(1)) == (0.0, 0.0)
