"""Holes of the prior: found, mended in five ways, and looked at before and after.

A VAE draws z from the prior N(0, I) to make new images. Where no image's posterior q(z|x) is, the prior has a hole: the
decoder has never seen such a z, and what it makes of it looks like nothing in the data. The function
`keras_vae.evaluation.diagnose` says whether there are holes, and names a learned prior as the remedy. Here one is
fitted to the finished model: a mixture of normals, two flows, or a second VAE; and another model is trained with a
VampPrior from the start. The quality of samples is measured before and after, by the features of a small classifier
that is trained on the same images.

    python examples/prior_holes.py --dataset fashion_mnist

References:
    Hoffman & Johnson (2016), "ELBO surgery". Rosca et al. (2018), "Distribution matching in variational inference".
    Tomczak & Welling (2018), "VAE with a VampPrior". Dai & Wipf (2019), "Diagnosing and enhancing VAE models".
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package need not be installed

import keras

import keras_vae as kv

REMEDIES = ("mixture", "MAF", "RealNVP", "second VAE", "VampPrior from the start")


def make_vae(data: kv.data.ImageData, latent_dim: int, hidden: int, prior: kv.priors.Prior, seed: int) -> kv.VAE:
    """Return a compiled VAE of binary images."""
    keras.utils.set_random_seed(seed)
    vae = kv.VAE.for_images(data.event_shape, latent_dim, hidden=(hidden, hidden), prior=prior, seed=seed)
    vae.compile(keras.optimizers.Adam(1e-3))
    return vae


def score(
    report: kv.evaluation.Diagnosis,
    vae: kv.VAE,
    before: kv.VAE,
    test: kv.data.Split,
    features: kv.evaluation.FeatureClassifier,
    num_samples: int,
    seed: int,
) -> dict[str, float | str]:
    """Return what the test images say of a model, and of its ELBO beside that of the plain VAE."""
    fit, gain = report.prior_fit, kv.evaluation.elbo_gain(before, vae, test, seed=seed)
    quality = kv.evaluation.sample_quality(vae, test, features, seed=seed)
    return {
        "log p(x)": float(kv.evaluation.log_marginal(vae, test, num_samples, seed).log_marginal.mean()),
        "gain of the ELBO": gain.mean,
        "its standard error": gain.standard_error,
        "KL at least": fit.parts.marginal_kl_lower.mean,
        "KL at most": fit.parts.marginal_kl_upper.mean,
        "AUC": fit.classifier.mean,
        "MMD^2": fit.mmd.squared,
        "active units": report.parts.active_units,
        "precision": quality.samples.precision.mean,
        "recall": quality.samples.recall.mean,
        "Frechet distance": quality.samples.frechet_distance.mean,
        "that of real images": quality.calibration.frechet_distance.mean,
        "verdict": fit.verdict,
    }


def main(
    dataset: str = "digits",
    latent_dim: int = 10,
    hidden: int = 300,
    epochs: int = 30,
    fit_epochs: int = 10,
    second_epochs: int = 50,
    num_components: int = 500,
    num_samples: int = 200,
    classifier_steps: int = 2_000,
    remedies: tuple[str, ...] = REMEDIES,
    seed: int = 0,
    figures: Path = Path("prior_holes"),
) -> dict[str, dict[str, float | str]]:
    """Train a VAE, diagnose it, give it other priors, and diagnose it again.

    Args:
        dataset: digits, or an image set of TFDS; it is binarised, a new draw each time an image is seen.
        latent_dim: D.
        hidden: units of each of two hidden layers.
        epochs: of the two models that are trained as a whole.
        fit_epochs: of the priors that are fitted to the finished model.
        second_epochs: of the second VAE, which learns more slowly than they do.
        num_components: of the mixtures, at most one for each training image.
        num_samples: importance samples for log p(x).
        classifier_steps: training steps of the classifier whose features measure the samples.
        remedies: which to try.
        seed: of everything random.
        figures: folder of the PNG files.

    Returns:
        For each prior, what `score` says.
    """
    data = kv.data.load(dataset, "binarize=dynamic")
    num_components = min(num_components, data.train.num_examples)
    plain = make_vae(data, latent_dim, hidden, kv.priors.StandardNormal(latent_dim), seed)
    with_vamp = make_vae(data, latent_dim, hidden, kv.priors.VampPrior(num_components), seed)
    some = next(iter(data.train.training_batches(num_components, seed).epoch(0)))  # drawn at random
    with_vamp.prior.set_pseudo_inputs(some)

    second = kv.VAE.for_vectors((latent_dim,), latent_dim, "gaussian-shared", hidden=(hidden, hidden), seed=seed)
    images = data.train.head(data.train.num_examples, seed)
    features = kv.evaluation.train_features(images, data.train.labels, classifier_steps, seed=seed)
    print(f"Features: {features}")

    def train(vae: kv.VAE) -> kv.VAE:
        vae.fit(data.train, batch_size=100, epochs=epochs, verbose=0)
        return vae

    def fit(prior: kv.priors.Prior, epochs: int = fit_epochs) -> kv.VAE:
        return kv.fit_prior(plain, data.train, prior, batch_size=100, epochs=epochs, verbose=0)

    models = {
        "standard normal": lambda: train(plain),
        "mixture": lambda: fit(kv.priors.MixtureOfNormals(latent_dim, num_components)),
        "MAF": lambda: fit(kv.priors.MAF(latent_dim)),
        "RealNVP": lambda: fit(kv.priors.RealNVP(latent_dim)),
        "second VAE": lambda: fit(kv.priors.SecondStage(second), second_epochs),
        "VampPrior from the start": lambda: train(with_vamp),
    }
    figures.mkdir(parents=True, exist_ok=True)
    scores: dict[str, dict[str, float | str]] = {}
    for name in ("standard normal", *remedies):
        start = time.perf_counter()
        vae = models[name]()
        minutes = (time.perf_counter() - start) / 60
        report = kv.evaluation.diagnose(vae, data.test, seed=seed)
        scores[name] = {"minutes": minutes, **score(report, vae, plain, data.test, features, num_samples, seed)}
        print(f"{name}\n  {report}")
        for quantity, value in scores[name].items():
            print(f"  {quantity:20}{value if isinstance(value, str) else format(value, '10.4f')}")
        stem = name.replace(" ", "_")
        kv.plotting.bubbles(vae, data.test, data.test.labels).savefig(figures / f"{stem}_bubbles.png", dpi=100)
        kv.plotting.holes(vae, data.test, seed=seed).savefig(figures / f"{stem}_holes.png", dpi=100)
    return scores


if __name__ == "__main__":
    import tyro

    tyro.cli(main)
