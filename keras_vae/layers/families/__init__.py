"""Families of distributions: raw parameters in, a distribution out. `keras_vae.layers` has them all."""

__all__ = []
