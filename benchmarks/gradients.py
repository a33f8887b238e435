"""What each gradient of a discrete z costs: training throughput beside the Gaussian VAE of the same size.

The model is the MLP 784-200-200-D-200-200-784 with a Bernoulli likelihood, on batches of 100 synthetic binary images:
D is 200 Gaussian or Bernoulli units; for enumeration, and a Gaussian VAE beside it, as many as have few states. The
machine should be idle otherwise.

    python benchmarks/gradients.py
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
from keras_vae.objectives import ELBO, IWAE, Objective

OBJECTIVES = {
    "nvil": ELBO(gradient="nvil"),
    "score_function, 2 draws": ELBO(num_samples=2, gradient="score_function"),
    "disarm, 2 draws": ELBO(num_samples=2, gradient="disarm"),
    "vimco, 2 draws": IWAE(2, gradient="vimco"),
    "straight_through": ELBO(gradient="straight_through"),
    "gumbel_softmax": ELBO(gradient="gumbel_softmax"),
}


def make_vae(units: int, objective: Objective, posterior: str = "bernoulli") -> kv.VAE:
    """Return a compiled model."""
    keras.utils.set_random_seed(0)
    vae = kv.VAE.for_images((28, 28, 1), units, posterior=posterior, hidden=(200, 200), objective=objective, seed=0)
    vae.compile("adam")
    return vae


def main(units: int = 200, enumerated: int = 6, images: int = 10_000, rounds: int = 5) -> dict[str, float]:
    """Print images a second with each gradient, and the ratio to the Gaussian VAE.

    Args:
        units: of z.
        enumerated: units of z where all 2^D states are summed over.
        images: in an epoch.
        rounds: rounds that count; one more, with the compilation, comes before them.

    Returns:
        The median ratio of each gradient.
    """
    x = (np.random.default_rng(0).random((images, 28, 28, 1)) < 0.13).astype("float32")
    models = {"Gaussian, pathwise": make_vae(units, ELBO(), "diagonal")}
    models |= {name: make_vae(units, objective) for name, objective in OBJECTIVES.items()}
    medians = ratios(models, x, rounds)
    print(f"With {enumerated} units, whose decoder runs {2**enumerated} times for each image:")
    models = {"Gaussian, pathwise": make_vae(enumerated, ELBO(), "diagonal")}
    models["enumeration"] = make_vae(enumerated, ELBO(gradient="enumeration"))
    return {**medians, "enumeration": ratios(models, x, rounds)["enumeration"]}


if __name__ == "__main__":
    tyro.cli(main)
