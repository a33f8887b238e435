"""What the encoder saves: q(z|x) from one pass through it, beside q(z|x) optimised for each new x.

A VAE is trained on scikit-learn's digits. For new images, q(z|x) then comes from the encoder, or from steps of Adam on
the ELBO of that image alone: from the encoder's parameters, or from zeros, without an encoder at all. The decoder stays
the same. The table says what each costs for a new x, and the ELBO that it reaches.

    python examples/without_an_encoder.py

References:
    Cremer et al. (2018), "Inference Suboptimality in Variational Autoencoders".
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package need not be installed

import keras
import numpy as np
import tensorflow as tf

import keras_vae as kv


def timed(function: Callable[[], Any]) -> tuple[Any, float]:
    """Return the result of a second call, and its seconds: the first one compiles."""
    function()
    start = time.perf_counter()
    return function(), time.perf_counter() - start


def main(
    latent_dim: int = 10,
    epochs: int = 50,
    num_examples: int = 200,
    num_steps: tuple[int, ...] = (30, 100, 300, 1000),
    seed: int = 0,
) -> dict[tuple[str, int], dict[str, float]]:
    """Train the VAE, and print what each way to q(z|x) costs and reaches.

    Args:
        latent_dim: D.
        epochs: over 1,294 training images.
        num_examples: new images.
        num_steps: numbers of steps of Adam.
        seed: of everything random.

    Returns:
        "ELBO" in nats and "milliseconds" for each new x, by the start ("encoder" or "zeros") and the number of steps.
    """
    keras.utils.set_random_seed(seed)
    data = kv.data.load("digits", "binarize=threshold")
    vae = kv.VAE.for_images((8, 8, 1), latent_dim, seed=seed)
    vae.compile(keras.optimizers.Adam(2e-3), jit_compile=False)  # compiling would take longer than all the rest
    vae.fit(data.train.head(1294), batch_size=128, epochs=epochs, verbose=0)
    x = data.test.head(num_examples)

    encode = tf.function(lambda x: vae.encode(x).mean())
    ways = [("encoder", 0), *((start, steps) for start in ("encoder", "zeros") for steps in num_steps)]
    print("start     steps   ELBO (nats)   milliseconds for each x")
    rows = {}
    for start, steps in ways:
        if steps == 0:
            elbo = vae.elbo(x, num_samples=100, seed=seed)
            _, seconds = timed(lambda: encode(x))
        else:
            options = {"start": start, "num_steps": steps, "batch_size": num_examples, "seed": seed}
            best, seconds = timed(lambda options=options: kv.evaluation.optimize_posterior(vae, x, **options))
            elbo = best.elbo
        rows[start, steps] = {"ELBO": float(np.mean(elbo)), "milliseconds": 1000 * seconds / num_examples}
        print(f"{start:8} {steps:6} {rows[start, steps]['ELBO']:13.2f} {rows[start, steps]['milliseconds']:25.3f}")
    gaps = kv.evaluation.inference_gap(vae, x, num_samples=200, seed=seed)
    print(f"log p(x)        {gaps.log_marginal.mean:13.2f}")
    print(
        f"The encoder misses {gaps.gap.mean:.2f} nats of it: {gaps.amortization_gap.mean:.2f} +- "
        f"{gaps.amortization_gap.standard_error:.2f} by being one network for all x, {gaps.approximation_gap.mean:.2f} "
        f"+- {gaps.approximation_gap.standard_error:.2f} by being a diagonal normal."
    )
    return rows


if __name__ == "__main__":
    import tyro

    tyro.cli(main)
