"""Saving: SavedModels for serving, the run folder, registration of classes."""

from keras_vae.saving.export import export, export_decoder, parameters
from keras_vae.saving.registration import register

__all__ = ["export", "export_decoder", "parameters", "register"]
