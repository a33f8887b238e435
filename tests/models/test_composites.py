"""Distributions made of others, as likelihood and as posterior: trained, reconstructed, decomposed and exported."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

import keras_vae as kv

RNG = np.random.default_rng(0)
COUNTS = RNG.poisson(2.0, [40, 3]).astype("float32")
POSITIVE = RNG.gamma(2.0, 1.0, [40, 3]).astype("float32")
MIXED = np.concatenate([RNG.normal(size=[40, 1]), np.eye(2)[RNG.integers(0, 2, 40)]], axis=1).astype("float32")


def blockwise(t):
    return tfd.Blockwise(
        [tfd.Independent(tfd.Normal(t[..., :1], 1.0), 1), tfd.OneHotCategorical(t[..., 1:3], dtype=tf.float32)]
    )


def mixture(t):
    cat = tfd.Categorical(tf.stack([t, -t], axis=-1))
    return tfd.Independent(tfd.Mixture(cat, [tfd.Gamma(tf.exp(t), 1.0), tfd.LogNormal(t, 1.0)]), 1)


def transformed(t):
    chain = tfb.Chain([tfb.Exp(), tfb.Shift(t), tfb.Scale(0.5)])
    return tfd.Independent(tfd.TransformedDistribution(tfd.Logistic(tf.zeros_like(t), 1.0), chain), 1)


def zero_inflated(t):
    return tfd.Independent(tfd.ZeroInflatedNegativeBinomial(total_count=tf.exp(t), logits=t, inflated_loc_logits=-t), 1)


LIKELIHOODS = {
    "Blockwise": (blockwise, MIXED, {"0_loc", "0_scale", "1_logits"}),
    "Mixture": (
        mixture,
        POSITIVE,
        {"mixture_logits", "components_0_concentration", "components_0_rate", "components_1_loc", "components_1_scale"},
    ),
    "TransformedDistribution": (
        transformed,
        POSITIVE,
        {"base_loc", "base_scale", "bijector_bijectors_1_shift", "bijector_bijectors_2_scale"},
    ),
    "ZeroInflatedNegativeBinomial": (zero_inflated, COUNTS, {"inflated_loc_logits", "total_count", "logits"}),
}


def relaxed(t):
    return tfd.RelaxedOneHotCategorical(0.7, t)


class UniformOnSimplex(kv.priors.Prior):
    def distribution(self):
        return tfd.RelaxedOneHotCategorical(0.7, tf.zeros(2))


def make(likelihood, posterior=None):
    keras.utils.set_random_seed(0)
    posterior = posterior or (lambda t: tfd.MultivariateNormalDiag(t, tf.ones_like(t)))
    encoder = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), kv.layers.DistributionLambda(posterior)])
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3), kv.layers.DistributionLambda(likelihood)])
    prior = UniformOnSimplex() if posterior is relaxed else kv.priors.StandardNormal(2)
    return kv.VAE(encoder, decoder, prior, seed=0)


QUICK = ("Blockwise", "Mixture")
NAMES = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in LIKELIHOODS]


@pytest.mark.parametrize("name", [*NAMES, "RelaxedOneHotCategorical"])
def test_a_composite_is_trained_reconstructed_decomposed_and_exported(name, tmp_path):
    if name in LIKELIHOODS:
        family, x, names = LIKELIHOODS[name]
        vae = make(family)
    else:
        vae, x, names = make(blockwise, relaxed), MIXED, LIKELIHOODS["Blockwise"][2]
    vae.compile("adam", jit_compile=False)
    before = [variable.numpy() for variable in vae.trainable_variables]
    assert np.all(np.isfinite(vae.fit(x, verbose=0).history["loss"]))
    assert all(np.any(now.numpy() != old) for now, old in zip(vae.trainable_variables, before, strict=True))
    reconstruction = vae.reconstruct(x, seed=1)
    assert vae(x).shape == reconstruction.shape == (40, 3)
    assert np.all(np.isfinite(reconstruction))
    parts, terms = kv.evaluation.decompose(vae, x), kv.evaluation.evaluate(vae, x)  # of the same draws
    assert parts.reconstruction_loss.mean == pytest.approx(terms["reconstruction_loss"].mean, rel=1e-6)
    # log q(z) - log p(z) of a draw of Normal(t, 1) is the closed KL, t't / 2, plus noise of variance t't; the relaxed
    # posterior has no closed KL: both are averages over the draws
    error = 4 * np.sqrt(2 * terms["kl"].mean / len(x)) if name in LIKELIHOODS else 1e-5
    total = parts.reconstruction_loss.mean + parts.mutual_information_lower.mean + parts.marginal_kl_upper.mean
    assert -total == pytest.approx(terms["elbo"].mean, abs=error)

    served = tf.saved_model.load(str(vae.export(tmp_path)))
    z = vae.prior().sample(5, seed=1)
    answer = served.signatures["decode"](z=z)
    assert set(answer) == names | {"mean"}
    np.testing.assert_allclose(answer["mean"], kv.random.mean_of(vae.decode(z)), rtol=1e-5)
    assert served.signatures["encode"](x=tf.constant(x))["mean"].shape == [40, 2]


def test_the_mean_of_draws_is_near_the_mean_and_always_the_same():
    log_normal = tfd.TransformedDistribution(tfd.Normal(tf.zeros(200), 0.3), tfb.Exp())
    with pytest.raises(NotImplementedError, match="mean"):
        log_normal.mean()
    means = kv.random.mean_of(log_normal)
    np.testing.assert_array_equal(means, kv.random.mean_of(log_normal))
    exact = tfd.LogNormal(0.0, 0.3)
    mean, stddev = float(exact.mean()), float(exact.stddev())
    error = stddev / np.sqrt(100 * 200)
    assert abs(np.mean(means) - mean) < 4 * error
    assert np.mean(kv.random.stddev_of(log_normal)) == pytest.approx(stddev, rel=0.05)


def test_data_to_which_a_family_without_a_known_support_gives_no_finite_probability_is_refused():
    vae = make(lambda t: tfd.Independent(tfd.FiniteDiscrete([0.0, 1.0], logits=tf.stack([t, -t], -1)), 1))
    vae.check(np.float32([[0.0, 1.0, 1.0]]))
    with pytest.raises(ValueError, match="FiniteDiscrete likelihood gives x a log-probability that is not finite"):
        vae.check(np.float32([[0.0, 1.0, 7.0]]))


def test_exported_encode_takes_the_dtype_of_the_encoder(tmp_path):
    encoder = keras.Sequential(
        [
            keras.Input((3,), dtype="int32"),
            keras.layers.Rescaling(1.0),
            keras.layers.Dense(4),
            kv.layers.MultivariateNormalDiag(2),
        ]
    )
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3), kv.layers.IndependentPoisson(3)])
    vae = kv.VAE(encoder, decoder, kv.priors.StandardNormal(2))
    served = tf.saved_model.load(str(vae.export(tmp_path)))
    x = tf.constant([[0, 1, 2]])
    np.testing.assert_allclose(served.signatures["encode"](x=x)["mean"], vae.encode(x).mean(), rtol=1e-5)
