"""Every prior: shapes, precision, configuration, files, training, and the same numbers however it is run."""

import inspect
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

import keras_vae as kv
from keras_vae.distributions.estimated_density import scored_with
from tests.contracts import cases

EPS = np.finfo("float32").eps
MAKE = {**cases.PRIORS, **cases.USER_PRIORS}
X = np.random.default_rng(0).normal(size=(40, 4)).astype("float32")
Z = np.random.default_rng(1).normal(size=(7, 3)).astype("float32")


def made(name):
    """Return the prior on its own, with an encoder if it needs one."""
    return cases.lent(MAKE[name]())


every_prior = pytest.mark.parametrize("name", MAKE)


@pytest.fixture(autouse=True)
def _mixed_precision_ends_with_its_test():
    before = keras.config.dtype_policy()
    yield
    keras.config.set_dtype_policy(before)


def vae_of(name):
    vae = kv.VAE.for_vectors((4,), 3, prior=MAKE[name](), hidden=(5,), seed=0)
    vae.compile(keras.optimizers.SGD(0.01), jit_compile=False)
    return vae


def scored(prior):
    """Return p(z), with noise where its density is estimated."""
    return scored_with(prior(), kv.random.as_noise(5))


def plain(config):
    """Return a configuration as JSON has it, without the numbers by which Keras finds shared objects."""
    without_numbers = lambda part: {key: value for key, value in part.items() if key != "shared_object_id"}  # noqa: E731
    return json.loads(json.dumps(config), object_hook=without_numbers)


def moved(prior):
    """Return the prior after a step of each of its weights, so that they differ from where they start."""
    for number, variable in enumerate((w for w in prior.weights if w.dtype.startswith("float")), 1):
        variable.assign_add(0.1 * number * tf.ones_like(variable))
    return prior


@every_prior
def test_it_has_no_batch_and_the_latent_event(name):
    p_z = made(name)()
    assert isinstance(p_z, tfd.Distribution)
    assert (p_z.batch_shape, p_z.event_shape) == ([], [3])


@every_prior
def test_its_draws_have_a_finite_density_and_do_not_depend_on_their_number(name):
    p_z = scored(made(name))
    z = kv.random.sample(p_z, 10, seed=0)
    assert z.shape == [10, 3]
    assert np.all(np.isfinite(p_z.log_prob(z)))
    more = kv.random.sample(p_z, 64, seed=0)[:10]
    np.testing.assert_allclose(z, more, rtol=8 * EPS, atol=8 * EPS)


@every_prior
def test_its_densities_are_float32_under_mixed_precision_also_inside_a_model(name):
    keras.config.set_dtype_policy("mixed_bfloat16")
    dtypes = []

    class Caller(keras.Model):
        def __init__(self):
            super().__init__()
            self.prior = made(name)

        def call(self, x):
            p_z = scored(self.prior)
            dtypes.extend([p_z.dtype, p_z.log_prob(Z).dtype, kv.random.sample(p_z, 2, seed=0).dtype])
            return x

    model = Caller()
    model(X)
    assert dtypes == [tf.float32] * 3
    assert model.prior().dtype == tf.float32


@every_prior
def test_a_prior_made_of_its_config_has_the_same_config_and_with_its_weights_the_same_density(name):
    prior = made(name)
    config = {**prior.get_config(), "name": "other", "trainable": False}
    twin = type(prior).from_config(config)
    assert plain(twin.get_config()) == plain(config)
    cases.lent(twin).set_weights(prior.get_weights())
    np.testing.assert_array_equal(scored(twin).log_prob(Z), scored(prior).log_prob(Z))


@every_prior
def test_every_argument_is_an_attribute_and_in_the_config(name):
    prior = made(name)
    parameters = inspect.signature(type(prior).__init__).parameters.values()
    named = {parameter.name for parameter in parameters if parameter.kind != parameter.VAR_KEYWORD} - {"self"}
    assert named <= set(prior.get_config())
    for key in named:
        assert hasattr(prior, key), key


@every_prior
def test_a_step_of_fit_trains_every_weight_of_a_prior(name):
    vae = vae_of(name)
    before = [variable.numpy() for variable in vae.prior.trainable_weights]
    vae.fit(X, batch_size=40, verbose=0)
    for variable, old in zip(vae.prior.trainable_weights, before, strict=True):
        assert np.all(np.isfinite(variable))
        assert np.any(variable.numpy() != old), variable.path


@every_prior
def test_it_comes_back_from_a_keras_file_in_safe_mode_with_its_weights(name, tmp_path):
    vae = vae_of(name)
    moved(vae.prior)
    vae.save(tmp_path / "vae.keras")
    loaded = keras.saving.load_model(tmp_path / "vae.keras", safe_mode=True)
    assert type(loaded.prior) is type(vae.prior)
    np.testing.assert_array_equal(scored(loaded.prior).log_prob(Z), scored(vae.prior).log_prob(Z))
    np.testing.assert_array_equal(loaded.sample(3, seed=0), vae.sample(3, seed=0))


@every_prior
def test_densities_and_draws_are_the_same_with_xla(name):
    prior = moved(made(name))

    def numbers(z):
        with tf.GradientTape() as tape:
            p_z = scored(prior)
            log_prob = p_z.log_prob(z)
        gradients = tape.gradient(log_prob, [variable.value for variable in prior.trainable_variables])
        return log_prob, kv.random.sample(p_z, 5, seed=3), *gradients

    compiled = tf.function(numbers, autograph=False, jit_compile=True)(tf.constant(Z))
    for actual, expected in zip(compiled, numbers(tf.constant(Z)), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=64 * EPS, atol=64 * EPS)


@pytest.mark.slow
@every_prior
def test_the_parts_of_the_elbo_add_up_to_less_than_log_p_of_x(name):
    vae = vae_of(name)
    parts = kv.evaluation.decompose(vae, X)
    elbo = -parts.reconstruction_loss.mean - parts.mutual_information_lower.mean - parts.marginal_kl_upper.mean
    log_marginal, _ = vae.log_marginal(X, 200, seed=0)
    assert np.isfinite(elbo)
    assert elbo < np.mean(log_marginal) < 0


@every_prior
def test_two_replicas_have_its_density_and_gradients(name, strategy):
    def numbers(prior):
        with tf.GradientTape() as tape:
            log_prob = scored(prior).log_prob(tf.constant(Z))
        return log_prob, *tape.gradient(log_prob, [variable.value for variable in prior.trainable_variables])

    with strategy.scope():
        prior = made(name)
    twin = made(name)
    twin.set_weights(prior.get_weights())
    of_replicas = tf.function(lambda: strategy.run(numbers, [prior]), autograph=False)()
    for per_replica, expected in zip(of_replicas, numbers(twin), strict=True):
        for actual in strategy.experimental_local_results(per_replica):
            np.testing.assert_allclose(actual, expected, rtol=64 * EPS, atol=64 * EPS)


@every_prior
def test_an_exported_model_draws_the_samples_of_the_model(name, tmp_path):
    vae = vae_of(name)
    moved(vae.prior)
    loaded = tf.saved_model.load(vae.export(tmp_path))
    seed = tf.constant([0, 9])
    for num_samples in (3, 5):
        x = loaded.signatures["sample"](num_samples=tf.constant(num_samples), seed=seed)["x"]
        np.testing.assert_allclose(x, vae.sample(num_samples, seed=seed), rtol=1e3 * EPS, atol=1e3 * EPS)
