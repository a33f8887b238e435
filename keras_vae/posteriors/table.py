"""The posteriors that have a name."""

from __future__ import annotations

from keras_vae.names import look_up
from keras_vae.posteriors.discrete import Bernoulli, Categorical, TwoLayerBernoulli
from keras_vae.posteriors.flow import Flow
from keras_vae.posteriors.gaussian import Diagonal, Full
from keras_vae.posteriors.posterior import Posterior

__all__ = ["POSTERIORS", "get"]

POSTERIORS: dict[str, Posterior] = {
    "diagonal": Diagonal(),
    "flow": Flow(),
    "full": Full(),
    "bernoulli": Bernoulli(),
    "categorical": Categorical(),
    "two-layer-bernoulli": TwoLayerBernoulli(),
}


def get(posterior: str | Posterior) -> Posterior:
    """Return the posterior of a name, or the object itself.

    Args:
        posterior: Str, a key of `POSTERIORS`, or an object with the methods of `Posterior`.

    Raises:
        ValueError: if there is no such posterior.

    Example:

    >>> get("flow")
    Flow(context_size=64, num_flows=2)
    """
    part: Posterior = look_up("posterior", posterior, POSTERIORS, Posterior)
    return part
