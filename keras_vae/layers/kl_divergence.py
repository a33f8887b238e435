"""The KL divergence from a prior, added to the loss of any Keras model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.distributions.distribution_tensor import DistributionTensor, as_distribution
from keras_vae.distributions.kl import monte_carlo_kl
from keras_vae.distributions.serialization import deserialize_distribution, serialize_distribution
from keras_vae.layers.untrained import keras_layers_within, untrained_variables
from keras_vae.registration import register
from keras_vae.replicas import ReplicaLayer

__all__ = ["KLDivergenceAddLoss", "KLDivergenceRegularizer"]


class _WeightedKL(ReplicaLayer):
    """What the regularizer and the layer share: weight * mean over the batch of KL(a, b).

    It is a layer, so that Keras trains and saves what the prior and the weight are made of.
    """

    def __init__(
        self,
        distribution_b: Any,
        use_exact_kl: bool = False,
        test_points_reduce_axis: Any = (),
        test_points_fn: Callable = tf.convert_to_tensor,
        weight: Any = None,
        **kwargs: Any,
    ):
        super().__init__(autocast=False, **kwargs)
        self.dtype_policy = keras.DTypePolicy(
            self.variable_dtype
        )  # a prior's weights are not rounded in mixed precision
        self.distribution_b = distribution_b
        self.use_exact_kl = use_exact_kl
        self.test_points_reduce_axis = (
            None if test_points_reduce_axis is None else [int(axis) for axis in np.ravel(test_points_reduce_axis)]
        )
        self.test_points_fn = test_points_fn
        self.weight = _as_weight(weight)
        if isinstance(weight, keras.optimizers.schedules.LearningRateSchedule):
            self.iterations = self.add_weight(
                (), "zeros", "int64", trainable=False, aggregation="only_first_replica", name="iterations"
            )
        self.layers_of_prior = (
            [] if isinstance(distribution_b, keras.layers.Layer) else keras_layers_within(distribution_b)
        )
        self._prior()  # the weights of a learned one exist from here on
        _refuse_untrained_variables(distribution_b)
        self.supports_masking = True
        self.built = True

    def _prior(self) -> tfd.Distribution:
        b = self.distribution_b
        if isinstance(b, keras.layers.Layer) and type(b).__call__ is keras.layers.Layer.__call__:
            b = b(tf.zeros([]))  # Keras calls no layer without an argument; a Prior, which has its own way, needs none
        elif callable(b):
            b = b()
        return as_distribution(b)

    def weighted_kl(self, distribution_a: DistributionTensor, training: Any = None) -> tf.Tensor:
        """Return weight * mean over the batch of KL(a, b), a scalar in nats: what is added to the loss."""
        a, b = as_distribution(distribution_a), self._prior()
        if not a.event_shape.is_compatible_with(b.event_shape):
            raise ValueError(
                "KL(a, b) needs two distributions of one event shape. "
                f"Received: a.event_shape={a.event_shape}, b.event_shape={b.event_shape}"
            )
        if self.use_exact_kl:
            kl = tfd.kl_divergence(a, b)
        else:
            kl = monte_carlo_kl(a, b, self.test_points_fn(distribution_a), self.test_points_reduce_axis)
        kl, weight = tf.reduce_mean(kl), self.weight
        if isinstance(weight, keras.optimizers.schedules.LearningRateSchedule):
            weight = weight(self.iterations)
            if training:
                self.iterations.assign_add(1)
        elif callable(weight):
            weight = weight()
        kl = kl if weight is None else tf.cast(weight, kl.dtype) * kl
        return tf.cast(kl, keras.config.floatx())  # the dtype Keras adds losses in

    def get_config(self) -> dict[str, Any]:
        b, points = self.distribution_b, self.test_points_fn
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "distribution_b": serialize_distribution(b) if isinstance(b, tfd.Distribution) else serialize(b),
            "use_exact_kl": self.use_exact_kl,
            "test_points_reduce_axis": self.test_points_reduce_axis,
            "test_points_fn": None if points is tf.convert_to_tensor else serialize(points),
            "weight": _serialize_weight(self.weight),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> _WeightedKL:
        deserialize = keras.saving.deserialize_keras_object
        prior, points, weight = config["distribution_b"], config["test_points_fn"], config["weight"]
        given = {
            "distribution_b": deserialize_distribution(prior) if "class" in prior else deserialize(prior),
            "test_points_fn": tf.convert_to_tensor if points is None else deserialize(points),
            "weight": _deserialize_weight(weight),
        }
        return cls(**{**{name: deserialize(value) for name, value in config.items() if name not in given}, **given})


@register
class KLDivergenceRegularizer(_WeightedKL, keras.Regularizer):
    """Activity regularizer of a distribution layer: adds weight * KL(a, b) to the loss of the model.

    loss = weight * mean over the batch of KL(a, b), where a is the layer's output

    It is added once, in nats, for any batch size, concretisation and number of replicas: with the batch mean of
    -log p(x|z) as the model's loss (`keras_vae.losses.NegativeLogLikelihood`) and weight 1 the total is the
    negative ELBO. (`tfp.layers` adds twice that.)

    Without `use_exact_kl` the KL is estimated, without bias where the points are samples of a:

    KL(a, b) ~ mean over the test points z of log a(z) - log b(z)

    Args:
        distribution_b: the prior, in one of these forms. A `tfd.Distribution`; it must not have trainable
            variables, as Keras trains its own only. A `keras_vae.priors.Prior`, or another Keras layer or model,
            which is called with a dummy input: its weights are trained and saved with the layer that is
            regularized. A function without arguments that returns a distribution.
        use_exact_kl: whether to use the closed form of TFP, which must exist for this pair.
        test_points_reduce_axis: axes of the estimate that are averaged first; None for all, () for none. The mean
            over what is left follows, so this does not change the value.
        test_points_fn: function of a that returns the test points; by default the layer's concretisation.
        weight: number, `tf.Variable`, `keras.Variable` (which is made non-trainable), function without arguments or
            `keras.optimizers.schedules.LearningRateSchedule`. A number a function returns is fixed when a
            `tf.function` is traced: to change the weight while a compiled model is trained, assign to a variable.
            A schedule is asked for the weight after as many steps as there were calls with training=True, which
            are counted in a saved weight; `fit` makes one a batch. A `tf.Variable` is saved as the number it is
            when the model is.
        **kwargs: of `keras.layers.Layer`.

    Example:

    >>> p_z = tfd.MultivariateNormalDiag(tf.zeros(2), tf.ones(2))
    >>> regularizer = KLDivergenceRegularizer(p_z, use_exact_kl=True)
    >>> layer = kv.layers.MultivariateNormalDiag(2, activity_regularizer=regularizer)
    >>> q_z = layer(tf.zeros([3, 4]))
    >>> np.allclose(layer.losses, [tf.reduce_mean(tfd.kl_divergence(q_z, p_z))])
    True
    """

    def call(self, distribution_a: DistributionTensor, training: Any = None) -> tf.Tensor:
        loss = self.weighted_kl(distribution_a, training)
        # Keras divides what an activity regularizer returns by the first axis of the output (samples, if these come
        # first), and leaves a scalar output's alone.
        return loss if distribution_a.ndim == 0 else loss * tf.cast(tf.shape(distribution_a)[0], loss.dtype)


@register
class KLDivergenceAddLoss(_WeightedKL):
    """Pass-through layer that adds weight * KL(a, b) to the loss of the model, where a is its input.

    Arguments and value as in `KLDivergenceRegularizer`; `test_points_reduce_axis` is None by default.

    Call arguments:
        distribution_a: output of a distribution layer.

    Returns:
        `distribution_a`, unchanged.

    Example:

    >>> p_z = tfd.MultivariateNormalDiag(tf.zeros(2), tf.ones(2))
    >>> encoder = keras.Sequential([kv.layers.MultivariateNormalDiag(2), KLDivergenceAddLoss(p_z, use_exact_kl=True)])
    >>> q_z = encoder(tf.zeros([3, 4]))
    >>> np.allclose(encoder.losses, [tf.reduce_mean(tfd.kl_divergence(q_z, p_z))])
    True
    """

    def __init__(
        self,
        distribution_b: Any,
        use_exact_kl: bool = False,
        test_points_reduce_axis: Any = None,
        test_points_fn: Callable = tf.convert_to_tensor,
        weight: Any = None,
        **kwargs: Any,
    ):
        super().__init__(distribution_b, use_exact_kl, test_points_reduce_axis, test_points_fn, weight, **kwargs)

    def call(self, distribution_a: DistributionTensor, training: Any = None) -> DistributionTensor:
        self.add_loss(self.weighted_kl(distribution_a, training))
        return distribution_a

    def compute_output_spec(self, distribution_a: keras.KerasTensor, training: Any = None) -> keras.KerasTensor:
        """Return the input's shape and dtype."""
        output = keras.KerasTensor(distribution_a.shape, distribution_a.dtype)
        if hasattr(distribution_a, "_distribution"):
            output._distribution = distribution_a._distribution
        return output


