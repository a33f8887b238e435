"""Graphs are traced once, kept in one place, and dropped when what they depend on changes."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_vae as kv
from keras_vae import evaluation


@pytest.fixture(scope="module")
def x():
    return (np.random.default_rng(0).random((70, 4, 4, 1)) < 0.4).astype("float32")


EVALUATIONS = {
    "evaluate": lambda vae, x: evaluation.evaluate(vae, x, batch_size=32),
    "log_marginal": lambda vae, x: evaluation.log_marginal(vae, x, num_samples=60),
    "naive Monte Carlo": lambda vae, x: evaluation.log_marginal(vae, x, num_samples=60, proposal="prior"),
    "annealed_log_marginal": lambda vae, x: evaluation.annealed_log_marginal(vae, x, num_chains=2, num_steps=2),
    "decompose": lambda vae, x: evaluation.decompose(vae, x, batch_size=32),
    "inference_gap": lambda vae, x: evaluation.inference_gap(vae, x, num_samples=5, num_steps=2, batch_size=32),
    "optimize_posterior": lambda vae, x: evaluation.optimize_posterior(vae, x, num_steps=2, batch_size=32),
    "overlap": lambda vae, x: evaluation.overlap(vae, x, batch_size=32),
    "vae.evaluate": lambda vae, x: vae.evaluate(x, verbose=0),
    "vae.log_marginal": lambda vae, x: vae.log_marginal(x, num_samples=60, seed=0),
}


class CountsPasses(kv.VAE):
    """Counts how often Python runs the encoder or the decoder, which graphs do only when they are traced."""

    passes = 0

    def encode(self, x, training=False):
        type(self).passes += 1
        return super().encode(x, training)

    def decode(self, z, training=False):
        type(self).passes += 1
        return super().decode(z, training)


@pytest.fixture(scope="module")
def vae(make_vae):
    parts = make_vae()
    vae = CountsPasses(parts.encoder, parts.decoder, parts.prior, seed=0)
    vae.compile("sgd", jit_compile=False)
    vae.build((None, 4, 4, 1))
    return vae


@pytest.mark.parametrize("name", EVALUATIONS)
def test_a_second_call_does_not_trace_again(vae, x, name):
    EVALUATIONS[name](vae, x)
    traced = CountsPasses.passes
    EVALUATIONS[name](vae, 1 - x)
    assert CountsPasses.passes == traced


def test_data_of_another_length_is_evaluated_by_the_same_graph(vae, x):
    lengths = (3, 33, 65, 66)
    by_rows = [evaluation.evaluate(vae, x[:length], seed=vae.seed)["elbo"].mean for length in lengths]
    vae.evaluate(x, verbose=0)
    traced = CountsPasses.passes
    by_graph = [vae.evaluate(x[:length], verbose=0)[3] for length in lengths]
    assert CountsPasses.passes == traced
    assert by_graph == pytest.approx(by_rows, rel=1e-5)


def test_compile_drops_what_was_kept(make_vae, x):
    vae = make_vae()
    vae.compile("sgd", jit_compile=False)
    for name in ("evaluate", "vae.evaluate", "decompose"):
        EVALUATIONS[name](vae, x)
    assert len(vae._compiled_functions.functions) == 4  # decompose has two
    vae.compile("sgd", jit_compile=False)
    assert not vae._compiled_functions.functions


def test_an_encoder_that_the_prior_holds_too_stays_shared(make_vae, x, tmp_path):
    parts = make_vae()
    vae = kv.VAE(parts.encoder, parts.decoder, OfEncoder(parts.encoder), seed=0)
    again = kv.VAE.from_config(vae.get_config())
    assert again.prior.encoder is again.encoder
    vae.save(tmp_path / "vae.keras")
    loaded = keras.saving.load_model(tmp_path / "vae.keras")
    assert loaded.prior.encoder is loaded.encoder
    np.testing.assert_array_equal(loaded.elbo(x, seed=1), vae.elbo(x, seed=1))


@keras.saving.register_keras_serializable("tests")
class OfEncoder(kv.priors.Prior):
    """The posterior of one image that is all zeros."""

    def __init__(self, encoder, **kwargs):
        super().__init__(**kwargs)
        self.encoder = encoder

    def distribution(self):
        q_z = kv.layers.as_distribution(self.encoder(tf.zeros([1, 4, 4, 1])))
        return kv.layers.MultivariateNormalDiag.new(tf.concat([q_z.mean()[0], q_z.stddev()[0]], 0), 2)

    def get_config(self):
        return {**super().get_config(), "encoder": keras.saving.serialize_keras_object(self.encoder)}

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "encoder": keras.saving.deserialize_keras_object(config["encoder"])})
