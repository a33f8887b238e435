"""The base of all distribution layers: tensors in, a distribution out."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae import random, replicas
from keras_vae.distributions.distribution_tensor import DistributionTensor, as_distribution
from keras_vae.distributions.wrappers import Independent
from keras_vae.layers.untrained import keras_layers_within, untrained_variables
from keras_vae.registration import register

__all__ = ["DistributionLambda"]


@register
class DistributionLambda(replicas.ReplicaLayer):
    """Layer that turns its input into a TFP distribution.

    The output is a `DistributionTensor`: a distribution to you, its concretisation (by default a sample) to
    whatever expects a tensor. Densities are computed in the policy's variable dtype, so in float32 under
    `mixed_bfloat16` and `mixed_float16`.

    A subclass overrides `distribution`, and saves and loads by name; a layer made of a Python lambda follows
    Keras' own rule for `keras.layers.Lambda`: it loads only with safe mode off, and must import what it uses
    itself, as Keras saves its code without the names around it.

    Samples are the same on any number of replicas: rows of the global batch are numbered through, and each has
    noise of its own (for a family that `keras_vae.random.sample` leaves to TFP: different on each replica).

    Args:
        make_distribution_fn: function of the layer's call arguments that returns a `tfd.Distribution`. It gets
            `training` where it names it.
        convert_to_tensor_fn: how the distribution becomes a tensor: the name of a method without arguments or
            of a parameter ("sample", "mean", "mode", "stddev", "logits", ...), a method or property of a class
            of distributions (`tfd.Distribution.mean`, `tfd.Bernoulli.logits`), or any function of the
            distribution. Names are what is saved.
        seed: int or `keras.random.SeedGenerator` for the samples of "sample"; None draws one.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        inputs: tensor or structure of tensors; floating-point ones are cast to the layer's variable dtype.
        *args, **kwargs: what else `make_distribution_fn` takes.
        training: whether the call is one of training.

    Returns:
        `DistributionTensor`.

    Example:

    >>> layer = DistributionLambda(lambda t: tfd.Normal(t[..., 0], tf.exp(t[..., 1])), "mean")
    >>> y = layer(tf.zeros([3, 2]))
    >>> y.stddev().shape.as_list(), tf.convert_to_tensor(y).shape.as_list()
    ([3], [3])
    """

    def __init__(
        self,
        make_distribution_fn: Callable[[tf.Tensor], tfd.Distribution] | None = None,
        convert_to_tensor_fn: str | Callable = "sample",
        seed: int | keras.random.SeedGenerator | None = None,
        **kwargs: Any,
    ):
        super().__init__(autocast=False, **kwargs)
        if make_distribution_fn is None and type(self) is DistributionLambda:
            raise ValueError("`make_distribution_fn` is required. Received: make_distribution_fn=None")
        self.make_distribution_fn = make_distribution_fn
        self.convert_to_tensor_fn = _concretisation(convert_to_tensor_fn)
        self.seed = seed
        self.seed_generator = seed if isinstance(seed, keras.random.SeedGenerator) else keras.random.SeedGenerator(seed)
        self.supports_masking = True
        self.layers_used = keras_layers_within(make_distribution_fn)  # as an attribute, Keras trains and saves them
        lost = untrained_variables(make_distribution_fn)
        if lost:
            warnings.warn(
                f"The layer {self.name!r} uses the variables {lost}, which Keras will neither train nor save: make "
                "them with `add_weight` in a layer of your own, such as a subclass of DistributionLambda.",
                stacklevel=2,
            )
        self.built = type(self).build is keras.layers.Layer.build  # without weights, Keras need not try a call
        self._regularizer = self.activity_regularizer  # under a name where Keras looks for weights to save

    def distribution(self, inputs: Any, *args: Any, **kwargs: Any) -> tfd.Distribution:
        """Return the distribution that `inputs` parameterise; the hook for subclasses."""
        if self.make_distribution_fn is None:
            raise NotImplementedError(f"{type(self).__name__} must override `distribution`.")
        try:
            return self.make_distribution_fn(inputs, *args, **kwargs)
        except NameError as error:
            if getattr(self.make_distribution_fn, "__name__", "") != "<lambda>":
                raise
            raise NameError(
                f"{error} in a lambda of {self.name!r}. Keras keeps a lambda's code without the names around it: "
                "import what it uses inside it, or give a named function with "
                "keras.saving.register_keras_serializable."
            ) from error

    def call(self, inputs: Any, *args: Any, training: bool | None = None, **kwargs: Any) -> DistributionTensor:
        if "training" in inspect.signature(self.make_distribution_fn or self.distribution).parameters:
            kwargs["training"] = training
        inputs, args, kwargs = keras.tree.map_structure(self._cast, (inputs, args, kwargs))
        distribution = as_distribution(self.distribution(inputs, *args, **kwargs))
        if not isinstance(distribution.dtype, tf.DType) and not callable(self.convert_to_tensor_fn):
            raise TypeError(
                "A joint distribution is several tensors, and the layer's output one: give a `convert_to_tensor_fn` "
                "that makes one of them, such as lambda d: tf.stack(d.sample(), -1), or use tfd.Blockwise. "
                f"Received: {type(distribution).__name__}"
            )
        y = DistributionTensor(distribution, self._concretise)
        if replicas.num_replicas() > 1:
            y.value()  # now: outside of its step a replica would not know which rows are its own
        return y

    def _cast(self, x: Any) -> Any:
        return tf.cast(x, self.variable_dtype) if tf.is_tensor(x) and x.dtype.is_floating else x

    def _concretise(self, distribution: tfd.Distribution) -> tf.Tensor:
        if callable(self.convert_to_tensor_fn):
            return self.convert_to_tensor_fn(distribution)
        if self.convert_to_tensor_fn == "sample":
            return random.sample(distribution, 1, self.seed_generator, _first_row(distribution))[0]
        while not hasattr(distribution, self.convert_to_tensor_fn) and isinstance(distribution, Independent):
            distribution = distribution.distribution
        value = getattr(distribution, self.convert_to_tensor_fn)
        return value() if callable(value) else value

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> keras.KerasTensor:
        """Return shape and dtype of the concretisation."""

        def call() -> DistributionTensor:
            return self.call(*keras.tree.map_structure(_symbolic, args), **keras.tree.map_structure(_symbolic, kwargs))

        # The seed that is next in this trace shall not be seen outside of it.
        with keras.StatelessScope(), tf.__internal__.FuncGraph("output_spec").as_default():
            y = call()
            shape = y.batch_shape.concatenate(y.event_shape) if self.convert_to_tensor_fn == "sample" else None
            if shape is None or shape.rank is None:  # that of a sample is known without drawing one
                y = y.value()
                shape = y.shape
            output = keras.KerasTensor(shape, y.dtype.name)
        output._distribution = call  # for a layer that takes it
        return output

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """Return the shape of the concretisation for one input of `input_shape`."""
        return self.compute_output_spec(keras.KerasTensor(input_shape, self.variable_dtype)).shape

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        if type(self) is DistributionLambda:
            config["make_distribution_fn"] = keras.saving.serialize_keras_object(self.make_distribution_fn)
        config["convert_to_tensor_fn"] = (
            keras.saving.serialize_keras_object(self.convert_to_tensor_fn)
            if callable(self.convert_to_tensor_fn)
            else self.convert_to_tensor_fn
        )
        config["seed"] = keras.saving.serialize_keras_object(self.seed)
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> DistributionLambda:
        return cls(**{k: keras.saving.deserialize_keras_object(v) for k, v in config.items()})


def _symbolic(x: Any) -> Any:
    """Return what stands for `x` in a graph that is traced for its shapes: a distribution for a layer's of these."""
    if not isinstance(x, keras.KerasTensor):
        return x
    return x._distribution() if hasattr(x, "_distribution") else tf.compat.v1.placeholder(x.dtype, x.shape)


