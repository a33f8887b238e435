"""The likelihoods that have a name."""

from __future__ import annotations

import dataclasses
from typing import Any

from keras_vae.likelihoods.bernoulli import Bernoulli, SoftBernoulli
from keras_vae.likelihoods.counts import NegativeBinomial, Poisson
from keras_vae.likelihoods.levels import Categorical, QuantizedLogistic, QuantizedLogisticMixture
from keras_vae.likelihoods.likelihood import Likelihood
from keras_vae.likelihoods.real import Gaussian, Laplace
from keras_vae.likelihoods.unit import Beta, ContinuousBernoulli
from keras_vae.names import look_up

__all__ = ["LIKELIHOODS", "get"]

LIKELIHOODS: dict[str, Any] = {
    "bernoulli": Bernoulli(),
    "beta": Beta(),
    "categorical": Categorical(),
    "continuous-bernoulli": ContinuousBernoulli(),
    "gaussian": Gaussian(),
    "gaussian-fixed": Gaussian(scale=0.1),
    "gaussian-shared": Gaussian(scale="shared"),
    "laplace": Laplace(),
    "negative-binomial": NegativeBinomial(),
    "poisson": Poisson(),
    "quantized-logistic": QuantizedLogistic(),
    "quantized-logistic-mixture": QuantizedLogisticMixture(),
    "soft-bernoulli": SoftBernoulli(),
}


def get(likelihood: str | Likelihood, num_levels: int | None = None) -> Likelihood:
    """Return the likelihood of a name, or the object itself.

    Args:
        likelihood: Str, a key of `LIKELIHOODS`, or a `Likelihood`.
        num_levels: Int, number of levels of x. A named likelihood that counts levels is returned with that number.
            None: the number of the likelihood.

    Raises:
        ValueError: if there is no such likelihood, or if an object has another number of levels.

    Example:

    >>> get("gaussian-fixed")
    Gaussian(scale=0.1)
    >>> get("categorical", num_levels=16)
    Categorical(num_levels=16)
    """
    part: Any = look_up("likelihood", likelihood, LIKELIHOODS, Likelihood)
    if num_levels is None or part.num_levels in (None, num_levels):
        return part
    if not isinstance(likelihood, str):
        raise ValueError(
            f"`num_levels` must be that of the likelihood. Received: likelihood={likelihood!r}, num_levels={num_levels}"
        )
    return dataclasses.replace(part, num_levels=num_levels)
