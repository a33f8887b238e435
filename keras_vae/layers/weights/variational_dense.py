"""Dense layers whose kernel and bias have a distribution, by three estimators of their output."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.arguments import check_counts
from keras_vae.layers.weights.variational import (
    KL_DIVERGENCE,
    MEAN_FIELD_NORMAL,
    POINT_MASS,
    Flipout,
    Reparameterization,
    Variational,
    independent_normal,
)
from keras_vae.layers.weights.weight_distributions import default_multivariate_normal_fn
from keras_vae.registration import register
from keras_vae.replicas import own_row

__all__ = ["DenseFlipout", "DenseLocalReparameterization", "DenseReparameterization"]


class _VariationalDense(Variational):
    """Base of the dense layers: linear(inputs, kernel) = inputs @ kernel."""

    def __init__(
        self,
        units: int,
        activation: Any = None,
        activity_regularizer: Any = None,
        trainable: bool = True,
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
        check_counts(units=units)
        super().__init__(
            units,
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
            trainable=trainable,
            **kwargs,
        )
        self.units = self._units
        self.input_spec = keras.layers.InputSpec(min_ndim=2)

    def _kernel_shape(self, input_shape: Sequence[int | None]) -> tuple[int, ...]:
        if input_shape[-1] is None:
            raise ValueError(f"The last axis of the inputs must be known. Received: input_shape={tuple(input_shape)}")
        return (input_shape[-1], self.units)

    def build(self, input_shape: Sequence[int | None]) -> None:
        super().build(input_shape)
        self.input_spec = keras.layers.InputSpec(min_ndim=2, axes={-1: input_shape[-1]})

    def _linear(self, inputs: Any, kernel: Any) -> Any:
        return keras.ops.matmul(inputs, keras.ops.cast(kernel, inputs.dtype))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}


@register
class DenseReparameterization(Reparameterization, _VariationalDense):
    """Dense layer with one draw of kernel and bias for the whole batch.

    outputs = activation(inputs @ kernel + bias),  kernel, bias ~ posterior

    Each call adds KL(posterior, prior) of the whole kernel (and of the bias, where it has a prior) to the layer's
    losses once, in nats, whatever the batch size and the number of replicas. In a loss that is a mean over n
    examples it must weigh 1 / n: `kernel_divergence_fn=scaled_kl_divergence_fn(1 / n)`.

    The kernel is drawn with the layer's seed alone: the replicas of a step use the same kernel, as one device does.

    Args:
        units: size of the outputs' last axis.
        activation: Keras activation, or None.
        activity_regularizer: Keras regularizer of the outputs, or None.
        trainable: whether the weights are trained.
        kernel_posterior_fn: function of `dtype, shape, name, trainable, add_variable_fn` that returns q(kernel),
            such as `default_mean_field_normal_fn()`. It is called again wherever the posterior is used, so it must
            make the same weights each time, by `add_variable_fn` alone.
        kernel_posterior_tensor_fn: how the posterior becomes a kernel: "sample" (a reparameterised draw), the name
            of another method of the distribution ("mean", "mode"), or a function of it.
        kernel_prior_fn: function as `kernel_posterior_fn` that returns p(kernel), or None for no divergence; by
            default Normal(0, I).
        kernel_divergence_fn: function of q, p and the kernel drawn (None where each example has its own), or None.
        bias_posterior_fn: as `kernel_posterior_fn`; by default a point mass, a trained bias; None for no bias.
        bias_posterior_tensor_fn: as `kernel_posterior_tensor_fn`.
        bias_prior_fn: as `kernel_prior_fn`; by default None.
        bias_divergence_fn: as `kernel_divergence_fn`.
        seed: int or `keras.random.SeedGenerator` for the draws; None draws one.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        inputs: [..., D].

    Returns:
        [..., units], in the compute dtype; weights are drawn and the divergence is computed in the variable dtype.

    Example:

    >>> n = 100
    >>> divergence_fn = kv.layers.scaled_kl_divergence_fn(1 / n)
    >>> model = keras.Sequential([
    ...     DenseReparameterization(8, activation="relu", kernel_divergence_fn=divergence_fn),
    ...     DenseReparameterization(3, kernel_divergence_fn=divergence_fn),
    ... ])
    >>> logits = model(tf.zeros([5, 4]))
    >>> logits.shape.as_list(), len(model.losses)
    ([5, 3], 2)

    References:
        Kingma & Welling (2014), "Auto-Encoding Variational Bayes", Section 2.4.
        Blundell, Cornebise, Kavukcuoglu & Wierstra (2015), "Weight Uncertainty in Neural Networks", Section 3.
    """


@register
class DenseFlipout(Flipout, _VariationalDense):
    """Dense layer whose examples share a perturbation of the kernel up to independent random signs r and s.

    outputs = activation(inputs @ loc + ((inputs * s) @ (scale * noise)) * r + bias)

    Each example's outputs are distributed as with a kernel of its own, and those of two examples are uncorrelated
    given the inputs, for twice the matrix products of `DenseReparameterization`. Arguments, losses and results are
    the same; q(kernel) must be `tfd.Independent` of `tfd.Normal`, `kernel_posterior_tensor_fn` sees
    Normal(0, scale), and replicas draw the signs of their own examples.

    Raises:
        TypeError: when called, if q(kernel) is another distribution.

    Example:

    >>> layer = DenseFlipout(3, seed=0)
    >>> outputs = layer(tf.ones([5, 4]))
    >>> outputs.shape.as_list(), bool(tf.reduce_all(outputs[0] == outputs[1]))
    ([5, 3], False)

    References:
        Wen, Vicol, Ba, Tran & Grosse (2018), "Flipout: Efficient Pseudo-Independent Weight Perturbations on
        Mini-Batches", Eqs. 3-4.
    """


@register
class DenseLocalReparameterization(_VariationalDense):
    """Dense layer that draws its outputs instead of its kernel, independently for each example and unit.

    outputs = activation(a + bias),  a ~ Normal(inputs @ loc, sqrt(inputs**2 @ scale**2))

    Arguments, losses and results are those of `DenseReparameterization`; q(kernel) must be `tfd.Independent` of
    `tfd.Normal`, `kernel_posterior_tensor_fn` sees the distribution of a, and replicas draw the noise of their own
    examples. The distribution of a is computed in the variable dtype.

    Raises:
        TypeError: when called, if q(kernel) is another distribution.

    Example:

    >>> layer = DenseLocalReparameterization(3, seed=0)
    >>> outputs = layer(tf.ones([5, 4]))
    >>> outputs.shape.as_list(), bool(tf.reduce_all(outputs[0] == outputs[1]))
    ([5, 3], False)

    References:
        Kingma, Salimans & Welling (2015), "Variational Dropout and the Local Reparameterization Trick", Eq. 6.
    """

    def _apply_kernel(self, inputs: tf.Tensor, posterior: tfd.Distribution) -> tuple[tf.Tensor, tf.Tensor | None]:
        normal = independent_normal(posterior, type(self).__name__)
        rows = tf.reshape(tf.cast(inputs, self.variable_dtype), [-1, inputs.shape[-1]])
        # The least positive number, lost in any other variance, keeps the gradient of the root finite at inputs of 0.
        variance = self._linear(rows**2, normal.scale**2) + np.finfo(rows.dtype.as_numpy_dtype).tiny
        affine = tfd.Normal(self._linear(rows, normal.loc), tf.sqrt(variance))
        outputs = self._value(self.kernel_posterior_tensor_fn, affine, own_row())
        self._keep(kernel_posterior_affine=affine, kernel_posterior_affine_tensor=outputs)
        shape = tf.concat([tf.shape(inputs)[:-1], [self.units]], 0)
        return tf.cast(tf.reshape(outputs, shape), inputs.dtype), None
