"""The decoder's output bias, from the data."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

__all__ = ["set_output_mean"]


def set_output_mean(decoder: keras.Sequential, x: Any) -> None:
    """Set the bias of the decoder's last layer with a kernel to the logits of the mean of x: training starts there.

    Half an example of each value is added, so that entries that are always 0 or 1 get finite logits. A convolution,
    whose bias is per channel, gets the mean over the image.

    Args:
        decoder: that layer gives the logits of a Bernoulli likelihood, one an entry of x.
        x: [N, *event] in [0, 1].

    Raises:
        ValueError: if x is empty or not in [0, 1], or if there is no such layer, with one bias an entry or a channel.

    Example:

    >>> decoder = kv.networks.mlp_decoder(2, (3,))
    >>> set_output_mean(decoder, np.array([[0, 1, 0], [0, 1, 1]]))
    >>> [round(float(mean), 4) for mean in keras.ops.sigmoid(decoder.layers[-1].bias)]
    [0.1667, 0.8333, 0.5]
    """
    x = np.asarray(x, np.float64)
    if not x.size or not (x.min() >= 0 and x.max() <= 1):
        span = f"x from {x.min()} to {x.max()}" if x.size else f"x.shape={x.shape}"
        raise ValueError(f"`x` must be examples in [0, 1]. Received: {span}")
    bias = next((layer.bias for layer in reversed(decoder.layers) if hasattr(layer, "kernel")), None)
    if bias is None or bias.shape[0] not in (x[0].size, x.shape[-1]):
        raise ValueError(
            f"The decoder's last layer must have a bias for each entry of x, {x[0].size}, or channel, {x.shape[-1]}. "
            f"Received: bias.shape={None if bias is None else bias.shape}"
        )
    mean = (x.sum(axis=0) + 0.5) / (len(x) + 1)
    mean = mean.reshape(-1, bias.shape[0]).mean(axis=0)
    bias.assign(np.log(mean / (1 - mean)))
