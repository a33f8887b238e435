"""Families of q(z|x), which a model takes by name or as an object."""

from keras_vae.posteriors.flow import Flow
from keras_vae.posteriors.gaussian import Diagonal, Full
from keras_vae.posteriors.posterior import Posterior
from keras_vae.posteriors.table import POSTERIORS, get

__all__ = ["POSTERIORS", "Diagonal", "Flow", "Full", "Posterior", "get"]
