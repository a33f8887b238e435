"""Families of q(z|x), which a model takes by name or as an object."""

from keras_vae.posteriors.discrete import Bernoulli, Categorical, TwoLayerBernoulli
from keras_vae.posteriors.flow import Flow
from keras_vae.posteriors.gaussian import Diagonal, Full
from keras_vae.posteriors.posterior import DiscretePosterior, Posterior
from keras_vae.posteriors.table import POSTERIORS, get

__all__ = [
    "POSTERIORS",
    "Bernoulli",
    "Categorical",
    "Diagonal",
    "DiscretePosterior",
    "Flow",
    "Full",
    "Posterior",
    "TwoLayerBernoulli",
    "get",
]
