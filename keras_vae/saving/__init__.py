"""Saving: SavedModels for serving, the run folder, registration of classes."""

from keras_vae.registration import register
from keras_vae.saving.distribution_parameters import parameters
from keras_vae.saving.saved_model import export, export_decoder

__all__ = ["export", "export_decoder", "parameters", "register"]
