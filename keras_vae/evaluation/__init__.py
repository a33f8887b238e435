"""Evaluation: whole splits, fixed seeds, standard errors."""

from keras_vae.evaluation.elbo import Estimate, evaluate

__all__ = ["Estimate", "evaluate"]
