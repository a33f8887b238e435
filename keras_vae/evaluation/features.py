"""Features of images without downloaded weights: those of a small classifier that is trained on the same data."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_vae import random
from keras_vae.arguments import as_count, as_int, check_counts, check_not_masked, sizes_of
from keras_vae.data import Batches, Split
from keras_vae.data.arrays import as_tensor
from keras_vae.evaluation.point_sets import check_points, generator
from keras_vae.random import Stream
from keras_vae.registration import register

__all__ = ["FeatureClassifier", "train_features"]

_FILTERS = (32, 64)
_WIDTH = 256  # of the hidden layer before the features, where x is no image
_NUM_FEATURES = 64
_LEARNING_RATE = 1e-3
_HELD_OUT = 5  # one example of so many
_ROWS_AT_ONCE = 500


@register
class FeatureClassifier(keras.Model):
    """A small classifier, from x to logits, whose last hidden layer gives 64 features.

    Images (H, W, C) pass two convolutions of stride 2, other x a hidden layer. It is saved and loaded as any Keras
    model, with its accuracy; printed, it is the name of its features. `train_features` trains one.

    Args:
        event_shape: Integers, the shape of x.
        num_labels: Int, 2 or more.
        seed: Int, seed of the initial weights. 0.
        accuracy: Float, fraction of held-out examples that are classified right; None if it is not known. None.
        **kwargs: Arguments of `keras.Model`.

    Example:

    >>> classifier = FeatureClassifier((8, 8, 1), num_labels=10, accuracy=0.989)
    >>> classifier.features(np.zeros([3, 8, 8, 1])).shape
    (3, 64)
    >>> print(classifier)
    features of a small classifier trained on the same data, accuracy 98.9 %
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        num_labels: int,
        seed: int = 0,
        accuracy: float | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.event_shape = sizes_of("event_shape", event_shape)
        self.num_labels, self.seed = as_count(2, num_labels=num_labels), as_int(seed=seed)
        self.accuracy = accuracy

        seeds = itertools.count(self.seed)

        def options(activation: str | None = "relu") -> dict[str, Any]:
            initializer = keras.initializers.GlorotUniform(next(seeds))
            return {"activation": activation, "kernel_initializer": initializer}

        flat = keras.layers.Flatten()
        if len(self.event_shape) == 3:
            hidden = [*(keras.layers.Conv2D(filters, 3, 2, "same", **options()) for filters in _FILTERS), flat]
        else:
            hidden = [flat, keras.layers.Dense(_WIDTH, **options())]
        last = keras.layers.Dense(_NUM_FEATURES, **options())
        self.body = keras.Sequential([keras.Input(self.event_shape), *hidden, last])
        self.head = keras.layers.Dense(self.num_labels, **options(activation=None))
        self.build((None, *self.event_shape))

    def build(self, input_shape: Any) -> None:
        """Make the last layer's weights; the others have theirs."""
        self.head.build((None, _NUM_FEATURES))

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Return the logits [B, num_labels]."""
        return self.head(self.body(x))

    def features(self, x: Any) -> np.ndarray:
        """Return the features [N, 64] of x [N, *event_shape].

        Raises:
            ValueError: if x has another shape.
        """
        shape = tuple(np.shape(x))
        if shape[1:] != self.event_shape or not shape[0]:
            raise ValueError(
                f"The classifier takes one example or more of the shape {self.event_shape}. Received: x.shape={shape}"
            )
        parts = range(0, shape[0], _ROWS_AT_ONCE)
        return np.concatenate([self.body(tf.cast(x[row : row + _ROWS_AT_ONCE], self.compute_dtype)) for row in parts])

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return {
            **super().get_config(),
            "event_shape": self.event_shape,
            "num_labels": self.num_labels,
            "seed": self.seed,
            "accuracy": self.accuracy,
        }

    def __str__(self) -> str:
        accuracy = "unknown" if self.accuracy is None else f"{self.accuracy:.1%}".replace("%", " %")
        return f"features of a small classifier trained on the same data, accuracy {accuracy}"


def train_features(x: Any, labels: Any, steps: int = 2_000, batch_size: int = 100, seed: Any = 0) -> FeatureClassifier:
    """Train a small classifier, whose features `sample_quality` compares.

    A fifth of the examples, drawn at random, is held out of the training: the classifier's accuracy is that of these.
    The same seed gives the same classifier.

    Args:
        x: Array [N, *event] in the units of the samples, such as pixels in [0, 1].
        labels: Whole numbers [N], of two classes or more.
        steps: Int, training steps. 2,000.
        batch_size: Int, examples of a step. 100.
        seed: Seed of the initial weights, the held-out examples and the order. 0.

    Raises:
        ValueError: if there are fewer than 10 examples, if a value of x is not finite, if the labels are not one whole
            number an example or are all the same, or if a count is not a positive integer.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> labels = rng.integers(0, 2, 100)
    >>> classifier = train_features(rng.normal(size=[100, 3]) + 9 * labels[:, None], labels, steps=50)
    >>> classifier.accuracy
    1.0
    """
    check_counts(steps=steps, batch_size=batch_size)
    x, numbers, num_labels = _checked(x, labels)
    noise, rng = random.as_noise(seed), generator(seed)
    held, used = np.split(rng.permutation(len(x)), [len(x) // _HELD_OUT])
    classifier = FeatureClassifier(x.shape[1:], num_labels, seed=int(rng.integers(2**31)))
    rate = keras.optimizers.schedules.CosineDecay(_LEARNING_RATE, steps)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    classifier.compile(keras.optimizers.Adam(rate), loss, jit_compile=False)
    split = Split(tf.constant(x[used]), len(used), y=tf.constant(numbers[used]))
    batches = Batches(split, batch_size, noise.of(Stream.TRAINING))
    classifier.fit(batches.endless_dataset(0), steps_per_epoch=steps, shuffle=False, verbose=0)
    predicted = np.argmax(classifier.head(classifier.features(x[held])), axis=-1)
    classifier.accuracy = float(np.mean(predicted == numbers[held]))
    return classifier


def _checked(x: Any, labels: Any) -> tuple[np.ndarray, np.ndarray, int]:
    """Return x in float32, the number of each example's class, and how many classes there are."""
    check_not_masked(x=x, labels=labels)
    x, labels = tf.cast(as_tensor(x), tf.float32).numpy(), as_tensor(labels, "labels").numpy()
    if len(x) < 2 * _HELD_OUT or x.ndim < 2:
        raise ValueError(
            f"A classifier needs x [N, *event] of {2 * _HELD_OUT} examples or more. Received: x.shape={x.shape}"
        )
    check_points(x=x)
    if labels.shape != x.shape[:1] or labels.dtype.kind not in "iu":
        raise ValueError(
            "`labels` must be one whole number an example. "
            f"Received: labels of shape {labels.shape} and dtype {labels.dtype}, for {len(x)} examples"
        )
    classes, numbers = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"`labels` must be of two classes or more. Received: labels that are all {classes[0]}")
    return x, numbers, len(classes)
