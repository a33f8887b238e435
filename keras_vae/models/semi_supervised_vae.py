"""The semi-supervised variational autoencoder, M2."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_vae.arguments import as_count
from keras_vae.data import as_batches
from keras_vae.models.assembly import make_classifier
from keras_vae.models.conditional_vae import ConditionalVAE
from keras_vae.models.conditions import Labels
from keras_vae.objectives import SemiSupervisedELBO
from keras_vae.objectives.estimators import Estimator
from keras_vae.objectives.semi_supervised import EnumeratedLabels
from keras_vae.protocols import Batch, as_batch
from keras_vae.random import Noise
from keras_vae.registration import register

__all__ = ["SemiSupervisedVAE"]

_UNLABELLED = -1


@register
class SemiSupervisedVAE(ConditionalVAE):
    """Model M2: a label y and a style z make x, p(y) p(z) p(x|y, z), and some labels are missing.

    A label of -1 is missing, as in scikit-learn. The bound sums over all labels then, with the weights of a classifier
    q(y|x), so that a training step costs as much as K of a VAE. `elbo`, `evaluate` and `log_marginal` are those of
    log p(x) where the label is missing or y is None, and of log p(x, y) where it is known.

    Args:
        encoder: As of `keras_vae.ConditionalVAE`.
        decoder: As of `keras_vae.ConditionalVAE`.
        prior: As of `keras_vae.ConditionalVAE`.
        classifier: Keras model from x to the K logits of q(y|x).
        objective: A `keras_vae.objectives.SemiSupervisedELBO`, which has the weight of the classifier's loss. None:
            that with alpha=1.
        *args: As of `keras_vae.VAE`, after its objective.
        num_classes: Int, K.
        class_probs: K floats, p(y). None: all the same.
        **kwargs: As of `keras_vae.VAE`.

    Raises:
        TypeError: if the objective is another one.
        ValueError: as of `keras_vae.ConditionalVAE`; or if the classifier or `class_probs` do not have K entries.

    Example:

    >>> x, y = np.random.default_rng(0).integers(0, 2, [64, 4, 4, 1]), np.arange(64) % 3
    >>> y[10:] = -1
    >>> m2 = SemiSupervisedVAE.for_images((4, 4, 1), latent_dim=2, num_classes=3, seed=0)
    >>> m2.compile()
    >>> history = m2.fit(x, y, epochs=2, verbose=0)
    >>> m2.predict_proba(x).shape, m2.sample([0, 1, 2], seed=0).shape.as_list()
    ((64, 3), [3, 4, 4, 1])

    References:
        Kingma, Rezende, Mohamed & Welling (2014), "Semi-supervised Learning with Deep Generative Models", Sec. 2.
    """

    enumerates_y = True
    _parts = ("encoder", "decoder", "prior", "classifier", "objective", "corruption")

    def __init__(
        self,
        encoder: keras.layers.Layer,
        decoder: keras.layers.Layer,
        prior: Any,
        classifier: keras.layers.Layer,
        objective: SemiSupervisedELBO | None = None,
        *args: Any,
        num_classes: int,
        class_probs: Sequence[float] | None = None,
        **kwargs: Any,
    ):
        objective = SemiSupervisedELBO() if objective is None else objective
        if not isinstance(objective, SemiSupervisedELBO):
            raise TypeError(
                f"`objective` must be a keras_vae.objectives.SemiSupervisedELBO. Received: objective={objective!r}"
            )
        super().__init__(encoder, decoder, prior, objective, *args, num_classes=num_classes, **kwargs)
        self.num_classes = as_count(num_classes=num_classes)
        self.observed = Labels(num_classes, unlabelled=_UNLABELLED)
        self.classifier = classifier
        probs = np.full(num_classes, 1 / num_classes) if class_probs is None else np.asarray(class_probs, np.float64)
        if probs.shape != (num_classes,) or np.any(probs <= 0) or not math.isclose(probs.sum(), 1, rel_tol=1e-5):
            raise ValueError(
                f"`class_probs` must be {num_classes} probabilities above 0 that add up to 1. "
                f"Received: class_probs={class_probs}"
            )
        self.class_probs = probs.tolist()
        if type(self) is SemiSupervisedVAE and getattr(encoder, "inputs", None):
            self.build(encoder.inputs[0].shape)

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        logits = self.classifier(tf.zeros([1, *self.event_shape], self.dtype_of_x))
        if tuple(logits.shape) != (1, self.num_classes):
            raise ValueError(
                f"The classifier must return the logits of {self.num_classes} classes. "
                f"Received: logits of the shape {tuple(logits.shape)}"
            )

    @classmethod
    def _other_parts(
        cls, event_shape: Sequence[int], latent_dim: int, network: Any, scale: float, missing: bool, arguments: Any
    ) -> tuple[Any, ...]:
        return (make_classifier(event_shape, arguments["num_classes"], network, scale, missing),)

    def _own_arguments(self) -> dict[str, Any]:
        return {"classifier": self.classifier, **self._numbers()}

    def _numbers(self) -> dict[str, Any]:
        return {"num_classes": self.num_classes, "class_probs": self.class_probs}

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._numbers()}

    # Labels that may be missing, at the door.

    def _y_of(self, batch: Batch) -> Any:
        return tf.fill(tf.shape(batch.x)[:1], _UNLABELLED) if batch.y is None else batch.y

    def seen(self, batch: Batch) -> Batch:
        """Return x and y for a reconstruction, where the most probable class stands for a label that is missing."""
        x = self.check_seen(batch.x)
        y = self.observed.checked(self._y_of(batch), tf.shape(x)[0])
        return Batch(x, tf.where(y < 0, tf.argmax(self.classifier(x), axis=1, output_type=tf.int32), y))

    def check_before_training(self, batch: Batch) -> None:
        y = np.asarray(self._y_of(batch))
        if len(missing := np.setdiff1d(np.arange(self.num_classes), y)):
            raise ValueError(
                "Each class must have an example with a label, from which the classifier learns it. "
                f"Received: y without a label of the classes {', '.join(map(str, missing))}"
            )

    def _metric_weight(self, name: str, batch: Batch) -> Any:
        weight = super()._metric_weight(name, batch)
        if name not in SemiSupervisedELBO.units:
            return weight
        is_labelled = tf.cast(self._y_of(batch) >= 0, self.variable_dtype)
        return is_labelled if weight is None else is_labelled * tf.cast(tf.reshape(weight, [-1]), is_labelled.dtype)

    # The bound.

    def draw(
        self,
        batch: Batch,
        num_samples: int,
        noise: Noise,
        estimator: Estimator | None = None,
        training: bool = False,
    ) -> EnumeratedLabels:
        """Run the networks for each label of each example, and average over the labels, see `EnumeratedLabels`."""
        num_classes, num_rows = self.num_classes, tf.shape(batch.x)[0]
        classes = tf.tile(tf.range(num_classes), [num_rows])
        rows = batch.map(lambda part: tf.repeat(part, num_classes, axis=0))._replace(y=classes)
        first_row = noise.first_row * num_classes
        draws = super().draw(rows, num_samples, noise._replace(first_row=first_row), estimator, training)
        log_q = tf.nn.log_softmax(self._logits(batch.x, training))  # [B, K]
        log_p = tf.math.log(tf.constant(self.class_probs, log_q.dtype))
        y = tf.cast(self._y_of(batch), tf.int32)
        is_labelled, label = y >= 0, tf.one_hot(y, num_classes, dtype=log_q.dtype)
        weights = tf.where(is_labelled[:, None], label, tf.exp(log_q))

        def of_classes(values: tf.Tensor) -> tf.Tensor:
            return tf.reshape(values, tf.concat([tf.shape(values)[:-1], [num_rows, num_classes]], 0))

        kl_z = sum(tf.reduce_sum(part, axis=list(range(1, part.shape.rank))) for part in draws.kl.values())
        kl_y = tf.where(is_labelled[:, None], -label * log_p, weights * (log_q - log_p))  # of a label known: -log p(y)
        is_possible = ~is_labelled[:, None] | (label > 0)
        log_joint = tf.where(is_possible, of_classes(draws.log_weights) + log_p, -math.inf)
        return EnumeratedLabels(
            z=draws.z,
            posterior=draws.posterior,
            prior=draws.prior,
            log_likelihood=tf.reduce_sum(weights * of_classes(draws.log_likelihood), axis=-1),
            estimator=draws.estimator,
            kl_by_latent={
                "y": tf.reduce_sum(kl_y, axis=-1),
                "z": tf.reduce_sum(weights * of_classes(kl_z), axis=-1),
            },
            log_weights_of_labels=tf.reduce_logsumexp(log_joint, axis=-1),
            log_label_prob=tf.reduce_sum(label * log_q, axis=-1),
            is_labelled=is_labelled,
            is_right=tf.argmax(log_q, axis=-1, output_type=tf.int32) == y,
        )

    def _logits(self, x: Any, training: bool = False) -> tf.Tensor:
        return tf.cast(self.classifier(x, training=training), self.variable_dtype)

    def predict_proba(self, x: Any, batch_size: int = 500) -> np.ndarray:
        """Return the probabilities q(y|x) of the classes, [N, K].

        Args:
            x: Array [N, *event], or another form of data that `keras_vae.evaluation.evaluate` takes.
            batch_size: Int, examples at a time. 500.
        """
        batches = as_batches(x, batch_size, self.seed, training=False)

        def classify(x: tf.Tensor) -> tf.Tensor:
            return tf.nn.softmax(self._logits(x))

        compiled = self.compiled_function(
            "predict_proba", lambda: tf.function(classify, autograph=False, reduce_retracing=True)
        )
        return np.concatenate([compiled(self.check_seen(as_batch(batch).x)).numpy() for batch in batches.epoch(0)])

    def own_signatures(self) -> dict[str, Any]:
        return {"classify": lambda x: {"probs": tf.nn.softmax(self._logits(self.check_seen(x)))}}
