"""Training: the hand-written loop and its callbacks."""

from keras_vae.training.loop import train

__all__ = ["train"]
