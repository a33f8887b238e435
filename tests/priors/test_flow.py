"""Flow priors: steps against NumPy, where they begin, density, gradients, training on known densities."""

import re

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from keras_vae import random
from keras_vae.priors import MAF, RealNVP
from tests.priors.helpers import check_gradients, correlated_normal, gaps_of_training, integral, moved, ring

EPS = 2.0**-52
RNG = np.random.default_rng(0)
both = pytest.mark.parametrize("flow", [MAF, RealNVP])


def small(flow, latent_dim=3, **kwargs):
    """Return a flow in float64 that is far from where it starts."""
    return moved(flow(latent_dim, hidden_units=(4,), activation="tanh", dtype="float64", **kwargs))


@both
def test_it_begins_near_the_standard_normal_and_its_draws_near_the_noise(flow):
    p_z, u = flow(10)(), random.normal([200, 10], 7)
    z = random.sample(p_z, 200, 7)
    assert np.sqrt(np.mean(np.square(z - u))) < 0.1
    gap = p_z.log_prob(tf.identity(z)) - scipy.stats.norm.logpdf(z).sum(-1)
    assert abs(np.mean(gap)) < 0.05


@both
def test_the_density_integrates_to_one(flow):
    np.testing.assert_allclose(integral(small(flow, 2)(), reach=40, points=801), 1, rtol=1e-6)


def shift_and_log_scale(outputs):
    return outputs[..., 0], 2 * np.tanh(outputs[..., 1] / 2)


def maf_step(network, number, v):
    """Papamakarios et al. (2017), Eq. 3, entry by entry: forwards, and backwards at every second step."""
    y, log_det = np.zeros_like(v), 0
    for d in (range(3), range(2, -1, -1))[number % 2]:
        shift, log_scale = shift_and_log_scale(network(y).numpy())
        y[:, d] = shift[:, d] + np.exp(log_scale[:, d]) * v[:, d]
        log_det += log_scale[:, d]
    return y, log_det


def real_nvp_step(network, number, v):
    """Dinh et al. (2017), Eqs. 4 and 5, the network by hand: entry 0 moves 1 and 2, and they move it, by turns."""
    seen, others = (([0], [1, 2]), ([1, 2], [0]))[number % 2]
    kernel, bias, last_kernel, last_bias = network.get_weights()
    outputs = np.tanh(v[:, seen] @ kernel + bias) @ last_kernel + last_bias
    shift, log_scale = shift_and_log_scale(outputs.reshape(len(v), len(others), 2))
    y = v.copy()
    y[:, others] = shift + np.exp(log_scale) * v[:, others]
    return y, log_scale.sum(-1)


@pytest.mark.parametrize(("flow", "step"), [(MAF, maf_step), (RealNVP, real_nvp_step)])
def test_draws_and_their_density_are_those_of_the_change_of_variables_in_numpy(flow, step):
    prior = small(flow)
    u = random.normal([5, 3], 7, dtype=tf.float64).numpy()
    z, log_det = u, 0
    for number, network in enumerate(prior.networks):
        z, log_det_of_step = step(network, number, z)
        log_det += log_det_of_step
    np.testing.assert_allclose(random.sample(prior(), 5, 7), z, rtol=1e4 * EPS)
    np.testing.assert_allclose(prior().log_prob(z), scipy.stats.norm.logpdf(u).sum(-1) - log_det, rtol=1e5 * EPS)


@both
def test_every_entry_of_z_depends_on_every_entry_of_u(flow):
    u = RNG.normal(size=5)
    z = small(flow, 5)().bijector.forward(np.stack([u, *(u + np.eye(5))]))
    assert np.all(np.abs(z[1:] - z[0]) > 1e-6)


@both
def test_scales_are_bounded_whatever_the_weights(flow):
    """Each step multiplies an entry by exp(2) at most, so that no density exceeds that of u by more than exp(2 K D)."""
    prior = moved(flow(3, num_flows=2), scale=100.0)
    z = RNG.normal(size=(50, 3)).astype("float32")
    log_det = prior().bijector.inverse_log_det_jacobian(z, 1)
    assert np.all(np.isfinite(prior().log_prob(z)))
    assert np.all(np.abs(log_det) <= 2 * 2 * 3)


@both
def test_the_gradient_is_that_of_central_differences_and_finite_far_away(flow):
    prior, z = small(flow), tf.constant(np.concatenate([RNG.normal(size=(4, 3)), np.full((1, 3), 1e3)]))
    check_gradients(prior, z, prior.networks[0].trainable_variables[0])


@both
def test_training_on_a_ring_comes_nearer_to_it_than_any_normal_can(flow):
    """The normal with the ring's covariance is 0.99 nats away."""
    before, after = gaps_of_training(flow(2, 3, hidden_units=(32, 32)), ring, steps=150, learning_rate=1e-2)
    assert before > 1.25
    assert after < 0.5


@both
def test_training_on_a_correlated_normal_finds_its_entropy_within_0_15_nats(flow):
    prior = flow(5, num_flows=2, hidden_units=(32, 32))
    before, after = gaps_of_training(prior, correlated_normal, steps=60, learning_rate=1e-2)
    assert before > 2
    assert after < 0.15


def test_maf_takes_one_dimension_too():
    np.testing.assert_allclose(np.exp(small(MAF, 1)().log_prob(np.linspace(-500, 500, 10_001)[:, None])).sum() / 10, 1)


def test_hidden_layers_have_the_sizes_and_the_activation_of_the_arguments():
    maf, real_nvp = (flow(3, num_flows=2, hidden_units=(4, 5), activation="tanh") for flow in (MAF, RealNVP))
    assert [network.hidden_units for network in maf.networks] == [(4, 5)] * 2
    assert [[layer.units for layer in network.layers] for network in real_nvp.networks] == [[4, 5, 4], [4, 5, 2]]
    assert maf.networks[0].activation is real_nvp.networks[0].layers[0].activation is keras.activations.tanh


@pytest.mark.parametrize(
    ("flow", "arguments", "least"),
    [
        (MAF, {"latent_dim": 0}, 1),
        (MAF, {"num_flows": 0}, 1),
        (MAF, {"hidden_units": (3, 0)}, 1),
        (RealNVP, {"latent_dim": 1}, 2),
        (RealNVP, {"num_flows": 1}, 2),
        (RealNVP, {"num_flows": 2.5}, 2),
    ],
)
def test_sizes_that_are_too_small_are_refused(flow, arguments, least):
    ((name, value),) = arguments.items()
    with pytest.raises(
        ValueError, match=f"`{name}` must be .*{least} or more. Received: {name}={re.escape(repr(value))}"
    ):
        flow(**{"latent_dim": 3, **arguments})
