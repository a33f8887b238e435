"""Figures of what the latent dimensions do."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

__all__ = ["latent_usage"]


def latent_usage(kl_per_dimension: np.ndarray, variance_of_means: np.ndarray) -> Figure:
    """Draw the KL and the variance of the posterior's means of each latent dimension, the most used first.

    Args:
        kl_per_dimension: [D], in nats; may be empty.
        variance_of_means: [D], over the data set; the line at 0.01 divides active from inactive dimensions.
    """
    kl, variance = np.asarray(kl_per_dimension), np.asarray(variance_of_means)
    order = np.argsort(-(kl if len(kl) else variance))
    panels = [("KL of the dimension (nats)", kl[order])] if len(kl) else []
    panels.append(("variance of the posterior's means", variance[order]))
    figure = Figure(figsize=(6, 2.2 * len(panels)), layout="constrained")
    for i, (label, values) in enumerate(panels):
        axes = figure.add_subplot(len(panels), 1, i + 1)
        axes.bar(np.arange(1, len(values) + 1), values, color="tab:blue", width=0.8)
        axes.set_ylabel(label, fontsize=8)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.tick_params(labelsize=7)
        axes.grid(axis="y", alpha=0.3)
    axes.axhline(0.01, color="tab:red", linewidth=1)
    axes.text(len(variance) + 0.5, 0.01, " 0.01: active above", color="tab:red", fontsize=7, ha="right", va="bottom")
    axes.set_yscale("log")
    axes.set_xlabel("latent dimension, the most used first", fontsize=8)
    return figure
