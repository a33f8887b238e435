"""An adversarial autoencoder beside the VAE of the same networks: the aggregate posterior, and the samples.

Both learn to reconstruct. The VAE pays for each image the KL of its posterior from the prior; the adversarial
autoencoder pays only as far as a discriminator can tell draws of all posteriors together from draws of the prior. So
its aggregate posterior should fit as well or better while each z says more of its image; but it trains no bound
of log p(x). What came of it is measured by the bounds of KL(q(z), p(z)), by a classifier that tells draws of q(z) from
draws of p(z), by the features of another classifier on samples, and by log p(x) itself.

    python examples/adversarial_autoencoder.py --dataset mnist --epochs 50 --figure adversarial_autoencoder.png

With scikit-learn's digits, the default, it takes two minutes; with MNIST and 50 epochs 15 minutes on one core.

References:
    Makhzani et al. (2016), "Adversarial Autoencoders", Sec. 2 and 2.1. Rosca et al. (2018), "Distribution matching in
    variational inference", Sec. 4.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package need not be installed

import keras
import numpy as np
from matplotlib.figure import Figure

import keras_vae as kv


def make_models(data: kv.data.ImageData, latent_dim: int, hidden: int, weight: float, seed: int) -> dict[str, kv.VAE]:
    """Return the two models, compiled."""
    keras.utils.set_random_seed(seed)
    parts = {"event_shape": data.event_shape, "latent_dim": latent_dim, "hidden": (hidden, hidden), "seed": seed}
    vae = kv.VAE.for_images(**parts)
    vae.compile(keras.optimizers.Adam(1e-3))
    aae = kv.AdversarialAutoencoder.for_images(**parts, objective=kv.objectives.Adversarial(weight))
    aae.compile(
        keras.optimizers.Adam(1e-3, beta_1=0.5), discriminator_optimizer=keras.optimizers.Adam(1e-3, beta_1=0.5)
    )
    return {"VAE": vae, "adversarial autoencoder": aae}


def score(vae: kv.VAE, test: kv.data.Split, features: kv.evaluation.FeatureClassifier, seed: int) -> dict[str, float]:
    """Return what the test images say of a model."""
    parts = kv.evaluation.decompose(vae, test, seed=seed)
    fit = kv.evaluation.prior_fit(vae, parts, seed)
    quality = kv.evaluation.sample_quality(vae, test, features, seed=seed)
    return {
        "-log p(x|z), z ~ q(z|x)": parts.reconstruction_loss.mean,
        "I(x; z) at least": parts.mutual_information_lower.mean,
        "KL(q(z), p(z)) at least": parts.marginal_kl_lower.mean,
        "KL(q(z), p(z)) at most": parts.marginal_kl_upper.mean,
        "AUC of q(z) against p(z)": fit.classifier.mean,
        "MMD^2 of q(z) and p(z)": fit.mmd.squared,
        "ELBO": kv.evaluation.evaluate(vae, test, num_samples=10, seed=seed)["elbo"].mean,
        "log p(x), 200 samples": float(kv.evaluation.log_marginal(vae, test, 200, seed).log_marginal.mean()),
        "precision of samples": quality.samples.precision.mean,
        "recall of samples": quality.samples.recall.mean,
        "Frechet distance of samples": quality.samples.frechet_distance.mean,
        "that of real images": quality.calibration.frechet_distance.mean,
    }


def main(
    dataset: str = "digits",
    latent_dim: int = 8,
    hidden: int = 300,
    weight: float = 10.0,
    epochs: int = 50,
    classifier_steps: int = 2_000,
    seed: int = 0,
    figure: Path | None = None,
) -> dict[str, dict[str, float]]:
    """Train both models and print what the test images say of them.

    Args:
        dataset: digits, or a TFDS image set; it is binarised, a new draw each time an image is seen.
        latent_dim: The number of dimensions of z.
        hidden: The width of the two hidden layers of each network.
        weight: The weight of the generator's loss.
        epochs: How many epochs each training takes.
        classifier_steps: How many steps the classifier trains whose features measure the samples.
        seed: The seed of everything random.
        figure: The file to draw samples of both models into.
    """
    data = kv.data.load(dataset, "binarize=dynamic")
    images = data.train.head(data.train.num_examples, seed)
    features = kv.evaluation.train_features(images, data.train.labels, classifier_steps, seed=seed)
    models, scores = make_models(data, latent_dim, hidden, weight, seed), {}
    for name, vae in models.items():
        print(f"Training the {name} ...", flush=True)
        vae.fit(data.train, batch_size=100, epochs=epochs, verbose=0)
        scores[name] = score(vae, data.test, features, seed)
    first, second = scores.values()
    print(f"{'nats of a test image':30}{'VAE':>12}{'adversarial':>14}")
    for name in first:
        print(f"{name:30}{first[name]:12.3f}{second[name]:14.3f}")
    if figure is not None:
        _figure(models, seed).savefig(figure, dpi=120)
    return scores


def _figure(models: dict[str, kv.VAE], seed: int) -> Figure:
    """Return means of p(x|z) at the same 100 draws of the prior under each model."""
    whole = Figure(figsize=(4 * len(models), 4.3), layout="constrained")
    for axes, (name, vae) in zip(whole.subplots(1, len(models)), models.items(), strict=True):
        x = vae.sample(100, seed, mean=True).numpy()[..., 0]
        height, width = x.shape[1:]
        padded = np.pad(x, [(0, 0), (0, 1), (0, 1)], constant_values=1.0).reshape(10, 10, height + 1, width + 1)
        axes.imshow(padded.transpose(0, 2, 1, 3).reshape(10 * (height + 1), -1), cmap="gray", vmin=0, vmax=1)
        axes.set_axis_off()
        axes.set_title(name, fontsize=9)
    whole.supxlabel("means of p(x|z), z ~ N(0, I), the same z under both", fontsize=9)
    return whole


if __name__ == "__main__":
    import tyro

    tyro.cli(main)
