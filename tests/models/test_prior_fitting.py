"""A prior fitted after the training: what stays, what changes, and by how much."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

import keras_vae as kv
from keras_vae.evaluation import elbo_gain
from tests.reference import linear_gaussian

MODEL = linear_gaussian()


@pytest.fixture(scope="module")
def x():
    return kv.data.synthetic.LinearGaussian(MODEL.weight, MODEL.bias, MODEL.sigma).sample(2_000, seed=3)


@pytest.fixture(scope="module")
def shifted():
    """A model whose posteriors are 3 too far in the first dimension: the aggregate posterior is N([3, 0], I)."""
    _, covariance = MODEL.posterior(np.zeros(5))
    gain = MODEL.weight @ covariance / MODEL.sigma**2
    return MODEL.vae(gain, -MODEL.bias @ gain + [3.0, 0.0], np.sqrt(np.diag(covariance)))


@keras.saving.register_keras_serializable("tests")
class Shift(kv.priors.Prior):
    """N(loc, I)."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.loc = self.add_weight((2,), "zeros", name="loc")

    def distribution(self):
        return tfd.MultivariateNormalDiag(tf.convert_to_tensor(self.loc), tf.ones_like(self.loc))


def test_the_gain_of_the_right_prior_is_the_kl_that_it_removes(shifted, x):
    """KL(N([3, 0], I), N(0, I)) = 4.5."""
    right = Shift(dtype="float64")
    right.loc.assign([3.0, 0.0])
    gain = elbo_gain(shifted, shifted.with_prior(right), x)
    assert abs(gain.mean - 4.5) < 4 * gain.standard_error
    assert 0 < gain.standard_error < 0.1
    back = elbo_gain(shifted.with_prior(right), shifted, x)
    assert back.mean == pytest.approx(-gain.mean, rel=1e-12)


def test_a_fitted_prior_closes_the_gap_and_leaves_encoder_and_decoder_alone(shifted, x):
    before = [weight.numpy() for weight in [*shifted.encoder.weights, *shifted.decoder.weights]]
    better = kv.fit_prior(
        shifted, x, Shift(dtype="float64"), keras.optimizers.Adam(0.05), epochs=6, batch_size=100, verbose=0
    )
    gain = elbo_gain(shifted, better, x)
    assert abs(gain.mean - 4.5) < 0.05 + 4 * gain.standard_error  # Adam's steps leave the mean within 0.3 of 3
    assert [better.encoder is shifted.encoder, better.decoder is shifted.decoder] == [True, True]
    after = [weight.numpy() for weight in [*better.encoder.weights, *better.decoder.weights]]
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old, new)
    assert better.encoder.trainable
    assert better.decoder.trainable
    assert type(shifted.prior) is kv.priors.StandardNormal
    assert better.history.history["elbo"][-1] > better.history.history["elbo"][0]


@pytest.mark.slow
def test_the_diagnosis_names_the_hole_before_and_none_after(shifted, x):
    right = Shift(dtype="float64")
    right.loc.assign([3.0, 0.0])
    verdicts = [
        kv.evaluation.diagnose(model, x[:1_000]).prior_fit.verdict for model in (shifted, shifted.with_prior(right))
    ]
    assert verdicts == ["hole", "none"]


def test_a_model_with_another_prior_can_be_trained_saved_and_exported(x, tmp_path):
    vae = kv.VAE.for_vectors((5,), 2, hidden=(4,), seed=0)
    vae.compile("adam", jit_compile=False)
    vae.fit(x[:64], verbose=0)
    other = vae.with_prior(kv.priors.MixtureOfNormals(2, num_components=3))
    assert int(other.step) == int(vae.step) == 2
    other.compile("adam", jit_compile=False)
    other.fit(x[:64], verbose=0)
    other.save(tmp_path / "other.keras")
    loaded = keras.saving.load_model(tmp_path / "other.keras")
    np.testing.assert_array_equal(loaded.sample(5, seed=1), other.sample(5, seed=1))
    assert not np.allclose(other.sample(5, seed=1), vae.sample(5, seed=1))


