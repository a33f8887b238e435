"""Figures; arrays and distributions in, matplotlib figures out."""

from keras_vae.plotting.aggregate_posterior import bubbles, holes
from keras_vae.plotting.classes import samples_by_class, styles
from keras_vae.plotting.codes import codes
from keras_vae.plotting.figures import image_grid, latent_scatter, reconstructions, training_curves
from keras_vae.plotting.latents import latent_usage
from keras_vae.plotting.pairs import confused_pairs
from keras_vae.plotting.run_figures import report
from keras_vae.plotting.traversals import exact_posterior, traversals

__all__ = [
    "bubbles",
    "codes",
    "confused_pairs",
    "exact_posterior",
    "holes",
    "image_grid",
    "latent_scatter",
    "latent_usage",
    "reconstructions",
    "report",
    "samples_by_class",
    "styles",
    "training_curves",
    "traversals",
]
