"""How fast log p(x) is estimated: `keras_vae.evaluation.log_marginal` beside its decoder's matrix products alone.

The model is the one-layer VAE of Burda et al. (2016), 50-200-200-784, tanh, Bernoulli likelihood, on synthetic binary
images. An image with S samples takes S passes through the decoder, whose three matrix products the yardstick does, in
float32, as often, on batches of `--rows` rows, in a TensorFlow graph without XLA. Both run in turn, in one process, the
order reversed every other round; the ratio is taken within a round, and its median over rounds told. The machine
should be idle otherwise.

    python benchmarks/log_marginal.py
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
import tyro

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package need not be installed

import keras_vae as kv

PIXELS, HIDDEN, LATENT = 784, 200, 50


def make_vae() -> kv.VAE:
    """Return the VAE with fresh weights."""
    keras.utils.set_random_seed(0)
    return kv.VAE.for_images((28, 28, 1), LATENT, network=kv.networks.MLP((HIDDEN, HIDDEN), activation="tanh"), seed=0)


def matrix_products(rows: int, repeats: int) -> float:
    """Return the seconds of `repeats` passes of `rows` rows through the decoder's matrix products."""
    sizes = [(LATENT, HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, PIXELS)]
    weights = [tf.random.stateless_normal(size, [0, i]) / size[0] ** 0.5 for i, size in enumerate(sizes)]
    z = tf.random.stateless_normal([rows, LATENT], [1, 1])

    @tf.function(autograph=False)
    def passes(z: tf.Tensor) -> tf.Tensor:
        def once(i: tf.Tensor, kept: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            h = z + kept[0, 0] * 1e-30  # another one each time: nothing can leave the loop
            for weight in weights:
                h = tf.matmul(h, weight)
            return i + 1, h

        start = (0, tf.zeros([rows, PIXELS]))
        return tf.while_loop(lambda i, _: i < repeats, once, start, parallel_iterations=1)[1][0, 0]

    passes(z)
    start = time.perf_counter()
    passes(z).numpy()
    return time.perf_counter() - start


def main(images: int = 100, num_samples: int = 5000, rows: int = 1000, rounds: int = 7) -> None:
    """Print images a second and the ratio to the matrix products.

    Args:
        images: how many to score in a round.
        num_samples: importance samples an image.
        rows: of the yardstick's products.
        rounds: rounds that count; one more comes before them.
    """
    vae, rng = make_vae(), np.random.default_rng(0)
    x = (rng.random((images, 28, 28, 1)) < 0.13).astype("float32")
    times = []
    for number in range(rounds + 1):
        pair = {}
        for name in ("ours", "products") if number % 2 else ("products", "ours"):
            if name == "products":
                pair[name] = matrix_products(rows, images * num_samples // rows)
                continue
            start = time.perf_counter()
            kv.evaluation.log_marginal(vae, x, num_samples)
            pair[name] = time.perf_counter() - start
        times.append((pair["ours"], pair["products"]))
    kept = np.array(times[1:])
    low, ratio, high = np.quantile(kept[:, 1] / kept[:, 0], [0.25, 0.5, 0.75])
    rate = images * num_samples / np.median(kept[:, 0])
    print(f"{rate:,.0f} samples a second: 10,000 images with 5,000 take {5e7 / rate / 60:.1f} min")
    print(f"the matrix products alone: {images * num_samples / np.median(kept[:, 1]):,.0f} a second")
    print(f"ratio {ratio:.2f} (quartiles {low:.2f}-{high:.2f})")


if __name__ == "__main__":
    tyro.cli(main)
