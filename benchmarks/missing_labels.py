"""MNIST with few labels: what they are worth to several models.

Each method gets 60,000 training images and the labels of a few of them, as many of each class, and is scored by the
accuracy on the test images. Three kinds of method:

* features that are learned without labels, and a logistic regression on the labelled ones (`probe`): raw pixels,
  principal components, scikit-learn's BernoulliRBM, a denoising autoencoder, the posterior means of a VAE;
* M2, `keras_vae.SemiSupervisedVAE` on pixels;
* M1 + M2: the same on draws of the latents of a VAE.

The features are learned once for each seed. Minutes are those of one training on one core, with the learning of the
features that it needs.

    python benchmarks/missing_labels.py --num-labels 100 1000 --seeds 0 1 2

All of it takes some hours, most of them for M2: `--methods` chooses.

References:
    Kingma, Rezende, Mohamed & Welling (2014), "Semi-supervised Learning with Deep Generative Models", Table 1.
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
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import BernoulliRBM
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import keras_vae as kv

NUM_FEATURES = 50
Features = tuple[np.ndarray, np.ndarray]  # of training and test images


class Images:
    """The images of a data set as vectors in [0, 1], and the labels."""

    def __init__(self, dataset: str):
        data = kv.data.load(dataset, "unit", validation_fraction=0.0)
        self.x, self.x_test = (
            split.head(split.num_examples).numpy().reshape(split.num_examples, -1) for split in (data.train, data.test)
        )
        self.y, self.y_test = np.asarray(data.train.labels), np.asarray(data.test.labels)
        self.num_classes = int(self.y.max()) + 1

    def labelled(self, num_labels: int, seed: int) -> np.ndarray:
        """Return the rows whose labels are known: as many of each class."""
        rng, each = np.random.default_rng(seed), num_labels // self.num_classes
        classes = range(self.num_classes)
        return np.concatenate([rng.choice(np.flatnonzero(self.y == k), each, replace=False) for k in classes])


def probe(features: Features, images: Images, rows: np.ndarray) -> float:
    """Return the accuracy of a logistic regression of the features, whose penalty cross-validation chooses."""
    regression = GridSearchCV(LogisticRegression(max_iter=500), {"C": np.logspace(-4, 1, 6)}, cv=5)
    model = make_pipeline(StandardScaler(), regression)
    model.fit(features[0][rows], images.y[rows])
    return float(model.score(features[1], images.y_test))


def pixels(images: Images, seed: int, epochs: int) -> Features:
    """Return the images themselves."""
    return images.x, images.x_test


def principal_components(images: Images, seed: int, epochs: int) -> Features:
    """Return the first principal components."""
    pca = PCA(NUM_FEATURES, random_state=seed).fit(images.x)
    return pca.transform(images.x), pca.transform(images.x_test)


def restricted_boltzmann_machine(images: Images, seed: int, epochs: int) -> Features:
    """Return the probabilities of 256 hidden units."""
    rbm = BernoulliRBM(256, learning_rate=0.05, batch_size=100, n_iter=10, random_state=seed).fit(images.x)
    return rbm.transform(images.x), rbm.transform(images.x_test)


def denoising_autoencoder(images: Images, seed: int, epochs: int) -> Features:
    """Return the code of an autoencoder that removes masking noise."""
    keras.utils.set_random_seed(seed)
    encoder = keras.Sequential(
        [keras.Input(images.x.shape[1:]), keras.layers.Dense(600, "relu"), keras.layers.Dense(NUM_FEATURES)]
    )
    size = images.x.shape[1]
    decoder = [keras.layers.Dense(600, "relu"), keras.layers.Dense(size, "sigmoid")]
    model = keras.Sequential([keras.layers.Dropout(0.3), encoder, *decoder])
    model.compile("adam", "binary_crossentropy", jit_compile=True)
    model.fit(images.x, images.x, batch_size=200, epochs=epochs, verbose=0)
    return tuple(encoder.predict(x, batch_size=1000, verbose=0) for x in (images.x, images.x_test))


class M1:
    """A VAE of the grey images, and its posteriors."""

    def __init__(self, images: Images, seed: int, epochs: int):
        keras.utils.set_random_seed(seed)
        size = images.x.shape[1]
        self.vae = kv.VAE.for_vectors((size,), NUM_FEATURES, "soft-bernoulli", hidden=(600, 600), seed=seed)
        steps = epochs * -(-len(images.x) // 200)
        self.vae.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-3, steps)))
        self.vae.fit(images.x, batch_size=200, epochs=epochs, verbose=0)
        posteriors = self.vae.encode(images.x), self.vae.encode(images.x_test)
        self.means: Features = tuple(q_z.mean().numpy() for q_z in posteriors)
        self.scale = posteriors[0].stddev().numpy()

    def draws(self, rng: np.random.Generator) -> np.ndarray:
        """Return a draw of the posterior of each training image."""
        return (self.means[0] + self.scale * rng.normal(size=self.scale.shape)).astype("float32")


def semi_supervised(
    x: Callable[[], np.ndarray],
    x_test: np.ndarray,
    images: Images,
    rows: np.ndarray,
    seed: int,
    epochs: int,
    weight: float,
    **parts,
) -> float:
    """Return the accuracy of M2; `x()` are its training examples of the next epoch.

    The labelled examples make up a tenth of those of an epoch, by repetition: each batch has some.
    """
    keras.utils.set_random_seed(seed)
    repeated = np.repeat(rows, max(1, len(images.x) // (10 * len(rows))))
    order = np.concatenate([np.arange(len(images.x)), repeated])
    y = np.full(len(images.x), -1)
    y[rows] = images.y[rows]
    share = np.mean(y[order] >= 0)
    objective = kv.objectives.SemiSupervisedELBO(alpha=weight / share)  # the weight is 0.1 in the paper
    model = kv.SemiSupervisedVAE.for_vectors(
        x_test.shape[1:], objective=objective, num_classes=images.num_classes, seed=seed, **parts
    )
    steps = epochs * -(-len(order) // 200)
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-3, steps)))
    for _ in range(epochs):
        model.fit(x()[order], y[order], batch_size=200, epochs=1, verbose=0)
    return float(np.mean(model.predict_proba(x_test).argmax(axis=1) == images.y_test))


Scorer = Callable[[np.ndarray], float]  # from the rows with labels to the accuracy


def with_probe(learn: Callable[[Images, int, int], Features]) -> Callable[[Images, int, int], Scorer]:
    """Return the method that learns features, and scores them by a probe."""

    def learned(images: Images, seed: int, epochs: int) -> Scorer:
        features = learn(images, seed, epochs)
        return lambda rows: probe(features, images, rows)

    return learned


def m2(images: Images, seed: int, epochs: int) -> Scorer:
    """Return M2 on pixels."""
    parts = {"latent_dim": NUM_FEATURES, "likelihood": "soft-bernoulli", "hidden": (500,), "weight": 0.1}
    return lambda rows: semi_supervised(lambda: images.x, images.x_test, images, rows, seed, epochs, **parts)


def m1_and_m2(images: Images, seed: int, epochs: int) -> Scorer:
    """Return M2 on draws of the latents of a VAE."""
    m1, rng = M1(images, seed, epochs), np.random.default_rng(seed)
    parts = {"latent_dim": 10, "likelihood": "gaussian", "hidden": (500,), "weight": 1.0}
    return lambda rows: semi_supervised(lambda: m1.draws(rng), m1.means[1], images, rows, seed, epochs, **parts)


METHODS: dict[str, Callable[[Images, int, int], Scorer]] = {
    "pixels": with_probe(pixels),
    "PCA": with_probe(principal_components),
    "RBM": with_probe(restricted_boltzmann_machine),
    "denoising autoencoder": with_probe(denoising_autoencoder),
    "VAE": with_probe(lambda images, seed, epochs: M1(images, seed, epochs).means),
    "M1 + M2": m1_and_m2,
    "M2": m2,
}


def main(
    dataset: str = "mnist",
    num_labels: tuple[int, ...] = (100, 600, 1000, 3000),
    seeds: tuple[int, ...] = (0, 1, 2),
    epochs: int = 30,
    methods: tuple[str, ...] = tuple(METHODS),
) -> dict[tuple[str, int], list[float]]:
    """Print the accuracy of each method with each number of labels.

    Args:
        dataset: A TFDS image set with labels, or digits.
        num_labels: How many labels are known.
        seeds: The seeds of the labels that are known, and of the trainings.
        epochs: How many epochs each network trains.
        methods: Which methods to try.

    Returns:
        The accuracies, one a seed, for each method and number of labels.
    """
    images = Images(dataset)
    accuracies: dict[tuple[str, int], list[float]] = {}
    print("method                 labels   accuracy   standard error   minutes of a training")
    for method in methods:
        minutes: dict[int, list[float]] = {}
        for seed in seeds:
            start = time.perf_counter()
            scorer = METHODS[method](images, seed, epochs)
            minutes_before = (time.perf_counter() - start) / 60
            for number in num_labels:
                start = time.perf_counter()
                accuracy = scorer(images.labelled(number, seed))
                accuracies.setdefault((method, number), []).append(accuracy)
                minutes.setdefault(number, []).append(minutes_before + (time.perf_counter() - start) / 60)
                print(f"  {method}, {number} labels, seed {seed}: {accuracy:.2%}", file=sys.stderr, flush=True)
        for number in num_labels:
            values = np.array(accuracies[method, number])
            error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else float("nan")
            print(
                f"{method:22}{number:7}{values.mean():11.2%}{error:17.2%}{np.mean(minutes[number]):15.1f}", flush=True
            )
    return accuracies


if __name__ == "__main__":
    import tyro

    tyro.cli(main)
