"""The noise of each gradient of a discrete z, per draw and per second, as the number of units grows.

For each number of Bernoulli units a VAE is trained a little on scikit-learn's digits. Then every estimator gives the
gradient of the encoder for the same images, many times with new noise; the baseline of "nvil" is trained for as long
as the model was. The variance is the sum over all weights. Where the sum over all z can be taken, it is the gradient
without noise, and the bias of each estimator is told as well.

    python examples/gradient_variance.py
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
import tensorflow as tf
from matplotlib.figure import Figure

import keras_vae as kv
from keras_vae.objectives import ELBO, GumbelSoftmax, Objective, StraightThrough

OBJECTIVES = {
    "score_function": ELBO(num_samples=2, gradient="score_function"),
    "disarm": ELBO(num_samples=2, gradient="disarm"),
    "nvil": ELBO(gradient="nvil"),
    "gumbel_softmax, 0.5": ELBO(gradient=GumbelSoftmax(0.5)),
    "gumbel_softmax, 0.1": ELBO(gradient=GumbelSoftmax(0.1)),
    "straight_through, 0.5": ELBO(gradient=StraightThrough(0.5)),
}
LARGEST_ENUMERATED = 10


def gradient_of(vae: kv.VAE, objective: Objective, x: tf.Tensor) -> Callable[[tf.Tensor], tf.Tensor]:
    """Return a compiled function of a seed: the gradient of the encoder's weights, as one vector."""
    weights = vae.encoder.trainable_variables

    @tf.function(autograph=False, jit_compile=vae.uses_xla())
    def gradient(seed: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = objective(vae, x, seed, training=True).loss
        return tf.concat([tf.reshape(part, [-1]) for part in tape.gradient(loss, weights)], axis=0)

    return gradient


def with_baseline(vae: kv.VAE, x: tf.Tensor, epochs: int, seed: int) -> Objective:
    """Return "nvil" with a baseline that was trained for this model, whose own weights stay."""
    parts = (vae.encoder, vae.decoder, vae.prior)
    for part in parts:
        part.trainable = False
    trainer = kv.VAE(*parts, objective=ELBO(gradient="nvil"), seed=seed)
    trainer.compile(keras.optimizers.Adam(2e-3))
    trainer.fit(x, batch_size=128, epochs=epochs, verbose=0)
    for part in parts:
        part.trainable = True
    return trainer.objective


def measure(gradient: Callable[[tf.Tensor], tf.Tensor], repeats: int, exact: np.ndarray | None) -> dict[str, float]:
    """Return variance and milliseconds of one gradient, and its bias relative to the exact one where that is given."""
    gradient(tf.constant([0, 0]))  # compiles
    start = time.perf_counter()
    draws = np.stack([gradient(tf.constant([0, i])).numpy() for i in range(repeats)]).astype(np.float64)
    milliseconds = 1000 * (time.perf_counter() - start) / repeats
    variance = draws.var(axis=0, ddof=1).sum()
    row = {"variance": variance, "milliseconds": milliseconds, "bias": np.nan}
    if exact is not None:  # the mean's own noise is taken off
        squared = np.sum((draws.mean(axis=0) - exact) ** 2) - variance / repeats
        row["bias"] = np.sqrt(max(squared, 0.0) / np.sum(exact**2))
    return row


def main(
    units: tuple[int, ...] = (5, 10, 20, 50, 100, 200),
    epochs: int = 20,
    num_examples: int = 50,
    repeats: int = 500,
    seed: int = 0,
    figure: Path | None = None,
) -> dict[tuple[int, str], dict[str, float]]:
    """Print the noise of each gradient, and draw it.

    Args:
        units: numbers of Bernoulli units.
        epochs: of the training before, over 1,294 images.
        num_examples: images in the batch whose gradient is taken.
        repeats: gradients by which the variance is estimated.
        seed: of everything random.
        figure: file to draw to.

    Returns:
        "variance", "milliseconds" and relative "bias" (NaN where it is not known), by number of units and estimator.
    """
    data = kv.data.load("digits", "binarize=threshold")
    x = data.test.head(num_examples)
    rows: dict[tuple[int, str], dict[str, float]] = {}
    print("units  gradient                 variance a draw    ms   variance x seconds   bias / gradient")
    for number in units:
        keras.utils.set_random_seed(seed)
        vae = kv.VAE.for_images((8, 8, 1), number, posterior="bernoulli", objective=OBJECTIVES["disarm"], seed=seed)
        vae.compile(keras.optimizers.Adam(2e-3))
        vae.fit(data.train.head(1294), batch_size=128, epochs=epochs, verbose=0)
        exact = None
        if number <= LARGEST_ENUMERATED:
            exact = gradient_of(vae, ELBO(gradient="enumeration"), x)(tf.constant([0, 0])).numpy()
        objectives = {**OBJECTIVES, "nvil": with_baseline(vae, data.train.head(1294), epochs, seed)}
        for name, objective in objectives.items():
            row = measure(gradient_of(vae, objective, x), repeats, exact)
            row["variance of one draw"] = row["variance"] * objective.num_samples
            row["variance x seconds"] = row["variance"] * row["milliseconds"] / 1000
            rows[number, name] = row
            bias = "" if np.isnan(row["bias"]) else f"{row['bias']:.3f}"
            print(
                f"{number:5}  {name:22} {row['variance of one draw']:17.4f} {row['milliseconds']:6.2f} "
                f"{row['variance x seconds']:19.6f} {bias:>16}",
                flush=True,
            )
    if figure is not None:
        _draw(rows, units).savefig(figure, dpi=110)
    return rows


def _draw(rows: dict[tuple[int, str], dict[str, float]], units: tuple[int, ...]) -> Figure:
    canvas = Figure(figsize=(9, 3.6), layout="constrained")
    panels = canvas.subplots(1, 2)
    for panel, key, label in zip(
        panels,
        ("variance of one draw", "variance x seconds"),
        ("variance of one draw's gradient", "variance x seconds"),
        strict=True,
    ):
        for name in OBJECTIVES:
            panel.plot(units, [rows[number, name][key] for number in units], marker="o", markersize=3, label=name)
        panel.set(xscale="log", yscale="log", xlabel="Bernoulli units", ylabel=label)
        panel.set_xticks(units, [str(number) for number in units])
        panel.minorticks_off()
        panel.grid(alpha=0.3)
    panels[1].legend(fontsize=7)
    return canvas


if __name__ == "__main__":
    import tyro

    tyro.cli(main)
