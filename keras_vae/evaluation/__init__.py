"""Evaluation: whole splits, fixed seeds, standard errors."""

from keras_vae.evaluation import baselines
from keras_vae.evaluation.aggregate_posterior import PriorDraws, prior_draws
from keras_vae.evaluation.annealed_importance_sampling import AnnealedLogMarginal, annealed_log_marginal
from keras_vae.evaluation.code_use import CodeUse, code_use
from keras_vae.evaluation.confusion import Overlap, overlap
from keras_vae.evaluation.decomposition import Decomposition, decompose
from keras_vae.evaluation.diagnosis import Diagnosis, Finding, PriorFit, diagnose, prior_fit
from keras_vae.evaluation.elbo import Estimate, elbo_gain, estimate, evaluate
from keras_vae.evaluation.features import FeatureClassifier, train_features
from keras_vae.evaluation.gaps import InferenceGap, inference_gap
from keras_vae.evaluation.importance_sampling import LogMarginal, log_importance_weights, log_marginal
from keras_vae.evaluation.imputation import impute
from keras_vae.evaluation.posterior_optimization import OptimizedPosterior, optimize_posterior
from keras_vae.evaluation.quality import SampleMeasures, SampleQuality, sample_quality
from keras_vae.evaluation.sample_measures import PrecisionRecall, frechet_distance, precision_recall
from keras_vae.evaluation.two_sample import AUC, MMD, classifier_test, mmd_test

__all__ = [
    "AUC",
    "MMD",
    "AnnealedLogMarginal",
    "CodeUse",
    "Decomposition",
    "Diagnosis",
    "Estimate",
    "FeatureClassifier",
    "Finding",
    "InferenceGap",
    "LogMarginal",
    "OptimizedPosterior",
    "Overlap",
    "PrecisionRecall",
    "PriorDraws",
    "PriorFit",
    "SampleMeasures",
    "SampleQuality",
    "annealed_log_marginal",
    "baselines",
    "classifier_test",
    "code_use",
    "decompose",
    "diagnose",
    "elbo_gain",
    "estimate",
    "evaluate",
    "frechet_distance",
    "impute",
    "inference_gap",
    "log_importance_weights",
    "log_marginal",
    "mmd_test",
    "optimize_posterior",
    "overlap",
    "precision_recall",
    "prior_draws",
    "prior_fit",
    "sample_quality",
    "train_features",
]
