"""Bodies: from x to the posterior's parameters, from z to the likelihood's; they never sample or score."""

from keras_vae.networks.conv import conv_decoder, conv_encoder
from keras_vae.networks.initializers import initializer
from keras_vae.networks.mlp import mlp_decoder, mlp_encoder
from keras_vae.networks.output_bias import set_output_mean

__all__ = ["conv_decoder", "conv_encoder", "initializer", "mlp_decoder", "mlp_encoder", "set_output_mean"]
