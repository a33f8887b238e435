"""The rest of an image, given some of its quarters: a conditional VAE beside a network that predicts each pixel.

y is the part of a grey image that is known (the lower left quarter; the left half; all but the upper right quarter),
and x is the rest. The network predicts the mean of each pixel of x, so that it blurs what could be one thing or
another; the conditional VAE, p(z|y) p(x|y, z), draws one completion after the other. Both are scored by the
cross-entropy of the grey pixels of x, summed: for the conditional VAE it is -log mean_s exp(-cross-entropy(z_s)), with
z_s from p(z|y) or, by importance sampling, from q(z|x, y).

    python examples/image_completion.py --dataset mnist --epochs 30 --figure image_completion.png

With scikit-learn's digits, the default, it takes a minute; with MNIST 5 minutes for each number of quarters.

References:
    Sohn, Lee & Yan (2015), "Learning Structured Output Representation using Deep Conditional Generative Models",
    Sec. 4 and 5.1.
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
from keras_vae import layers
from keras_vae.evaluation import Estimate, estimate, log_importance_weights

GREY = 0.3  # of what is not known, in the figure
Parts = tuple[np.ndarray, np.ndarray]


def known_pixels(height: int, width: int, quarters: int) -> np.ndarray:
    """Return which pixels are known, bool [H, W]: lower left; and upper left; and lower right."""
    known = np.zeros([height, width], bool)
    known[height // 2 :, : width // 2] = True
    if quarters > 1:
        known[: height // 2, : width // 2] = True
    if quarters > 2:
        known[height // 2 :, width // 2 :] = True
    return known


def mlp(inputs: list[int], hidden: int, outputs: int, layer: keras.layers.Layer) -> keras.Model:
    """Return a model of one or more vectors, joined, that ends in a distribution layer."""
    tensors = [keras.Input((size,)) for size in inputs]
    h = tensors[0] if len(tensors) == 1 else keras.layers.Concatenate()(tensors)
    for _ in range(2):
        h = keras.layers.Dense(hidden, "relu")(h)
    return keras.Model(tensors if len(tensors) > 1 else tensors[0], layer(keras.layers.Dense(outputs)(h)))


def train(model: keras.Model, x: np.ndarray, y: np.ndarray, validation: tuple, epochs: int, loss: str) -> None:
    """Fit a model, up to its best epoch on validation data."""
    stop = keras.callbacks.EarlyStopping(f"val_{loss}", patience=3, restore_best_weights=True)
    model.fit(
        x, y, batch_size=128, epochs=epochs, validation_data=validation, callbacks=[stop], shuffle=True, verbose=0
    )


def cross_entropy(cvae: kv.ConditionalVAE, x: np.ndarray, y: np.ndarray, num_samples: int, proposal: str) -> Estimate:
    """Return -log mean_s w_s over the examples, in nats an image: see `log_importance_weights`."""
    values = []
    for i in range(0, len(x), 100):
        log_w = log_importance_weights(cvae, (x[i : i + 100], y[i : i + 100]), num_samples, 0, i, proposal).numpy()
        values.append(-np.logaddexp.reduce(log_w.astype(np.float64), axis=0) + np.log(num_samples))
    return estimate(np.concatenate(values))


def draw(x: np.ndarray, y: np.ndarray, known: np.ndarray, baseline: keras.Model, cvae: kv.ConditionalVAE) -> np.ndarray:
    """Return images in rows: what is known, the network's mean, six completions, and the truth."""

    def whole(x: np.ndarray) -> np.ndarray:
        images = np.zeros([len(x), *known.shape, 1])
        images[:, known, 0], images[:, ~known, 0] = y, x
        return images

    completions = [cvae.sample(y, seed=seed, mean=True).numpy() for seed in range(6)]
    columns = [np.full_like(x, GREY), np.asarray(baseline(y).mean()), *completions, x]
    return np.stack([whole(column) for column in columns], axis=1).reshape(-1, *known.shape, 1)


