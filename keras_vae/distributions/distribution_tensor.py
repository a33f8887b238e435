"""An object that is a TFP distribution to the user and a tensor to Keras and TensorFlow."""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow.python.util import dispatch
from tensorflow_probability import distributions as tfd

__all__ = ["DistributionTensor", "as_distribution"]


@dispatch.register_dispatchable_type
class DistributionTensor(tfd.Distribution, tf.__internal__.types.Tensor):
    """Distribution with a tensor value, computed on first use.

    Distribution methods go to `tensor_distribution`. Wherever a tensor is asked for (Keras layers, TF ops,
    operators, NumPy), `convert_to_tensor_fn(distribution)` stands for the distribution: one value, computed
    once, in the graph (or eagerly) where the object was made.

    Floating-point values to score are cast to the distribution's dtype (Keras hands losses its own), and what
    Keras does to predictions before it hands them to a loss or metric, `tf.cast`, `tf.expand_dims` and
    `tf.squeeze`, changes the tensor and keeps the distribution.

    Args:
        distribution: the TFP distribution to wrap.
        convert_to_tensor_fn: function of the distribution that returns a tensor.

    Example:

    >>> y = DistributionTensor(tfd.Normal(2., 1.), lambda d: d.mean())
    >>> float(y + 1.), float(y.stddev())
    (3.0, 1.0)
    """

    __array_priority__ = 100  # as that of tf.Tensor: `array + y` is this class's `__radd__`, with its gradient

    # `Distribution` copies its constructor's arguments into `parameters`, and `tf.Module` would walk them.
    def __init__(self, distribution: tfd.Distribution, convert_to_tensor_fn: Callable[[tfd.Distribution], Any]):
        self.tensor_distribution = distribution
        self._convert_to_tensor_fn = convert_to_tensor_fn
        self._concrete_value: tf.Tensor | None = None
        self._graph = None if tf.executing_eagerly() else tf.compat.v1.get_default_graph()
        super().__init__(
            dtype=distribution.dtype,
            reparameterization_type=distribution.reparameterization_type,
            validate_args=distribution.validate_args,
            allow_nan_stats=distribution.allow_nan_stats,
            parameters=distribution.parameters,
            name=distribution.name,
        )

    def __getattr__(self, name: str) -> Any:
        distribution = vars(self).get("tensor_distribution")
        # Of private names, those of TFP's own objects, which read them of each other; Keras asks for some of its own.
        if distribution is None or (name.startswith("_") and name not in vars(distribution)):
            raise AttributeError(name)
        return getattr(distribution, name)

    def value(self) -> tf.Tensor:
        """Return the tensor that stands for this distribution."""
        if self._concrete_value is None:
            with self._home():
                self._concrete_value = tf.convert_to_tensor(self._convert_to_tensor_fn(self.tensor_distribution))
        return self._concrete_value

    def _home(self) -> contextlib.AbstractContextManager:
        """Return the context this object was made in: its graph, or eager execution."""
        if self._graph is not None:
            return self._graph.as_default()
        # init_scope leaves a graph, but hides what it runs from gradient tapes: only where there is a graph to leave.
        return contextlib.nullcontext() if tf.executing_eagerly() else tf.init_scope()

    def __tf_tensor__(self, dtype: Any = None, name: str | None = None) -> tf.Tensor:
        return tf.convert_to_tensor(self.value(), dtype, name=name)

    @property
    def dtype(self) -> tf.DType:
        """The distribution's dtype; of a joint distribution, which has several, that of the tensor."""
        return self._dtype if isinstance(self._dtype, tf.DType) else self.value().dtype

    @property
    def shape(self) -> tf.TensorShape:
        return self.value().shape

    def get_shape(self) -> tf.TensorShape:
        return self.shape

    @property
    def ndim(self) -> int | None:
        return self.shape.rank

    def numpy(self) -> Any:
        return self.value().numpy()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.asarray(self.numpy(), dtype=dtype)

    def __len__(self) -> int:
        return len(self.value())

    def __iter__(self) -> Any:
        return iter(self.value())

    def __float__(self) -> float:
        return float(self.value())

    def __int__(self) -> int:
        return int(self.value())

    def __bool__(self) -> bool:
        return bool(self.value())

    def _cast(self, x: Any) -> Any:
        """Return `x` in the distribution's dtype, where both are floating-point."""
        dtype = self.tensor_distribution.dtype
        floating = tf.is_tensor(x) and x.dtype.is_floating and getattr(dtype, "is_floating", False)
        return tf.cast(x, dtype) if floating else x

    # The distribution's side: every density and statistic is the wrapped distribution's own.
    def _batch_shape(self) -> tf.TensorShape:
        return self.tensor_distribution.batch_shape

    def _batch_shape_tensor(self, **kwargs: Any) -> tf.Tensor:
        return self.tensor_distribution.batch_shape_tensor(**kwargs)

    def _event_shape(self) -> tf.TensorShape:
        return self.tensor_distribution.event_shape

    def _event_shape_tensor(self, **kwargs: Any) -> tf.Tensor:
        return self.tensor_distribution.event_shape_tensor(**kwargs)

    @classmethod
    def _parameter_properties(cls, dtype: Any, num_classes: int | None = None) -> dict:
        return {"distribution": tfp.util.ParameterProperties()}

    def _check_axes(self, x: Any) -> None:
        """Raise where `x` or the distribution has a last axis of size 1 more: each row would meet each other."""
        distribution = self.tensor_distribution
        shape = tf.TensorShape(getattr(x, "shape", None))
        if tf.nest.is_nested(distribution.dtype):  # of a joint distribution, whose values are structures
            return
        if None in (shape.rank, distribution.batch_shape.rank, distribution.event_shape.rank) or not shape.rank:
            return
        full = distribution.batch_shape.concatenate(distribution.event_shape)
        if not full.rank or full.rank == shape.rank:
            return
        longer, shorter = (shape, full) if shape.rank > full.rank else (full, shape)
        if longer[-1] == 1 and longer[:-1].is_compatible_with(shorter) and shorter[0] != 1:
            raise ValueError(
                "The values to score must have the axes of the distribution's batch and event: with a last axis of "
                "size 1 more or less, each row would be scored by the distribution of each other. (To do that, score "
                f"with `tensor_distribution`.) Received: values of shape {shape}, batch_shape="
                f"{distribution.batch_shape}, event_shape={distribution.event_shape}"
            )


