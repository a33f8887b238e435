"""A figure of how a model uses a discrete z."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from keras_vae.evaluation.code_use import code_use
from keras_vae.protocols import LatentVariableModel

__all__ = ["codes"]


def codes(vae: LatentVariableModel, data: Any) -> Figure:
    """Draw how often each value of each variable of a discrete z occurs, and what the variable says of x.

    Above is P(z_j = 1) of units, or the table P(z_n = k) of categories, the most frequent first. Below is the mutual
    information I(x; z_j) of each variable, the largest first.

    Args:
        vae: Built model whose posterior has Bernoulli units or one-hot vectors.
        data: Array [N, *event], or what `fit` takes.
    """
    use = code_use(vae, data)
    order = np.argsort(-use.mutual_information, kind="stable")
    figure = Figure(figsize=(6.4, 4.8), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    position = np.arange(len(order))
    num_values = 2 if use.probs.ndim == 1 else use.probs.shape[1]
    if use.probs.ndim == 1:
        above.bar(position, use.probs[order])
        above.set(ylabel="P(z = 1)", ylim=(0, 1))
    else:
        image = above.imshow(np.sort(use.probs[order], axis=1)[:, ::-1].T, aspect="auto", vmin=0, cmap="viridis")
        above.set(ylabel="categories by use")
        figure.colorbar(image, ax=above, label="P(z = k)")
    below.bar(position, use.mutual_information[order])
    below.xaxis.set_major_locator(MaxNLocator(integer=True))
    below.set(xlabel="variables of z, the most informative first", ylabel="I(x; z) of each, nats")
    figure.suptitle(
        f"{use.num_codes:,} different codes for {use.num_examples:,} examples; "
        f"mean perplexity {use.perplexity.mean():.2f} of {num_values}",
        fontsize=9,
    )
    return figure
