"""Priors p(z) as Keras layers without input."""

from keras_vae.priors.prior import Prior
from keras_vae.priors.standard_normal import StandardNormal
from keras_vae.priors.table import PRIORS, get

__all__ = ["PRIORS", "Prior", "StandardNormal", "get"]
