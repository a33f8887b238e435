"""Layers of mixtures whose components are of one family."""

from __future__ import annotations

import functools
from typing import Any, ClassVar

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.arguments import as_count
from keras_vae.distributions.distribution_tensor import as_distribution
from keras_vae.layers.distribution_lambda import DistributionLambda
from keras_vae.layers.families.independent_normal import IndependentNormal
from keras_vae.layers.families.independent_real import IndependentLogistic
from keras_vae.layers.families.parameters import as_shape
from keras_vae.registration import register

__all__ = ["Mixture", "MixtureLogistic", "MixtureNormal", "MixtureSameFamily", "split_params"]


class Mixture(DistributionLambda):
    """Base of the mixtures of `num_components` distributions."""

    def __init__(
        self,
        num_components: int,
        convert_to_tensor_fn: Any,
        validate_args: bool,
        **kwargs: Any,
    ):
        super().__init__(convert_to_tensor_fn=convert_to_tensor_fn, **kwargs)
        self.num_components = as_count(num_components=num_components)
        self.validate_args = validate_args

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_components": self.num_components, "validate_args": self.validate_args}


def split_params(params: Any, num_components: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Return logits [..., C] and the parameters of the components [..., C, P] of `params` [..., C * (1 + P)]."""
    params = tf.convert_to_tensor(params)
    size = params.shape[-1]
    if size is not None and (size % num_components or size < 2 * num_components):
        raise ValueError(
            f"The layer needs {num_components} * (1 + those of a component) parameters per example: size the layer "
            f"before it with `params_size`. Received: params.shape={params.shape}"
        )
    component_size = -1 if size is None else size // num_components - 1
    shape = tf.concat([tf.shape(params)[:-1], [num_components, component_size]], 0)
    return params[..., :num_components], tf.reshape(params[..., num_components:], shape)


@register
class MixtureSameFamily(Mixture):
    """Mixture of C distributions that another layer makes.

    prob(x) = sum_c softmax(logits)[c] prob_c(x)

    Samples carry gradients to the parameters of the component they come from, none to the logits: they are not
    reparameterised, and `keras_vae.VAE` takes no mixture for its posterior. There is no closed form of the mode or of
    a KL.

    Args:
        num_components: C.
        component_layer: layer of this package, or another function (layer), that turns parameters [..., C, P] into a
            distribution with batch [..., C]. Of a layer of this package only the distribution counts: dtype and
            `convert_to_tensor_fn` are the mixture's.
        convert_to_tensor_fn: see `DistributionLambda`.
        validate_args: whether TFP checks values at run time.
        **kwargs: of `DistributionLambda`.

    Call arguments:
        inputs: [..., C * (1 + P)]: C logits, then the P parameters of each component.

    Returns:
        `tfd.MixtureSameFamily` with batch [...] and the component's event.

    Example:

    >>> from keras_vae.layers import MultivariateNormalTriL
    >>> layer = MixtureSameFamily(3, MultivariateNormalTriL(2))
    >>> y = layer(tf.zeros([4, layer.params_size(3, MultivariateNormalTriL.params_size(2))]))
    >>> y.batch_shape.as_list(), y.mean().shape.as_list()
    ([4], [4, 2])

    References:
        Bishop (1994), "Mixture density networks", Eq. 22.
    """

    def __init__(
        self,
        num_components: int,
        component_layer: Any,
        convert_to_tensor_fn: Any = "sample",
        validate_args: bool = False,
        **kwargs: Any,
    ):
        super().__init__(num_components, convert_to_tensor_fn, validate_args, **kwargs)
        if not callable(component_layer):
            raise TypeError(
                "`component_layer` must be a layer or function that returns a distribution. "
                f"Received: component_layer={component_layer!r}"
            )
        self.component_layer = component_layer

    def build(self, input_shape: Any) -> None:
        """Build the component layer, for its parameters [..., C, P]."""
        if isinstance(self.component_layer, keras.layers.Layer) and not self.component_layer.built:
            component_size = input_shape[-1] // self.num_components - 1
            self.component_layer.build((*input_shape[:-1], self.num_components, component_size))

    def distribution(self, inputs: tf.Tensor) -> tfd.Distribution:
        return self.new(inputs, self.num_components, self.component_layer, self.validate_args)

    @staticmethod
    def new(
        params: tf.Tensor,
        num_components: int,
        component_layer: Any,
        validate_args: bool = False,
        name: str | None = None,
    ) -> tfd.MixtureSameFamily:
        """Return the distribution that `params` [..., num_components * (1 + P)] parameterise."""
        logits, component_params = split_params(params, num_components)
        is_ours = isinstance(component_layer, DistributionLambda)
        components = (component_layer.distribution if is_ours else component_layer)(component_params)
        return tfd.MixtureSameFamily(
            tfd.Categorical(logits=logits),
            as_distribution(components),
            validate_args=validate_args,
            name=name or "MixtureSameFamily",
        )

    @staticmethod
    def params_size(num_components: int, component_params_size: int, name: str | None = None) -> int:
        """Return the number of parameters of one distribution: num_components * (1 + component_params_size)."""
        size = as_count(component_params_size=component_params_size)
        return as_count(num_components=num_components) * (1 + size)

    def get_config(self) -> dict[str, Any]:
        component_layer = keras.saving.serialize_keras_object(self.component_layer)
        return {**super().get_config(), "component_layer": component_layer}


class _MixtureOfIndependent(Mixture):
    """Base of the mixtures whose components are a layer of independent entries, `component_class`."""

    component_class: ClassVar[Any]

    def __init__(
        self,
        num_components: int,
        event_shape: Any = (),
        convert_to_tensor_fn: Any = "sample",
        validate_args: bool = False,
        **kwargs: Any,
    ):
        super().__init__(num_components, convert_to_tensor_fn, validate_args, **kwargs)
        self.event_shape = as_shape(event_shape)

    def distribution(self, inputs: tf.Tensor) -> tfd.Distribution:
        return self.new(inputs, self.num_components, self.event_shape, self.validate_args)

    @classmethod
    def new(
        cls,
        params: tf.Tensor,
        num_components: int,
        event_shape: Any = (),
        validate_args: bool = False,
        name: str | None = None,
    ) -> tfd.MixtureSameFamily:
        """Return the distribution that `params` [..., num_components * (1 + 2 prod(event_shape))] parameterise."""
        make_components = functools.partial(
            cls.component_class.new, event_shape=event_shape, validate_args=validate_args
        )
        return MixtureSameFamily.new(params, num_components, make_components, validate_args, name)

    @classmethod
    def params_size(cls, num_components: int, event_shape: Any = (), name: str | None = None) -> int:
        """Return the number of parameters of one distribution: num_components * (1 + 2 prod(event_shape))."""
        return MixtureSameFamily.params_size(num_components, cls.component_class.params_size(event_shape))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "event_shape": self.event_shape}


@register
class MixtureNormal(_MixtureOfIndependent):
    """Mixture of C normals, each with independent entries: one component for the whole event.

    Args:
        num_components: C.
        event_shape: shape of one example.
        convert_to_tensor_fn: see `DistributionLambda`.
        validate_args: whether TFP checks values at run time.
        **kwargs: of `DistributionLambda`.

    Call arguments:
        inputs: [..., C * (1 + 2 prod(event_shape))]: C logits, then locations and scales before softplus of each
            component.

    Returns:
        `tfd.MixtureSameFamily` of `IndependentNormal`, with batch [...] and event `event_shape`.

    Example:

    >>> layer = MixtureNormal(3, (2, 2))
    >>> y = layer(tf.zeros([4, layer.params_size(3, (2, 2))]))
    >>> y.event_shape.as_list(), y.mean().shape.as_list()
    ([2, 2], [4, 2, 2])

    References:
        Bishop (1994), "Mixture density networks", Eq. 22-23.
    """

    component_class = IndependentNormal


@register
class MixtureLogistic(_MixtureOfIndependent):
    """Mixture of C logistics, each with independent entries; arguments, input and result as in `MixtureNormal`.

    Example:

    >>> layer = MixtureLogistic(3)
    >>> y = layer(tf.zeros([4, layer.params_size(3)]))
    >>> y.event_shape.as_list(), y.mean().shape.as_list()
    ([], [4])
    """

    component_class = IndependentLogistic
