"""Bodies: from x to the posterior's parameters, from z to the likelihood's; they never sample or score."""

from keras_vae.networks.conv import Conv, conv_decoder, conv_encoder
from keras_vae.networks.initializers import initializer
from keras_vae.networks.mlp import MLP, mlp_decoder, mlp_encoder
from keras_vae.networks.network import Network
from keras_vae.networks.output_bias import set_output_mean
from keras_vae.networks.table import NETWORKS, get

__all__ = [
    "MLP",
    "NETWORKS",
    "Conv",
    "Network",
    "conv_decoder",
    "conv_encoder",
    "get",
    "initializer",
    "mlp_decoder",
    "mlp_encoder",
    "set_output_mean",
]
