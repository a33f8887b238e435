"""The mixture of normals: its density, where it begins, and what it can learn."""

import numpy as np
import pytest
from scipy import stats

import keras_vae as kv
from keras_vae.priors import MixtureOfNormals

EPS = np.finfo("float32").eps


def test_its_density_is_that_of_scipy():
    prior = MixtureOfNormals(2, num_components=3)
    rng = np.random.default_rng(0)
    logits, loc, log_scale = (rng.normal(size=shape) for shape in ((3,), (3, 2), (3, 2)))
    prior.set_weights([logits, loc, log_scale])
    z = rng.normal(size=(10, 2)).astype("float32")
    weights = np.exp(logits) / np.exp(logits).sum()
    parts = [stats.norm(loc[k], np.exp(log_scale[k])).pdf(z).prod(axis=1) for k in range(3)]
    np.testing.assert_allclose(prior().log_prob(z), np.log(weights @ parts), rtol=64 * EPS, atol=64 * EPS)


def test_its_draws_have_the_moments_of_the_components():
    prior = MixtureOfNormals(1, num_components=2)
    prior.set_weights([np.log([0.25, 0.75]), np.array([[-3.0], [1.0]]), np.log([[0.5], [2.0]])])
    z = kv.random.sample(prior(), 20_000, seed=0).numpy()[:, 0]
    second = 0.25 * (9 + 0.25) + 0.75 * (1 + 4)
    fourth = 0.25 * (81 + 6 * 9 * 0.25 + 3 * 0.5**4) + 0.75 * (1 + 6 * 4 + 3 * 2**4)
    assert abs(z.mean()) < 4 * np.sqrt(second / len(z))  # 0.25 * -3 + 0.75 * 1 = 0
    assert abs(np.mean(z**2) - second) < 4 * np.sqrt((fourth - second**2) / len(z))


@pytest.mark.parametrize("latent_dim", [1, 5, 40])
def test_it_begins_near_the_standard_normal(latent_dim):
    """KL(N(0, I), p) from 4,000 draws."""
    normal = kv.priors.StandardNormal(latent_dim)()
    z = kv.random.sample(normal, 4_000, seed=0)
    log_ratio = (normal.log_prob(z) - MixtureOfNormals(latent_dim)().log_prob(z)).numpy()
    assert log_ratio.mean() + 4 * log_ratio.std() / np.sqrt(len(log_ratio)) < 0.1


def test_ten_thousand_draws_of_many_components_take_little_memory():
    """All draws of all components would be 10,000 x 5,000 x 50 numbers, 10 GB."""
    z = kv.random.sample(MixtureOfNormals(50, num_components=5_000)(), 10_000, seed=0)
    assert z.shape == [10_000, 50]


@pytest.mark.parametrize("arguments", [{"latent_dim": 0}, {"latent_dim": 2, "num_components": 2.5}])
def test_a_count_that_is_none_is_refused(arguments):
    name, value = list(arguments.items())[-1]
    with pytest.raises(ValueError, match=f"Received: {name}={value}"):
        MixtureOfNormals(**arguments)
