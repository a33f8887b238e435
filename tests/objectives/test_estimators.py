"""Every estimator of the gradient against the exact one, on a linear-Gaussian model of one latent dimension.

The model is written out here with parameters of every example's own, so that one call of an objective gives as
many independent estimates as there are rows.
"""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

import keras_vae as kv
from keras_vae.objectives import ELBO, IWAE
from keras_vae.objectives.score_functions import score_function
from tests.objectives.helpers import estimates_of

NUM_ROWS = 20_000
WEIGHT = np.array([1.1, -0.6, 0.4])
SIGMA = 0.7
X = np.array([0.9, -1.2, 0.3])
LOC, RAW_SCALE, BIAS = 0.4, -0.3, np.array([0.2, 0.1, -0.3])


class LinearGaussian:
    """z ~ N(0, 1), x | z ~ N(W z + b, sigma^2 I), q(z|x) = N(loc, exp(raw_scale)^2); loc, raw_scale, b for each row."""

    def __init__(self, num_rows):
        self.loc = tf.fill([num_rows, 1], tf.constant(LOC, tf.float64))
        self.raw_scale = tf.fill([num_rows, 1], tf.constant(RAW_SCALE, tf.float64))
        self.bias = tf.tile(tf.constant(BIAS)[None], [num_rows, 1])

    @property
    def parameters(self):
        return [self.loc, self.raw_scale, self.bias]

    def encode(self, x, training=False):
        return tfd.MultivariateNormalDiag(self.loc, tf.exp(self.raw_scale))

    draw, given = kv.VAE.draw, kv.VAE.given

    def prior_distribution(self):
        return tfd.MultivariateNormalDiag(tf.zeros(1, tf.float64), tf.ones(1, tf.float64))

    def log_likelihood(self, x, z, training=False):
        p_x = tfd.MultivariateNormalDiag(z * WEIGHT + self.bias, SIGMA * tf.ones(3, tf.float64))
        return p_x.log_prob(x)


