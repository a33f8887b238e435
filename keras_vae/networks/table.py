"""The networks that have a name."""

from __future__ import annotations

from collections.abc import Sequence

from keras_vae.names import look_up
from keras_vae.networks.conv import Conv
from keras_vae.networks.mlp import MLP
from keras_vae.networks.network import Network

__all__ = ["NETWORKS", "get"]

NETWORKS: dict[str, MLP | Conv] = {"mlp": MLP(), "conv": Conv()}


def get(network: str | Network, hidden: Sequence[int] | None = None) -> Network:
    """Return the network of a name, or the object itself.

    Args:
        network: Str, a key of `NETWORKS`, or an object with the methods of `Network`.
        hidden: Integers, widths or filters of a network that is given by name. None: those of the table.

    Raises:
        ValueError: if there is no such network, or if `hidden` is passed beside an object, which has its own.

    Example:

    >>> get("mlp", hidden=(300, 300))
    MLP(hidden=(300, 300), activation='relu', initial='glorot_uniform', batch_norm=False)
    """
    part: Network = look_up("network", network, NETWORKS, Network)
    if hidden is None:
        return part
    if not isinstance(network, str):
        raise ValueError(
            "`hidden` requires a network that is given by name: pass the widths to the network's object. "
            f"Received: network={network!r}, hidden={hidden!r}"
        )
    return NETWORKS[network].with_hidden(hidden)
