"""Variational autoencoders with TensorFlow Probability distributions on Keras 3."""

import keras as _keras

if _keras.config.backend() != "tensorflow":
    raise ImportError(
        "keras_vae needs the TensorFlow backend of Keras: set the environment variable KERAS_BACKEND=tensorflow. "
        f"Received: backend={_keras.config.backend()!r}"
    )

from keras_vae import (
    corruptions,
    data,
    evaluation,
    layers,
    likelihoods,
    losses,
    models,
    networks,
    objectives,
    plotting,
    posteriors,
    priors,
    protocols,
    random,
    saving,
    training,
)
from keras_vae.models import VAE, AdversarialAutoencoder, ConditionalVAE, SemiSupervisedVAE, fit_prior

__version__ = "0.1.0"

__all__ = [
    "VAE",
    "AdversarialAutoencoder",
    "ConditionalVAE",
    "SemiSupervisedVAE",
    "corruptions",
    "data",
    "evaluation",
    "fit_prior",
    "layers",
    "likelihoods",
    "losses",
    "models",
    "networks",
    "objectives",
    "plotting",
    "posteriors",
    "priors",
    "protocols",
    "random",
    "saving",
    "training",
]
