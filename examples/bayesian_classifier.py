"""A convolutional classifier with random weights, which knows when it does not know.

Kernels have independent normal posteriors, from which `Convolution2DFlipout` and `DenseFlipout` draw anew for each
batch, with decorrelated noise within it. Training maximises the ELBO per example: the loss is

    -log p(y|x, w) + KL(q(w), p(w)) / n,  w ~ q(w)

Predictions are averaged over draws: p(y|x) = mean_s p(y|x, w_s). Their entropy sorts the test images by certainty.

    python examples/bayesian_classifier.py                  # 8x8 digits of scikit-learn
    python examples/bayesian_classifier.py --data mnist     # downloaded by TensorFlow Datasets

References:
    Wen et al. (2018), "Flipout: efficient pseudo-independent weight perturbations on mini-batches", Eq. 4.
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
from keras_vae import layers as tfpl
from keras_vae.losses import NegativeLogLikelihood

NUM_CLASSES = 10


def load_split(split: kv.data.Split, num_examples: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Return images [N, H, W, 1] between 0 and 1, and one-hot labels [N, 10]."""
    num_examples = min(num_examples or split.num_examples, split.num_examples)
    x = split.head(num_examples).numpy().astype("float32")
    return x, keras.utils.to_categorical(split.labels[:num_examples], NUM_CLASSES)


def make_model(shape: tuple[int, ...], n: int) -> keras.Model:
    """Return x [B, H, W, C] -> p(y|x, w) with w drawn at each call; n is the number of training images."""
    divergence = tfpl.scaled_kl_divergence_fn(1 / n)
    options = {"padding": "same", "activation": "relu", "kernel_divergence_fn": divergence}
    return keras.Sequential(
        [
            keras.Input(shape),
            tfpl.Convolution2DFlipout(16, 3, name="convolution_1", **options),
            keras.layers.MaxPooling2D(2, padding="same"),
            tfpl.Convolution2DFlipout(32, 3, name="convolution_2", **options),
            keras.layers.MaxPooling2D(2, padding="same"),
            keras.layers.Flatten(),
            tfpl.DenseFlipout(NUM_CLASSES, kernel_divergence_fn=divergence, name="dense"),
            tfpl.OneHotCategorical(NUM_CLASSES),
        ]
    )


def predict(model: keras.Model, x: np.ndarray, num_draws: int) -> np.ndarray:
    """Return p(y|x, w) for draws of w: [num_draws, N, 10]."""
    return np.stack([model(x).mean().numpy() for _ in range(num_draws)])


def draw(model: keras.Model, x: np.ndarray, labels: np.ndarray, probs: np.ndarray, num_images: int = 4) -> Figure:
    """Draw the posterior of the weights, and the most and the least certain images with their predictions."""
    entropy = -np.sum(probs.mean(axis=0) * np.log(probs.mean(axis=0) + 1e-12), axis=-1)
    order = np.argsort(entropy)
    figure = Figure(figsize=(11, 8), layout="constrained")
    above, middle, below = figure.subfigures(3, 1, height_ratios=[1.15, 1, 1])

    panels = above.subplots(1, 2)
    for layer in model.layers:
        if hasattr(layer, "kernel_posterior"):
            q = layer.kernel_posterior
            for panel, values in zip(panels, (q.mean(), q.stddev()), strict=True):
                panel.hist(np.ravel(values), bins=20, density=True, histtype="step", label=layer.name)
    panels[0].set(title="posterior means of the weights", xlabel="mean", ylabel="density")
    panels[1].set(title="posterior standard deviations", xlabel="standard deviation")
    panels[1].legend(fontsize=8)

    rows = {"most certain": (middle, order[:num_images]), "least certain": (below, order[::-1][:num_images])}
    for title, (part, chosen) in rows.items():
        heading = f"{title} test images: p(y|x, w), mean and central 90 % over draws of w; true digit in orange"
        part.suptitle(heading, fontsize=10)
        panels = part.subplots(1, 2 * num_images, width_ratios=[1, 2.2] * num_images)
        for image, bars, i in zip(panels[::2], panels[1::2], chosen, strict=True):
            image.imshow(x[i, ..., 0], cmap="gray_r", vmin=0, vmax=1)
            image.set_axis_off()
            mean, (low, high) = probs[:, i].mean(axis=0), np.quantile(probs[:, i], [0.05, 0.95], axis=0)
            colors = ["tab:orange" if digit == labels[i] else "tab:blue" for digit in range(NUM_CLASSES)]
            bars.bar(range(NUM_CLASSES), mean, color=colors)
            bars.vlines(range(NUM_CLASSES), low, high, color="black", linewidth=1)
            bars.set(ylim=(0, 1.03), xticks=range(NUM_CLASSES))
            bars.tick_params(labelsize=7)
            bars.set_xlabel("digit", fontsize=8)
        panels[1].set_ylabel("probability", fontsize=8)
    return figure


def main(
    data: str = "digits",
    epochs: int = 60,
    batch_size: int = 64,
    num_draws: int = 50,
    num_train: int | None = None,
    seed: int = 0,
    figure: Path = Path("example_bayesian_classifier.png"),
) -> dict[str, float]:
    """Train, predict the test images, and draw weights and predictions.

    Args:
        data: see `keras_vae.data.load`; ten classes.
        epochs: over the training images.
        batch_size: images a step.
        num_draws: of the weights, for a prediction.
        num_train: how many training images to use; None is all.
        seed: of everything random.
        figure: PNG file to write.

    Returns:
        The numbers printed: on the test images, "accuracy" of the averaged prediction, "log-likelihood" of it and
        "log-likelihood of one draw" in nats per image, and the "accuracy" of its more certain half.
    """
    keras.utils.set_random_seed(seed)
    images = kv.data.load(data, "unit", validation_fraction=0.0)
    (x, y), (x_test, y_test) = load_split(images.train, num_train), load_split(images.test, None)
    print(images)
    model = make_model(images.event_shape, len(x))
    model.compile(keras.optimizers.Adam(2e-3), loss=NegativeLogLikelihood())
    model.fit(x, y, batch_size=batch_size, epochs=epochs, verbose=0)

    probs = predict(model, x_test, num_draws)
    mean, labels = probs.mean(axis=0), y_test.argmax(axis=-1)
    right, entropy = mean.argmax(axis=-1) == labels, -np.sum(mean * np.log(mean + 1e-12), axis=-1)
    numbers = {
        "accuracy": right.mean(),
        "accuracy of the more certain half": right[entropy <= np.median(entropy)].mean(),
        "log-likelihood": np.log(np.sum(mean * y_test, axis=-1) + 1e-12).mean(),
        "log-likelihood of one draw": np.log(np.sum(probs * y_test, axis=-1) + 1e-12).mean(),
    }
    for name, value in numbers.items():
        print(f"{name:34} {value:7.3f}")
    draw(model, x_test, labels, probs).savefig(figure, dpi=100)
    return {name: float(value) for name, value in numbers.items()}


if __name__ == "__main__":
    import tyro

    tyro.cli(main)
