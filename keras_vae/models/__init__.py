"""Models: the four exchangeable parts of a VAE, put together."""

from keras_vae.models.for_images import image_decoder, image_encoder
from keras_vae.models.vae import VAE

__all__ = ["VAE", "image_decoder", "image_encoder"]
