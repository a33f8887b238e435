"""A layer of vectors whose columns have different families."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.arguments import sizes_of
from keras_vae.layers.distribution_lambda import DistributionLambda
from keras_vae.registration import register

__all__ = ["Columns"]


@register
class Columns(DistributionLambda):
    """Vectors of which some columns after others have a family each, such as the rows of a table.

    log p(x) is the sum over the parts, in nats: log-densities of real columns and log-probabilities of discrete ones.
    The likelihood `keras_vae.likelihoods.Columns` makes this layer of one family for each column.

    Args:
        parts: List of layers of this package that make distributions of vectors, such as `IndependentNormal(3)` of
            three columns.
        params_sizes: Integers, how many of the inputs each part takes.
        convert_to_tensor_fn: See `DistributionLambda`.
        **kwargs: Arguments of `DistributionLambda`.

    Call arguments:
        inputs: Parameters [..., sum(params_sizes)], those of one part after those of another.

    Returns:
        `tfd.Blockwise` with batch [...] and all columns as its event.

    Raises:
        ValueError: if there is not one of `params_sizes` for each part, or if the inputs are others in number.

    Example:

    >>> y = Columns([kv.layers.IndependentNormal(2), kv.layers.IndependentBernoulli(1)], [4, 1])(tf.zeros([3, 5]))
    >>> y.event_shape.as_list(), y.log_prob(np.zeros([3, 3])).shape.as_list()
    ([3], [3])
    """

    def __init__(
        self,
        parts: Sequence[DistributionLambda],
        params_sizes: Sequence[int],
        convert_to_tensor_fn: Any = "sample",
        **kwargs: Any,
    ):
        super().__init__(convert_to_tensor_fn=convert_to_tensor_fn, **kwargs)
        self.parts, self.params_sizes = list(parts), sizes_of("params_sizes", params_sizes)
        for part in self.parts:
            if not isinstance(part, DistributionLambda):
                raise TypeError(
                    f"The parts must be layers of keras_vae.layers that make distributions. Received: {part!r}"
                )
        if len(self.parts) != len(self.params_sizes):
            raise ValueError(
                "`params_sizes` must have a number for each part. "
                f"Received: {len(self.parts)} parts, params_sizes={params_sizes}"
            )

    def build(self, input_shape: Any) -> None:
        for part, size in zip(self.parts, self.params_sizes, strict=True):
            if not part.built:
                part.build((*input_shape[:-1], size))
        self.built = True

    def distribution(self, inputs: tf.Tensor) -> tfd.Blockwise:
        return self.new(inputs, self.parts, self.params_sizes)

    @staticmethod
    def new(params: tf.Tensor, parts: Sequence[DistributionLambda], params_sizes: Sequence[int]) -> tfd.Blockwise:
        """Return the distribution that `params` [..., sum(params_sizes)] parameterise."""
        if params.shape[-1] != (needed := sum(params_sizes)):
            raise ValueError(
                f"Columns needs {needed} parameters per example. Received: parameters of shape {params.shape}"
            )
        blocks = tf.split(params, params_sizes, axis=-1)
        return tfd.Blockwise([part.distribution(block) for part, block in zip(parts, blocks, strict=True)])

    def get_config(self) -> dict[str, Any]:
        parts = [keras.saving.serialize_keras_object(part) for part in self.parts]
        return {**super().get_config(), "parts": parts, "params_sizes": self.params_sizes}
