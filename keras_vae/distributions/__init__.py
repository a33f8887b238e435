"""Distributions that TFP does not have, or has slower or less stable."""

from keras_vae.distributions.autoregressive import Autoregressive
from keras_vae.distributions.autoregressive_flow import AutoregressiveFlow
from keras_vae.distributions.bernoulli import Bernoulli, IndependentBernoulli, SoftBernoulli
from keras_vae.distributions.continuous_bernoulli import ContinuousBernoulli
from keras_vae.distributions.levels import CategoricalLevels, QuantizedLogistic
from keras_vae.distributions.one_hot import MixtureOfOneHotCategorical, RelaxedOneHotCategorical
from keras_vae.distributions.stacked import Stacked

__all__ = [
    "Autoregressive",
    "AutoregressiveFlow",
    "Bernoulli",
    "CategoricalLevels",
    "ContinuousBernoulli",
    "IndependentBernoulli",
    "MixtureOfOneHotCategorical",
    "QuantizedLogistic",
    "RelaxedOneHotCategorical",
    "SoftBernoulli",
    "Stacked",
]
