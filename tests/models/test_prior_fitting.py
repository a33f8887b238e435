"""A prior fitted after the training: what stays, what changes, and by how much."""

import keras
import numpy as np
import pytest
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
        return tfd.MultivariateNormalDiag(self.loc * 1.0, np.ones(2))


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
