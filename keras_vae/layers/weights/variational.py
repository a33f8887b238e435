"""The machinery of layers whose kernel and bias have a distribution, and two estimators of their output."""

from __future__ import annotations

import types
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae import random
from keras_vae.distributions.wrappers import Independent
from keras_vae.layers.weights.weight_distributions import default_mean_field_normal_fn, scaled_kl_divergence_fn
from keras_vae.replicas import ReplicaLayer, own_row

__all__ = [
    "KL_DIVERGENCE",
    "MEAN_FIELD_NORMAL",
    "POINT_MASS",
    "Flipout",
    "Reparameterization",
    "Variational",
    "WeightDistribution",
    "independent_normal",
]

MEAN_FIELD_NORMAL = default_mean_field_normal_fn()
POINT_MASS = default_mean_field_normal_fn(is_singular=True)
KL_DIVERGENCE = scaled_kl_divergence_fn()


class WeightDistribution:
    """Function without arguments that returns a distribution made of the present values of a layer's weights.

    `make_fn` is called here, where its `add_variable_fn` makes the weights, and again at each call, where its
    `add_variable_fn` hands out their values in the same order. So whatever `make_fn` computes of them follows the
    weights, gradients reach them, and nothing made in one graph is used in another.

    Args:
        layer: Keras layer that owns the weights.
        make_fn: function like `default_loc_scale_fn` that returns a distribution.
        shape: tuple of ints, shape of the weights.
        name: str before the names of the weights.
    """

    def __init__(self, layer: keras.layers.Layer, make_fn: Callable, shape: tuple[int, ...], name: str):
        self._make_fn = make_fn
        self._arguments = (tf.as_dtype(layer.variable_dtype), list(shape), name, True)
        weights: list[keras.Variable] = []

        def add_variable(
            name: str | None = None,
            shape: Sequence[int] = (),
            dtype: Any = None,
            initializer: Any = None,
            regularizer: Any = None,
            trainable: bool = True,
            constraint: Any = None,
        ) -> tf.Tensor:
            weight = layer.add_weight(
                name=name and name.replace("/", "_"),
                shape=tuple(shape),
                dtype=dtype,
                initializer=initializer,
                regularizer=regularizer,
                trainable=trainable,
                constraint=constraint,
                autocast=False,
            )
            weights.append(weight)
            return tf.convert_to_tensor(weight)

        with tf.GradientTape() as tape:
            made = self._make_fn(*self._arguments, add_variable)
        own = {id(weight.value) for weight in weights}
        watched = () if tf.distribute.has_strategy() else tape.watched_variables()  # there they are parts of others
        watched = (*watched, *getattr(made, "trainable_variables", ()))  # those that were not read
        if lost := sorted(variable.name for variable in watched if id(variable) not in own):
            raise ValueError(
                f"`{name}_fn` makes variables of its own, which Keras would neither train nor save: make them with its "
                f"argument `add_variable_fn`. Received: {lost}"
            )
        self._weights = tuple(weights)

    def __call__(self) -> tfd.Distribution:
        weights = iter(self._weights)
        return self._make_fn(*self._arguments, lambda *args, **kwargs: tf.convert_to_tensor(next(weights)))


class _OfLastCall:
    """Attribute of what the layer's last call drew, as TFP's layers have: of the graph, where that was traced."""

    def __init__(self, doc: str):
        self.__doc__ = doc

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, layer: Any, owner: type) -> Any:
        return self if layer is None else getattr(layer._last_call, self.name, None)


