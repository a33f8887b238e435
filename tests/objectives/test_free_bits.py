import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

import keras_vae as kv
from keras_vae.objectives import ELBO, FreeBits, kl_per_dimension


@pytest.fixture
def x(binary_images):
    return binary_images[:50]


def test_kl_per_dimension_adds_up_to_the_kl(make_vae, x):
    vae = make_vae()
    q_z = vae.encode(x)
    np.testing.assert_allclose(
        tf.reduce_sum(kl_per_dimension(q_z, vae.prior()), -1), ELBO()(vae, x, seed=0).kl, rtol=1e-5
    )


@pytest.mark.parametrize("per", ["dimension", "total"])
def test_without_a_floor_it_is_the_elbo(make_vae, x, per):
    vae = make_vae()
    terms, elbo = FreeBits(0.0, per, beta=1.5)(vae, x, seed=0), ELBO(beta=1.5)(vae, x, seed=0)
    np.testing.assert_allclose(terms.loss_per_example, elbo.loss_per_example, rtol=1e-6)


def test_below_the_floor_the_kl_is_charged_as_the_floor_and_has_no_gradient(make_vae, x):
    vae = make_vae()
    for per, floor in (("dimension", 2 * 50.0), ("total", 50.0)):
        objective = FreeBits(50.0, per)
        terms = objective(vae, x, seed=0)
        np.testing.assert_allclose(terms.loss_per_example, floor - terms.log_likelihood, rtol=1e-6)
        gradients = []
        for value in ("loss_per_example", "log_likelihood"):
            with tf.GradientTape() as tape:
                target = tf.reduce_sum(getattr(objective(vae, x, seed=0), value))
            gradients.append(tape.gradient(target, vae.encoder.trainable_variables))
        for of_loss, of_log_likelihood in zip(*gradients, strict=True):
            np.testing.assert_allclose(of_loss, -of_log_likelihood, rtol=1e-6, atol=1e-6)


def test_the_floor_per_dimension_is_under_the_batchs_mean(make_vae, x):
    vae = make_vae()
    mean_j = tf.reduce_mean(kl_per_dimension(vae.encode(x), vae.prior()), 0).numpy()
    floor = float(mean_j.mean())  # between the two dimensions'
    assert mean_j.min() < floor < mean_j.max()
    terms = FreeBits(floor)(vae, x, seed=0)
    charged = np.mean(terms.loss_per_example + terms.log_likelihood)
    assert charged == pytest.approx(np.maximum(mean_j, floor).sum(), rel=1e-5)
    np.testing.assert_allclose(terms.elbo, ELBO()(vae, x, seed=0).elbo, rtol=1e-6)


def test_bad_input_is_refused(make_vae, x):
    with pytest.raises(ValueError, match="`free_bits` must be finite and not negative. Received: free_bits=-1"):
        FreeBits(-1)
    with pytest.raises(ValueError, match="`per` must be dimension or total. Received: per='pixel'"):
        FreeBits(1, "pixel")


def test_config_survives_serialisation():
    objective = FreeBits(0.3, "total", beta=2.0, num_samples=4)
    restored = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(objective))
    assert restored.get_config() == objective.get_config()
    assert (restored.free_bits, restored.per, restored.beta, restored.num_samples) == (0.3, "total", 2.0, 4)


def test_independent_normal_entries_are_dimensions_whatever_their_class():
    encoder = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4), kv.layers.IndependentNormal(2)])
    vae = kv.VAE(encoder, kv.models.make_decoder((3,), 2), kv.priors.StandardNormal(2), objective=FreeBits(0.5))
    x = tf.zeros([5, 3])
    q_z = vae.encode(x)
    expected = tfd.kl_divergence(q_z.distribution, tfd.Normal(tf.zeros(2), 1.0))
    draws = vae.draw(kv.protocols.Batch(x), 1, kv.random.as_noise(0))
    np.testing.assert_allclose(draws.kl["z"], expected, rtol=1e-5)
    assert np.all(np.isfinite(vae.objective(vae, x, seed=0).loss_per_example))
    assert kv.evaluation.decompose(vae, x).kl_per_dimension.shape == (2,)
