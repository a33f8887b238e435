"""Objectives: functions of log-probabilities, per example, in nats."""

from keras_vae.distributions.kl import entropy_kl, has_closed_form_kl, kl_divergence, kl_per_dimension, monte_carlo_kl
from keras_vae.objectives.elbo import ELBO
from keras_vae.objectives.free_bits import FreeBits
from keras_vae.objectives.iwae import IWAE
from keras_vae.objectives.loss_terms import LossTerms, bits_per_dim, dataset_elbo
from keras_vae.objectives.objective import Objective
from keras_vae.objectives.schedules import CyclicSchedule

__all__ = [
    "ELBO",
    "IWAE",
    "CyclicSchedule",
    "FreeBits",
    "LossTerms",
    "Objective",
    "bits_per_dim",
    "dataset_elbo",
    "entropy_kl",
    "has_closed_form_kl",
    "kl_divergence",
    "kl_per_dimension",
    "monte_carlo_kl",
]
