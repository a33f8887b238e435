"""Figures of examples that the latent space confuses."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from keras_vae.evaluation import Overlap
from keras_vae.plotting.figures import unit_pixels

__all__ = ["confused_pairs"]

_NUM_COLUMNS = 5


def confused_pairs(x: np.ndarray, overlap: Overlap, high: float | None = None) -> Figure:
    """Draw the pairs whose posteriors overlap most side by side, each under its indices and its coefficient.

    Args:
        x: images [N, H, W, C], in the order in which `keras_vae.evaluation.overlap` saw them.
        overlap: What that function returned.
        high: value of white; None is the largest in `x`.

    Example:

    >>> vae = kv.VAE.for_images((4, 4, 1), latent_dim=2, hidden=(8,), seed=0)
    >>> x = np.random.default_rng(0).integers(0, 2, [6, 4, 4, 1])
    >>> len(confused_pairs(x, kv.evaluation.overlap(vae, x, num_pairs=3)).axes)
    3
    """
    unit = unit_pixels(x, high=high)
    height, width, channels = unit.shape[1:]
    num_columns = min(_NUM_COLUMNS, len(overlap.pairs))
    num_rows = math.ceil(len(overlap.pairs) / num_columns)
    cell = 1.1 * (2 * width + 1) / height, 1.1 + 0.35
    size = max(num_columns * cell[0], 3.2), num_rows * cell[1] + 0.35
    figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(w_pad=0.08, wspace=0.05))  # pairs stand apart
    gap = np.ones([height, 1, channels])
    for n, ((i, j), coefficient) in enumerate(zip(overlap.pairs, overlap.pair_coefficients, strict=True)):
        axes = figure.add_subplot(num_rows, num_columns, n + 1)
        pair = np.concatenate([unit[i], gap, unit[j]], axis=1)
        axes.imshow(pair.squeeze(-1) if channels == 1 else pair, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axes.set_title(f"{i}, {j}: {coefficient:.3f}", fontsize=8)
        axes.set_axis_off()
    figure.suptitle("overlap of q(z|x) (Bhattacharyya coefficient)", fontsize=9)
    return figure
