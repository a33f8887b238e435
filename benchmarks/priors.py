"""What each prior costs: training throughput beside that of the same model with N(0, I).

The model is the MLP 784-300-300-40-300-300-784, that of the VampPrior paper without its gates, with a Bernoulli
likelihood, on batches of 100 synthetic binary images. In a round every model trains one epoch, in turn, the order
reversed every other round. The ratio is taken within a round, and its median over rounds printed. The machine should be
idle otherwise.

    python benchmarks/priors.py
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import keras
import numpy as np
import tyro

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package need not be installed

import keras_vae as kv

LATENT = 40


def main(
    priors: tuple[str, ...] = tuple(kv.priors.PRIORS), images: int = 10_000, hidden: int = 300, rounds: int = 5
) -> dict[str, float]:
    """Print images a second with each prior, and the ratio to the first one.

    Args:
        priors: names; the first is that to which the others are compared.
        images: in an epoch.
        hidden: units of each of the two hidden layers.
        rounds: rounds that count; one more, with the compilation, comes before them.

    Returns:
        The median ratio of each prior.
    """
    x = (np.random.default_rng(0).random((images, 28, 28, 1)) < 0.13).astype("float32")
    models = {}
    for name in priors:
        keras.utils.set_random_seed(0)
        models[name] = kv.VAE.for_images((28, 28, 1), LATENT, hidden=(hidden, hidden), prior=name, seed=0)
        models[name].compile("adam")
    seconds: dict[str, list[float]] = {name: [] for name in priors}
    for number in range(rounds + 1):
        for name in priors if number % 2 else priors[::-1]:
            start = time.perf_counter()
            models[name].fit(x, batch_size=100, verbose=0)
            seconds[name].append(time.perf_counter() - start)
    first = np.array(seconds[priors[0]][1:])
    ratios = {}
    for name in priors:
        kept = np.array(seconds[name][1:])
        low, ratios[name], high = np.quantile(first / kept, [0.25, 0.5, 0.75])
        speed = images / np.median(kept)
        print(f"{name:16} {speed:8,.0f} images a second, ratio {ratios[name]:.2f} (quartiles {low:.2f}-{high:.2f})")
    return ratios


if __name__ == "__main__":
    tyro.cli(main)
