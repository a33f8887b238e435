"""The base of all likelihoods."""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras

__all__ = ["Likelihood"]


class Likelihood:
    """A family of p(x|z), before the shape of x is known: what a decoder needs to end in it.

    A subclass overrides `layer`, and sets the attributes that differ from the defaults. The layer is the part that is
    trained, saved and exported; the likelihood itself is only the recipe, and is not kept in the model.

    Attributes:
        params_per_entry: Int, number of parameters that the decoder gives for one entry of x. 1.
        in_blocks: Bool, whether the layer takes all parameters of one kind together, as TFP's layers do, instead of
            all parameters of one entry. False.
        num_levels: Int, K where the family is one of the levels 0 ... K-1; None where it does not count levels. None.
        pixels: Str, how the pixels of images become x by default, see `keras_vae.data.pixels`. "levels".

    Example:

    >>> class StudentT(Likelihood):
    ...     params_per_entry = 3
    ...     in_blocks = True
    ...
    ...     def layer(self, event_shape):
    ...         return kv.layers.IndependentStudentT(event_shape)
    >>> vae = kv.VAE.for_vectors((4,), latent_dim=2, likelihood=StudentT())
    >>> type(vae.decode([[0.0, 0.0]]).distribution).__name__
    'StudentT'
    """

    in_blocks: bool = False
    num_levels: int | None = None
    pixels: str = "levels"

    @property
    def params_per_entry(self) -> int:
        return 1

    def params_size(self, event_shape: Sequence[int]) -> int:
        """Return the number of parameters of one x: prod(event_shape) * params_per_entry."""
        return math.prod(event_shape) * self.params_per_entry

    def layer(self, event_shape: Sequence[int]) -> keras.layers.Layer:
        """Return the layer from parameters [B, params_size] to p(x|z)."""
        raise NotImplementedError(f"{type(self).__name__} must override `layer`.")
