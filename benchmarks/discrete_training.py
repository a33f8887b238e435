"""All gradients of a discrete z on one axis of time: the test ELBO of MNIST while a model trains with each.

The models are those of `recipes/discrete_*.yaml` with a constant learning rate, one process, one after the other: on a
core of its own, 3 to 8 seconds an epoch of each (`taskset -c 0 python ...`). The ELBO is that of
the discrete model, from 10 draws for each of the first 1,000 test images; time is that of the training steps, without
compilation and evaluation.

    python benchmarks/discrete_training.py --layers linear --figure discrete_training.png
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

import keras
import numpy as np
import tyro
from matplotlib.figure import Figure

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package need not be installed

import keras_vae as kv
from keras_vae.objectives import ELBO, IWAE, GumbelSoftmax, Objective, StraightThrough
from keras_vae.training import Throughput

ANY_LAYERS = {
    "score_function, 2 draws": ELBO(num_samples=2, gradient="score_function"),
    "nvil": ELBO(gradient="nvil"),
    "vimco, 2 draws": IWAE(2, gradient="vimco"),
}
ONE_LAYER = {
    "disarm, 2 draws": ELBO(num_samples=2, gradient="disarm"),
    "gumbel_softmax, 0.5": ELBO(gradient=GumbelSoftmax(0.5)),
    "straight_through, 0.5": ELBO(gradient=StraightThrough(0.5)),
}


class TestElbo(keras.callbacks.Callback):
    """The ELBO of some test images after each epoch, in nats per image."""

    def __init__(self, x: np.ndarray):
        super().__init__()
        self.x, self.values = x, []

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.values.append(kv.evaluation.evaluate(self.model, self.x, num_samples=10, seed=0)["elbo"].mean)


def train(
    data: kv.data.ImageData, layers: str, units: int, objective: Objective, epochs: int, learning_rate: float, seed: int
) -> tuple[np.ndarray, list[float]]:
    """Return seconds of training after each epoch, and the test ELBO then."""
    keras.utils.set_random_seed(seed)
    vae = kv.VAE.for_images(
        data.event_shape,
        units,
        network=kv.networks.MLP((200, 200) if layers == "nonlinear" else (), activation="leaky_relu"),
        posterior="two-layer-bernoulli" if layers == "two" else "bernoulli",
        objective=objective,
        seed=seed,
    )
    kv.networks.set_output_mean(vae.decoder, data.train.head(min(10_000, data.train.num_examples)))
    vae.compile(keras.optimizers.Adam(learning_rate))
    throughput = Throughput(data.train.num_examples)
    test = TestElbo(np.asarray(data.test.head(min(1_000, data.test.num_examples))))
    batches = data.train.training_batches(50, seed)
    kv.training.train(vae, batches, epochs, callbacks=[throughput, test], verbose=0, steps_per_execution=None)
    seconds = np.array(throughput.seconds)
    seconds[0] = np.median(seconds[1:])  # the first has the compilation
    return np.cumsum(seconds), test.values


def main(
    dataset: str = "mnist",
    layers: Literal["linear", "nonlinear", "two"] = "linear",
    units: int = 200,
    epochs: int = 10,
    learning_rate: float = 1e-3,
    seed: int = 0,
    figure: Path | None = None,
) -> dict[str, tuple[np.ndarray, list[float]]]:
    """Print and draw the test ELBO over time.

    Args:
        dataset: The image set, which is binarised anew each time an image is seen.
        layers: The model: linear and nonlinear have one stochastic layer, two has two linear ones.
        units: How many units each stochastic layer has.
        epochs: How many epochs each training takes, 2 or more.
        learning_rate: The learning rate of Adam.
        seed: The seed of everything random.
        figure: The file to draw to.

    Returns:
        Seconds and ELBO after each epoch, for each gradient.
    """
    data = kv.data.load(dataset, "binarize=dynamic", validation_fraction=0.0)
    curves = {}
    print("gradient                  seconds an epoch   ELBO after the last epoch")
    for name, objective in (ANY_LAYERS if layers == "two" else {**ANY_LAYERS, **ONE_LAYER}).items():
        curves[name] = train(data, layers, units, objective, epochs, learning_rate, seed)
        seconds, elbo = curves[name]
        print(f"{name:25} {seconds[0]:16.2f} {elbo[-1]:27.2f}", flush=True)
    shortest = min(seconds[-1] for seconds, _ in curves.values())
    print(f"After {shortest:.1f} seconds of training:")
    for name, (seconds, elbo) in curves.items():
        print(f"{name:25} {np.interp(shortest, seconds, elbo, left=np.nan):10.2f}")
    if figure is not None:
        _draw(curves).savefig(figure, dpi=110)
    return curves


def _draw(curves: dict[str, tuple[np.ndarray, list[float]]]) -> Figure:
    canvas = Figure(figsize=(6, 4), layout="constrained")
    panel = canvas.subplots()
    for name, (seconds, elbo) in curves.items():
        panel.plot(seconds, elbo, marker="o", markersize=3, label=name)
    panel.set(xlabel="seconds of training", ylabel="ELBO of test images, nats")
    panel.legend(fontsize=8)
    panel.grid(alpha=0.3)
    return canvas


if __name__ == "__main__":
    tyro.cli(main)