class Variational(ReplicaLayer):
    """Base of the layers activation(linear(inputs, kernel) + bias) with kernel, bias ~ posterior.

    A subclass says what `linear` is and the shape of its kernel, and how the output is estimated
    (`_apply_kernel`). Arguments: see `keras_vae.layers.DenseReparameterization`.
    """

    _channel_axis = -1

    def __init__(
        self,
        units: int,
        activation: Any,
        activity_regularizer: Any,
        seed: int | keras.random.SeedGenerator | None,
        functions: dict[str, Any],
        **kwargs: Any,
    ):
        super().__init__(activity_regularizer=keras.regularizers.get(activity_regularizer), **kwargs)
        for name, function in functions.items():
            alternative = str if name.endswith("tensor_fn") else type(None)
            if not callable(function) and (name == "kernel_posterior_fn" or not isinstance(function, alternative)):
                raise TypeError(f"`{name}` must be a function. Received: {name}={function!r}")
            setattr(self, name, function)
        self._functions = tuple(functions)
        self._last_call = types.SimpleNamespace()  # what the last call drew, which no save or checkpoint holds
        self._units = int(units)
        self.activation = keras.activations.get(activation)
        self.seed = seed
        self.seed_generator = seed if isinstance(seed, keras.random.SeedGenerator) else keras.random.SeedGenerator(seed)

    def _kernel_shape(self, input_shape: Sequence[int | None]) -> tuple[int, ...]:
        raise NotImplementedError(f"{type(self).__name__} must override `_kernel_shape`.")

    def _linear(self, inputs: Any, kernel: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must override `_linear`.")

    def _apply_kernel(self, inputs: tf.Tensor, posterior: tfd.Distribution) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Return linear(inputs, kernel) for a random kernel, and the kernel where there is but one."""
        raise NotImplementedError(f"{type(self).__name__} must override `_apply_kernel`.")

    def build(self, input_shape: Sequence[int | None]) -> None:
        shapes = {"kernel": self._kernel_shape(input_shape), "bias": (self._units,)}
        for name in ("kernel_posterior", "kernel_prior", "bias_posterior", "bias_prior"):
            make_fn, shape = getattr(self, f"{name}_fn"), shapes[name.split("_")[0]]
            setattr(self, f"_{name}", make_fn and WeightDistribution(self, make_fn, shape, name))

    @property
    def kernel_posterior(self) -> tfd.Distribution:
        """q(kernel), of the present values of the weights."""
        return self._distribution("kernel_posterior")

    @property
    def kernel_prior(self) -> tfd.Distribution | None:
        """p(kernel), or None."""
        return self._distribution("kernel_prior")

    @property
    def bias_posterior(self) -> tfd.Distribution | None:
        """q(bias), of the present values of the weights, or None."""
        return self._distribution("bias_posterior")

    @property
    def bias_prior(self) -> tfd.Distribution | None:
        """p(bias), or None."""
        return self._distribution("bias_prior")

    def _distribution(self, name: str) -> tfd.Distribution | None:
        if not self.built:
            raise AttributeError(f"`{name}` is there once the layer {self.name!r} is built or called.")
        make = getattr(self, f"_{name}")
        return make and make()

    kernel_posterior_tensor = _OfLastCall("The kernel; None where each example has its own.")
    kernel_posterior_affine = _OfLastCall(
        "What is drawn in place of the kernel: Normal(0, scale), flipout's perturbation, or the outputs of local "
        "reparameterisation; else None."
    )
    kernel_posterior_affine_tensor = _OfLastCall("The draw of `kernel_posterior_affine`, or None.")
    bias_posterior_tensor = _OfLastCall("The bias, or None.")

    def _keep(self, **of_this_call: Any) -> None:
        vars(self._last_call).update(of_this_call)

    def call(self, inputs: Any) -> tf.Tensor:
        posterior = self.kernel_posterior
        outputs, kernel = self._apply_kernel(tf.cast(inputs, self.compute_dtype), posterior)
        self._add_divergence(self.kernel_divergence_fn, posterior, self.kernel_prior, kernel)
        posterior = self.bias_posterior
        if posterior is not None:
            bias = self._value(self.bias_posterior_tensor_fn, posterior)
            self._keep(bias_posterior_tensor=bias)
            outputs += tf.cast(self._broadcastable(bias), outputs.dtype)
            self._add_divergence(self.bias_divergence_fn, posterior, self.bias_prior, bias)
        return self.activation(outputs)

    def _add_divergence(
        self, divergence_fn: Callable | None, q: tfd.Distribution, p: tfd.Distribution | None, sample: tf.Tensor | None
    ) -> None:
        if divergence_fn is not None and p is not None:
            self.add_loss(tf.reduce_sum(divergence_fn(q, p, sample)))

    def _value(self, tensor_fn: Any, distribution: tfd.Distribution, row: Any = 0) -> tf.Tensor:
        """Return the tensor that stands for `distribution`, whose first row has the global number `row`."""
        if tensor_fn == "sample":
            return random.sample(distribution, 1, self.seed_generator, row)[0]
        return tensor_fn(distribution) if callable(tensor_fn) else getattr(distribution, tensor_fn)()

    def _broadcastable(self, bias: tf.Tensor) -> tf.Tensor:
        """Return `bias` in a shape that broadcasts over the outputs."""
        return bias

    def _sign_shape(self, x: tf.Tensor) -> tf.Tensor:
        """Return the shape of the signs of `x`, of which each stands for itself."""
        return tf.shape(x)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Return the shape of the outputs."""
        inputs, kernel = keras.KerasTensor(input_shape), keras.KerasTensor(self._kernel_shape(input_shape))
        return self._linear(inputs, kernel).shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "activation": keras.activations.serialize(self.activation),
            "activity_regularizer": keras.regularizers.serialize(self.activity_regularizer),
            **{name: keras.saving.serialize_keras_object(getattr(self, name)) for name in [*self._functions, "seed"]},
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Variational:
        return cls(**{key: keras.saving.deserialize_keras_object(value) for key, value in config.items()})


class Reparameterization(Variational):
    """Estimator with one kernel for the whole batch: kernel = loc + scale * noise.

    References:
        Kingma & Welling (2014), "Auto-Encoding Variational Bayes", Section 2.4.
    """

    def _apply_kernel(self, inputs: tf.Tensor, posterior: tfd.Distribution) -> tuple[tf.Tensor, tf.Tensor | None]:
        kernel = self._value(self.kernel_posterior_tensor_fn, posterior)
        self._keep(kernel_posterior_tensor=kernel)
        return self._linear(inputs, kernel), kernel


class Flipout(Variational):
    """Estimator whose examples share one perturbation of the kernel up to independent signs r and s.

    outputs = linear(x, loc) + linear(x * s, scale * noise) * r

    References:
        Wen, Vicol, Ba, Tran & Grosse (2018), "Flipout: Efficient Pseudo-Independent Weight Perturbations on
        Mini-Batches", Eqs. 3-4.
    """

    def _apply_kernel(self, inputs: tf.Tensor, posterior: tfd.Distribution) -> tuple[tf.Tensor, tf.Tensor | None]:
        normal = independent_normal(posterior, type(self).__name__)
        centred = tfd.Normal(tf.zeros_like(normal.loc), normal.scale)
        perturbation = self._value(self.kernel_posterior_tensor_fn, centred)
        self._keep(kernel_posterior_affine=centred, kernel_posterior_affine_tensor=perturbation)
        outputs = self._linear(inputs, normal.loc)
        perturbed = self._linear(inputs * self._signs(inputs), perturbation)
        return outputs + perturbed * self._signs(outputs), None

    def _signs(self, x: tf.Tensor) -> tf.Tensor:
        """Return random signs that broadcast over `x`, of the rows of the global batch."""
        shape, channels = self._sign_shape(x), x.shape[self._channel_axis]
        rows = tf.reduce_prod(shape) // channels
        noise = random.uniform([rows, channels], self.seed_generator, own_row())
        return tf.reshape(tf.cast(tf.where(noise < 0.5, -1, 1), x.dtype), shape)


def independent_normal(posterior: tfd.Distribution, layer: str) -> tfd.Normal:
    """Return the normal distribution of the kernel's entries.

    Raises:
        TypeError: if the entries are not independent and normal.
    """
    if isinstance(posterior, Independent) and isinstance(posterior.distribution, tfd.Normal):
        loc, scale = posterior.distribution.loc, posterior.distribution.scale
        return tfd.Normal(tf.broadcast_to(loc, posterior.event_shape), tf.broadcast_to(scale, posterior.event_shape))
    raise TypeError(
        f"{layer} needs a `kernel_posterior_fn` that returns tfd.Independent of tfd.Normal, as "
        f"default_mean_field_normal_fn() does. Received: {posterior}"
    )
