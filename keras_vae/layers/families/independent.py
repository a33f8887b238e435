"""What layers of independent scalar distributions share: an event of any shape, one distribution for each entry."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.layers.distribution_lambda import DistributionLambda
from keras_vae.layers.families.parameters import as_shape, blocks, size

__all__ = ["IndependentFamily", "IndependentLayer"]


class IndependentLayer(DistributionLambda):
    """Base of the layers that give every entry of an event a scalar distribution of its own.

    Args:
        event_shape: shape of one example, an int or integers.
        convert_to_tensor_fn: see `DistributionLambda`.
        validate_args: whether TFP checks values at run time.
        **kwargs: of `DistributionLambda`.
    """

    def __init__(
        self,
        event_shape: Any = (),
        convert_to_tensor_fn: Any = "sample",
        validate_args: bool = False,
        **kwargs: Any,
    ):
        super().__init__(convert_to_tensor_fn=convert_to_tensor_fn, **kwargs)
        self.event_shape = as_shape(event_shape)
        self.validate_args = validate_args

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "event_shape": self.event_shape, "validate_args": self.validate_args}


class IndependentFamily(IndependentLayer):
    """Base of the families whose parameters are equal blocks of the input, with TFP's signatures.

    A subclass sets `params_per_entry` and overrides `entries`. Positive parameters are softplus(raw) plus the machine
    epsilon of the dtype, so that none is 0, however negative its raw value is.

    Example:

    >>> from keras_vae.layers.families.parameters import positive
    >>> class IndependentHalfNormal(IndependentFamily):
    ...     @classmethod
    ...     def entries(cls, *params, validate_args=False):
    ...         (raw_scale,) = params
    ...         return tfd.HalfNormal(positive(raw_scale), validate_args=validate_args)
    >>> IndependentHalfNormal((2, 2))(tf.zeros([3, 4])).event_shape.as_list()
    [2, 2]
    """

    params_per_entry = 1

    @classmethod
    def entries(cls, *params: tf.Tensor, validate_args: bool = False) -> tfd.Distribution:
        """Return the scalar distributions of `params_per_entry` blocks [..., *event_shape]; the hook for subclasses."""
        raise NotImplementedError(f"{cls.__name__} must override `entries`.")

    def distribution(self, inputs: tf.Tensor) -> tfd.Distribution:
        return self.new(inputs, self.event_shape, self.validate_args)

    @classmethod
    def new(
        cls, params: tf.Tensor, event_shape: Any = (), validate_args: bool = False, name: str | None = None
    ) -> tfd.Independent:
        """Return the distribution that `params` [..., params_per_entry * prod(event_shape)] parameterise."""
        shape = as_shape(event_shape)
        entries = cls.entries(*blocks(params, cls.params_per_entry, shape), validate_args=validate_args)
        return tfd.Independent(entries, len(shape), validate_args=validate_args, name=name)

    @classmethod
    def params_size(cls, event_shape: Any = (), name: str | None = None) -> int:
        """Return the number of parameters of one distribution: params_per_entry * prod(event_shape)."""
        return cls.params_per_entry * size(event_shape)
