"""Models: the four exchangeable parts of a VAE, put together."""

from keras_vae.models.assembly import image_decoder, image_encoder, make_decoder, make_encoder
from keras_vae.models.prior_fitting import fit_prior
from keras_vae.models.vae import VAE

__all__ = ["VAE", "fit_prior", "image_decoder", "image_encoder", "make_decoder", "make_encoder"]
