"""Models: the four exchangeable parts of a VAE, put together."""

from keras_vae.models.vae import VAE

__all__ = ["VAE"]