def exact_gradient(num_samples):
    """Gradient of the expected bound, by Gauss-Hermite quadrature over the noise of each draw."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    eps = np.stack(np.meshgrid(*[nodes] * num_samples, indexing="ij")).reshape(num_samples, -1)
    weight = np.prod(np.stack(np.meshgrid(*[weights] * num_samples)), axis=0).ravel()
    model = LinearGaussian(1)
    with tf.GradientTape() as tape:
        tape.watch(model.parameters)
        z = model.loc + tf.exp(model.raw_scale) * eps[..., None]
        log_w = model.log_likelihood(X, z) + model.prior_distribution().log_prob(z) - model.encode(X).log_prob(z)
        bound = tf.reduce_sum(weight / weight.sum() * (tf.reduce_logsumexp(log_w, 0) - np.log(num_samples)))
    return np.concatenate([np.ravel(gradient) for gradient in tape.gradient(bound, model.parameters)])


def estimates(objective, num_rows=NUM_ROWS):
    return estimates_of(objective, LinearGaussian(num_rows), X, num_rows)


UNBIASED = {
    "the KL in closed form": ELBO(),
    "the entropy in closed form": ELBO(form="entropy"),
    "log ratio": ELBO(form="log_ratio"),
    "log ratio of 3 draws": ELBO(num_samples=3, form="log_ratio"),
    "sticking the landing": ELBO(form="log_ratio", gradient="sticking_the_landing"),
    "score function of 2 draws": ELBO(num_samples=2, form="log_ratio", gradient="score_function"),
    "score function of 5 draws": ELBO(num_samples=5, form="log_ratio", gradient="score_function"),
    "IWAE of 1 draw": IWAE(1),
    "IWAE of 2 draws": IWAE(2),
    "IWAE of 1 draw, sticking the landing": IWAE(1, "sticking_the_landing"),
    "IWAE of 1 draw, doubly reparameterised": IWAE(1, "doubly_reparameterized"),
    "IWAE of 2 draws, doubly reparameterised": IWAE(2, "doubly_reparameterized"),
}


@pytest.mark.parametrize("name", UNBIASED)
def test_the_mean_of_the_estimates_is_the_exact_gradient(name):
    """Within 4 standard errors, for each of 5 parameters: a right estimator fails 1 of 250 seeds over all names."""
    objective = UNBIASED[name]
    gradients = estimates(objective)
    exact = exact_gradient(objective.num_samples if isinstance(objective, IWAE) else 1)
    standard_error = gradients.std(0, ddof=1) / np.sqrt(NUM_ROWS)
    assert np.all(np.abs(gradients.mean(0) - exact) <= 4 * standard_error + 1e-12)


def test_sticking_the_landing_is_biased_for_iwae_of_several_draws():
    """Tucker et al. (2019), Sec. 3: its bias is far above the noise here."""
    gradients = estimates(IWAE(2, "sticking_the_landing"))
    standard_error = gradients.std(0, ddof=1) / np.sqrt(NUM_ROWS)
    assert np.max(np.abs(gradients.mean(0) - exact_gradient(2))[:2] / standard_error[:2]) > 8


def test_sticking_the_landing_has_no_variance_at_the_true_posterior(monkeypatch):
    precision = 1 + WEIGHT @ WEIGHT / SIGMA**2
    monkeypatch.setitem(globals(), "LOC", (X - BIAS) @ WEIGHT / SIGMA**2 / precision)
    monkeypatch.setitem(globals(), "RAW_SCALE", -0.5 * np.log(precision))
    landed = estimates(UNBIASED["sticking the landing"], 100)[:, :2]
    np.testing.assert_allclose(landed, 0, atol=1e-13)
    assert np.all(estimates(UNBIASED["log ratio"], 100)[:, :2].std(0) > 0.1)


def test_the_pathwise_gradient_of_the_encoder_varies_less_than_the_score_functions():
    """Here by factors of 1.5 and 2.2 in the standard deviation, at the same number of draws."""
    pathwise = estimates(ELBO(num_samples=2, form="log_ratio"), 2_000).std(0)
    score = estimates(UNBIASED["score function of 2 draws"], 2_000).std(0)
    assert np.all(score[:2] > 1.3 * pathwise[:2])


def test_the_control_variate_reduces_the_variance_of_the_score_function():
    """Against the plain estimator (signal times score), with the same draws."""
    model = LinearGaussian(2_000)
    z = tf.identity(model.encode(X).sample(2, seed=1))  # TFP remembers what its own draws were made of
    signal = model.log_likelihood(X, z) + model.prior_distribution().log_prob(z) - model.encode(X).log_prob(z)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(model.loc)
        log_q = model.encode(X).log_prob(z)
        plain = tf.reduce_mean(tf.stop_gradient(signal) * log_q, 0)
        controlled = tf.reduce_mean(score_function(log_q, signal), 0)
    assert np.std(tape.gradient(controlled, model.loc)) < 0.7 * np.std(tape.gradient(plain, model.loc))


def test_the_doubly_reparameterised_gradient_of_the_encoder_varies_less_with_many_draws():
    pathwise, doubly = (
        estimates(IWAE(64, gradient), 500).std(0) for gradient in ("pathwise", "doubly_reparameterized")
    )
    assert np.all(doubly[:2] < 0.5 * pathwise[:2])
    np.testing.assert_allclose(doubly[2:], pathwise[2:], rtol=1e-9)  # the decoder's gradient is the same


def test_value_does_not_depend_on_the_gradient():
    model, x = LinearGaussian(50), np.tile(X, (50, 1))
    for objectives in (
        [IWAE(3, gradient) for gradient in ("pathwise", "sticking_the_landing", "doubly_reparameterized")],
        [ELBO(1.0, 3, "log_ratio", gradient) for gradient in ("pathwise", "sticking_the_landing", "score_function")],
    ):
        first, *others = [objective(model, x, seed=4) for objective in objectives]
        for terms in others:
            for value, expected in zip(tf.nest.flatten(terms), tf.nest.flatten(first), strict=True):
                np.testing.assert_allclose(value, expected, rtol=1e-12)


def test_a_posterior_without_reparameterised_draws_needs_the_score_function():
    class Discrete(LinearGaussian):
        def encode(self, x, training=False):
            return tfd.Independent(tfd.Bernoulli(logits=self.loc, dtype=tf.float64), 1)

        def prior_distribution(self):
            return tfd.Independent(tfd.Bernoulli(logits=tf.zeros(1, tf.float64), dtype=tf.float64), 1)

    x = np.tile(X, (4, 1))
    for objective in (ELBO(), IWAE()):
        with pytest.raises(ValueError, match=r'pass gradient="score_function". Received: Independent'):
            objective(Discrete(4), x, seed=0)
    terms = ELBO(num_samples=2, form="log_ratio", gradient="score_function")(Discrete(4), x, seed=0)
    assert np.all(np.isfinite(terms.loss_per_example))
