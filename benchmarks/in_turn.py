"""Training throughput of several models, measured in turn: what a shared machine does, it does to all of them."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np

import keras_vae as kv


def ratios(models: Mapping[str, kv.VAE], x: np.ndarray, rounds: int) -> dict[str, float]:
    """Train each model for an epoch in each round, and print images a second and the ratio to the first one.

    The order is reversed every other round. The ratio is taken within a round.

    Args:
        models: Compiled models by name, of which the first is that to which the others are compared.
        x: Images.
        rounds: Rounds that count; one more, with the compilation, comes before them.

    Returns:
        The median ratio of each model.
    """
    seconds: dict[str, list[float]] = {name: [] for name in models}
    for number in range(rounds + 1):
        for name in list(models) if number % 2 else reversed(models):
            start = time.perf_counter()
            models[name].fit(x, batch_size=100, verbose=0)
            seconds[name].append(time.perf_counter() - start)
    first = np.array(next(iter(seconds.values()))[1:])
    medians = {}
    for name, taken in seconds.items():
        kept = np.array(taken[1:])
        low, medians[name], high = np.quantile(first / kept, [0.25, 0.5, 0.75])
        speed = len(x) / np.median(kept)
        print(f"{name:24} {speed:8,.0f} images a second, ratio {medians[name]:.2f} (quartiles {low:.2f}-{high:.2f})")
    return medians
