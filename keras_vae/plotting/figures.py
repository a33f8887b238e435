"""Figures of a VAE: functions of arrays that return matplotlib figures and draw nothing on a screen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from keras_vae.objectives.loss_terms import metric_units

__all__ = ["image_grid", "latent_scatter", "reconstructions", "training_curves", "unit_pixels"]

_CELL_INCHES = 0.55
_HEADING_INCHES = 0.25


def image_grid(
    images: np.ndarray, num_columns: int | None = None, title: str = "", low: float = 0.0, high: float | None = None
) -> Figure:
    """Draw images [N, H, W, C] side by side, row by row.

    Args:
        images: values low ... high; three channels are drawn in colour, others as their mean in grey.
        num_columns: None makes the grid square.
        title: above the grid.
        low: value of black.
        high: value of white; None is the largest in `images`.
    """
    unit = unit_pixels(images, low, high)
    num_columns = num_columns or math.ceil(math.sqrt(len(unit)))
    num_rows = math.ceil(len(unit) / num_columns)
    height, width, channels = unit.shape[1:]
    canvas = np.ones((num_rows * (height + 1) - 1, num_columns * (width + 1) - 1, channels))
    for i, image in enumerate(unit):
        top, left = (i // num_columns) * (height + 1), (i % num_columns) * (width + 1)
        canvas[top : top + height, left : left + width] = image
    inches = max(num_columns * _CELL_INCHES * width / height, 3.0)  # room for a title
    grid, heading = inches * canvas.shape[0] / canvas.shape[1], _HEADING_INCHES if title else 0.0
    figure = Figure(figsize=(inches, grid + heading))
    axes = figure.add_axes((0, 0, 1, grid / (grid + heading)))
    axes.imshow(canvas.squeeze(-1) if channels == 1 else canvas, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set_axis_off()
    if title:
        axes.set_title(title, fontsize=9)
    return figure


def unit_pixels(images: np.ndarray, low: float = 0.0, high: float | None = None) -> np.ndarray:
    """Return images [N, H, W, C] with values from 0 to 1 and 1 or 3 channels; arguments as in `image_grid`."""
    images = np.asarray(images, np.float64)
    if images.shape[-1] not in (1, 3):
        images = images.mean(axis=-1, keepdims=True)
    high = float(images.max()) if high is None else high
    return np.clip((images - low) / max(high - low, 1e-12), 0, 1)


def reconstructions(x: np.ndarray, x_mean: np.ndarray, high: float | None = None) -> Figure:
    """Draw originals [N, H, W, C] and below each its reconstruction."""
    pairs = np.concatenate([np.asarray(x), np.asarray(x_mean)])
    return image_grid(pairs, num_columns=len(x), title="originals (above) and reconstructions (below)", high=high)


def training_curves(history: Mapping[str, Sequence[float]], units: Mapping[str, str] | None = None) -> Figure:
    """Draw each metric of a Keras history over the epochs, training and validation in one panel.

    Args:
        history: Values of each metric, one an epoch.
        units: Unit of each metric, such as `vae.metric_units`. None: those of an ELBO.
    """
    units = metric_units(None, True) if units is None else units
    names = [name for name in history if f"val_{name}" in history or not name.startswith("val_")]
    num_columns = min(len(names), 3)
    num_rows = math.ceil(len(names) / num_columns)
    figure = Figure(figsize=(3.4 * num_columns, 2.5 * num_rows), layout="constrained")
    for i, name in enumerate(names):
        axes = figure.add_subplot(num_rows, num_columns, i + 1)
        settled = []
        for key, label in ((name, "training"), (f"val_{name}", "validation")):
            if key in history:
                values = np.asarray(history[key], float)
                axes.plot(np.arange(1, len(values) + 1), values, label=label, linewidth=1.2)
                settled.append(values[len(values) // 20 :])  # the first steps would flatten what follows
        finite = [value for values in settled for value in values if np.isfinite(value)]
        if finite and max(finite) > min(finite):
            margin = 0.05 * (max(finite) - min(finite))
            axes.set_ylim(min(finite) - margin, max(finite) + margin)
        axes.set_title(name.replace("_", " "), fontsize=9)
        axes.set_xlabel("epoch", fontsize=8)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        axes.set_ylabel(units.get(name, ""), fontsize=8)
        axes.tick_params(labelsize=7)
        axes.grid(alpha=0.3)
        if f"val_{name}" in history and i == 0:
            axes.legend(fontsize=7)
    return figure


def latent_scatter(
    z: np.ndarray, labels: np.ndarray | None = None, axis_names: tuple[str, str] = ("z0", "z1")
) -> Figure:
    """Draw points z [N, 2], coloured by their integer labels [N]."""
    figure = Figure(figsize=(5, 4.4), layout="constrained")
    axes = figure.add_subplot()
    if labels is None:
        axes.scatter(z[:, 0], z[:, 1], s=4, alpha=0.6)
    else:
        classes = np.unique(labels)
        discrete = len(classes) <= 10
        colours = axes.scatter(z[:, 0], z[:, 1], c=labels, s=4, alpha=0.7, cmap="tab10" if discrete else "viridis")
        if discrete:
            figure.legend(*colours.legend_elements(), title="label", fontsize=8, loc="outside right center")
        else:
            figure.colorbar(colours, label="label")
    axes.set_xlabel(axis_names[0])
    axes.set_ylabel(axis_names[1])
    axes.set_title("means of q(z|x), test images", fontsize=9)
    axes.set_aspect("equal", adjustable="datalim")
    axes.grid(alpha=0.3)
    return figure
