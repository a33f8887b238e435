"""Layers with random weights, and what their distributions are made of. `keras_vae.layers` has them all."""

__all__ = []