def _delegate(name: str, scores: bool = False) -> Callable:
    def method(self: DistributionTensor, *args: Any, **kwargs: Any) -> Any:
        if scores:
            args, kwargs = tf.nest.map_structure(self._cast, (args, kwargs))
            for x in (*args[:1], kwargs.get("value")):
                self._check_axes(x)
        return getattr(self.tensor_distribution, name)(*args, **kwargs)

    method.__name__ = name
    method.__doc__ = getattr(tfd.Distribution, name).__doc__
    return method


for _name in [
    "log_prob",
    "unnormalized_log_prob",
    "prob",
    "log_cdf",
    "cdf",
    "log_survival_function",
    "survival_function",
]:
    setattr(DistributionTensor, _name, _delegate(_name, scores=True))
for _name in [
    "sample",
    "experimental_sample_and_log_prob",
    "quantile",
    "entropy",
    "mean",
    "mode",
    "variance",
    "stddev",
    "covariance",
    "copy",
    "experimental_default_event_space_bijector",
]:
    setattr(DistributionTensor, _name, _delegate(_name))


def _operator(name: str) -> Callable:
    function = getattr(operator, name)
    return lambda self, *others: function(self.value(), *others)


def _reflected(name: str) -> Callable:
    function = getattr(operator, name)
    return lambda self, other: function(other, self.value())


for _name in ["neg", "abs", "invert", "getitem", "lt", "le", "gt", "ge"]:
    setattr(DistributionTensor, f"__{_name}__", _operator(_name))
for _name in ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and_", "or_", "xor"]:
    setattr(DistributionTensor, f"__{_name.rstrip('_')}__", _operator(_name))
    setattr(DistributionTensor, f"__r{_name.rstrip('_')}__", _reflected(_name))


@tfd.RegisterKL(DistributionTensor, tfd.Distribution)
def _kl_tensor_distribution(a: DistributionTensor, b: tfd.Distribution, name: str | None = None) -> tf.Tensor:
    return tfd.kl_divergence(a.tensor_distribution, as_distribution(b), name=name)


@tfd.RegisterKL(tfd.Distribution, DistributionTensor)
def _kl_distribution_tensor(a: tfd.Distribution, b: DistributionTensor, name: str | None = None) -> tf.Tensor:
    return tfd.kl_divergence(a, b.tensor_distribution, name=name)


# What Keras does to predictions before a loss or metric sees them.
@tf.experimental.dispatch_for_api(tf.cast, {"x": DistributionTensor})
def _cast(x: Any, dtype: Any, name: str | None = None) -> DistributionTensor:
    y = DistributionTensor(x.tensor_distribution, lambda _: tf.cast(x.value(), dtype, name))
    y._dtype = tf.as_dtype(dtype)
    return y


@tf.experimental.dispatch_for_api(tf.expand_dims, {"input": DistributionTensor})
def _expand_dims(input: Any, axis: Any, name: str | None = None) -> DistributionTensor:
    return DistributionTensor(input.tensor_distribution, lambda _: tf.expand_dims(input.value(), axis, name))


@tf.experimental.dispatch_for_api(tf.squeeze, {"input": DistributionTensor})
def _squeeze(input: Any, axis: Any = None, name: str | None = None) -> DistributionTensor:
    return DistributionTensor(input.tensor_distribution, lambda _: tf.squeeze(input.value(), axis, name))


def as_distribution(y: Any) -> tfd.Distribution:
    """Return the plain TFP distribution behind a distribution layer's output.

    Args:
        y: a `DistributionTensor` or any other `tfd.Distribution`.

    Raises:
        TypeError: if `y` is not a distribution.
    """
    y = getattr(y, "tensor_distribution", y)
    if isinstance(y, tfd.Distribution):
        return y
    raise TypeError(
        "Expected a TFP distribution: end the model in a layer of keras_vae.layers, such as "
        f"keras_vae.layers.MultivariateNormalDiag. Received: {type(y).__name__}"
    )
