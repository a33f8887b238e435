"""Priors p(z) as Keras layers without input."""

from keras_vae.priors.autoregressive import Autoregressive
from keras_vae.priors.flow import MAF, RealNVP
from keras_vae.priors.prior import Prior
from keras_vae.priors.standard_normal import StandardNormal
from keras_vae.priors.table import PRIORS, get

__all__ = ["MAF", "PRIORS", "Autoregressive", "Prior", "RealNVP", "StandardNormal", "get"]
