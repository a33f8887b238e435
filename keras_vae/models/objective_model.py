"""The Keras contract of a model whose loss is an objective's."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_vae import random, replicas
from keras_vae.arguments import as_int, check_counts, check_optional_counts
from keras_vae.data import BatchedData, Batches, Split, as_batched_data, as_batches
from keras_vae.distributions.sets import NON_NEGATIVE
from keras_vae.models.compiled_functions import CompiledFunctions
from keras_vae.models.door import (
    as_arrays,
    as_one_batch,
    check_no_class_weight,
    check_no_y,
    check_unused_y,
    check_weights,
    of_validation,
    seen_batches,
    split_off,
)
from keras_vae.objectives import ELBO, LossTerms, Objective
from keras_vae.objectives.loss_terms import metric_units, metric_values
from keras_vae.protocols import Batch, as_batch
from keras_vae.random import Stream
from keras_vae.training.callbacks import as_callbacks
from keras_vae.training.loop import check_source, evaluate_source, train
from keras_vae.training.one_thread import one_thread_at_a_time

__all__ = ["ObjectiveModel"]


class ObjectiveModel(keras.Model):
    """Base of models trained on a `keras_vae.objectives.Objective`.

    It has what Keras asks of a model, and no maths: `compile` without a loss, `fit`, `evaluate`, `predict`,
    metrics in nats per example, noise that is a function of seed, step and row. A subclass sets `event_shape`
    and `is_normalized` when it is built, and says in `check` which data it can score.

    `step` counts the training steps taken in the model's life, and is saved with it: no noise comes twice.

    Args:
        objective: A `keras_vae.objectives.Objective`. None: the ELBO.
        seed: int, base of all noise.
        dequantized_levels: see `keras_vae.objectives.bits_per_dim`.
        **kwargs: of `keras.Model`.
    """

    event_shape: tuple[int, ...]
    is_normalized: bool
    steps_per_execution: int
    takes_y = False

    def __init__(self, objective: Any, seed: int, dequantized_levels: int = 1, **kwargs: Any):
        super().__init__(**kwargs)
        check_counts(dequantized_levels=dequantized_levels)
        objective = ELBO() if objective is None else objective
        if not isinstance(objective, Objective):
            raise TypeError(
                "`objective` must be a keras_vae.objectives.Objective, such as ELBO(), FreeBits(0.1) or "
                f"IWAE(num_samples=5). Received: objective={objective!r}"
            )
        self._objective_layers = list(objective.estimator.layers)  # for Keras, which trains and saves them
        self._compiled_functions = CompiledFunctions()
        self.in_use = threading.RLock()  # see `one_thread_at_a_time`
        self.dequantized_levels = dequantized_levels
        self.objective = objective
        self.seed = as_int(seed=seed)
        self.step = self.add_weight(
            shape=(), initializer="zeros", dtype="int64", trainable=False, aggregation="only_first_replica", name="step"
        )
        self._rows_evaluated = keras.metrics.Sum(name="rows_evaluated", dtype="int64")
        names = {**metric_units(self.objective, True), **metric_units(self.objective, False)}
        self._means = {name: keras.metrics.Mean(name=name) for name in names}

    def check(self, x: Any) -> tf.Tensor:
        """Return `x` as a tensor, or raise if the model cannot score it."""
        raise NotImplementedError(f"{type(self).__name__} must override `check`.")

    def check_seen(self, x: Any) -> tf.Tensor:
        """Return `x` as a tensor, or raise if the model cannot reconstruct it: here, what `check` refuses."""
        return self.check(x)

    def seen(self, batch: Batch) -> Batch:
        """Return what `predict_step` needs of a batch, as tensors, or raise if the model cannot reconstruct it."""
        return Batch(self.check_seen(batch.x))

    def can_score(self, x: tf.Tensor) -> tf.Tensor:
        """Return whether `check` would let the values of `x` pass, as a bool tensor []; also in a graph.

        Every batch of a stream is asked for, in the graph of the loop: override it together with `check`.
        """
        return tf.constant(True)

    def can_score_batch(self, batch: Batch) -> tf.Tensor:
        """Return whether `check_batch` would let the values of x and of the weights pass, as a bool tensor []."""
        can_score = self.can_score(batch.x)
        weight = batch.sample_weight
        if weight is None:
            return can_score
        return (
            can_score
            & NON_NEGATIVE.contains(tf.cast(weight, tf.float32))
            & (tf.shape(weight)[0] == tf.shape(batch.x)[0])
        )

    def check_batch(self, batch: Batch, name: str = "") -> None:
        """Raise if the model cannot score x, if the weights do not fit it, or if y would be used for nothing.

        Args:
            batch: The examples.
            name: Str, how the error calls the batch, where it is one of several.
        """
        try:
            x = self.check(batch.x)
            check_weights(batch.sample_weight, x, is_all=not name)
            if self._ignores_y:
                check_unused_y(batch.y, x)
        except ValueError as error:
            raise ValueError(f"In {name}: {error}") if name else error from None

    @property
    def _ignores_y(self) -> bool:
        return type(self).train_step is ObjectiveModel.train_step and not self.takes_y

    def check_before_training(self, batch: Batch) -> None:
        """Raise if a model cannot learn from all examples in memory, `batch`; here each set that can be scored does."""

    def compile(
        self,
        optimizer: Any = "adam",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int | None = None,
        jit_compile: Any = "auto",
        auto_scale_loss: bool = True,
    ) -> None:
        """Configure training; arguments as in `keras.Model.compile`, but there is no `loss` and there are no `metrics`.

        The objective was given to the constructor. Two defaults are not Keras' own, and make `fit` fast on CPUs
        too: `steps_per_execution` is 32 on one replica, and `jit_compile="auto"` compiles with XLA wherever that
        pays, which is everywhere but under `tf.distribute` and for convolutions on a CPU.
        """
        given = {"loss": loss, "metrics": metrics, "loss_weights": loss_weights, "weighted_metrics": weighted_metrics}
        for name, value in given.items():
            if value is not None:
                raise ValueError(
                    "A VAE's loss and metrics come from its objective: pass `objective=` to the constructor. "
                    f"Received: {name}={value!r}"
                )
        if optimizer is None:
            raise ValueError(
                '`optimizer` must be the name of a Keras optimizer, such as "adam", or an object of '
                "keras.optimizers. Received: optimizer=None"
            )
        check_optional_counts(steps_per_execution=steps_per_execution)
        self._compiled_functions.clear()
        single_graph = not run_eagerly and self.distribute_strategy.num_replicas_in_sync == 1
        super().compile(
            optimizer,
            run_eagerly=run_eagerly,
            steps_per_execution=steps_per_execution or (32 if single_graph else 1),
            jit_compile=single_graph and self._gains_from_xla() if jit_compile == "auto" else jit_compile,
            auto_scale_loss=auto_scale_loss,
        )

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
            self.build_optimizers()

    def compiled_function(self, key: Any, make: Callable[[], Any]) -> Any:
        """Return what `make()` returned the first time that `key` was asked for: graphs are kept here, and only here.

        All are dropped by `compile`, and when the objective or one of its attributes, or the set of variables that are
        trained, is another one than before.
        """
        self._drop_stale_functions()
        return self._compiled_functions.get(key, make)

    def _drop_stale_functions(self) -> None:
        """Forget what was compiled for another objective, optimizer or seed, or for other trained variables."""
        parts = [self.objective, *self._other_parts_in_graphs()]
        attributes = itertools.chain.from_iterable(
            item for part in parts if not isinstance(part, keras.layers.Layer) for item in sorted(vars(part).items())
        )
        own = [*parts, getattr(self, "optimizer", None), self.seed, self.dequantized_levels]
        if self._compiled_functions.clear_unless_of([*own, *attributes, *self.trainable_variables]):
            self.train_function = self.test_function = None  # Keras' own

    def _other_parts_in_graphs(self) -> list[Any]:
        """Return the objects beside the objective that a graph is traced for, and that may be replaced."""
        return []

    def make_train_function(self, force: bool = False) -> Any:
        self._drop_stale_functions()
        return super().make_train_function(force)

    def make_test_function(self, force: bool = False) -> Any:
        self._drop_stale_functions()
        return super().make_test_function(force)

    @property
    def metric_units(self) -> dict[str, str]:
        """The metrics by name, in the order they are shown, with their units."""
        return self._units_of_means()

    def _units_of_means(self) -> dict[str, str]:
        return metric_units(self.objective, not self.built or self.is_normalized)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        internal = [*self._means.values(), self._rows_evaluated, getattr(self, "_loss_tracker", None)]
        others = [metric for metric in super().metrics if not any(metric is one for one in internal)]
        names = self._units_of_means()
        estimator = self.objective.estimator
        if any(all(layer is not own for own in self._objective_layers) for layer in estimator.layers):
            raise ValueError(
                "The objective has layers that the model was not made with: pass it to the constructor. "
                f"Received: objective={type(self.objective).__name__} with gradient={estimator.name}"
            )
        if unknown := set(names) - set(self._means):
            raise ValueError(
                "The objective has metrics that the model was not made with: pass it to the constructor. "
                f"Received: objective={type(self.objective).__name__} with {sorted(unknown)}"
            )
        return [self._means[name] for name in names] + others

    def reset_metrics(self) -> None:
        super().reset_metrics()
        self._rows_evaluated.reset_state()

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Take one gradient step on one batch.

        Unlike Keras' own step it does not run `call` first: the objective runs the networks once, so that
        batch normalisation and dropout see each batch once.
        """
        batch = as_batch(data)
        noise = random.as_noise(self.seed, replicas.first_row(tf.shape(batch.x)[0])).of(Stream.TRAINING, self.step)
        with tf.GradientTape(persistent=True) as tape:
            terms = self.objective(self, batch, noise, training=True)
            penalty = tf.add_n(self.losses) if self.losses else 0.0
            losses = self._losses_to_minimize(terms, penalty, batch)
        gradients = [tape.gradient(loss, variables) for _, loss, variables in losses]
        for (optimizer, _, variables), of_variables in zip(losses, gradients, strict=True):
            optimizer.apply(of_variables, variables)
        self.step.assign_add(1)
        return self._update_metrics(terms, penalty, batch)

    def _losses_to_minimize(self, terms: LossTerms, penalty: Any, batch: Batch) -> list[tuple[Any, Any, list]]:
        """Return each optimizer with the loss that it minimises, as it scales it, and the variables that it changes."""
        loss = self.optimizer.scale_loss(terms.loss + penalty / replicas.num_replicas())
        return [(self.optimizer, loss, self.trainable_variables)]

    @property
    def optimizers(self) -> list[keras.Optimizer]:
        """The optimizers of the training."""
        return [self.optimizer]

    def build_optimizers(self) -> None:
        """Create what the optimizers keep of each variable, unless it is there."""
        if not self.optimizer.built:
            self.optimizer.build(self.trainable_variables)

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Evaluate one batch with noise that depends on the row of the data set, not on the batch size."""
        batch = as_batch(data)
        num_rows = tf.shape(batch.x)[0]
        rows_before = replicas.sum_over_replicas(self._rows_evaluated.result())
        first_row = tf.cast(rows_before, tf.int32) + replicas.first_row(num_rows)
        terms = self.objective(self, batch, random.as_noise(self.seed, first_row).of(Stream.EVALUATION))
        self._rows_evaluated.update_state(num_rows)
        return self._update_metrics(terms, tf.add_n(self.losses) if self.losses else 0.0, batch)

    def _update_metrics(self, terms: LossTerms, penalty: Any, batch: Batch) -> dict[str, tf.Tensor]:
        values = metric_values(terms, self.event_shape, self.dequantized_levels)
        values["loss"] += penalty
        for metric in self.metrics:
            if metric.name in values:  # a subclass updates what it adds
                metric.update_state(values[metric.name], self._metric_weight(metric.name, batch))
        return {metric.name: metric.result() for metric in self.metrics}

    def _metric_weight(self, name: str, batch: Batch) -> Any:
        """Return the weights [B] with which a metric averages over a batch, or None."""
        return batch.example_weight

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: Any = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: Any = 1,
    ) -> keras.callbacks.History:
        """Train the model; arguments, callbacks and result as in `keras.Model.fit`, but there is no `class_weight`.

        x may be an array, a `keras_vae.data.Split`, a batched `tf.data.Dataset`, a `keras.utils.PyDataset` or a
        generator of batches; batches have the size and order that they come in. A dictionary of TFDS, with an "image"
        and perhaps a "label", stands for (x, y) wherever that is taken. A VAE makes no use of the y of a data set, and
        refuses one that is passed as an argument; a `keras_vae.ConditionalVAE` learns the x given y. The loop is
        `keras_vae.training.train`, on one replica or several, in graphs or eagerly.

        With `steps_per_epoch` an epoch goes on in the data where the one before has ended. A new call of `fit` starts a
        new pass: where the steps before it were not whole passes, it sees other batches than one longer training would.

        Raises:
            ValueError: if x lies outside the likelihood's support, or a weight is negative or not finite, in whatever
                batch: no step is taken with it. Or if an argument does not suit the data.
        """
        check_no_class_weight(class_weight)
        batch_size = 32 if batch_size is None else batch_size
        data = self._arrays(x, y, sample_weight)
        if validation_split and validation_data is not None:
            raise ValueError(
                "Validate on `validation_data` or on a part of x, not on both. "
                f"Received: validation_split={validation_split} beside validation_data"
            )
        if validation_split:
            data, validation_data = split_off(data, validation_split)
        source = self._source(data, batch_size, steps_per_epoch, shuffle=shuffle)
        validation = None
        if validation_data is not None:
            size = batch_size if validation_batch_size is None else validation_batch_size
            validation = self._source(of_validation(validation_data), size, validation_steps, training=False)
        return train(
            self,
            source,
            epochs,
            validation_data=validation,
            callbacks=callbacks,
            verbose=1 if verbose == "auto" else verbose,
            steps_per_execution=self.steps_per_execution,
            initial_epoch=initial_epoch,
            validation_freq=validation_freq,
        )

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """Return loss and metrics, means over the examples; arguments as in `keras.Model.evaluate`.

        The noise is that of `keras_vae.evaluation.evaluate` with the model's seed, whatever the batch size.
        """
        batch_size = 32 if batch_size is None else batch_size
        source = self._source(self._arrays(x, y, sample_weight), batch_size, steps, training=False)
        check_source(self, source)
        verbose = 1 if verbose == "auto" else verbose
        callback_list = keras.callbacks.CallbackList(
            as_callbacks(callbacks),
            add_progbar=verbose != 0,
            verbose=verbose,
            epochs=1,
            steps=source.steps_per_epoch,
            model=self,
        )
        logs = evaluate_source(self, source, callback_list)
        if not logs:
            raise ValueError("The data to evaluate on must hold one batch or more. Received: no batch")
        return logs if return_dict else list(logs.values())

    def _arrays(self, x: Any, y: Any, sample_weight: Any) -> Any:
        """Return the arguments as `as_arrays` does, unless the model would ignore a y that was passed."""
        data = as_arrays(x, y, sample_weight)
        if self._ignores_y and isinstance(data, Batch):
            check_no_y(y, data.x)
        return data

    def _source(
        self, data: Any, batch_size: int, steps: int | None, training: bool = True, shuffle: bool = True
    ) -> Batches | BatchedData:
        """Return the data as batches."""
        check_counts(batch_size=batch_size)
        check_optional_counts(steps=steps)
        if isinstance(data, tf.data.Dataset) and steps is None:
            data = getattr(data, "batches", data)  # of keras_vae.data.Batches.dataset
        if isinstance(data, Batch | Split):
            data = as_batches(data, batch_size, self.seed, training, shuffle)
        if isinstance(data, Batches) and steps is not None:
            data = data.endless_dataset(int(tf.convert_to_tensor(self.step))) if training else data.epoch(0)
        if not isinstance(data, Batches):
            data = as_batched_data(data, self.seed, steps, training and shuffle, runs_on=training)
        return data

    def predict_step(self, data: Any) -> tf.Tensor:
        """Return the reconstructions of one batch."""
        return self(as_batch(data).x, training=False)

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> np.ndarray:
        """Return reconstructions (see `call`), [N, *event]; arguments as in `keras.Model.predict`.

        Raises:
            ValueError: if x lies outside the likelihood's support, in whatever batch.
        """
        check_optional_counts(batch_size=batch_size, steps=steps)
        as_callbacks(callbacks)
        x = as_arrays(x, None, None)
        errors: list[Exception] = []
        if isinstance(x, Batch):
            seen, size = self.seen(x), batch_size or 32
            if len(seen.x) == 0:
                return self.predict_on_batch(seen.data)
            seen = seen if steps is None else seen.map(lambda part: part[: steps * size])
            x = seen.x if seen.y is None else tf.data.Dataset.from_tensor_slices((seen.x, seen.y)).batch(size)
        else:
            source = as_batched_data(x, self.seed, steps, shuffle=False, runs_on=False)
            x, errors = seen_batches(self, source), source.errors
            x = x if steps is None else x.take(steps)
        batch_size = None if isinstance(x, tf.data.Dataset) else batch_size
        try:
            return super().predict(x, batch_size=batch_size, verbose=verbose, steps=steps, callbacks=callbacks)
        except tf.errors.OpError:
            if errors:
                raise errors[0] from None
            raise

    @one_thread_at_a_time
    def train_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, class_weight: Any = None, return_dict: bool = False
    ) -> Any:
        """Take one step, after the check that `fit` makes; arguments as in `keras.Model.train_on_batch`."""
        check_no_class_weight(class_weight)
        batch = self._one_checked_batch(x, y, sample_weight)
        return super().train_on_batch(*batch, return_dict=return_dict)

    @one_thread_at_a_time
    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """Evaluate one batch, after the check that `fit` makes; arguments as in `keras.Model.test_on_batch`."""
        return super().test_on_batch(*self._one_checked_batch(x, y, sample_weight), return_dict)

    def _one_checked_batch(self, x: Any, y: Any, sample_weight: Any) -> Batch:
        batch = as_one_batch(x, y, sample_weight)
        if self._ignores_y:
            check_no_y(y, batch.x)
        self.check_batch(batch)
        if len(batch.x) == 0:
            raise ValueError(f"A batch must hold one example or more. Received: x of shape {tuple(batch.x.shape)}")
        return batch

    def predict_on_batch(self, x: Any) -> Any:
        """Return the reconstructions of one batch, after the check that `predict` makes."""
        return super().predict_on_batch(self.seen(as_one_batch(x)).data)
