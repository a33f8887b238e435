"""An inverse problem with several answers: a mixture density network beside a network with one normal.

The forward problem x = y + 0.3 sin(2 pi y) + noise has one x for each y; asked the other way round, one x has up to
three y. A single normal must spread over them all and puts its mean where there are no data; a mixture of normals,
its weights, locations and scales all functions of x, finds the branches. Both have the same body, and are trained and
scored by their log-density alone, on new points, in nats.

    python examples/mixture_density_network.py

References:
    Bishop (1994), "Mixture density networks": the problem; Eq. 22-23, the model.
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

from keras_vae import layers as tfpl
from keras_vae.losses import NegativeLogLikelihood


def load_data(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return x and y, both [n, 1]."""
    rng = np.random.default_rng(seed)
    y = rng.uniform(size=(n, 1))
    x = y + 0.3 * np.sin(2 * np.pi * y) + rng.uniform(-0.1, 0.1, size=(n, 1))
    return x.astype("float32"), y.astype("float32")


def make_model(num_components: int, hidden: int) -> keras.Model:
    """Return x [B, 1] -> p(y|x): one normal, or a mixture of them."""
    if num_components == 1:
        head = [keras.layers.Dense(tfpl.IndependentNormal.params_size([1])), tfpl.IndependentNormal([1])]
    else:
        params_size = tfpl.MixtureNormal.params_size(num_components, [1])
        head = [keras.layers.Dense(params_size), tfpl.MixtureNormal(num_components, [1])]
    inputs = [keras.Input((1,)), keras.layers.Rescaling(4.0, offset=-2.0)]  # to -2 ... 2
    body = [keras.layers.Dense(hidden, "silu"), keras.layers.Dense(hidden, "silu")]
    return keras.Sequential([*inputs, *body, *head])


def draw(models: dict[str, keras.Model], x: np.ndarray, y: np.ndarray) -> Figure:
    """Draw the data, samples of the mixture, and p(y|x) of each model."""
    x_grid, y_grid = np.linspace(-0.1, 1.1, 161, dtype="float32"), np.linspace(-0.2, 1.2, 181, dtype="float32")
    figure = Figure(figsize=(3.4 * (len(models) + 2), 3.4), layout="constrained")
    axes = figure.subplots(1, len(models) + 2, sharex=True, sharey=True)
    axes[0].plot(x[:1000], y[:1000], ".", markersize=2)
    axes[0].set(title="data", ylabel="y")
    axes[1].plot(x[:1000], models["mixture"](x[:1000]).sample(seed=0), ".", markersize=2, color="tab:orange")
    axes[1].set_title("mixture: samples")
    for panel, (name, model) in zip(axes[2:], models.items(), strict=True):
        density = model(x_grid[:, None]).prob(np.broadcast_to(y_grid[:, None, None], (len(y_grid), len(x_grid), 1)))
        image = panel.pcolormesh(x_grid, y_grid, density, vmin=0, vmax=6, cmap="viridis", rasterized=True)
        panel.set_title(f"{name}: p(y|x)")
    figure.colorbar(image, ax=panel, extend="max", label="density")
    axes[0].set(xlim=(-0.1, 1.1), ylim=(-0.2, 1.2))
    for panel in axes:
        panel.set_xlabel("x")
    return figure


def main(
    num_components: int = 5,
    hidden: int = 32,
    epochs: int = 100,
    n: int = 5000,
    batch_size: int = 100,
    seed: int = 0,
    figure: Path = Path("example_mixture_density_network.png"),
) -> dict[str, tuple[float, float]]:
    """Train both models, score them on as many new points, and draw their densities.

    Args:
        num_components: of the mixture.
        hidden: units of each of two layers.
        epochs: over the data.
        n: points.
        batch_size: points a step.
        seed: of everything random.
        figure: PNG file to write.

    Returns:
        For "normal", "mixture" and "gain" (what the mixture gains on the same points): the mean log-density of a new
        point in nats, and its standard error.
    """
    (x, y), (x_new, y_new) = load_data(n, seed), load_data(n, seed + 1)
    models, log_probs = {}, {}
    for name, components in (("normal", 1), ("mixture", num_components)):
        keras.utils.set_random_seed(seed)
        models[name] = make_model(components, hidden)
        rate = keras.optimizers.schedules.CosineDecay(1e-2, epochs * -(-n // batch_size))
        models[name].compile(keras.optimizers.Adam(rate), loss=NegativeLogLikelihood())
        models[name].fit(x, y, batch_size=batch_size, epochs=epochs, verbose=0)
        log_probs[name] = models[name](x_new).log_prob(y_new).numpy()
    log_probs["gain"] = log_probs["mixture"] - log_probs["normal"]

    scores = {name: (float(v.mean()), float(v.std() / len(v) ** 0.5)) for name, v in log_probs.items()}
    for name, (mean, standard_error) in scores.items():
        print(f"{name:8} {mean:6.3f} +- {standard_error:.3f} nats per new point")
    draw(models, x_new, y_new).savefig(figure, dpi=100)
    return scores


if __name__ == "__main__":
    import tyro

    tyro.cli(main)
