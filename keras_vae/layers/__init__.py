"""TFP distributions as Keras 3 layers."""

from keras_vae.distributions.distribution_tensor import DistributionTensor, as_distribution
from keras_vae.layers.distribution_lambda import DistributionLambda
from keras_vae.layers.families.columns import Columns
from keras_vae.layers.families.independent_counts import IndependentNegativeBinomial, IndependentPoisson
from keras_vae.layers.families.independent_discrete import (
    IndependentBernoulli,
    IndependentCategorical,
    IndependentSoftBernoulli,
)
from keras_vae.layers.families.independent_normal import IndependentNormal
from keras_vae.layers.families.independent_real import IndependentLaplace, IndependentLogistic, IndependentStudentT
from keras_vae.layers.families.independent_unit import IndependentBeta, IndependentContinuousBernoulli
from keras_vae.layers.families.mixture import MixtureLogistic, MixtureNormal, MixtureSameFamily
from keras_vae.layers.families.mixture_of_one_hot import CategoricalMixtureOfOneHotCategorical
from keras_vae.layers.families.multivariate_normal import MultivariateNormalDiag, MultivariateNormalTriL
from keras_vae.layers.families.one_hot_categorical import (
    IndependentOneHotCategorical,
    OneHotCategorical,
    RelaxedOneHotCategorical,
)
from keras_vae.layers.families.quantized_logistic import MixtureQuantizedLogistic, QuantizedLogistic
from keras_vae.layers.families.stacked import Stacked
from keras_vae.layers.families.variational_gaussian_process import VariationalGaussianProcess
from keras_vae.layers.flows.autoregressive_flow import AutoregressiveFlow
from keras_vae.layers.flows.autoregressive_network import AutoregressiveNetwork
from keras_vae.layers.flows.autoregressive_transform import AutoregressiveTransform
from keras_vae.layers.kl_divergence import KLDivergenceAddLoss, KLDivergenceRegularizer
from keras_vae.layers.missing_indicator import MissingIndicator
from keras_vae.layers.weights.blockwise_initializer import BlockwiseInitializer
from keras_vae.layers.weights.dense_variational import DenseVariational
from keras_vae.layers.weights.variable_layer import VariableLayer
from keras_vae.layers.weights.variational_convolution import (
    Convolution1DFlipout,
    Convolution1DReparameterization,
    Convolution2DFlipout,
    Convolution2DReparameterization,
    Convolution3DFlipout,
    Convolution3DReparameterization,
)
from keras_vae.layers.weights.variational_dense import (
    DenseFlipout,
    DenseLocalReparameterization,
    DenseReparameterization,
)
from keras_vae.layers.weights.weight_distributions import (
    default_loc_scale_fn,
    default_mean_field_normal_fn,
    default_multivariate_normal_fn,
    scaled_kl_divergence_fn,
)

__all__ = [
    "AutoregressiveFlow",
    "AutoregressiveNetwork",
    "AutoregressiveTransform",
    "BlockwiseInitializer",
    "CategoricalMixtureOfOneHotCategorical",
    "Columns",
    "Convolution1DFlipout",
    "Convolution1DReparameterization",
    "Convolution2DFlipout",
    "Convolution2DReparameterization",
    "Convolution3DFlipout",
    "Convolution3DReparameterization",
    "DenseFlipout",
    "DenseLocalReparameterization",
    "DenseReparameterization",
    "DenseVariational",
    "DistributionLambda",
    "DistributionTensor",
    "IndependentBernoulli",
    "IndependentBeta",
    "IndependentCategorical",
    "IndependentContinuousBernoulli",
    "IndependentLaplace",
    "IndependentLogistic",
    "IndependentNegativeBinomial",
    "IndependentNormal",
    "IndependentOneHotCategorical",
    "IndependentPoisson",
    "IndependentSoftBernoulli",
    "IndependentStudentT",
    "KLDivergenceAddLoss",
    "KLDivergenceRegularizer",
    "MissingIndicator",
    "MixtureLogistic",
    "MixtureNormal",
    "MixtureQuantizedLogistic",
    "MixtureSameFamily",
    "MultivariateNormalDiag",
    "MultivariateNormalTriL",
    "OneHotCategorical",
    "QuantizedLogistic",
    "RelaxedOneHotCategorical",
    "Stacked",
    "VariableLayer",
    "VariationalGaussianProcess",
    "as_distribution",
    "default_loc_scale_fn",
    "default_mean_field_normal_fn",
    "default_multivariate_normal_fn",
    "scaled_kl_divergence_fn",
]
