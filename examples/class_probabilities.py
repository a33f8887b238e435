"""p(y|x) in two ways: by a classifier that ends in a distribution layer, and by Bayes' rule from p(x|y).

The classifier is a Keras model whose output is a distribution of y. All of x and y is observed, so that maximum
likelihood is all there is to it: the loss is -log p(y|x). The conditional VAE learns p(x|y), and p(y|x) follows as
p(x|y) p(y) / sum_y p(x|y) p(y), with log p(x|y) of each class by importance sampling. Both are judged by their
accuracy, by -log p(y|x) of the test labels in nats, and by their calibration: among the images whose most probable
class has the probability 0.9, nine of ten should be of that class.

    python examples/class_probabilities.py --figure class_probabilities.png

It takes a minute with scikit-learn's digits, the default.

References:
    Guo et al. (2017), "On Calibration of Modern Neural Networks", Eq. 3 (expected calibration error).
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
from scipy.special import log_softmax

import keras_vae as kv
from keras_vae import layers

NUM_BINS = 10


def of_classifier(x: np.ndarray, y: np.ndarray, x_test: np.ndarray, epochs: int, seed: int) -> np.ndarray:
    """Return log p(y|x) of each class, [N, K], under a network that ends in a distribution layer."""
    keras.utils.set_random_seed(seed)
    num_classes = int(y.max()) + 1
    model = keras.Sequential(
        [
            keras.Input(x.shape[1:]),
            keras.layers.Flatten(),
            keras.layers.Dense(200, "relu"),
            keras.layers.Dense(layers.OneHotCategorical.params_size(num_classes)),
            layers.OneHotCategorical(num_classes),
        ]
    )
    model.compile("adam", loss=kv.losses.NegativeLogLikelihood())
    model.fit(x, keras.utils.to_categorical(y, num_classes), batch_size=64, epochs=epochs, verbose=0)
    return log_softmax(np.asarray(model(x_test).logits, np.float64), axis=1)


def of_bayes(x: np.ndarray, y: np.ndarray, x_test: np.ndarray, epochs: int, num_samples: int, seed: int) -> np.ndarray:
    """Return log p(y|x) of each class, [N, K], by Bayes' rule from a conditional VAE."""
    keras.utils.set_random_seed(seed)
    num_classes = int(y.max()) + 1
    cvae = kv.ConditionalVAE.for_images(x.shape[1:], latent_dim=10, hidden=(200,), num_classes=num_classes, seed=seed)
    cvae.compile("adam")
    cvae.fit(x, y, batch_size=64, epochs=epochs, verbose=0)
    log_prob = [cvae.log_marginal(x_test, np.full(len(x_test), k), num_samples, seed)[0] for k in range(num_classes)]
    log_p_y = np.log(np.bincount(y, minlength=num_classes) / len(y))
    return log_softmax(np.stack(log_prob, axis=1) + log_p_y, axis=1)


def calibration(log_probs: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Return mean confidence, accuracy and number of the images of each bin of confidence; and the calibration error.

    The expected calibration error is the mean over the images of the distance between both in their bin.
    """
    confidence, right = np.exp(log_probs.max(axis=1)), log_probs.argmax(axis=1) == y
    bins = np.minimum((confidence * NUM_BINS).astype(int), NUM_BINS - 1)
    counts = np.bincount(bins, minlength=NUM_BINS)
    with np.errstate(invalid="ignore"):
        confidences, accuracies = (np.bincount(bins, values, NUM_BINS) / counts for values in (confidence, right))
    error = np.nansum(counts * np.abs(confidences - accuracies)) / len(y)
    return confidences, accuracies, counts, float(error)


def main(
    dataset: str = "digits",
    epochs: int = 60,
    num_samples: int = 100,
    seed: int = 0,
    figure: Path | None = None,
) -> dict[str, dict[str, float]]:
    """Print what the test images say of both ways.

    Args:
        dataset: digits, or a TFDS image set; it is binarised at one half.
        epochs: How many epochs each training takes.
        num_samples: How many importance samples log p(x|y) takes.
        seed: The seed of the trainings and of the samples.
        figure: The file to draw the calibration of both into.
    """
    data = kv.data.load(dataset, "binarize=threshold", validation_fraction=0.0)
    x, x_test = (split.head(split.num_examples).numpy() for split in (data.train, data.test))
    y, y_test = np.asarray(data.train.labels), np.asarray(data.test.labels)
    log_probs = {
        "classifier": of_classifier(x, y, x_test, epochs, seed),
        "Bayes' rule": of_bayes(x, y, x_test, epochs, num_samples, seed),
    }
    scores, drawn = {}, {}
    print("                accuracy   -log p(y|x)   calibration error")
    for name, values in log_probs.items():
        confidences, accuracies, counts, error = calibration(values, y_test)
        scores[name] = {
            "accuracy": float(np.mean(values.argmax(axis=1) == y_test)),
            "nats": float(-np.mean(values[np.arange(len(y_test)), y_test])),
            "calibration error": error,
        }
        drawn[name] = (confidences, accuracies, counts)
        print("{:14}{:10.2%}{:14.4f}{:20.4f}".format(name, *scores[name].values()))
    if figure is not None:
        _figure(drawn).savefig(figure, dpi=120)
    return scores


def _figure(drawn: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]) -> Figure:
    """Return the accuracy of the images of each bin against their confidence, the area of a point their number."""
    figure = Figure(figsize=(4.6, 4.4), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color="0.6", linewidth=1, label="calibrated")
    for name, (confidences, accuracies, counts) in drawn.items():
        axes.scatter(confidences, accuracies, s=10 + 400 * counts / counts.sum(), alpha=0.6, label=name)
    axes.set_xlabel("probability of the most probable class")
    axes.set_ylabel("how often it is the label")
    legend = axes.legend(loc="upper left", fontsize=8)
    for handle in legend.legend_handles[1:]:
        handle.set_sizes([40])
    axes.grid(alpha=0.3)
    axes.set_title("test images in ten bins; area: how many", fontsize=9)
    return figure


if __name__ == "__main__":
    import tyro

    tyro.cli(main)
