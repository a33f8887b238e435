import math

import numpy as np
import pytest
import tensorflow as tf

import keras_vae as kv
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


class WithGap(kv.objectives.ELBO):
    """The ELBO, and the squared KL of each example as a metric."""

    units = {"squared_kl": "nats^2"}  # noqa: RUF012 - as a user writes it

    def terms(self, draws, sample_weight=None, step=0):
        terms = super().terms(draws, sample_weight, step)
        return terms._replace(metrics={"squared_kl": terms.kl**2})


def test_a_metric_that_an_objective_declares_is_in_history_and_bar_evaluated_and_drawn(make_vae, binary_images):
    vae = make_vae(objective=WithGap())
    vae.compile("sgd", jit_compile=False)
    bar = kv.training.ProgressBar()
    history = vae.fit(binary_images, validation_data=binary_images, verbose=0, callbacks=[bar]).history
    assert {"squared_kl", "val_squared_kl"} <= set(history)
    assert "squared_kl" in bar._shown
    logs = vae.evaluate(binary_images, verbose=0, return_dict=True)
    assert history["val_squared_kl"] == [pytest.approx(logs["squared_kl"], rel=1e-5)]
    terms = vae.objective(vae, binary_images, kv.random.as_noise(vae.seed).of(kv.random.Stream.EVALUATION))
    assert logs["squared_kl"] == pytest.approx(float(np.mean(terms.kl**2)), rel=1e-5)
    axes = {axes.get_title(): axes.get_ylabel() for axes in kv.plotting.training_curves(history, vae.metric_units).axes}
    assert axes["squared kl"] == "nats^2"
    assert (axes["elbo"], axes["bits per dim"]) == ("nats", "bits per dim")


def test_an_objective_with_metrics_the_model_was_not_made_with_is_refused(make_vae, binary_images):
    vae = make_vae()
    vae.compile("sgd", jit_compile=False)
    vae.objective = WithGap()
    with pytest.raises(ValueError, match=r"Received: objective=WithGap with \['squared_kl'\]"):
        vae.fit(binary_images, verbose=0)
