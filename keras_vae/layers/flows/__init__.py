"""Autoregressive networks and the flows made of them. `keras_vae.layers` has them all."""

__all__ = []
