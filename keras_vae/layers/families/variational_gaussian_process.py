"""Sparse variational Gaussian processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from keras_vae.arguments import check_counts, check_numbers, sizes_of
from keras_vae.layers.distribution_lambda import DistributionLambda
from keras_vae.layers.initializers import keras_initializer
from keras_vae.registration import register

__all__ = ["VariationalGaussianProcess"]


@register
class VariationalGaussianProcess(DistributionLambda):
    """Functions of the input, one for each output: a Gaussian process seen through inducing points.

    p(f | x) = integral of p(f | u, x) q(u) du,  q(u) = Normal(loc, scale scale^T)

    u are the values of the functions at inducing points Z; Z, loc, scale, the noise and the kernel are trained. The
    output has two methods beside those of a distribution: `variational_loss(y, kl_weight=1.)`, minus the evidence
    lower bound of every function [E] in nats (kl_weight is batch size / number of data), and
    `surrogate_posterior_kl_divergence_prior()`, its KL(q(u), p(u)) [E].

    Args:
        num_inducing_points: M.
        kernel_provider: Keras layer with a property `kernel`, a
            `tfp.math.psd_kernels.PositiveSemidefiniteKernel` made of the layer's weights; its dtype is this layer's.
        event_shape: (E,), the number of functions.
        inducing_index_points_initializer: of Z [E, M, *features]; best close to the data, but apart.
        unconstrained_observation_noise_variance_initializer: of the noise variance before softplus; None for no noise.
        variational_inducing_observations_scale_initializer: of scale [E, M, M]; by default 1e-5 times the identity.
        mean_fn: function of the input that returns the prior mean; by default a constant that is trained.
        jitter: what is added to the diagonal of kernel matrices.
        convert_to_tensor_fn: see `DistributionLambda`.
        name: of the layer.
        **kwargs: of `DistributionLambda`.

    Call arguments:
        inputs: [B, *features].

    Returns:
        Distribution with event [B, E]: the points of a batch are dependent.

    Example:

    >>> import tensorflow_probability as tfp
    >>> class RBF(keras.layers.Layer):
    ...     def __init__(self, **kwargs):
    ...         super().__init__(**kwargs)
    ...         self.scale = self.add_weight((), "zeros")
    ...
    ...     @property
    ...     def kernel(self):
    ...         return tfp.math.psd_kernels.ExponentiatedQuadratic(length_scale=tf.math.softplus(self.scale))
    >>> y = VariationalGaussianProcess(4, RBF())(tf.reshape(tf.range(6.), [6, 1]))
    >>> y.event_shape.as_list(), y.variational_loss(tf.zeros([6, 1])).shape.as_list()
    ([6, 1], [1])

    References:
        Hensman et al. (2013), "Gaussian processes for big data", Eq. 4.
    """

    def __init__(
        self,
        num_inducing_points: int,
        kernel_provider: keras.layers.Layer,
        event_shape: Any = (1,),
        inducing_index_points_initializer: Any = None,
        unconstrained_observation_noise_variance_initializer: Any = keras.initializers.Constant(-10.0),  # noqa: B008
        variational_inducing_observations_scale_initializer: Any = None,
        mean_fn: Callable | None = None,
        jitter: float = 1e-6,
        convert_to_tensor_fn: Any = "sample",
        name: str | None = None,
        **kwargs: Any,
    ):
        if not (isinstance(kernel_provider, keras.layers.Layer) and hasattr(kernel_provider, "kernel")):
            raise TypeError(
                "`kernel_provider` must be a Keras layer with a property `kernel`. "
                f"Received: kernel_provider={kernel_provider!r}"
            )
        kwargs = {"dtype": kernel_provider.variable_dtype, **kwargs}
        super().__init__(convert_to_tensor_fn=convert_to_tensor_fn, name=name, **kwargs)
        check_counts(num_inducing_points=num_inducing_points)
        check_numbers(positive=False, jitter=jitter)
        self.num_inducing_points = int(num_inducing_points)
        self.kernel_provider = kernel_provider
        self.event_shape = sizes_of("event_shape", event_shape)
        self.inducing_index_points_initializer = _initializer(inducing_index_points_initializer)
        self.unconstrained_observation_noise_variance_initializer = _initializer(
            unconstrained_observation_noise_variance_initializer
        )
        self.variational_inducing_observations_scale_initializer = _initializer(
            variational_inducing_observations_scale_initializer
        )
        self.mean_fn = mean_fn
        self.jitter = float(jitter)
        if len(self.event_shape) != 1:
            raise ValueError(
                f"`event_shape` must be one size, the number of functions. Received: event_shape={event_shape}"
            )

    def build(self, input_shape: Any) -> None:
        features = input_shape[len(input_shape) - self.kernel_provider.kernel.feature_ndims :]
        shape = (*self.event_shape, self.num_inducing_points)
        if self.mean_fn is None:
            self._mean = self.add_weight((), "zeros", name="mean")
        if self.unconstrained_observation_noise_variance_initializer is not None:
            self._raw_noise_variance = self.add_weight(
                (), self.unconstrained_observation_noise_variance_initializer, name="observation_noise_variance"
            )
        self._inducing_index_points = self.add_weight(
            (*shape, *features), self.inducing_index_points_initializer, name="inducing_index_points"
        )
        self._loc = self.add_weight(shape, "zeros", name="variational_inducing_observations_loc")
        self._scale = self.add_weight(
            (*shape, self.num_inducing_points),
            self.variational_inducing_observations_scale_initializer or _small_identity,
            name="variational_inducing_observations_scale",
        )

    def distribution(self, inputs: tf.Tensor) -> tfd.Distribution:
        has_noise = self.unconstrained_observation_noise_variance_initializer is not None
        return self.new(
            inputs,
            self.kernel_provider,
            self.event_shape,
            tf.convert_to_tensor(self._inducing_index_points),
            self.mean_fn or (lambda _: tf.convert_to_tensor(self._mean)),
            tf.convert_to_tensor(self._loc),
            tf.convert_to_tensor(self._scale),
            tf.math.softplus(tf.convert_to_tensor(self._raw_noise_variance)) if has_noise else 0.0,
            self.jitter,
        )

    @staticmethod
    def new(
        x: tf.Tensor,
        kernel_provider: Any,
        event_shape: Any,
        inducing_index_points: tf.Tensor,
        mean_fn: Callable,
        variational_inducing_observations_loc: tf.Tensor,
        variational_inducing_observations_scale: tf.Tensor,
        observation_noise_variance: Any,
        jitter: float = 1e-6,
        name: str | None = None,
    ) -> tfd.Distribution:
        """Return the distribution of the functions' noisy values at `x`; arguments as in the class, shapes there."""
        process = tfd.VariationalGaussianProcess(
            kernel_provider.kernel,
            x,
            inducing_index_points,
            variational_inducing_observations_loc,
            variational_inducing_observations_scale,
            mean_fn=mean_fn,
            observation_noise_variance=observation_noise_variance,
            jitter=jitter,
        )
        transpose = tfb.Transpose(rightmost_transposed_ndims=2)  # [E, B] to [B, E]
        distribution = tfd.TransformedDistribution(tfd.Independent(process, 1), transpose, name=name)

        def variational_loss(y: Any, kl_weight: Any = 1.0) -> tf.Tensor:
            kl = process.surrogate_posterior_kl_divergence_prior()
            y_by_function = transpose.forward(tf.cast(y, process.dtype))
            return -_expected_log_likelihood(process, y_by_function, observation_noise_variance) + kl_weight * kl

        distribution.variational_loss = variational_loss
        distribution.surrogate_posterior_kl_divergence_prior = process.surrogate_posterior_kl_divergence_prior
        return distribution

    def get_config(self) -> dict[str, Any]:
        initializers = [
            "inducing_index_points_initializer",
            "unconstrained_observation_noise_variance_initializer",
            "variational_inducing_observations_scale_initializer",
        ]
        return {
            **super().get_config(),
            "num_inducing_points": self.num_inducing_points,
            "kernel_provider": keras.saving.serialize_keras_object(self.kernel_provider),
            "event_shape": self.event_shape,
            **{name: keras.saving.serialize_keras_object(getattr(self, name)) for name in initializers},
            "mean_fn": keras.saving.serialize_keras_object(self.mean_fn),
            "jitter": self.jitter,
        }


def _expected_log_likelihood(process: Any, y: tf.Tensor, noise_variance: Any) -> tf.Tensor:
    """Return E_q(f)[log Normal(y; f, noise_variance)] of y [E, B], [E] (Hensman et al., Eq. 4).

    TFP's own is less by 1/2 a point, as it counts the noise as a part of f.
    """
    if isinstance(noise_variance, float) and noise_variance == 0:
        raise ValueError(
            "Without noise y has no density: give `unconstrained_observation_noise_variance_initializer`, which the "
            "variational loss needs. Received: unconstrained_observation_noise_variance_initializer=None"
        )
    variance_of_f = process.variance() - noise_variance
    log_prob = tfd.Normal(process.mean(), tf.sqrt(noise_variance)).log_prob(y)
    return tf.reduce_sum(log_prob - variance_of_f / (2 * noise_variance), axis=-1)


def _initializer(identifier: Any) -> Any:
    """Return the initializer; None stays None."""
    return None if identifier is None else keras_initializer(identifier)


def _small_identity(shape: Any, dtype: Any = None) -> tf.Tensor:
    return 1e-5 * tf.eye(shape[-1], batch_shape=shape[:-2], dtype=dtype)
