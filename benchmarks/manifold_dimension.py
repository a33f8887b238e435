"""Whether a VAE with a learned scale finds the dimension of the manifold that its data lie near.

The data are points of `keras_vae.data.synthetic.Manifold`, of dimension r in 20 dimensions, with normal noise of
standard deviation sigma. The VAE has 12 latent dimensions and the likelihood "gaussian-shared", whose one scale is
gamma. The prior has variance 1 in each of them: "found" are those whose posterior means have more than half of it over
held-out points, so that x determines them for the most part. "Active" are those of `evaluation.Decomposition`, with
0.01 or more. Dai & Wipf (2019, "Diagnosing and Enhancing VAE Models", Sec. 3) expect r of them, and a gamma that falls
to sigma.

    python benchmarks/manifold_dimension.py
    python benchmarks/manifold_dimension.py --dimensions 1 2 --seeds 0 --epochs 30
"""

from __future__ import annotations

import sys
from pathlib import Path

import keras
import tyro

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package need not be installed

import keras_vae as kv

AMBIENT, LATENT, BATCH_SIZE = 20, 12, 200


def measure(
    dimension: int, seed: int, sigma: float, num_examples: int, epochs: int, learning_rate: float
) -> tuple[str, str, str]:
    """Return the number of dimensions found, of active ones, and gamma / sigma, after one training."""
    keras.utils.set_random_seed(seed)
    manifold = kv.data.synthetic.Manifold.random(AMBIENT, dimension, sigma, seed=seed)
    x, test = (manifold.sample(n, seed=[seed, i]).astype("float32") for i, n in enumerate((num_examples, 1000)))
    vae = kv.VAE.for_vectors((AMBIENT,), LATENT, "gaussian-shared", hidden=(128, 128), seed=seed)
    steps = epochs * -(-num_examples // BATCH_SIZE)
    vae.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(learning_rate, steps)))
    history = vae.fit(x, batch_size=BATCH_SIZE, epochs=epochs, verbose=0).history
    parts = kv.evaluation.decompose(vae, test)
    found = int((parts.variance_of_means > 0.5).sum())
    return str(found), str(parts.active_units), f"{history['gamma'][-1] / sigma:.2f}"


def main(
    dimensions: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7, 8),
    seeds: tuple[int, ...] = (0, 1, 2),
    sigma: float = 0.1,
    num_examples: int = 4000,
    epochs: int = 300,
    learning_rate: float = 0.001,
) -> None:
    """Print a table of the dimension of the manifold against the dimensions found, a number for each seed.

    Args:
        dimensions: r of each manifold, at most 10.
        seeds: seeds, each of a manifold, its data and a training.
        sigma: standard deviation of the noise.
        num_examples: training points.
        epochs: number of epochs of each training, in batches of 200.
        learning_rate: at the beginning of each training; it falls to 0.
    """
    print("| r | found | active | gamma / sigma |\n| --- | --- | --- | --- |", flush=True)
    for dimension in dimensions:
        rows = [measure(dimension, seed, sigma, num_examples, epochs, learning_rate) for seed in seeds]
        print(f"| {dimension} | {' | '.join(', '.join(column) for column in zip(*rows, strict=True))} |", flush=True)


if __name__ == "__main__":
    tyro.cli(main)
