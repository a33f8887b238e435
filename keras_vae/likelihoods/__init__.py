"""Families of p(x|z), which a model takes by name or as an object."""

from keras_vae.likelihoods.bernoulli import Bernoulli, SoftBernoulli
from keras_vae.likelihoods.columns import Columns
from keras_vae.likelihoods.counts import NegativeBinomial, Poisson
from keras_vae.likelihoods.levels import Categorical, QuantizedLogistic, QuantizedLogisticMixture
from keras_vae.likelihoods.likelihood import Likelihood
from keras_vae.likelihoods.real import Gaussian, Laplace
from keras_vae.likelihoods.table import LIKELIHOODS, get
from keras_vae.likelihoods.unit import Beta, ContinuousBernoulli

__all__ = [
    "LIKELIHOODS",
    "Bernoulli",
    "Beta",
    "Categorical",
    "Columns",
    "ContinuousBernoulli",
    "Gaussian",
    "Laplace",
    "Likelihood",
    "NegativeBinomial",
    "Poisson",
    "QuantizedLogistic",
    "QuantizedLogisticMixture",
    "SoftBernoulli",
    "get",
]
