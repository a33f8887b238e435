"""What each prior costs: training throughput beside that of the same model with N(0, I).

The model is the MLP 784-300-300-40-300-300-784, that of the VampPrior paper without its gates, with a Bernoulli
likelihood, on batches of 100 synthetic binary images. The machine should be idle otherwise.

    python benchmarks/priors.py
"""

from __future__ import annotations

import sys
from pathlib import Path

import keras
import numpy as np
import tyro

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package need not be installed

import keras_vae as kv
from benchmarks.in_turn import ratios

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
    return ratios(models, x, rounds)


if __name__ == "__main__":
    tyro.cli(main)
