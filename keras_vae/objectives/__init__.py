"""Objectives: functions of log-probabilities, per example, in nats."""

from keras_vae.objectives.elbo import ELBO, LossTerms, bits_per_dim
from keras_vae.objectives.kl import has_closed_form_kl, kl_divergence, monte_carlo_kl

__all__ = ["ELBO", "LossTerms", "bits_per_dim", "has_closed_form_kl", "kl_divergence", "monte_carlo_kl"]
