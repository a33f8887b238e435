"""The priors that have a name."""

from __future__ import annotations

from keras_vae.names import look_up
from keras_vae.priors.autoregressive import Autoregressive
from keras_vae.priors.flow import MAF, RealNVP
from keras_vae.priors.mixture_of_normals import MixtureOfNormals
from keras_vae.priors.prior import Prior
from keras_vae.priors.standard_normal import StandardNormal
from keras_vae.priors.vamp_prior import VampPrior

__all__ = ["PRIORS", "get"]

PRIORS: dict[str, type[Prior]] = {
    "standard-normal": StandardNormal,
    "mixture": MixtureOfNormals,
    "vamp-prior": VampPrior,
    "maf": MAF,
    "real-nvp": RealNVP,
    "autoregressive": Autoregressive,
}


def get(prior: str | Prior, latent_dim: int) -> Prior:
    """Return a new prior of a name, or the object itself.

    Args:
        prior: Str, a key of `PRIORS`, or a `Prior`.
        latent_dim: Int, D of a prior that is given by name.

    Raises:
        ValueError: if there is no such prior.

    Example:

    >>> get("standard-normal", latent_dim=20)().event_shape.as_list()
    [20]
    """
    part = look_up("prior", prior, PRIORS, Prior)
    return part.for_latent_dim(latent_dim) if isinstance(prior, str) else part
