"""The commands of `python -m keras_vae`: train, evaluate, export."""

__all__ = []
