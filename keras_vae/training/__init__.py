"""Training: the hand-written loop and callbacks."""

from keras_vae.training.callbacks import ProgressBar, StopOnNonFinite, Throughput
from keras_vae.training.loop import train

__all__ = ["ProgressBar", "StopOnNonFinite", "Throughput", "train"]