def test_a_prior_without_weights_is_refused(shifted, x):
    with pytest.raises(ValueError, match="must have weights to be fitted. Received: prior='standard-normal'"):
        kv.fit_prior(shifted, x, "standard-normal")


@pytest.mark.slow
def test_layers_that_were_frozen_stay_frozen_also_after_an_error(x):
    encoder = keras.Sequential(
        [
            keras.Input((5,)),
            keras.layers.Dense(4, trainable=False),
            keras.layers.Dense(4),
            kv.layers.MultivariateNormalDiag(2),
        ]
    )
    vae = kv.VAE(encoder, kv.models.make_decoder((5,), 2, "gaussian"), kv.priors.StandardNormal(2), seed=0)
    before = [layer.trainable for layer in vae._flatten_layers()]

    def fail(epoch, logs):
        raise ArithmeticError("of the callback")

    stop = keras.callbacks.LambdaCallback(on_epoch_end=fail)
    mixture = kv.priors.MixtureOfNormals(2, 3)
    kv.fit_prior(vae, x[:100], mixture, verbose=0)
    with pytest.raises(ArithmeticError, match="of the callback"):
        kv.fit_prior(vae, x[:100], kv.priors.MixtureOfNormals(2, 3), callbacks=[stop], verbose=0)
    assert [layer.trainable for layer in vae._flatten_layers()] == before


@keras.saving.register_keras_serializable("tests")
class Moved(kv.VAE):
    """A model whose own `encode` moves the posterior by 3 in the first dimension."""

    def encode(self, x, training=False):
        q_z = super().encode(x, training)
        return tfd.MultivariateNormalDiag(q_z.mean() + np.array([3.0, 0.0], "float32"), q_z.stddev())


def test_the_prior_is_fitted_to_the_posterior_of_evaluation_and_of_the_models_own_class(x):
    """Dropout would spread the posterior's means: the fitted mean is that of the draws in evaluation, moved by 3."""
    encoder = keras.Sequential(
        [keras.Input((5,)), keras.layers.Dropout(0.8), keras.layers.Dense(4), kv.layers.MultivariateNormalDiag(2)]
    )
    vae = Moved(encoder, kv.models.make_decoder((5,), 2, "gaussian"), kv.priors.StandardNormal(2), seed=0)
    vae.build((None, 5))
    x = x[:500].astype("float32")
    fitted = kv.fit_prior(vae, x, Shift(), keras.optimizers.Adam(0.05), epochs=40, batch_size=100, verbose=0)
    draws = kv.evaluation.decompose(vae, x).draws
    assert type(fitted) is Moved
    np.testing.assert_allclose(fitted.prior.loc, draws.mean(axis=0), atol=0.15)  # Adam's last steps
    assert elbo_gain(vae, fitted, x).mean > 3
    assert int(fitted.step) == 200  # no noise comes twice if it is trained on


def test_the_models_own_prior_is_not_fitted(shifted, x):
    model = shifted.with_prior(Shift(dtype="float64"))
    with pytest.raises(ValueError, match="The model keeps its own prior: pass another one"):
        kv.fit_prior(model, x, model.prior)


@pytest.mark.slow
def test_a_vamp_prior_is_fitted_after_it_has_seen_data(x):
    x = x[:200].astype("float32")
    vae = kv.VAE.for_vectors((5,), 2, hidden=(4,), seed=0)
    prior = kv.priors.VampPrior(20)
    vae.with_prior(prior)
    prior.set_pseudo_inputs(x[:20])
    fitted = kv.fit_prior(vae, x, prior, epochs=2, verbose=0)
    assert prior._lent() is fitted
    assert elbo_gain(vae, fitted, x).mean > 0


def test_a_model_of_replicas_stays_one(strategy):
    with strategy.scope():
        vae = kv.VAE.for_vectors((5,), 2, hidden=(4,), seed=0)
    assert vae.with_prior(kv.priors.StandardNormal(2)).distribute_strategy is vae.distribute_strategy