def main(
    dataset: str = "digits",
    quarters: tuple[int, ...] = (1, 2, 3),
    latent_dim: int = 50,
    hidden: int = 500,
    epochs: int = 50,
    num_samples: int = 100,
    seed: int = 0,
    figure: Path | None = None,
) -> dict[int, dict[str, Estimate]]:
    """Print the cross-entropy of the unknown pixels under each model.

    Args:
        dataset: digits, or a TFDS image set.
        quarters: How many quarters of the image are known.
        latent_dim: The number of dimensions of z.
        hidden: The width of the hidden layers, of which each network has two.
        epochs: The most epochs of each training; it stops three epochs after the best on validation images.
        num_samples: How many draws of z there are for each image.
        seed: The seed of the trainings.
        figure: The file to draw completions of ten test images into.
    """
    data = kv.data.load(dataset, "unit")
    images = {name: getattr(data, name).head(getattr(data, name).num_examples).numpy() for name in ("train", "test")}
    validation = data.validation.head(data.validation.num_examples).numpy()
    scores, rows = {}, []
    print("known   network            conditional VAE, z ~ p(z|y)   z ~ q(z|x, y)")
    for number in quarters:
        known = known_pixels(*data.event_shape[:2], number)
        x, y, x_val, y_val, x_test, y_test = (
            part[:, pixels, 0] for part in (images["train"], validation, images["test"]) for pixels in (~known, known)
        )
        of_x, of_y = x.shape[1], y.shape[1]
        keras.utils.set_random_seed(seed)
        baseline = mlp([of_y], hidden, of_x, layers.IndependentSoftBernoulli(of_x))
        baseline.compile("adam", loss=kv.losses.NegativeLogLikelihood())
        train(baseline, y, x, (y_val, x_val), epochs, "loss")
        gaussian = layers.MultivariateNormalDiag
        cvae = kv.ConditionalVAE(
            encoder=mlp([of_x, of_y], hidden, gaussian.params_size(latent_dim), gaussian(latent_dim)),
            decoder=mlp([latent_dim, of_y], hidden, of_x, layers.IndependentSoftBernoulli(of_x)),
            prior=mlp([of_y], hidden, gaussian.params_size(latent_dim), gaussian(latent_dim)),
            seed=seed,
        )
        cvae.compile("adam")
        train(cvae, x, y, (x_val, y_val), epochs, "loss")
        scores[number] = {
            "network": estimate(-np.asarray(baseline(y_test).log_prob(x_test), np.float64)),
            "prior": cross_entropy(cvae, x_test, y_test, num_samples, "prior"),
            "posterior": cross_entropy(cvae, x_test, y_test, num_samples, "posterior"),
        }
        columns = "        ".join(
            f"{score.mean:7.2f} +- {score.standard_error:.2f}" for score in scores[number].values()
        )
        print(f"{number}/4   {columns}", flush=True)
        rows.append((number, draw(x_test[:10], y_test[:10], known, baseline, cvae)))
    if figure is not None:
        _figure(rows).savefig(figure, dpi=120)
    return scores


def _figure(rows: list[tuple[int, np.ndarray]]) -> Figure:
    """Return a panel for each number of known quarters."""
    whole = Figure(figsize=(4.2 * len(rows), 4.9), layout="constrained")
    for axes, (number, images) in zip(np.atleast_1d(whole.subplots(1, len(rows))), rows, strict=True):
        height, width = images.shape[1:3]
        canvas = np.ones([10 * (height + 1) - 1, 9 * (width + 1) - 1])
        for i, image in enumerate(images):
            top, left = i // 9 * (height + 1), i % 9 * (width + 1)
            canvas[top : top + height, left : left + width] = image[..., 0]
        axes.imshow(canvas, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axes.set_axis_off()
        axes.set_title(f"{number} of 4 quarters known", fontsize=9)
    whole.supxlabel(
        "columns: what is known; the network's mean; six completions by the conditional VAE; the image", fontsize=9
    )
    return whole


if __name__ == "__main__":
    import tyro

    tyro.cli(main)
