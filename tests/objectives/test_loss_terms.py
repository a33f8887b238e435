import math

import numpy as np
import pytest
import tensorflow as tf

from keras_vae.objectives import bits_per_dim, dataset_elbo


def test_bits_per_dim_of_a_fair_coin_is_one():
    assert float(bits_per_dim(-12 * math.log(2), (3, 4))) == pytest.approx(1)


def test_the_mean_over_all_minibatches_is_the_sum_over_the_data_set():
    """Kingma & Welling (2014), Eq. 8: unbiased, exactly so for batches of one size."""
    elbo = np.random.default_rng(0).normal(size=12)
    estimates = [dataset_elbo(batch, num_examples=12) for batch in np.split(elbo, 4)]
    np.testing.assert_allclose(np.mean(estimates), elbo.sum(), rtol=1e-14)
    assert estimates[0].shape == []


def test_its_gradient_is_n_over_m_times_that_of_the_sum():
    theta, x = tf.Variable([0.3, -0.7], dtype=tf.float64), np.random.default_rng(0).normal(size=(5, 2))
    with tf.GradientTape(persistent=True) as tape:
        elbo = -tf.reduce_sum((x - theta) ** 2, axis=1)
        total, scaled = tf.reduce_sum(elbo), dataset_elbo(elbo, num_examples=60)
    np.testing.assert_allclose(tape.gradient(scaled, theta), 60 / 5 * tape.gradient(total, theta), rtol=1e-14)


def test_it_is_minus_n_times_the_loss_of_the_elbo(make_vae, binary_images):
    vae = make_vae()
    terms = vae.objective(vae, binary_images[:7], seed=0)
    np.testing.assert_allclose(dataset_elbo(terms.elbo, 300), -300 * terms.loss, rtol=1e-6)


@pytest.mark.parametrize(
    ("elbo", "num_examples", "message"),
    [
        (np.zeros([3, 2]), 5, r"`elbo` must have shape \[M\], one an example. Received: elbo.shape=\(3, 2\)"),
        (np.float64(1), 5, r"`elbo` must have shape \[M\], one an example. Received: elbo.shape=\(\)"),
        (np.zeros(3), 0, "`num_examples` must be 1 or more. Received: num_examples=0"),
    ],
)
def test_bad_arguments_are_refused(elbo, num_examples, message):
    with pytest.raises(ValueError, match=message):
        dataset_elbo(elbo, num_examples)
