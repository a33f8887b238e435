"""Missing entries of a table: filled in by a VAE, and by what scikit-learn has for it.

The table is scikit-learn's breast cancer data, 30 columns of 569 tumours, standardised. A part of the entries is hidden
at random. A VAE learns from what is left: its likelihood scores the entries that were observed, its encoder is told
which they are, and its objective is the importance-weighted bound, which together is MIWAE. The hidden entries are
filled in by `keras_vae.evaluation.impute`, and compared with what they were; so are those of scikit-learn's imputers.

    python examples/missing_entries.py

References:
    Mattei & Frellsen (2019), "MIWAE: Deep Generative Modelling and Imputation of Incomplete Data Sets".
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package need not be installed

import keras
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.experimental import enable_iterative_imputer  # noqa: F401 (it makes the next import possible)
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer

import keras_vae as kv


def hide(table: np.ndarray, rate: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the table with NaN in the place of a part of its entries, and whole; standardised by what is left."""
    hidden = np.where(np.random.default_rng(seed).random(table.shape) < rate, np.nan, table)
    mean, standard_deviation = np.nanmean(hidden, axis=0), np.nanstd(hidden, axis=0)
    return (hidden - mean) / standard_deviation, (table - mean) / standard_deviation


def train(x: np.ndarray, latent_dim: int, epochs: int, seed: int) -> kv.VAE:
    """Return a VAE of a table with missing entries."""
    keras.utils.set_random_seed(seed)
    objective = kv.objectives.IWAE(num_samples=20)
    vae = kv.VAE.for_vectors(
        x.shape[1:], latent_dim, "gaussian-shared", hidden=(128, 128), objective=objective, missing=True, seed=seed
    )
    vae.compile(keras.optimizers.Adam(1e-3))
    vae.fit(x, batch_size=64, epochs=epochs, verbose=0)
    return vae


def main(
    rates: tuple[float, ...] = (0.2, 0.5),
    latent_dim: int = 10,
    epochs: int = 300,
    num_samples: int = 1000,
    seeds: tuple[int, ...] = (0, 1, 2),
) -> dict[tuple[float, str], list[float]]:
    """Print the error of each imputation.

    Args:
        rates: The parts of the entries that are hidden.
        latent_dim: The number of dimensions of the VAE's z.
        epochs: How many epochs its training takes.
        num_samples: How many importance samples it imputes by.
        seeds: The seeds of what is hidden and of the training.

    Returns:
        For each rate and method the root mean squared error of the hidden entries, in standard deviations of their
        column, one number a seed.
    """
    table = load_breast_cancer().data
    errors: dict[tuple[float, str], list[float]] = {}
    print("hidden   method                    root mean squared error   seconds")
    for rate in rates:
        methods: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
            "column mean": lambda x, seed: SimpleImputer().fit_transform(x),
            "10 nearest neighbours": lambda x, seed: KNNImputer(n_neighbors=10).fit_transform(x),
            "IterativeImputer": lambda x, seed: IterativeImputer(max_iter=100, random_state=seed).fit_transform(x),
            "VAE": lambda x, seed: kv.evaluation.impute(train(x, latent_dim, epochs, seed), x, num_samples, seed=seed),
        }
        for name, impute in methods.items():
            start = time.perf_counter()
            errors[rate, name] = []
            for seed in seeds:
                x, whole = hide(table, rate, seed)
                errors[rate, name].append(float(np.sqrt(np.mean((impute(x, seed) - whole)[np.isnan(x)] ** 2))))
            seconds = (time.perf_counter() - start) / len(seeds)
            values = ", ".join(f"{error:.3f}" for error in errors[rate, name])
            print(f"{rate:6.0%}   {name:24}{values:>25}{seconds:10.1f}", flush=True)
    return errors


if __name__ == "__main__":
    import tyro

    tyro.cli(main)
