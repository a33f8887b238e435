"""Evaluation: whole splits, fixed seeds, standard errors.

`keras_vae.evaluation.baselines` is imported when it is asked for, as scikit-learn is slow to import.
"""

import importlib
from typing import Any

from keras_vae.evaluation.annealed_importance_sampling import AnnealedLogMarginal, annealed_log_marginal
from keras_vae.evaluation.confusion import Overlap, overlap
from keras_vae.evaluation.decomposition import Decomposition, decompose, diagnose
from keras_vae.evaluation.elbo import Estimate, estimate, evaluate
from keras_vae.evaluation.gaps import InferenceGap, inference_gap
from keras_vae.evaluation.importance_sampling import LogMarginal, log_importance_weights, log_marginal
from keras_vae.evaluation.posterior_optimization import OptimizedPosterior, optimize_posterior

__all__ = [
    "AnnealedLogMarginal",
    "Decomposition",
    "Estimate",
    "InferenceGap",
    "LogMarginal",
    "OptimizedPosterior",
    "Overlap",
    "annealed_log_marginal",
    "decompose",
    "diagnose",
    "estimate",
    "evaluate",
    "inference_gap",
    "log_importance_weights",
    "log_marginal",
    "optimize_posterior",
    "overlap",
]


def __getattr__(name: str) -> Any:
    if name == "baselines":
        return importlib.import_module("keras_vae.evaluation.baselines")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
