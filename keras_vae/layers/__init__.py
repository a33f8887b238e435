"""TFP distributions as Keras 3 layers."""

from keras_vae.layers.distribution_lambda import DistributionLambda
from keras_vae.layers.distribution_tensor import DistributionTensor, as_distribution
from keras_vae.layers.independent import IndependentBernoulli, IndependentCategorical, IndependentSoftBernoulli
from keras_vae.layers.multivariate_normal import MultivariateNormalDiag

__all__ = [
    "DistributionLambda",
    "DistributionTensor",
    "IndependentBernoulli",
    "IndependentCategorical",
    "IndependentSoftBernoulli",
    "MultivariateNormalDiag",
    "as_distribution",
]
