"""MADE: a dense network whose outputs for one dimension see only the dimensions before it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from random import randrange
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_vae import random
from keras_vae.arguments import check_counts, sizes_of
from keras_vae.layers.initializers import for_one_weight, keras_initializer
from keras_vae.registration import register

__all__ = ["AutoregressiveNetwork"]


@register
class AutoregressiveNetwork(keras.layers.Layer):
    """Masked autoencoder for distribution estimation (MADE): parameters of p(x_d | x of lower degree) for every d.

    h_k = activation(h_(k-1) @ (mask_k * kernel_k) + bias_k),  h_0 = x;  no activation after the last layer

    Every unit has a degree: an input its place in `input_order`, a hidden unit the number of inputs it may see.
    A hidden unit sees units of its degree or less, an output units of less than its input's degree.

    Args:
        params: number of parameters for each dimension of x; 2 for `AutoregressiveTransform`.
        event_shape: D, or (D,); by default that of the first input.
        conditional: whether the call takes a `conditional_input`, which every output sees.
        conditional_event_shape: C, or (C,), of the conditional input.
        conditional_input_layers: "all_layers", or "first_layer" for the first only.
        hidden_units: sizes of the hidden layers.
        input_order: "left-to-right", "right-to-left", "random" or the degrees themselves, a permutation of 1 ... D.
        hidden_degrees: "equal" (1 ... D-1, equally often) or "random".
        activation: of the hidden layers.
        use_bias: whether the masked layers have a bias.
        kernel_initializer: of `keras.layers.Dense`, as are the five below; masked entries are zero.
        bias_initializer: see `kernel_initializer`.
        kernel_regularizer: see `kernel_initializer`.
        bias_regularizer: see `kernel_initializer`.
        kernel_constraint: see `kernel_initializer`.
        bias_constraint: see `kernel_initializer`.
        validate_args: without effect, as in TFP.
        seed: int for "random" orders and degrees, so that a loaded model has the masks of the saved one; None
            draws one.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        x: [..., D], cast to the layer's variable dtype.
        conditional_input: [..., C], when the layer is conditional; batch shapes are broadcast.

    Returns:
        Tensor [..., D, params].

    Example:

    >>> made = AutoregressiveNetwork(params=2, hidden_units=[8], activation="relu")
    >>> made(tf.zeros([5, 3])).shape.as_list()
    [5, 3, 2]

    References:
        Germain et al. (2015), "MADE: Masked autoencoder for distribution estimation", Eqs. 8, 12 and 13.
        Papamakarios et al. (2017), "Masked autoregressive flow for density estimation", Sec. 3.4 (conditional).
    """

    def __init__(
        self,
        params: int,
        event_shape: Any = None,
        conditional: bool = False,
        conditional_event_shape: Any = None,
        conditional_input_layers: str = "all_layers",
        hidden_units: Sequence[int] | None = None,
        input_order: str | Sequence[int] = "left-to-right",
        hidden_degrees: str = "equal",
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        validate_args: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(autocast=False, **kwargs)
        self.validate_args = validate_args
        self.dtype_policy = keras.DTypePolicy(self.variable_dtype)  # weights are not rounded in mixed precision
        check_counts(params=params)
        self.params = int(params)
        self.event_shape = _as_vector_shape("event_shape", event_shape)
        self.conditional = conditional
        self.conditional_event_shape = _as_vector_shape("conditional_event_shape", conditional_event_shape)
        self.conditional_input_layers = conditional_input_layers
        self.hidden_units = sizes_of("hidden_units", () if hidden_units is None else hidden_units)
        self.input_order = input_order if isinstance(input_order, str) else tuple(int(d) for d in input_order)
        self.hidden_degrees = hidden_degrees
        self.activation = keras.activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = keras_initializer(kernel_initializer)
        self.bias_initializer = keras_initializer(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.bias_constraint = keras.constraints.get(bias_constraint)
        self.seed = randrange(2**31) if seed is None else int(seed)  # as Keras draws its default seeds
        if conditional != (conditional_event_shape is not None):
            raise ValueError(
                "`conditional_event_shape` is required when `conditional` is True, and only then. "
                f"Received: conditional={conditional}, conditional_event_shape={conditional_event_shape}"
            )
        if conditional_input_layers not in ("all_layers", "first_layer"):
            raise ValueError(
                '`conditional_input_layers` must be "all_layers" or "first_layer". '
                f"Received: conditional_input_layers={conditional_input_layers!r}"
            )
        if hidden_degrees not in ("equal", "random"):
            raise ValueError(
                f'`hidden_degrees` must be "equal" or "random". Received: hidden_degrees={hidden_degrees!r}'
            )

    def build(self, input_shape: Any) -> None:
        self.event_shape = self.event_shape or (int(input_shape[-1]),)
        if input_shape[-1] != self.event_shape[0]:
            raise ValueError(
                f"The last axis of the input must be that of `event_shape`={self.event_shape}. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        with tf.init_scope():  # the masks are numbers, though the layer may be built in a graph
            self._masks = _masks(self._degrees(self.event_shape[0]), self.params)
        self._kernels, self._biases, self._conditional_kernels = [], [], []
        for k, mask in enumerate(self._masks):
            self._kernels.append(self._add_kernel(f"kernel_{k}", mask))
            if self.use_bias:
                bias = self.add_weight(
                    mask.shape[1:],
                    for_one_weight(self.bias_initializer),
                    regularizer=self.bias_regularizer,
                    constraint=self.bias_constraint,
                    name=f"bias_{k}",
                )
                self._biases.append(bias)
            if self.conditional_event_shape and (k == 0 or self.conditional_input_layers == "all_layers"):
                everywhere = np.ones([*self.conditional_event_shape, mask.shape[1]], "bool")
                self._conditional_kernels.append(self._add_kernel(f"conditional_kernel_{k}", everywhere))

    def _add_kernel(self, name: str, mask: np.ndarray) -> keras.Variable:
        initializer = for_one_weight(self.kernel_initializer)

        def masked(shape: Any, dtype: Any = None) -> tf.Tensor:
            values = tf.convert_to_tensor(initializer(shape, dtype=dtype))
            return tf.where(mask, values, tf.zeros_like(values))

        return self.add_weight(
            mask.shape, masked, regularizer=self.kernel_regularizer, constraint=self.kernel_constraint, name=name
        )

    def _uniform(self, k: int, units: int) -> np.ndarray:
        """Return the uniform draws of the masks' k-th layer.

        Masks are not saved, so what files hold depends on these very draws: their keys are TensorFlow's, as they were
        when the first files were written.
        """
        seed = tf.random.experimental.stateless_fold_in(random.as_seed(self.seed), k, alg="philox")
        key = tf.random.stateless_uniform([], seed, None, None, tf.uint64, alg="philox")
        return np.asarray(random.uniform([units], tf.bitcast(key, tf.int32)))

    def _degrees(self, size: int) -> list[np.ndarray]:
        """Return the degrees of the inputs, and of the units of each hidden layer (Germain et al., Sec. 4)."""
        uniform = [self._uniform(k, units) for k, units in enumerate([size, *self.hidden_units])]
        orders = {
            "left-to-right": np.arange(1, size + 1),
            "right-to-left": np.arange(size, 0, -1),
            "random": 1 + np.argsort(uniform[0]),
        }
        order = (
            orders.get(self.input_order, self.input_order) if isinstance(self.input_order, str) else self.input_order
        )
        if isinstance(order, str) or sorted(order) != list(range(1, size + 1)):
            raise ValueError(
                '`input_order` must be "left-to-right", "right-to-left", "random" or a permutation of 1 ... '
                f"{size}. Received: input_order={self.input_order!r}"
            )
        degrees = [np.asarray(order)]
        for units, u in zip(self.hidden_units, uniform[1:], strict=True):
            lowest = min(degrees[-1].min(), size - 1)
            if self.hidden_degrees == "random":
                degrees.append(lowest + np.floor(u * (size - lowest)).astype(int))
            else:
                spread = np.ceil(np.arange(1, units + 1) * (size - 1) / (units + 1)).astype(int)
                degrees.append(np.maximum(lowest, spread))
        return degrees

    def call(self, x: tf.Tensor, conditional_input: tf.Tensor | None = None) -> tf.Tensor:
        if self.conditional != (conditional_input is not None):
            raise ValueError(
                "`conditional_input` must be given to a conditional layer, and to no other. "
                f"Received: conditional={self.conditional}, conditional_input={conditional_input}"
            )
        h = tf.cast(x, self.variable_dtype)
        for k, mask in enumerate(self._masks):
            kernel = tf.convert_to_tensor(self._kernels[k])
            h = _dense(h, tf.cast(mask, kernel.dtype) * kernel)
            if self.use_bias:
                h += self._biases[k]
            if k < len(self._conditional_kernels):
                conditional_kernel = tf.convert_to_tensor(self._conditional_kernels[k])
                h += _dense(tf.cast(conditional_input, self.variable_dtype), conditional_kernel)
            if k + 1 < len(self._masks):
                h = self.activation(h)
        return tf.reshape(h, tf.concat([tf.shape(h)[:-1], [self._masks[0].shape[0], self.params]], 0))

    def get_config(self) -> dict[str, Any]:
        names = ["params", "event_shape", "conditional", "conditional_event_shape", "conditional_input_layers"]
        names += ["hidden_units", "input_order", "hidden_degrees", "use_bias", "validate_args", "seed"]
        config = {**super().get_config(), **{name: getattr(self, name) for name in names}}
        config["activation"] = keras.activations.serialize(self.activation)
        for weight in ("kernel", "bias"):
            config[f"{weight}_initializer"] = keras.initializers.serialize(getattr(self, f"{weight}_initializer"))
            config[f"{weight}_regularizer"] = keras.regularizers.serialize(getattr(self, f"{weight}_regularizer"))
            config[f"{weight}_constraint"] = keras.constraints.serialize(getattr(self, f"{weight}_constraint"))
        return config


def _as_vector_shape(name: str, shape: Any) -> tuple[int, ...] | None:
    """Return a shape of one axis (an int will do) as a tuple."""
    if shape is None:
        return None
    sizes = sizes_of(name, shape)
    if len(sizes) != 1:
        raise ValueError(f"`{name}` must be the shape of a vector: one positive integer. Received: {name}={shape!r}")
    return sizes


def _masks(degrees: list[np.ndarray], params: int) -> list[np.ndarray]:
    """Return [inputs, outputs] masks of all layers (Germain et al., Eqs. 12 and 13)."""
    hidden = [below[:, None] <= above for below, above in itertools.pairwise(degrees)]
    return [*hidden, np.repeat(degrees[-1][:, None] < degrees[0], params, axis=1)]


def _dense(h: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Return h @ kernel for h [..., inputs]: not by `tf.tensordot`, whose gradient XLA cannot compile inside a loop."""
    product = tf.matmul(tf.reshape(h, [-1, kernel.shape[0]]), kernel)
    return tf.reshape(product, tf.concat([tf.shape(h)[:-1], kernel.shape[1:]], 0))