def _first_row(distribution: tfd.Distribution) -> tf.Tensor:
    """Return the number of this replica's first row, in the global batch where replicas can tell each other."""
    if distribution.batch_shape.rank == 0:  # one draw for all replicas, as on one device
        return tf.zeros([], tf.int32)
    try:
        return replicas.first_row(distribution.batch_shape_tensor()[0])
    except RuntimeError:  # in a tf.function or loop of its own a replica is on its own
        return replicas.own_row()


def _concretisation(convert_to_tensor_fn: Any) -> str | Callable:
    """Return the name of a method or property of the distribution, or the function itself."""
    if isinstance(convert_to_tensor_fn, str):
        return convert_to_tensor_fn
    if isinstance(convert_to_tensor_fn, property) and convert_to_tensor_fn.fget is not None:
        return convert_to_tensor_fn.fget.__name__
    if callable(convert_to_tensor_fn):
        name = getattr(convert_to_tensor_fn, "__name__", "")
        return name if getattr(tfd.Distribution, name, None) is convert_to_tensor_fn else convert_to_tensor_fn
    raise TypeError(
        "`convert_to_tensor_fn` must be the name of a method of the distribution or a function of it. "
        f"Received: convert_to_tensor_fn={convert_to_tensor_fn!r}"
    )
