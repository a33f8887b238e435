"""A second VAE as prior of the first."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae import random
from keras_vae.distributions import latents
from keras_vae.distributions.estimated_density import EstimatedDensity, scored_with
from keras_vae.distributions.sets import REAL
from keras_vae.priors.prior import Prior
from keras_vae.protocols import LatentVariableModel
from keras_vae.random import Noise, Stream
from keras_vae.registration import register

__all__ = ["SecondStage"]


@register
class SecondStage(Prior):
    """p(z) = integral p(z|u) p(u) du, where a VAE of z has p(u) and p(z|u): the two-stage VAE.

    The first VAE is trained as it is. The second one is fitted to the draws z ~ q(z|x) of the first:

        second = kv.VAE.for_vectors((D,), latent_dim=D, likelihood="gaussian-shared")
        two = kv.fit_prior(first, x, kv.priors.SecondStage(second), epochs=100)

    Encoder and decoder of the first stay as they are, and the objective and the corruption of the second are left out:
    both fits maximise an ELBO. Samples are u ~ p(u), z ~ p(z|u), x ~ p(x|z). There is no closed form of log p(z). One
    draw u ~ q(u|z) estimates it:

        log w = log p(z|u) + log p(u) - log q(u|z)

    The mean of log w is the ELBO of the second VAE at z. So E_q[log p(x|z) + log w - log q(z|x)], the ELBO of the
    whole, is a lower bound of log p(x). The mean of w is p(z) itself, so that `log_marginal` is as valid as with any
    other prior. Annealing needs the density and is refused.

    Args:
        vae: A built `keras_vae.VAE` whose x is the z of the first; its likelihood is one of real numbers.
        **kwargs: Arguments of `keras.layers.Layer`.

    Returns:
        Distribution with batch [] and the event of the second VAE.

    Raises:
        TypeError: if `vae` is no VAE.
        ValueError: if `vae` is not built, if its likelihood is not one of real numbers, or if its posterior is not
            reparameterised.

    Example:

    >>> vae = kv.VAE.for_vectors((4,), latent_dim=2)
    >>> second = kv.VAE.for_vectors((2,), latent_dim=2, likelihood="gaussian-shared", hidden=(8,))
    >>> two = kv.fit_prior(vae, np.zeros([50, 4]), SecondStage(second), epochs=2, verbose=0)
    >>> two.sample(3, seed=0).shape.as_list(), two.prior.vae is second
    ([3, 4], True)

    References:
        Dai & Wipf (2019), "Diagnosing and Enhancing VAE Models", Sec. 4.
    """

    def __init__(self, vae: Any, **kwargs: Any):
        super().__init__(**kwargs)
        if not (isinstance(vae, keras.Model) and hasattr(vae, "log_likelihood")):
            raise TypeError(f"`vae` must be a keras_vae.VAE, whose x is the z of the first. Received: vae={vae!r}")
        if not vae.built:
            raise ValueError(f"`vae` must be built: call it on z. Received: vae={vae.name!r} with built=False")
        if vae.support != REAL:
            raise ValueError(
                "The likelihood of the second stage must be one of real numbers, such as "
                f'likelihood="gaussian-shared". Received: vae={vae.name!r}, which scores {vae.support.description}'
            )
        q_u = vae.encode(tf.zeros([1, *vae.event_shape], vae.dtype_of_x))
        if any(part.reparameterization_type != tfd.FULLY_REPARAMETERIZED for part in tf.nest.flatten(q_u)):
            raise ValueError(
                "The posterior q(u|z) of the second stage must be reparameterised, as its training goes through the "
                f"draws of u. Received: vae={vae.name!r} with a posterior of {[type(q) for q in tf.nest.flatten(q_u)]}"
            )
        self.vae = vae

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        return []  # those of the second VAE have the names of the first one's

    def distribution(self) -> tfd.Distribution:
        return _Marginal(self.vae)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "vae": keras.saving.serialize_keras_object(self.vae)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> SecondStage:
        return cls(**{**config, "vae": keras.saving.deserialize_keras_object(config["vae"])})


class _Marginal(EstimatedDensity):
    """p(z) of a VAE of z; with noise, the importance weight of one draw u ~ q(u|z) estimates it."""

    def __init__(self, vae: LatentVariableModel, noise: Noise | None = None, training: bool = False):
        self._vae, self._noise, self._training = vae, noise, training
        super().__init__(
            dtype=tf.as_dtype(vae.variable_dtype),
            reparameterization_type=tfd.NOT_REPARAMETERIZED,
            validate_args=False,
            allow_nan_stats=True,
            parameters={},
            name="marginal",
        )

    @classmethod
    def _parameter_properties(cls, dtype: Any = None, num_classes: int | None = None) -> dict[str, Any]:
        return {}

    def _batch_shape(self) -> tf.TensorShape:
        return tf.TensorShape([])

    def _event_shape(self) -> tf.TensorShape:
        return tf.TensorShape(self._vae.event_shape)

    def draw(self, num_samples: Any, noise: Noise) -> tf.Tensor:
        return self._vae.sample(num_samples, noise)

    def _sample_n(self, n: Any, seed: Any = None) -> tf.Tensor:
        return self.draw(n, random.as_noise(seed))

    def scored_with(self, noise: Noise, training: bool = False) -> tfd.Distribution:
        return _Marginal(self._vae, noise, training)

    def _log_prob(self, z: tf.Tensor) -> tf.Tensor:
        if self._noise is None:
            raise NotImplementedError(
                "log p(z) of a SecondStage has no closed form: `vae.elbo` is a lower bound of log p(x), and "
                "`vae.log_marginal` estimates it."
            )
        vae, event_shape = self._vae, list(self._vae.event_shape)
        leading = tf.shape(z)[: z.shape.rank - len(event_shape)]
        # The rows of the noise stand first, those of each example in succession: no draw depends on the batch size.
        rows = leading[-1] if z.shape.rank > len(event_shape) else 1
        by_row = tf.reshape(z, [-1, rows, *event_shape])
        num_draws = tf.shape(by_row)[0]
        by_row = tf.reshape(tf.transpose(by_row, [1, 0, *range(2, by_row.shape.rank)]), [-1, *event_shape])
        noise = Noise(self._noise.seed, tf.cast(self._noise.first_row, tf.int64) * tf.cast(num_draws, tf.int64))
        q_u = vae.encode(by_row, training=self._training)
        p_u = scored_with(vae.prior_distribution(), noise.of(Stream.PRIOR), self._training)
        u = random.sample(q_u, 1, noise.of(Stream.POSTERIOR))
        log_w = vae.log_likelihood(by_row, u, training=self._training)
        log_w += latents.log_prob(p_u, u) - latents.log_prob(q_u, u)  # [1, rows * num_draws]
        return tf.cast(tf.reshape(tf.transpose(tf.reshape(log_w, [rows, num_draws])), leading), z.dtype)
