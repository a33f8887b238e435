"""Overlapping posteriors: what the weight of the KL and the number of dimensions do to them.

Each posterior q(z|x) is a bubble in the space of z. The KL draws all bubbles to the middle and blows them up until
they overlap; then a draw of z may fit another x better than its own. With beta = 0 nothing does: the bubbles shrink to
points and drift apart, and the prior is left behind. With a large beta they lie on top of each other. More dimensions
give more room. The table says how many draws of z fit another test image better than their own, and how far the
posteriors overlap.

    python examples/overlapping_latents.py

References:
    Higgins et al. (2017), "beta-VAE". Hoffman & Johnson (2016), "ELBO surgery", Sec. 3 (the mutual information counts
    how many x can be told apart).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package need not be installed

import keras
import numpy as np

import keras_vae as kv


def main(
    dataset: str = "digits",
    betas: tuple[float, ...] = (0.0, 1.0, 10.0),
    latent_dims: tuple[int, ...] = (2, 10),
    hidden: int = 200,
    epochs: int = 60,
    num_images: int = 300,
    seed: int = 0,
    figures: Path = Path("overlapping_latents"),
) -> dict[tuple[int, float], dict[str, float]]:
    """Train a VAE for each number of dimensions and each beta, and measure how far its posteriors overlap.

    Args:
        dataset: digits, or an image set of TFDS; it is binarised at half of the highest level.
        betas: weights of the KL in the loss.
        latent_dims: D, of z.
        hidden: units of the hidden layer.
        epochs: of each training.
        num_images: test images that are compared in pairs, the first.
        seed: of everything random.
        figures: folder of the PNG files: bubbles of each model of two dimensions, and the most confused pairs of each.

    Returns:
        For each D and beta: "confusion rate", its "standard error", the "mean coefficient" of Bhattacharyya over all
        pairs, and the reconstruction loss and KL in nats.
    """
    data = kv.data.load(dataset, "binarize=threshold")
    x = data.test.head(min(num_images, data.test.num_examples), seed)
    figures.mkdir(parents=True, exist_ok=True)
    scores = {}
    print(" D   beta   confusion rate        mean coefficient   reconstruction loss       KL")
    for latent_dim in latent_dims:
        for beta in betas:
            keras.utils.set_random_seed(seed)
            objective = kv.objectives.ELBO(beta)
            vae = kv.VAE.for_images(data.event_shape, latent_dim, hidden=(hidden,), objective=objective, seed=seed)
            vae.compile("adam")
            vae.fit(data.train, batch_size=50, epochs=epochs, verbose=0)
            shared, terms = kv.evaluation.overlap(vae, x, seed=seed), kv.evaluation.evaluate(vae, x, seed=seed)
            pairs = shared.coefficients[np.triu_indices(len(x), k=1)]
            score = scores[latent_dim, beta] = {
                "confusion rate": shared.confusion_rate.mean,
                "standard error": shared.confusion_rate.standard_error,
                "mean coefficient": float(pairs.mean()),
                "reconstruction loss": terms["reconstruction_loss"].mean,
                "kl": terms["kl"].mean,
            }
            print(
                f"{latent_dim:2} {beta:6} {score['confusion rate']:10.3f} +- {score['standard error']:.3f} "
                f"{score['mean coefficient']:19.4f} {score['reconstruction loss']:21.2f} {score['kl']:8.2f}"
            )
            stem = f"{latent_dim}_dimensions_beta_{beta:g}"
            kv.plotting.confused_pairs(x, shared).savefig(figures / f"{stem}_pairs.png", dpi=100)
            if latent_dim == 2:
                labels = None if data.test.labels is None else data.test.labels[: len(x)]
                kv.plotting.bubbles(vae, x, labels, len(x)).savefig(figures / f"{stem}_bubbles.png", dpi=100)
    return scores


if __name__ == "__main__":
    import tyro

    tyro.cli(main)
