"""The importance-weighted bound on probabilistic PCA, whose log p(x) is known."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae.evaluation import log_importance_weights
from keras_vae.objectives import ELBO, IWAE
from tests.reference import linear_gaussian


@pytest.fixture(scope="module")
def model():
    return linear_gaussian()


@pytest.fixture(scope="module")
def vae(model):
    rng = np.random.default_rng(2)
    return model.vae(rng.normal(size=(5, 2)) * 0.2, rng.normal(size=2) * 0.2, np.array([0.5, 0.8]))


def bound(objective, vae, x, seed=0):
    return -objective(vae, x, seed=seed).loss_per_example.numpy()


def test_the_bounds_grow_with_the_number_of_draws_between_elbo_and_log_marginal(model, vae):
    """Burda et al. (2016), Theorem 1. Means over 4,000 repeats of one x, each step above its standard error."""
    x = np.repeat(np.random.default_rng(1).normal(size=(1, 5)), 4_000, 0)
    values = [bound(objective, vae, x) for objective in (ELBO(), IWAE(2), IWAE(5), IWAE(20))]
    means = np.array([value.mean() for value in values])
    errors = np.array([value.std(ddof=1) / np.sqrt(len(x)) for value in values])
    assert np.all(np.diff(means) > 4 * np.hypot(errors[1:], errors[:-1]))
    assert means[-1] < model.log_marginal(x[:1]) + 4 * errors[-1]


def test_with_one_draw_it_is_the_elbo_by_the_log_ratio(vae):
    x = np.random.default_rng(1).normal(size=(6, 5))
    np.testing.assert_allclose(bound(IWAE(1), vae, x), ELBO(form="log_ratio")(vae, x, seed=0).elbo, rtol=1e-12)


def test_it_is_the_log_mean_exp_of_the_log_weights(vae):
    x = np.random.default_rng(1).normal(size=(6, 5))
    terms = IWAE(7)(vae, x, seed=3)
    log_w = log_importance_weights(vae, x, 7, seed=3).numpy()
    np.testing.assert_allclose(-terms.loss_per_example, np.log(np.exp(log_w).mean(0)), rtol=1e-10)
    np.testing.assert_allclose(terms.elbo, log_w.mean(0), rtol=1e-10)
    np.testing.assert_allclose(terms.loss, np.mean(terms.loss_per_example), rtol=1e-12)
    np.testing.assert_allclose(terms.log_likelihood - terms.kl, terms.elbo, rtol=1e-9)


@pytest.mark.parametrize(
    "objective", [IWAE(3), IWAE(3, "doubly_reparameterized"), ELBO(1.0, 2, "log_ratio", "score_function")]
)
def test_a_vae_is_trained_by_fit_with_each_estimator_of_the_log_weights_gradient(make_vae, binary_images, objective):
    vae = make_vae(objective=objective)
    vae.compile(keras.optimizers.Adam(0.01), jit_compile=False)
    history = vae.fit(binary_images, batch_size=50, epochs=10, verbose=0).history
    assert history["loss"][-1] < history["loss"][0] - 1


def test_the_doubly_reparameterised_gradient_survives_xla(make_vae, binary_images):
    """The factor of the gradient is asked for after the loss is computed; compiled and eager agree."""
    vae = make_vae(objective=IWAE(4, "doubly_reparameterized"))

    def gradients(x):
        with tf.GradientTape() as tape:
            loss = vae.objective(vae, x, seed=0).loss
        return tape.gradient(loss, vae.trainable_variables)

    compiled = tf.function(gradients, jit_compile=True, autograph=False)
    x = tf.constant(binary_images[:20])
    for a, b in zip(gradients(x), compiled(x), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_samples": 0}, "`num_samples` must be 1 or more. Received: num_samples=0"),
        ({"gradient": "dreg"}, "`gradient` must be one of pathwise, .*. Received: gradient='dreg'"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        IWAE(**arguments)


def test_config_survives_serialisation():
    objective = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(IWAE(7, "doubly_reparameterized"))
    )
    assert (objective.num_samples, objective.gradient) == (7, "doubly_reparameterized")
