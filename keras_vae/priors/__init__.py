"""Priors p(z) as Keras layers without input."""

from keras_vae.priors.prior import Prior
from keras_vae.priors.standard_normal import StandardNormal

__all__ = ["Prior", "StandardNormal"]
