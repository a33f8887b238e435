"""Convolutions whose kernel and bias have a distribution, by two estimators of their output."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_vae.arguments import check_counts, sizes_of
from keras_vae.layers.weights.variational import (
    KL_DIVERGENCE,
    MEAN_FIELD_NORMAL,
    POINT_MASS,
    Flipout,
    Reparameterization,
    Variational,
)
from keras_vae.layers.weights.weight_distributions import default_multivariate_normal_fn
from keras_vae.registration import register

__all__ = [
    "Convolution1DFlipout",
    "Convolution1DReparameterization",
    "Convolution2DFlipout",
    "Convolution2DReparameterization",
    "Convolution3DFlipout",
    "Convolution3DReparameterization",
]


class _VariationalConvolution(Variational):
    """Base of the convolutions over `rank` axes: linear(inputs, kernel) = conv(inputs, kernel)."""

    rank: int

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        data_format: str = "channels_last",
        dilation_rate: int | Sequence[int] = 1,
        activation: Any = None,
        activity_regularizer: Any = None,
        kernel_posterior_fn: Callable = MEAN_FIELD_NORMAL,
        kernel_posterior_tensor_fn: str | Callable = "sample",
        kernel_prior_fn: Callable | None = default_multivariate_normal_fn,
        kernel_divergence_fn: Callable | None = KL_DIVERGENCE,
        bias_posterior_fn: Callable | None = POINT_MASS,
        bias_posterior_tensor_fn: str | Callable = "sample",
        bias_prior_fn: Callable | None = None,
        bias_divergence_fn: Callable | None = KL_DIVERGENCE,
        seed: int | keras.random.SeedGenerator | None = None,
        **kwargs: Any,
    ):
        check_counts(filters=filters)
        super().__init__(
            filters,
            activation,
            activity_regularizer,
            seed,
            {
                "kernel_posterior_fn": kernel_posterior_fn,
                "kernel_posterior_tensor_fn": kernel_posterior_tensor_fn,
                "kernel_prior_fn": kernel_prior_fn,
                "kernel_divergence_fn": kernel_divergence_fn,
                "bias_posterior_fn": bias_posterior_fn,
                "bias_posterior_tensor_fn": bias_posterior_tensor_fn,
                "bias_prior_fn": bias_prior_fn,
                "bias_divergence_fn": bias_divergence_fn,
            },
            **kwargs,
        )
        self.filters = self._units
        self.kernel_size = self._sizes("kernel_size", kernel_size)
        self.strides = self._sizes("strides", strides)
        self.padding = _one_of("padding", padding, ["valid", "same", "causal"] if self.rank == 1 else ["valid", "same"])
        self.data_format = _one_of("data_format", data_format, ["channels_last", "channels_first"])
        self.dilation_rate = self._sizes("dilation_rate", dilation_rate)
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                "`strides` and `dilation_rate` cannot both be above 1. "
                f"Received: strides={self.strides}, dilation_rate={self.dilation_rate}"
            )
        self._channel_axis = -1 if self.data_format == "channels_last" else 1
        self.input_spec = keras.layers.InputSpec(ndim=self.rank + 2)

    def _sizes(self, name: str, value: Any) -> tuple[int, ...]:
        """Return `value` (an int or one for each axis) as a tuple."""
        sizes = sizes_of(name, value)
        if len(sizes) not in (1, self.rank):
            raise ValueError(
                f"`{name}` must be a whole number or {self.rank} of them, one for each axis. Received: {name}={value!r}"
            )
        return sizes * (self.rank // len(sizes))

    def _kernel_shape(self, input_shape: Sequence[int | None]) -> tuple[int, ...]:
        channels = input_shape[self._channel_axis]
        if channels is None:
            raise ValueError(f"The inputs' number of channels must be known. Received: {tuple(input_shape)}")
        return (*self.kernel_size, channels, self.filters)

    def build(self, input_shape: Sequence[int | None]) -> None:
        super().build(input_shape)
        axes = {self._channel_axis: input_shape[self._channel_axis]}
        self.input_spec = keras.layers.InputSpec(ndim=self.rank + 2, axes=axes)

    def _linear(self, inputs: Any, kernel: Any) -> Any:
        padding = self.padding
        if padding == "causal":
            past = [self.dilation_rate[0] * (self.kernel_size[0] - 1), 0]
            widths = [[0, 0], past, [0, 0]] if self._channel_axis == -1 else [[0, 0], [0, 0], past]
            inputs, padding = keras.ops.pad(inputs, widths), "valid"
        return keras.ops.conv(
            inputs,
            keras.ops.cast(kernel, inputs.dtype),
            strides=self.strides,
            padding=padding,
            data_format=self.data_format,
            dilation_rate=self.dilation_rate,
        )

    def _broadcastable(self, bias: tf.Tensor) -> tf.Tensor:
        return bias if self._channel_axis == -1 else tf.reshape(bias, [-1, *[1] * self.rank])

    def _sign_shape(self, x: tf.Tensor) -> tf.Tensor:
        """Return the shape of one sign for each example and channel, shared by all positions."""
        shape = [tf.shape(x)[0], *[1] * (self.rank + 1)]
        shape[self._channel_axis] = x.shape[self._channel_axis]
        return tf.stack(shape)

    def get_config(self) -> dict[str, Any]:
        names = ["filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate"]
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def _one_of(name: str, value: Any, names: list[str]) -> str:
    """Return `value` in lower case, one of `names`."""
    if str(value).lower() not in names:
        raise ValueError(f"`{name}` must be one of {names}. Received: {name}={value!r}")
    return str(value).lower()


@register
class Convolution1DReparameterization(Reparameterization, _VariationalConvolution):
    """Convolution over one axis with one draw of kernel and bias for the whole batch.

    outputs = activation(conv(inputs, kernel) + bias),  kernel, bias ~ posterior

    Losses, mixed precision and replicas are as in `DenseReparameterization`.

    Args:
        filters: number of output channels.
        kernel_size: int or one for each axis, length of the window.
        strides: int or one for each axis; above 1 only where `dilation_rate` is 1.
        padding: "valid", "same" or, over one axis, "causal": output t sees inputs up to t. In any case.
        data_format: "channels_last" ([B, positions..., channels]) or "channels_first" ([B, channels,
            positions...], which TensorFlow runs on GPUs, and not everywhere on CPUs).
        dilation_rate: int or one for each axis.
        activation: Keras activation, or None.
        activity_regularizer: Keras regularizer of the outputs, or None.
        kernel_posterior_fn: this and all that follow: see `DenseReparameterization`.
        kernel_posterior_tensor_fn: how the posterior becomes a kernel.
        kernel_prior_fn: makes p(kernel).
        kernel_divergence_fn: divergence of the kernel.
        bias_posterior_fn: makes q(bias).
        bias_posterior_tensor_fn: how the posterior becomes a bias.
        bias_prior_fn: makes p(bias).
        bias_divergence_fn: divergence of the bias.
        seed: int or `keras.random.SeedGenerator` for the draws; None draws one.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        inputs: [B, positions, channels], or [B, channels, positions].

    Returns:
        [B, new positions, filters], or [B, filters, new positions].

    Example:

    >>> model = keras.Sequential([
    ...     keras.layers.Reshape([16, 1]),
    ...     Convolution1DReparameterization(4, kernel_size=5, padding="SAME", activation="relu"),
    ...     keras.layers.Flatten(),
    ...     kv.layers.DenseReparameterization(3),
    ... ])
    >>> model(tf.zeros([2, 16])).shape.as_list(), len(model.losses)
    ([2, 3], 2)
    """

    rank = 1


@register
class Convolution2DReparameterization(Reparameterization, _VariationalConvolution):
    """As `Convolution1DReparameterization`, over two axes: inputs [B, height, width, channels].

    Example:

    >>> layer = Convolution2DReparameterization(4, kernel_size=[3, 5], strides=2, padding="same")
    >>> layer(tf.zeros([2, 8, 8, 1])).shape.as_list(), layer.kernel_posterior.event_shape.as_list()
    ([2, 4, 4, 4], [3, 5, 1, 4])
    """

    rank = 2


@register
class Convolution3DReparameterization(Reparameterization, _VariationalConvolution):
    """As `Convolution1DReparameterization`, over three axes: inputs [B, depth, height, width, channels].

    Example:

    >>> layer = Convolution3DReparameterization(2, kernel_size=3)
    >>> layer(tf.zeros([2, 4, 4, 4, 1])).shape.as_list()
    [2, 2, 2, 2, 2]
    """

    rank = 3


@register
class Convolution1DFlipout(Flipout, _VariationalConvolution):
    """Convolution over one axis whose examples share a perturbation of the kernel up to random signs r and s.

    outputs = activation(conv(inputs, loc) + conv(inputs * s, scale * noise) * r + bias)

    The signs are one for each example and channel, shared by all positions, as a kernel is. Arguments, losses and
    results are those of `Convolution1DReparameterization`; else as `DenseFlipout`.

    Raises:
        TypeError: when called, if q(kernel) is not `tfd.Independent` of `tfd.Normal`.

    Example:

    >>> layer = Convolution1DFlipout(4, kernel_size=5, padding="same", seed=0)
    >>> outputs = layer(tf.ones([2, 16, 1]))
    >>> outputs.shape.as_list(), bool(tf.reduce_all(outputs[0] == outputs[1]))
    ([2, 16, 4], False)

    References:
        Wen, Vicol, Ba, Tran & Grosse (2018), "Flipout: Efficient Pseudo-Independent Weight Perturbations on
        Mini-Batches", Eqs. 3-4 and Section 3.1.
    """

    rank = 1


@register
class Convolution2DFlipout(Flipout, _VariationalConvolution):
    """As `Convolution1DFlipout`, over two axes: inputs [B, height, width, channels].

    Example:

    >>> Convolution2DFlipout(4, kernel_size=3)(tf.zeros([2, 8, 8, 1])).shape.as_list()
    [2, 6, 6, 4]
    """

    rank = 2


@register
class Convolution3DFlipout(Flipout, _VariationalConvolution):
    """As `Convolution1DFlipout`, over three axes: inputs [B, depth, height, width, channels].

    Example:

    >>> Convolution3DFlipout(2, kernel_size=3)(tf.zeros([2, 4, 4, 4, 1])).shape.as_list()
    [2, 2, 2, 2, 2]
    """

    rank = 3
