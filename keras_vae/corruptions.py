"""Noise on x that the encoder sees in training, while the likelihood scores the clean x: denoising."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf

from keras_vae import random
from keras_vae.arguments import check_numbers
from keras_vae.random import Noise
from keras_vae.registration import register

__all__ = ["Corruption", "GaussianNoise", "MaskingNoise", "SaltAndPepperNoise", "corrupt"]


class Corruption:
    """Base of the noise that `keras_vae.VAE(corruption=...)` takes beside Keras' own layers, such as `GaussianNoise`.

    Its noise is a function of the model's seed, the step and the row, so that runs repeat exactly, on any number of
    replicas; that of a Keras layer comes from the layer's own generator. A subclass overrides `corrupt`, returns the
    arguments of its constructor from `get_config`, and is registered with Keras, so that a file finds it.

    Example:

    >>> SaltAndPepperNoise(0.5).corrupt(tf.fill([1, 8], 0.25), kv.random.as_noise(0)).numpy().tolist()
    [[1.0, 0.25, 0.25, 0.25, 0.25, 1.0, 0.25, 0.0]]
    """

    def corrupt(self, x: tf.Tensor, noise: Noise) -> tf.Tensor:
        """Return what the encoder sees of x [B, *event], floats, in the same shape."""
        raise NotImplementedError(f"{type(self).__name__} must override `corrupt`.")

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return dict(vars(self))

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Corruption:
        """Return the corruption of `get_config`."""
        return cls(**config)


@register
class GaussianNoise(Corruption):
    """x + N(0, stddev^2), independent over the entries.

    Args:
        stddev: Float, above 0, in units of x.
    """

    def __init__(self, stddev: float):
        check_numbers(stddev=stddev)
        self.stddev = stddev

    def corrupt(self, x: tf.Tensor, noise: Noise) -> tf.Tensor:
        return x + tf.cast(self.stddev, x.dtype) * random.normal([tf.shape(x)[0], *x.shape[1:]], *noise, x.dtype)


@register
class MaskingNoise(Corruption):
    """Each entry of x is 0 with probability `rate`; the others keep their values, which `keras.layers.Dropout` scales.

    Args:
        rate: Float, above 0 and below 1.

    References:
        Vincent et al. (2010), "Stacked Denoising Autoencoders".
    """

    def __init__(self, rate: float):
        self.rate = _checked_rate(rate)

    def corrupt(self, x: tf.Tensor, noise: Noise) -> tf.Tensor:
        return tf.where(_uniform(x, noise) < self.rate, tf.zeros_like(x), x)


@register
class SaltAndPepperNoise(Corruption):
    """Each entry of x is replaced with probability `rate`, by `low` or `high`, which are equally frequent.

    Args:
        rate: Float, above 0 and below 1.
        low: Float, the smallest value of x. 0.
        high: Float, the largest value of x: K - 1 where x has the levels 0 ... K-1. 1.

    References:
        Vincent et al. (2010), "Stacked Denoising Autoencoders".
    """

    def __init__(self, rate: float, low: float = 0.0, high: float = 1.0):
        if not -math.inf < low < high < math.inf:
            raise ValueError(f"`low` must be below `high`, both finite. Received: low={low}, high={high}")
        self.rate, self.low, self.high = _checked_rate(rate), low, high

    def corrupt(self, x: tf.Tensor, noise: Noise) -> tf.Tensor:
        u = _uniform(x, noise)
        extreme = tf.where(u < self.rate / 2, tf.cast(self.low, x.dtype), tf.cast(self.high, x.dtype))
        return tf.where(u < self.rate, extreme, x)


def corrupt(corruption: Corruption | keras.layers.Layer, x: tf.Tensor, noise: Noise) -> tf.Tensor:
    """Return what the encoder sees of x [B, *event], floats, in training: missing entries stay missing, NaN."""
    seen = corruption.corrupt(x, noise) if isinstance(corruption, Corruption) else corruption(x, training=True)
    return tf.where(tf.math.is_nan(x), x, seen)


def _checked_rate(rate: float) -> float:
    check_numbers(rate=rate)
    if rate >= 1:
        raise ValueError(f"`rate` must be above 0 and below 1. Received: rate={rate}")
    return rate


def _uniform(x: tf.Tensor, noise: Noise) -> tf.Tensor:
    return random.uniform([tf.shape(x)[0], *x.shape[1:]], *noise, x.dtype)
