"""Denoising: a VAE whose encoder saw noise in training, beside one whose encoder did not.

Both learn p(x) of the same clean binary images. The encoder of the second one saw salt and pepper on them, while the
likelihood scored the clean image. Then both are shown noisy test images of several rates, and are asked how probable
the clean ones are: log p(clean x | z) at z ~ q(z | noisy x), and how many pixels of the reconstruction are wrong. What
the noise costs where there is none is the ELBO of clean images.

    python examples/denoising.py --dataset mnist

References:
    Im et al. (2017), "Denoising Criterion for Variational Auto-Encoding Framework".
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package need not be installed

import keras
import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

import keras_vae as kv
from keras_vae.corruptions import Corruption, SaltAndPepperNoise

NAMES = {"plain": "VAE", "denoising": "VAE trained with noise"}


def train(data: kv.data.ImageData, latent_dim: int, epochs: int, corruption: Corruption | None, seed: int) -> kv.VAE:
    """Return a VAE of clean images, whose encoder sees them after `corruption`."""
    keras.utils.set_random_seed(seed)
    vae = kv.VAE.for_images(data.event_shape, latent_dim, corruption=corruption, seed=seed)
    vae.compile(keras.optimizers.Adam(1e-3))
    vae.fit(data.train, batch_size=100, epochs=epochs, verbose=0)
    return vae


def score(vae: kv.VAE, clean: tf.Tensor, noisy: tf.Tensor, seed: int) -> dict[str, float]:
    """Return log p(clean | z) at a draw of q(z | noisy) in nats, its standard error, and the part of wrong pixels."""
    z = kv.random.sample(vae.encode(noisy), 1, seed)
    log_likelihood = kv.evaluation.estimate(vae.log_likelihood(clean, z)[0].numpy().astype("float64"))
    wrong = np.mean((vae.reconstruct(noisy).numpy() > 0.5) != (clean.numpy() > 0.5))
    return {
        "log p(clean x | z)": log_likelihood.mean,
        "standard error": log_likelihood.standard_error,
        "wrong pixels": float(wrong),
    }


def draw(clean: tf.Tensor, noisy: dict[float, tf.Tensor], models: dict[str, kv.VAE], num_images: int) -> Figure:
    """Draw clean images and, for each rate, noisy ones and what each model makes of them."""
    rows = [("clean images", clean[:num_images])]
    for rate, x in noisy.items():
        rows.append((f"salt and pepper on {rate:.0%}", x[:num_images]))
        rows += [(NAMES[name], vae.reconstruct(x[:num_images])) for name, vae in models.items()]
    figure = Figure(figsize=(num_images * 0.6, len(rows) * 0.85), layout="constrained")
    for axes, (title, images) in zip(figure.subplots(len(rows), 1), rows, strict=True):
        apart = np.pad(np.asarray(images)[..., 0], ((0, 0), (0, 0), (0, 1)), constant_values=0.5)
        axes.imshow(np.hstack(apart), cmap="gray", vmin=0, vmax=1)
        axes.set_title(title, fontsize=9, loc="left")
        axes.set_axis_off()
    return figure


def main(
    dataset: str = "digits",
    latent_dim: int = 20,
    epochs: int = 30,
    training_rate: float = 0.3,
    rates: tuple[float, ...] = (0.1, 0.3, 0.5),
    num_images: int = 10,
    seed: int = 0,
    figure: Path = Path("denoising.png"),
) -> dict[str, dict[float, dict[str, float]]]:
    """Train both models, and show them noisy test images.

    Args:
        dataset: digits, or an image set of TFDS with one channel; it is binarised at one half.
        latent_dim: The number of dimensions of z.
        epochs: How many epochs each training takes.
        training_rate: The part of the pixels that are salt and pepper in training.
        rates: The parts of the pixels that are salt and pepper in the test images.
        num_images: How many columns the figure has.
        seed: The seed of everything random.
        figure: The PNG file to write.

    Returns:
        For each model, for rate 0 and each of `rates`, what `score` says; at rate 0 the "ELBO" as well.
    """
    data = kv.data.load(dataset, "binarize=threshold")
    models = {
        "plain": train(data, latent_dim, epochs, None, seed),
        "denoising": train(data, latent_dim, epochs, SaltAndPepperNoise(training_rate), seed),
    }
    clean = tf.cast(data.test.head(data.test.num_examples), tf.float32)
    noisy = {rate: SaltAndPepperNoise(rate).corrupt(clean, kv.random.as_noise(seed + 1)) for rate in rates}
    scores: dict[str, dict[float, dict[str, float]]] = {}
    print("model                   rate   log p(clean x | z), nats   wrong pixels")
    for name, vae in models.items():
        scores[name] = {rate: score(vae, clean, x, seed) for rate, x in {0.0: clean, **noisy}.items()}
        scores[name][0.0]["ELBO"] = kv.evaluation.evaluate(vae, clean, num_samples=10, seed=seed)["elbo"].mean
        for rate, of in scores[name].items():
            value = f"{of['log p(clean x | z)']:.2f} +- {of['standard error']:.2f}"
            print(f"{NAMES[name]:22} {rate:5.0%}{value:>27}{of['wrong pixels']:15.2%}")
        print(f"{NAMES[name]:22} ELBO of clean images {scores[name][0.0]['ELBO']:.2f} nats")
    draw(clean, noisy, models, num_images).savefig(figure, dpi=100)
    return scores


if __name__ == "__main__":
    import tyro

    tyro.cli(main)
