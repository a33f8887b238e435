"""Priors p(z) as Keras layers without input."""

from keras_vae.priors.autoregressive import Autoregressive
from keras_vae.priors.discrete import Bernoulli, Categorical
from keras_vae.priors.flow import MAF, RealNVP
from keras_vae.priors.mixture_of_normals import MixtureOfNormals
from keras_vae.priors.prior import Prior
from keras_vae.priors.second_stage import SecondStage
from keras_vae.priors.standard_normal import StandardNormal
from keras_vae.priors.table import PRIORS, get
from keras_vae.priors.top_down import TopDown
from keras_vae.priors.vamp_prior import VampPrior

__all__ = [
    "MAF",
    "PRIORS",
    "Autoregressive",
    "Bernoulli",
    "Categorical",
    "MixtureOfNormals",
    "Prior",
    "RealNVP",
    "SecondStage",
    "StandardNormal",
    "TopDown",
    "VampPrior",
    "get",
]
