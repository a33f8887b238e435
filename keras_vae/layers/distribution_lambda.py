"""The base of all distribution layers: tensors in, a distribution out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae import random
from keras_vae.layers.distribution_tensor import DistributionTensor
from keras_vae.saving.registration import register

__all__ = ["DistributionLambda"]


@register
class DistributionLambda(keras.layers.Layer):
    """Layer that turns its input into a TFP distribution.

    The output is a `DistributionTensor`: a distribution to you, its concretisation (by default a sample) to
    whatever expects a tensor. Densities are computed in the policy's variable dtype, so in float32 under
    `mixed_bfloat16` and `mixed_float16`.

    A subclass overrides `distribution`, and saves and loads by name; a layer made of a Python lambda follows
    Keras' own rule for `keras.layers.Lambda`: it loads only with safe mode off, and must import what it uses
    itself, as Keras saves its code without the names around it.

    Args:
        make_distribution_fn: function of the layer's input that returns a `tfd.Distribution`.
        convert_to_tensor_fn: how the distribution becomes a tensor: the name of a method without arguments or
            of a parameter ("sample", "mean", "mode", "stddev", "logits", ...), a method of
            `tfd.Distribution`, or any function of the distribution. Names are what is saved.
        seed: int or `keras.random.SeedGenerator` for the samples of "sample"; None draws one.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        inputs: tensor, cast to the layer's variable dtype.

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

    def distribution(self, inputs: tf.Tensor) -> tfd.Distribution:
        """Return the distribution that `inputs` parameterise; the hook for subclasses."""
        if self.make_distribution_fn is None:
            raise NotImplementedError(f"{type(self).__name__} must override `distribution`.")
        return self.make_distribution_fn(inputs)

    def call(self, inputs: Any) -> DistributionTensor:
        inputs = keras.tree.map_structure(lambda t: tf.cast(t, self.variable_dtype), inputs)
        return DistributionTensor(self.distribution(inputs), self._concretise)

    def _concretise(self, distribution: tfd.Distribution) -> tf.Tensor:
        if callable(self.convert_to_tensor_fn):
            return self.convert_to_tensor_fn(distribution)
        if self.convert_to_tensor_fn == "sample":
            return random.sample(distribution, 1, self.seed_generator)[0]
        while not hasattr(distribution, self.convert_to_tensor_fn) and isinstance(distribution, tfd.Independent):
            distribution = distribution.distribution
        value = getattr(distribution, self.convert_to_tensor_fn)
        return value() if callable(value) else value

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> keras.KerasTensor:
        """Return shape and dtype of the concretisation."""
        inputs = keras.tree.map_structure(lambda t: tf.TensorSpec(t.shape, t.dtype), args)
        graph = tf.function(lambda *t: tf.convert_to_tensor(self.call(*t)), autograph=False)
        output = graph.get_concrete_function(*inputs).structured_outputs
        return keras.KerasTensor(output.shape, output.dtype.name)

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


def _concretisation(convert_to_tensor_fn: Any) -> str | Callable:
    """Return the name of a method of `tfd.Distribution`, or the function itself."""
    if isinstance(convert_to_tensor_fn, str):
        return convert_to_tensor_fn
    if callable(convert_to_tensor_fn):
        name = getattr(convert_to_tensor_fn, "__name__", "")
        return name if getattr(tfd.Distribution, name, None) is convert_to_tensor_fn else convert_to_tensor_fn
    raise TypeError(
        "`convert_to_tensor_fn` must be the name of a method of the distribution or a function of it. "
        f"Received: convert_to_tensor_fn={convert_to_tensor_fn!r}"
    )
