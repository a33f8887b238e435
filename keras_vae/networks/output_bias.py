"""The decoder's output bias, from the data."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

__all__ = ["set_output_mean"]


def set_output_mean(decoder: keras.Sequential, x: Any) -> None:
    """Set the last bias of `decoder` to the logits of the mean of x, so that training starts there.

    Half an example of each value is added, so that entries that are always 0 or 1 get finite logits. A convolution,
    whose bias is per channel, gets the mean over the image.

    Args:
        decoder: its last layer with a bias gives the logits of a Bernoulli likelihood, one an entry of x.
        x: [N, *event] in [0, 1].

    Raises:
        ValueError: if that layer's bias is not one an entry or a channel.

    Example:

    >>> decoder = kv.networks.mlp_decoder(2, (3,))
    >>> set_output_mean(decoder, np.array([[0, 1, 0], [0, 1, 1]]))
    >>> [round(float(mean), 4) for mean in keras.ops.sigmoid(decoder.layers[-1].bias)]
    [0.1667, 0.8333, 0.5]
    """
    x = np.asarray(x, np.float64)
    bias = [layer.bias for layer in decoder.layers if getattr(layer, "bias", None) is not None][-1]
    if bias.shape[0] not in (x[0].size, x.shape[-1]):
        raise ValueError(
            f"The decoder's last bias must be one logit an entry of x, {x[0].size}, or a channel, {x.shape[-1]}. "
            f"Received: bias.shape={bias.shape}"
        )
    mean = (x.sum(axis=0) + 0.5) / (len(x) + 1)
    mean = mean.reshape(-1, bias.shape[0]).mean(axis=0)
    bias.assign(np.log(mean / (1 - mean)))
