"""A table of mixed columns: real numbers, a binary one and counts under one likelihood, each in its own units.

The table is scikit-learn's diabetes data as it was measured: age, sex, body mass index, blood pressure, six blood serum
measurements, and a score of the disease a year later, of 442 patients. Sex is 0 or 1, the score a count; the others are
standardised. The test patients are scored by a VAE, by importance sampling, and by independent columns, each of the
family that the VAE gives it: what the first has more is what the columns tell of each other.

    python examples/mixed_columns.py
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package need not be installed

import keras
import numpy as np
from scipy import stats
from sklearn.datasets import load_diabetes

import keras_vae as kv


def table() -> np.ndarray:
    """Return nine real columns, the binary one, and the count."""
    data, score = load_diabetes(scaled=False, return_X_y=True)
    real = np.delete(data, 1, axis=1)
    return np.column_stack([real, data[:, 1] - 1, score])


def independent_columns(train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Return the log-probability of each test row under columns that do not depend on each other, in nats."""
    log_prob = stats.norm.logpdf(test[:, :9], train[:, :9].mean(axis=0), train[:, :9].std(axis=0)).sum(axis=1)
    log_prob += stats.bernoulli.logpmf(test[:, 9], train[:, 9].mean())
    mean, variance = train[:, 10].mean(), train[:, 10].var()  # the negative binomial by its moments
    return log_prob + stats.nbinom.logpmf(test[:, 10], mean**2 / (variance - mean), mean / variance)


def main(
    latent_dim: int = 3,
    hidden: int = 32,
    epochs: int = 300,
    num_samples: int = 1000,
    seeds: tuple[int, ...] = (0, 1, 2),
) -> list[dict[str, float]]:
    """Print what the VAE gains over independent columns.

    Args:
        latent_dim: The number of dimensions of z.
        hidden: How many units the hidden layer has.
        epochs: How many epochs the training takes.
        num_samples: How many importance samples log p(x) is estimated from.
        seeds: The seeds of the split, a fifth of which is for testing, and of the training.

    Returns:
        For each seed the mean log-probability of a test row under "independent columns" and under the "VAE", in nats,
        and the "gain" with its "standard error".
    """
    rows = []
    print("seed   independent columns        VAE       gain, nats a row")
    for seed in seeds:
        x = np.random.default_rng(seed).permutation(table())
        x[:, :9] = (x[:, :9] - x[:353, :9].mean(axis=0)) / x[:353, :9].std(axis=0)
        train, test = x[:353], x[353:]
        keras.utils.set_random_seed(seed)
        likelihood = kv.likelihoods.Columns(["gaussian-shared"] * 9 + ["bernoulli", "negative-binomial"])
        vae = kv.VAE.for_vectors((11,), latent_dim, likelihood, hidden=(hidden,), seed=seed)
        vae.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-2, epochs * 6)))
        vae.fit(train, batch_size=64, epochs=epochs, verbose=0)
        log_marginal = kv.evaluation.log_marginal(vae, test, num_samples, seed=seed).log_marginal
        alone = independent_columns(train, test)
        gain = kv.evaluation.estimate(log_marginal - alone)
        rows.append(
            {
                "independent columns": alone.mean(),
                "VAE": log_marginal.mean(),
                "gain": gain.mean,
                "standard error": gain.standard_error,
            }
        )
        print(f"{seed:4}{alone.mean():22.2f}{log_marginal.mean():11.2f}{gain.mean:12.2f} +- {gain.standard_error:.2f}")
    return rows


if __name__ == "__main__":
    import tyro

    tyro.cli(main)
