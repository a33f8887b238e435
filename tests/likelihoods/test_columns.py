"""Tables of mixed columns: log p(x) column by column, draws, missing entries, and what does not fit."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

import keras_vae as kv
from keras_vae.likelihoods import Categorical, Columns

KINDS = ["gaussian", "gaussian", Categorical(3), "bernoulli", "poisson", "gaussian-shared"]


def table(n=200):
    rng = np.random.default_rng(0)
    group = rng.integers(0, 3, n)
    real = group[:, None] + 0.3 * rng.normal(size=(n, 3))
    columns = [real[:, 0], real[:, 1], group, rng.random(n) < (group + 1) / 4, rng.poisson(3 * group + 1), real[:, 2]]
    return np.stack(columns, axis=1).astype("float32")


X = table()


@pytest.fixture(scope="module")
def trained():
    keras.utils.set_random_seed(0)
    vae = kv.VAE.for_vectors((6,), 2, Columns(KINDS), hidden=(16,), missing=True, seed=0)
    vae.compile(keras.optimizers.Adam(0.01), jit_compile=False)
    vae.fit(X, batch_size=50, epochs=60, verbose=0)
    return vae


def by_column(p_x, x):
    """Return log p of each column of x [N, 6], by SciPy."""
    parts = p_x.distributions
    normal, categorical, bernoulli, poisson, shared = [part.distribution for part in parts]
    return np.concatenate(
        [
            stats.norm.logpdf(x[:, :2], normal.loc, normal.scale),
            np.log(tf.gather(categorical.probs_parameter()[:, 0], x[:, 2].astype(int), batch_dims=1))[:, None],
            stats.bernoulli.logpmf(x[:, 3:4], bernoulli.probs_parameter()),
            stats.poisson.logpmf(x[:, 4:5], poisson.rate_parameter()),
            stats.norm.logpdf(x[:, 5:], shared.loc, shared.scale),
        ],
        axis=1,
    )


def test_log_p_is_the_sum_of_that_of_the_columns(trained):
    z = np.random.default_rng(0).normal(size=(200, 2)).astype("float32")
    expected = by_column(trained.decode(z), X)
    np.testing.assert_allclose(trained.decode(z).log_prob(X), expected.sum(axis=1), rtol=1e-4, atol=1e-4)
    missing = np.random.default_rng(1).random(X.shape) < 0.4
    x = np.where(missing, np.nan, X).astype("float32")
    observed = np.where(missing, 0, expected).sum(axis=1)
    np.testing.assert_allclose(trained.log_likelihood(x, z[None])[0], observed, rtol=1e-4, atol=1e-4)


def test_equal_columns_next_to_each_other_are_one_part(trained):
    assert [part.event_shape[0] for part in trained.decode(np.zeros([1, 2])).distributions] == [2, 1, 1, 1, 1]
    assert trained.decoder.layers[-1].params_sizes == (4, 3, 1, 1, 1)


def test_it_trains_to_tell_the_columns_from_each_other(trained):
    start = kv.VAE.for_vectors((6,), 2, Columns(KINDS), hidden=(16,), missing=True, seed=0)
    assert np.mean(trained.elbo(X, seed=0)) > np.mean(start.elbo(X, seed=0)) + 2


def test_draws_have_the_values_of_their_columns_and_noise_of_their_rows(trained):
    x = trained.sample(500, seed=0).numpy()
    assert set(np.unique(x[:, 2])) <= {0.0, 1.0, 2.0}
    assert set(np.unique(x[:, 3])) <= {0.0, 1.0}
    np.testing.assert_array_equal(x[:, 4], np.abs(np.round(x[:, 4])))
    z = np.random.default_rng(0).normal(size=(8, 2)).astype("float32")
    whole = kv.random.sample(trained.decode(z), 3, seed=1)
    part = kv.random.sample(trained.decode(z[4:6]), 3, seed=1, first_row=4)
    np.testing.assert_allclose(part, whole[:, 4:6], rtol=1e-5, atol=1e-5)


def test_missing_entries_are_drawn_from_their_columns(trained):
    x = X[:20].copy()
    x[:, 2:5] = np.nan
    drawn = kv.evaluation.impute(trained, x, num_samples=200, num_imputations=5, seed=0)
    assert set(np.unique(drawn[..., 2])) <= {0.0, 1.0, 2.0}
    # The real columns tell the group, which is the third column.
    assert np.mean(drawn[..., 2] == X[:20, 2]) > 0.6


def test_a_file_and_an_export_have_the_same_numbers(trained, tmp_path):
    trained.save(tmp_path / "vae.keras")
    loaded = keras.saving.load_model(tmp_path / "vae.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded.elbo(X, seed=1), trained.elbo(X, seed=1))
    sample = tf.saved_model.load(trained.export(tmp_path)).signatures["sample"]
    seed = tf.constant([0, 7])
    drawn = sample(num_samples=tf.constant(50), seed=seed)["x"]
    np.testing.assert_allclose(drawn, trained.sample(50, seed=seed), rtol=1e-4, atol=1e-4)


def test_a_layer_with_a_function_and_a_generator_is_read_back_from_its_configuration():
    layer = kv.layers.Columns(
        [kv.layers.IndependentNormal(1)], [2], convert_to_tensor_fn="mean", seed=keras.random.SeedGenerator(1)
    )
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(again.parts[0]) is kv.layers.IndependentNormal
    assert again.get_config()["convert_to_tensor_fn"] == "mean"
    assert again.seed.get_config()["seed"] == 1


def test_columns_that_do_not_fit_the_table_are_refused(trained):
    with pytest.raises(ValueError, match=r"one likelihood for each column of x. Received: 6 likelihoods for .*5"):
        kv.VAE.for_vectors((5,), 2, Columns(KINDS))
    with pytest.raises(ValueError, match="`likelihood` must be one of"):
        Columns(["gaussian", "nope"])
    x = X.copy()
    x[7, 2] = 3
    with pytest.raises(ValueError, match=r"\(columns 2 to 2\) likelihood scores .*such as 3 in row 7"):
        trained.fit(x, verbose=0)
    with pytest.raises(TypeError, match=r"layers of keras_vae.layers that make distributions. Received: <Dense"):
        kv.layers.Columns([keras.layers.Dense(2)], [2])
    with pytest.raises(ValueError, match=r"one name or likelihood a column. Received: columns=\[\]"):
        Columns([])
    with pytest.raises(ValueError, match="one name or likelihood a column. Received: columns='gaussian'"):
        Columns("gaussian")
    with pytest.raises(ValueError, match="`params_sizes` must have a number for each part"):
        kv.layers.Columns([kv.layers.IndependentNormal(2)], [4, 1])
    with pytest.raises(ValueError, match="Columns needs 4 parameters per example"):
        kv.layers.Columns([kv.layers.IndependentNormal(2)], [4])(np.zeros([1, 5], "float32"))
