"""A dense layer whose kernel and bias have one joint posterior and prior, made of layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.arguments import check_counts
from keras_vae.distributions.distribution_tensor import as_distribution
from keras_vae.layers.untrained import untrained_variables
from keras_vae.registration import register
from keras_vae.replicas import ReplicaLayer

__all__ = ["DenseVariational"]


@register
class DenseVariational(ReplicaLayer):
    """Dense layer with a joint posterior q of kernel and bias, and a prior p that may be trained.

    outputs = activation(inputs @ kernel + bias),  [kernel, bias] ~ q

    Each call adds kl_weight * KL(q, p) to the layer's losses once, in nats, whatever the batch size and the number
    of replicas.

    Args:
        units: size of the outputs' last axis.
        make_posterior_fn: function of the number of entries of kernel and bias and of their dtype (a `tf.DType`)
            that returns a layer, or any function of the inputs, whose output is q, with event
            [kernel_size + bias_size]: `VariableLayer` and then `DistributionLambda`, say. The weights of a layer
            are trained and saved. q must stand for a tensor too, the draw, as the
            output of a `DistributionLambda` does.
        make_prior_fn: function as `make_posterior_fn` that makes p, which may be any TFP distribution.
        kl_weight: factor of the divergence, 1 / n for a loss that is a mean over n examples; None is 1.
        kl_use_exact: whether KL(q, p) is the closed form that TFP has, instead of log q(w) - log p(w) at the draw w.
        activation: Keras activation, or None.
        use_bias: whether there is a bias.
        activity_regularizer: Keras regularizer of the outputs, or None.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        inputs: [..., D].

    Returns:
        [..., units], in the compute dtype. A q with batch [S] gives S kernels, and outputs [S, B, units]; the loss is
        the mean of their S divergences.

    Example:

    >>> def posterior_mean_field(kernel_size, bias_size=0, dtype=None):
    ...     n = kernel_size + bias_size
    ...     c = np.log(np.expm1(1.))
    ...     return keras.Sequential([
    ...         kv.layers.VariableLayer(2 * n, dtype=dtype),
    ...         kv.layers.DistributionLambda(lambda t: tfd.Independent(
    ...             tfd.Normal(loc=t[..., :n], scale=1e-5 + tf.nn.softplus(c + t[..., n:])),
    ...             reinterpreted_batch_ndims=1)),
    ...     ])
    >>> def prior_trainable(kernel_size, bias_size=0, dtype=None):
    ...     n = kernel_size + bias_size
    ...     return keras.Sequential([
    ...         kv.layers.VariableLayer(n, dtype=dtype),
    ...         kv.layers.DistributionLambda(lambda t: tfd.Independent(
    ...             tfd.Normal(loc=t, scale=1), reinterpreted_batch_ndims=1)),
    ...     ])
    >>> layer = DenseVariational(1, posterior_mean_field, prior_trainable, kl_weight=1 / 150)
    >>> layer(tf.zeros([5, 3])).shape.as_list(), len(layer.losses), [w.shape.as_list() for w in layer.weights]
    ([5, 1], 1, [[8], [4]])

    References:
        Blundell, Cornebise, Kavukcuoglu & Wierstra (2015), "Weight Uncertainty in Neural Networks", Eqs. 1-2.
    """

    def __init__(
        self,
        units: int,
        make_posterior_fn: Callable,
        make_prior_fn: Callable,
        kl_weight: float | None = None,
        kl_use_exact: bool = False,
        activation: Any = None,
        use_bias: bool = True,
        activity_regularizer: Any = None,
        **kwargs: Any,
    ):
        super().__init__(activity_regularizer=keras.regularizers.get(activity_regularizer), **kwargs)
        check_counts(units=units)
        self.units = int(units)
        self.make_posterior_fn = make_posterior_fn
        self.make_prior_fn = make_prior_fn
        self.kl_weight = kl_weight
        self.kl_use_exact = kl_use_exact
        self.activation = keras.activations.get(activation)
        self.use_bias = use_bias
        self.input_spec = keras.layers.InputSpec(min_ndim=2)

    def build(self, input_shape: Sequence[int | None]) -> None:
        input_size = input_shape[-1]
        if input_size is None:
            raise ValueError(f"The last axis of the inputs must be known. Received: input_shape={tuple(input_shape)}")
        self.input_spec = keras.layers.InputSpec(min_ndim=2, axes={-1: input_size})
        sizes = (input_size * self.units, self.units if self.use_bias else 0)
        with keras.name_scope("posterior"):
            self._posterior = self._make(self.make_posterior_fn, sizes, input_shape)
        with keras.name_scope("prior"):
            self._prior = self._make(self.make_prior_fn, sizes, input_shape)

    def posterior(self, inputs: Any = None) -> tfd.Distribution:
        """Return q, event [kernel_size + bias_size], of the present weights; `inputs` where it depends on them."""
        return self._distribution("_posterior", inputs)

    def prior(self, inputs: Any = None) -> tfd.Distribution:
        """Return p, as `posterior` returns q."""
        return self._distribution("_prior", inputs)

    def _distribution(self, name: str, inputs: Any) -> tfd.Distribution:
        if not self.built:
            raise ValueError(f"Posterior and prior are there once the layer {self.name!r} is built or called.")
        if inputs is None:
            inputs = tf.zeros([1, self.input_spec.axes[-1]], self.compute_dtype)
        return as_distribution(getattr(self, name)(inputs))

    def _make(self, make_fn: Callable, sizes: tuple[int, int], input_shape: Sequence[int | None]) -> Callable:
        """Return what `make_fn` makes, with its weights, if it is a layer."""
        made = make_fn(*sizes, tf.as_dtype(self.variable_dtype))
        lost = untrained_variables(made)
        if lost:
            raise TypeError(
                "`make_posterior_fn` and `make_prior_fn` must return layers of Keras 3, or functions without variables "
                "of their own, which Keras would neither train nor save: keras.Sequential([VariableLayer(n), "
                f"DistributionLambda(function)]), say. Received: {made!r} with the variables {lost}"
            )
        if isinstance(made, keras.layers.Layer) and not made.built:
            made.build(input_shape)
        return made

    def call(self, inputs: Any) -> tf.Tensor:
        inputs = tf.cast(inputs, self.compute_dtype)
        q, p = self._posterior(inputs), self._prior(inputs)
        weights = tf.convert_to_tensor(q)
        kl = tfd.kl_divergence(q, p) if self.kl_use_exact else q.log_prob(weights) - p.log_prob(weights)
        self.add_loss(tf.reduce_mean(kl if self.kl_weight is None else self.kl_weight * kl))

        weights = tf.cast(weights, self.compute_dtype)
        kernel_size = inputs.shape[-1] * self.units
        kernel_shape = tf.concat([tf.shape(weights)[:-1], [inputs.shape[-1], self.units]], 0)
        outputs = tf.matmul(inputs, tf.reshape(weights[..., :kernel_size], kernel_shape))
        if self.use_bias:
            outputs += weights[..., tf.newaxis, kernel_size:]
        return self.activation(outputs)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Return the shape of the outputs."""
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "make_posterior_fn": keras.saving.serialize_keras_object(self.make_posterior_fn),
            "make_prior_fn": keras.saving.serialize_keras_object(self.make_prior_fn),
            "kl_weight": self.kl_weight,
            "kl_use_exact": self.kl_use_exact,
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "activity_regularizer": keras.regularizers.serialize(self.activity_regularizer),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> DenseVariational:
        return cls(**{key: keras.saving.deserialize_keras_object(value) for key, value in config.items()})