def _refuse_untrained_variables(prior: Any) -> None:
    """Raise if gradient descent in Keras would leave out a trainable variable of a plain distribution or function."""
    lost = untrained_variables(prior)
    if lost:
        raise ValueError(
            "`distribution_b` has trainable variables, which Keras would neither train nor save: write the prior as a "
            "keras_vae.priors.Prior, or another Keras layer, that makes the distribution of its own weights, such as "
            "keras.Sequential([VariableLayer(n), DistributionLambda(function of the n weights)]); or make "
            f"the variables with trainable=False. Received: {lost}"
        )


def _as_weight(weight: Any) -> Any:
    if isinstance(weight, keras.Variable):
        weight.trainable = False  # descent on the loss would only lower it
    if weight is None or callable(weight) or isinstance(weight, keras.Variable | tf.Variable):
        return weight
    try:
        return float(weight)
    except (TypeError, ValueError) as error:
        raise TypeError(
            "`weight` must be a number, a variable, a function without arguments or a schedule. "
            f"Received: weight={weight!r}"
        ) from error


def _serialize_weight(weight: Any) -> Any:
    if isinstance(weight, keras.Variable):
        return {"variable": float(tf.convert_to_tensor(weight)), "dtype": weight.dtype}
    return (
        float(tf.convert_to_tensor(weight))
        if isinstance(weight, tf.Variable)
        else keras.saving.serialize_keras_object(weight)
    )


def _deserialize_weight(config: Any) -> Any:
    if isinstance(config, dict) and "variable" in config:
        return keras.Variable(config["variable"], dtype=config["dtype"], trainable=False)
    return keras.saving.deserialize_keras_object(config)
