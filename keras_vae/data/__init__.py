"""What x is: loading, splits, pixels, batches, and the support a likelihood scores."""

from keras_vae.data import synthetic
from keras_vae.data.batched import BatchedData, as_batched_data
from keras_vae.data.images import Batches, Split, as_batches
from keras_vae.data.loading import ImageData, load
from keras_vae.data.pixel_levels import Binarize, Dequantize, Pixels, Quantize, Unit, pixels
from keras_vae.distributions.sets import Support
from keras_vae.distributions.support import check_support, support_of

__all__ = [
    "BatchedData",
    "Batches",
    "Binarize",
    "Dequantize",
    "ImageData",
    "Pixels",
    "Quantize",
    "Split",
    "Support",
    "Unit",
    "as_batched_data",
    "as_batches",
    "check_support",
    "load",
    "pixels",
    "support_of",
    "synthetic",
]
