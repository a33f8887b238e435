"""Evaluation: whole splits, fixed seeds, standard errors."""

from keras_vae.evaluation.annealed_importance_sampling import AnnealedLogMarginal, annealed_log_marginal
from keras_vae.evaluation.decomposition import Decomposition, decompose, diagnose
from keras_vae.evaluation.elbo import Estimate, estimate, evaluate
from keras_vae.evaluation.importance_sampling import LogMarginal, log_importance_weights, log_marginal

__all__ = [
    "AnnealedLogMarginal",
    "Decomposition",
    "Estimate",
    "LogMarginal",
    "annealed_log_marginal",
    "decompose",
    "diagnose",
    "estimate",
    "evaluate",
    "log_importance_weights",
    "log_marginal",
]
