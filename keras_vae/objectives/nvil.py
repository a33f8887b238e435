"""REINFORCE with a baseline that is learned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_vae.arguments import sizes_of
from keras_vae.distributions import latents
from keras_vae.objectives.estimators import without_value
from keras_vae.objectives.score_functions import ScoreFunction
from keras_vae.protocols import Batch, LatentDraws
from keras_vae.registration import register

__all__ = ["NVIL", "Baseline"]

_DECAY = 0.8


@register
class Baseline(keras.layers.Layer):
    """A guess of the signal of each example: c + network(x), where c follows the mean signal.

    Args:
        hidden: Integers, widths of the hidden layers. (100,).
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        x: [B, *event].

    Returns:
        [B], in nats.
    """

    def __init__(self, hidden: Sequence[int] = (100,), **kwargs: Any):
        super().__init__(**kwargs)
        self.hidden = sizes_of("hidden", hidden)
        self.normalization = keras.layers.LayerNormalization()
        self.body = [keras.layers.Dense(width, "tanh") for width in self.hidden]
        self.output_layer = keras.layers.Dense(1, kernel_initializer="zeros")

    def build(self, input_shape: Any) -> None:
        self.size = size = int(tf.TensorShape(input_shape[1:]).num_elements())
        self.center = self.add_weight((), "zeros", trainable=False, aggregation="mean", name="center")
        for layer, width in zip(
            [self.normalization, *self.body, self.output_layer], [size, size, *self.hidden], strict=True
        ):
            layer.build((None, width))
        self.built = True

    def call(self, x: Any) -> tf.Tensor:
        x = tf.reshape(tf.cast(x, self.compute_dtype), [tf.shape(x)[0], self.size])
        h = self.normalization(tf.where(tf.math.is_nan(x), tf.zeros_like(x), x))  # missing entries are NaN
        for layer in [*self.body, self.output_layer]:
            h = layer(h)
        return tf.cast(h[:, 0], self.variable_dtype) + tf.stop_gradient(tf.convert_to_tensor(self.center))

    def follow(self, signal: tf.Tensor) -> None:
        """Move c towards the mean of `signal`."""
        mean = tf.cast(tf.reduce_mean(signal), self.center.dtype)
        self.center.assign(_DECAY * self.center + (1 - _DECAY) * mean)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "hidden": self.hidden}


@register
class NVIL(ScoreFunction):
    """REINFORCE whose baseline is a network of x, trained by the squared error beside the model: one draw is enough.

    The baseline belongs to the objective and is trained, saved and loaded with the model that was made with it.

    Args:
        baseline: A Keras layer from x [B, *event] to [B] with a method `follow`. None: `Baseline()`.

    References:
        Mnih & Gregor (2014), "Neural Variational Inference and Learning in Belief Networks", Sec. 2.3.
    """

    name = "nvil"
    least_draws = 1
    x: Any = None
    training = False

    def __init__(self, baseline: keras.layers.Layer | None = None):
        self.baseline = Baseline() if baseline is None else baseline

    @property
    def layers(self) -> tuple[keras.layers.Layer, ...]:
        return (self.baseline,)

    def of(self, batch: Batch, step: Any, training: bool) -> Any:
        copied: Any = super().of(batch, step, training)
        copied.x, copied.training = batch.x, training
        return copied

    def surrogate(self, draws: LatentDraws, signal: tf.Tensor) -> tf.Tensor:
        """Return 0 [B] with the gradient of the bound and, for the baseline's weights, of minus the squared error."""
        guess = tf.cast(self.baseline(self.x), signal.dtype)
        log_q = latents.log_prob(draws.posterior, draws.z)
        for_encoder = tf.stop_gradient(signal - guess) * without_value(log_q)
        squared_error = tf.reduce_mean((signal - guess) ** 2, axis=0) / 2
        if self.training:
            self.baseline.follow(signal)
        return tf.reduce_mean(for_encoder, axis=0) - without_value(squared_error)

    def get_config(self) -> dict[str, Any]:
        return {"baseline": keras.saving.serialize_keras_object(self.baseline)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> NVIL:
        return cls(keras.saving.deserialize_keras_object(config["baseline"]))
