"""p(z) = Normal(0, I) against SciPy and the closed form of the KL."""

import inspect

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae import layers, random
from keras_vae.priors import StandardNormal

EPS = np.finfo("float32").eps
Z = np.random.default_rng(0).normal(size=(7, 3)).astype("float32")


def test_it_has_no_batch_and_event_latent_dim():
    p_z = StandardNormal(3)()
    assert isinstance(p_z, tfd.MultivariateNormalDiag)
    assert (p_z.batch_shape, p_z.event_shape, p_z.dtype) == ([], [3], tf.float32)


def test_log_prob_is_that_of_scipy():
    expected = scipy.stats.multivariate_normal.logpdf(Z, np.zeros(3), np.eye(3))
    np.testing.assert_allclose(StandardNormal(3)().log_prob(Z), expected, rtol=8 * EPS)


def test_log_prob_in_float64_is_that_of_scipy():
    p_z = StandardNormal(3, dtype="float64")()
    expected = scipy.stats.norm.logpdf(Z).sum(-1)
    np.testing.assert_allclose(p_z.log_prob(Z.astype("float64")), expected, rtol=16 * 2**-52)


def test_mean_is_zero_and_covariance_is_the_identity():
    p_z = StandardNormal(3)()
    np.testing.assert_array_equal(p_z.mean(), np.zeros(3))
    np.testing.assert_array_equal(p_z.covariance(), np.eye(3))


def test_kl_from_a_diagonal_normal_is_that_of_kingma_and_welling():
    """-KL = 1/2 sum(1 + log(scale**2) - loc**2 - scale**2), their appendix B."""
    params = np.random.default_rng(1).normal(size=(5, 6)).astype("float32")
    q_z = layers.MultivariateNormalDiag(3)(params)
    loc, scale = params[:, :3].astype("float64"), 1e-5 + np.logaddexp(0, params[:, 3:].astype("float64"))
    terms = 0.5 * (loc**2 + scale**2 - 1 - 2 * np.log(scale))
    kl = tfd.kl_divergence(q_z, StandardNormal(3)())
    np.testing.assert_allclose(kl, terms.sum(-1), rtol=16 * EPS, atol=16 * EPS * np.abs(terms).max())


def test_kl_from_itself_is_zero():
    np.testing.assert_array_equal(tfd.kl_divergence(StandardNormal(3)(), StandardNormal(3)()), 0.0)


def test_samples_are_the_noise_itself():
    np.testing.assert_array_equal(random.sample(StandardNormal(3)(), 5, 7), random.normal([5, 3], 7))


def test_fewer_samples_are_the_first_of_more():
    p_z = StandardNormal(3)()
    eps = 8 * EPS  # rounding of the noise, see tests/random/helpers.py
    np.testing.assert_allclose(random.sample(p_z, 10, 7), random.sample(p_z, 64, 7)[:10], rtol=eps, atol=eps)


def test_it_has_no_weights():
    assert StandardNormal(3).weights == []


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_it_stays_float32_under_mixed_precision(policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        prior = StandardNormal(3)
    finally:
        keras.config.set_dtype_policy(before)
    assert prior.compute_dtype == policy.removeprefix("mixed_")
    assert prior().dtype == prior().log_prob(Z).dtype == tf.float32


def test_config_holds_every_named_argument_and_those_of_keras():
    prior = StandardNormal(3, name="other", dtype="float64", trainable=False)
    named = {p.name for p in inspect.signature(StandardNormal.__init__).parameters.values() if p.kind != p.VAR_KEYWORD}
    assert set(prior.get_config()) == named - {"self"} | {"name", "trainable", "dtype"}
    twin = StandardNormal.from_config(prior.get_config())
    assert (twin.latent_dim, twin.name, twin.trainable, twin.dtype) == (3, "other", False, "float64")
    z = Z.astype("float64")
    np.testing.assert_array_equal(twin().log_prob(z), prior().log_prob(z))


def test_it_is_serialised_by_name_in_safe_mode():
    prior = StandardNormal(3)
    config = keras.saving.serialize_keras_object(prior)
    assert config["registered_name"] == "keras_vae>StandardNormal"
    twin = keras.saving.deserialize_keras_object(config, safe_mode=True)
    np.testing.assert_array_equal(twin().log_prob(Z), prior().log_prob(Z))


def test_it_is_the_same_in_a_graph():
    prior = StandardNormal(3)
    for jit_compile in (False, True):
        log_prob = tf.function(lambda z: prior().log_prob(z), jit_compile=jit_compile)(Z)
        np.testing.assert_allclose(log_prob, prior().log_prob(Z), rtol=8 * EPS)


@pytest.mark.parametrize("latent_dim", [0, -1, 2.5, True])
def test_a_latent_dim_that_is_no_positive_integer_raises(latent_dim):
    with pytest.raises(ValueError, match=f"`latent_dim` must be .*1 or more. Received: latent_dim={latent_dim}"):
        StandardNormal(latent_dim)
