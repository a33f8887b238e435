"""Models: the four exchangeable parts of a VAE, put together."""

from keras_vae.models.adversarial_autoencoder import AdversarialAutoencoder
from keras_vae.models.assembly import image_decoder, image_encoder, make_classifier, make_decoder, make_encoder
from keras_vae.models.conditional_vae import ConditionalVAE
from keras_vae.models.prior_fitting import fit_prior
from keras_vae.models.semi_supervised_vae import SemiSupervisedVAE
from keras_vae.models.vae import VAE

__all__ = [
    "VAE",
    "AdversarialAutoencoder",
    "ConditionalVAE",
    "SemiSupervisedVAE",
    "fit_prior",
    "image_decoder",
    "image_encoder",
    "make_classifier",
    "make_decoder",
    "make_encoder",
]
