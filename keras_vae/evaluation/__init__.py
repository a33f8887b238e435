"""Evaluation: whole splits, fixed seeds, standard errors."""

from keras_vae.evaluation.elbo import Estimate, evaluate
from keras_vae.evaluation.importance_sampling import LogMarginal, log_importance_weights, log_marginal

__all__ = ["Estimate", "LogMarginal", "evaluate", "log_importance_weights", "log_marginal"]
