"""Layer of independent normal entries, whose scale is predicted, fixed or learned."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.arguments import check_numbers
from keras_vae.layers.families.independent import IndependentLayer
from keras_vae.layers.families.parameters import as_shape, blocks, positive, size
from keras_vae.registration import register

__all__ = ["IndependentNormal"]


@register
class IndependentNormal(IndependentLayer):
    """`tfd.Normal` for every entry of an event.

    loc, raw = split(inputs, 2);  scale = softplus(raw) + eps, with the machine epsilon eps

    A predicted scale makes the likelihood of a decoder unbounded: it can fall wherever an entry is met exactly. A fixed
    or learned one does not leave that to every entry of every example, and the inputs are then locations alone.

    Args:
        event_shape: shape of one example.
        convert_to_tensor_fn: see `DistributionLambda`.
        validate_args: whether TFP checks values at run time.
        scale: None: predicted, from the second half of the inputs, as in TFP; a positive number: fixed at that;
            "shared": one learned scale for all entries; "per_dimension": a learned scale for each entry of the event.
            A learned scale is a weight of the layer (`raw_scale`, before softplus), and starts at 1.
        **kwargs: of `DistributionLambda`.

    Call arguments:
        inputs: [..., 2 prod(event_shape)], locations first; [..., prod(event_shape)] where `scale` is not None.

    Returns:
        Distribution with batch [...] and event `event_shape`; log_prob in nats, support the real numbers. TFP's layer
        adds no eps, and so has a scale of 0 at raw scales below -104 (-746 in float64).

    Example:

    >>> layer = IndependentNormal((2, 2), scale="shared")
    >>> y = layer(tf.zeros([3, layer.params_size((2, 2), scale="shared")]))
    >>> y.event_shape.as_list(), round(float(y.stddev()[0, 0, 0]), 6)
    ([2, 2], 1.0)

    References:
        Dai & Wipf (2019), "Diagnosing and Enhancing VAE Models", whose learned gamma is the square of the shared scale.
    """

    def __init__(
        self,
        event_shape: Any = (),
        convert_to_tensor_fn: Any = "sample",
        validate_args: bool = False,
        scale: float | str | None = None,
        **kwargs: Any,
    ):
        super().__init__(event_shape, convert_to_tensor_fn, validate_args, **kwargs)
        self.scale = scale
        if scale in ("shared", "per_dimension"):
            self.raw_scale = self.add_weight(
                shape=() if scale == "shared" else self.event_shape,
                initializer=keras.initializers.Constant(math.log(math.expm1(1.0))),  # softplus of it is 1
                name="raw_scale",
                autocast=False,
            )
        elif isinstance(scale, str):
            raise ValueError(
                f'`scale` must be None, a positive number, "shared" or "per_dimension". Received: scale={scale!r}'
            )
        elif scale is not None:
            check_numbers(scale=scale)

    def distribution(self, inputs: tf.Tensor) -> tfd.Distribution:
        scale = self.learned_scale() if isinstance(self.scale, str) else self.scale
        return self.new(inputs, self.event_shape, self.validate_args, scale=scale)

    def learned_scale(self) -> tf.Tensor:
        """Return the present value of a learned scale, in the units of x: [] if shared, else [*event_shape]."""
        return positive(tf.convert_to_tensor(self.raw_scale))

    @staticmethod
    def new(
        params: tf.Tensor,
        event_shape: Any = (),
        validate_args: bool = False,
        name: str | None = None,
        scale: Any = None,
    ) -> tfd.Independent:
        """Return the distribution of `params` [..., 2 prod(event_shape)], or of locations and the number `scale`.

        Args:
            params: locations and raw scales, or the locations alone where `scale` is given.
            event_shape: shape of one example.
            validate_args: whether TFP checks values at run time.
            name: name of the distribution.
            scale: number or tensor that broadcasts with [..., *event_shape].
        """
        shape = as_shape(event_shape)
        loc, *raw_scale = blocks(params, 2 if scale is None else 1, shape)
        scale = positive(*raw_scale) if scale is None else tf.cast(scale, loc.dtype)
        return tfd.Independent(
            tfd.Normal(loc, scale, validate_args=validate_args), len(shape), validate_args=validate_args, name=name
        )

    @staticmethod
    def params_size(event_shape: Any = (), name: str | None = None, scale: Any = None) -> int:
        """Return the number of parameters of one distribution: 2 prod(event_shape), or half of it with a `scale`."""
        return (2 if scale is None else 1) * size(event_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "scale": self.scale}
