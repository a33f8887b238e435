"""The Keras contract of a model whose loss is an objective's."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_vae import random, replicas
from keras_vae.objectives import ELBO, LossTerms, bits_per_dim
from keras_vae.training.loop import train

__all__ = ["ObjectiveModel"]


class ObjectiveModel(keras.Model):
    """Base of models trained on `objective(model, x, seed, ...) -> LossTerms`.

    It has what Keras asks of a model, and no maths: `compile` without a loss, `fit`, `evaluate`, `predict`,
    metrics in nats per example, noise that is a function of seed, step and row. A subclass sets `event_shape`
    and `is_normalized` when it is built, and says in `check` which data it can score.

    `step` counts the training steps taken in the model's life, and is saved with it: no noise comes twice.

    Args:
        objective: function like `keras_vae.objectives.ELBO`, which is the default.
        seed: int, base of all noise.
        dequantized_levels: see `keras_vae.objectives.bits_per_dim`.
        **kwargs: of `keras.Model`.
    """

    event_shape: tuple[int, ...]
    is_normalized: bool
    steps_per_execution: int

    def __init__(self, objective: Any, seed: int, dequantized_levels: int = 1, **kwargs: Any):
        super().__init__(**kwargs)
        if dequantized_levels < 1:
            raise ValueError(
                f"`dequantized_levels` must be 1 or more. Received: dequantized_levels={dequantized_levels}"
            )
        self.dequantized_levels = dequantized_levels
        self.objective = ELBO() if objective is None else objective
        self.seed = seed
        self.step = self.add_weight(
            shape=(), initializer="zeros", dtype="int64", trainable=False, aggregation="only_first_replica", name="step"
        )
        self._rows_evaluated = keras.metrics.Sum(name="rows_evaluated", dtype="int64")
        names = ("loss", "reconstruction_loss", "kl", "elbo", "bits_per_dim", "cross_entropy")
        self._means = {name: keras.metrics.Mean(name=name) for name in names}

    def check(self, x: Any) -> tf.Tensor:
        """Return `x` as a tensor, or raise if the model cannot score it."""
        raise NotImplementedError(f"{type(self).__name__} must override `check`.")

    def compile(self, optimizer: Any = "adam", **kwargs: Any) -> None:
        """Configure training; arguments as in `keras.Model.compile`, without `loss` and `metrics`.

        The objective was given to the constructor. Two defaults are not Keras' own, and make `fit` fast on CPUs
        too: `steps_per_execution` is 32 on one replica, and `jit_compile="auto"` compiles with XLA wherever that
        pays, which is everywhere but under `tf.distribute` and for convolutions on a CPU.
        """
        for name in ("loss", "metrics", "loss_weights", "weighted_metrics"):
            if kwargs.get(name) is not None:
                raise ValueError(
                    "A VAE's loss and metrics come from its objective: pass `objective=` to the constructor. "
                    f"Received: {name}={kwargs[name]!r}"
                )
        self._runners: dict[Any, Any] = {}  # of keras_vae.training.train, which compiles once for the same kind of data
        single_graph = not kwargs.get("run_eagerly", False) and self.distribute_strategy.num_replicas_in_sync == 1
        kwargs = {"jit_compile": "auto", "steps_per_execution": 32 if single_graph else 1, **kwargs}
        if kwargs["jit_compile"] == "auto":
            kwargs["jit_compile"] = single_graph and self._gains_from_xla()
        super().compile(optimizer, **kwargs)

    def uses_xla(self) -> bool:
        """Return whether to compile with XLA: as `compile` was told, else wherever that pays."""
        if self.compiled:
            return bool(self.jit_compile)
        return self._gains_from_xla()

    def _gains_from_xla(self) -> bool:
        on_accelerator = bool(tf.config.list_physical_devices("GPU"))
        convolves = any(hasattr(layer, "kernel_size") for layer in self._flatten_layers())
        return on_accelerator or not convolves

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile as before saving, and build the optimizer so that its state can be loaded."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.built:
            self.optimizer.build(self.trainable_variables)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        names = ["loss", "reconstruction_loss", "kl", "elbo", "bits_per_dim"]
        if self.built and not self.is_normalized:
            names = ["loss", "cross_entropy", "kl"]
        internal = [*self._means.values(), self._rows_evaluated, getattr(self, "_loss_tracker", None)]
        others = [metric for metric in super().metrics if not any(metric is one for one in internal)]
        return [self._means[name] for name in names] + others

    def reset_metrics(self) -> None:
        super().reset_metrics()
        self._rows_evaluated.reset_state()

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Take one gradient step on one batch; `fit` and `keras_vae.training.train` both call it.

        Unlike Keras' own step it does not run `call` first: the objective runs the networks once, so that
        batch normalisation and dropout see each batch once.
        """
        x, _, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        seed = random.fold_in(self.seed, random.Stream.TRAINING, self.step)
        with tf.GradientTape() as tape:
            terms = self.objective(
                self,
                x,
                seed=seed,
                sample_weight=sample_weight,
                first_row=replicas.first_row(tf.shape(x)[0]),
                training=True,
            )
            penalty = tf.add_n(self.losses) if self.losses else 0.0
            loss = self.optimizer.scale_loss(terms.loss + penalty / replicas.num_replicas())
        variables = self.trainable_variables
        self.optimizer.apply(tape.gradient(loss, variables), variables)
        self.step.assign_add(1)
        return self._update_metrics(terms, penalty, sample_weight)

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Evaluate one batch with noise that depends on the row of the data set, not on the batch size."""
        x, _, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        num_rows = tf.shape(x)[0]
        rows_before = replicas.sum_over_replicas(self._rows_evaluated.result())
        terms = self.objective(
            self,
            x,
            seed=random.fold_in(self.seed, random.Stream.EVALUATION),
            sample_weight=sample_weight,
            first_row=tf.cast(rows_before, tf.int32) + replicas.first_row(num_rows),
        )
        self._rows_evaluated.update_state(num_rows)
        return self._update_metrics(terms, tf.add_n(self.losses) if self.losses else 0.0, sample_weight)

    def _update_metrics(self, terms: LossTerms, penalty: Any, sample_weight: Any) -> dict[str, tf.Tensor]:
        values = {
            "loss": terms.loss_per_example + penalty,
            "reconstruction_loss": -terms.log_likelihood,
            "cross_entropy": -terms.log_likelihood,
            "kl": terms.kl,
            "elbo": terms.elbo,
            "bits_per_dim": bits_per_dim(terms.elbo, self.event_shape, self.dequantized_levels),
        }
        for metric in self.metrics:
            if metric.name in values:  # a subclass updates what it adds
                metric.update_state(values[metric.name], sample_weight)
        return {metric.name: metric.result() for metric in self.metrics}

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_data: Any = None,
        shuffle: bool = True,
        initial_epoch: int = 0,
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """Train the model; arguments, callbacks and result as in `keras.Model.fit`. `y` is ignored.

        Keras runs the loop over data sets, weighted examples, replicas and whatever else it knows. An array
        alone, which needs none of that, goes through `keras_vae.training.train`: the same kind of steps, faster,
        and an end at the first loss that is not finite.

        Raises:
            ValueError: if an array, or the first batch of a data set, lies outside the likelihood's support.
        """
        x = _x_of(x)
        validation_x, _, validation_weight = keras.utils.unpack_x_y_sample_weight(validation_data)
        one_graph = not self.run_eagerly and self.distribute_strategy.num_replicas_in_sync == 1
        arrays_alone = _is_array(x) and y is None and (validation_x is None or _is_array(validation_x))
        own_steps = all(getattr(type(self), f) is getattr(ObjectiveModel, f) for f in ("train_step", "test_step"))
        if one_graph and arrays_alone and own_steps and shuffle and validation_weight is None and not kwargs:
            return train(
                self,
                x,
                epochs,
                batch_size or 32,
                validation_x,
                keras.tree.flatten(callbacks or []),
                1 if verbose == "auto" else verbose,
                self.steps_per_execution,
                initial_epoch,
            )
        self._check_data(x)
        self._check_data(validation_x)
        for name in ("steps_per_epoch", "validation_steps"):
            self._end_executions_with(kwargs.get(name))
        if isinstance(x, tf.data.Dataset):
            shuffle = False  # it is the data set's own affair, and Keras would warn
        y = _some_y(y, kwargs.get("sample_weight"))
        kwargs |= {"validation_data": validation_data, "shuffle": shuffle, "initial_epoch": initial_epoch}
        return super().fit(x, y, batch_size, epochs, verbose, callbacks, **kwargs)

    def evaluate(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Return loss and metrics; see `keras.Model.evaluate`. Data is checked as in `fit`."""
        x = _x_of(x)
        if "_use_cached_eval_dataset" not in kwargs:  # as `fit` does, which has checked
            self._check_data(x)
            self._end_executions_with(kwargs.get("steps"))
        return super().evaluate(x, _some_y(y, kwargs.get("sample_weight")), *args, **kwargs)

    def _end_executions_with(self, steps: int | None) -> None:
        """Let `steps` steps be whole executions: Keras would go on to the end of the execution it is in."""
        execution = int(self.steps_per_execution)
        if steps and steps % execution:
            self.steps_per_execution = math.gcd(steps, execution)
            self.train_function = self.test_function = None

    def _check_data(self, x: Any) -> None:
        """Check an array, or the first batch of a data set, against the likelihood's support."""
        if isinstance(x, tf.data.Dataset):
            batches = getattr(x, "batches", None)
            x = _x_of(next(iter(x.take(1)))) if batches is None else batches.split.head(batches.batch_size)
        if _is_array(x):
            self.check(x)

    def predict(self, x: Any, *args: Any, **kwargs: Any) -> np.ndarray:
        """Return reconstructions (see `call`), [N, *event]; see `keras.Model.predict`."""
        return super().predict(_x_of(x), *args, **kwargs)


def _x_of(data: Any) -> Any:
    """Return the x of a tuple (x,), (x, y) or (x, y, sample_weight); anything else as it is."""
    return keras.utils.unpack_x_y_sample_weight(data)[0]


def _some_y(y: Any, sample_weight: Any) -> Any:
    """Return labels to go with `sample_weight`, which Keras silently drops without them."""
    return np.zeros(len(sample_weight)) if y is None and sample_weight is not None else y


def _is_array(x: Any) -> bool:
    return isinstance(x, np.ndarray | tf.Tensor)
