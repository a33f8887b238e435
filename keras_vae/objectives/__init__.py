"""Objectives: functions of log-probabilities, per example, in nats."""

from keras_vae.distributions.kl import entropy_kl, has_closed_form_kl, kl_divergence, kl_per_dimension, monte_carlo_kl
from keras_vae.objectives.adversarial import Adversarial
from keras_vae.objectives.elbo import ELBO
from keras_vae.objectives.enumeration import Enumeration
from keras_vae.objectives.estimators import Estimator
from keras_vae.objectives.free_bits import FreeBits
from keras_vae.objectives.iwae import IWAE
from keras_vae.objectives.loss_terms import LossTerms, bits_per_dim, dataset_elbo
from keras_vae.objectives.nvil import NVIL
from keras_vae.objectives.objective import Objective
from keras_vae.objectives.relaxations import GumbelSoftmax, StraightThrough
from keras_vae.objectives.schedules import CyclicSchedule
from keras_vae.objectives.score_functions import VIMCO, DisARM, ScoreFunction
from keras_vae.objectives.semi_supervised import SemiSupervisedELBO
from keras_vae.objectives.table import ESTIMATORS

__all__ = [
    "ELBO",
    "ESTIMATORS",
    "IWAE",
    "NVIL",
    "VIMCO",
    "Adversarial",
    "CyclicSchedule",
    "DisARM",
    "Enumeration",
    "Estimator",
    "FreeBits",
    "GumbelSoftmax",
    "LossTerms",
    "Objective",
    "ScoreFunction",
    "SemiSupervisedELBO",
    "StraightThrough",
    "bits_per_dim",
    "dataset_elbo",
    "entropy_kl",
    "has_closed_form_kl",
    "kl_divergence",
    "kl_per_dimension",
    "monte_carlo_kl",
]
