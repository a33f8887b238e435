"""The variational autoencoder."""

from __future__ import annotations

import random as python_random
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae import random, replicas
from keras_vae.data.support import check_support, is_normalized
from keras_vae.layers import as_distribution
from keras_vae.models.for_images import image_decoder, image_encoder
from keras_vae.objectives import ELBO, LossTerms, bits_per_dim
from keras_vae.priors import Prior, StandardNormal
from keras_vae.saving.export import export
from keras_vae.saving.registration import register
from keras_vae.training.loop import train

__all__ = ["VAE"]

# Streams of noise below the model's seed (see keras_vae.random).
_TRAINING, _EVALUATION = 0, 1


@register
class VAE(keras.Model):
    """Variational autoencoder: posterior q(z|x), prior p(z), likelihood p(x|z) and an objective.

    The three distributions come from Keras models or layers; everything else talks to them as TFP
    distributions. `fit`, `evaluate`, `predict`, `save` and callbacks are those of Keras; `compile` needs no
    loss. The metrics `loss`, `reconstruction_loss`, `kl` and `elbo` are in nats per example (event dimensions
    summed), `bits_per_dim` is -elbo / (log(2) * prod(event_shape)). Where the likelihood is none (grey targets
    under `keras_vae.layers.IndependentSoftBernoulli`) they are `loss`, `cross_entropy` and `kl`.

    Noise is a function of (seed, optimizer step, row of the batch): runs repeat exactly, however many
    replicas share a batch. Evaluation noise is a function of (seed, row of the data set).

    Args:
        encoder: maps x [B, *event] to q(z|x), batch [B], event [D]; ends in a layer of `keras_vae.layers`.
        decoder: maps z [B, D] to p(x|z), batch [B], event [*event]; ends in a layer of `keras_vae.layers`.
        prior: returns p(z), batch [], event [D], as `keras_vae.priors.StandardNormal`.
        objective: function like `keras_vae.objectives.ELBO`, which is the default.
        seed: int, base of all noise; None draws one from Python's `random`, which
            `keras.utils.set_random_seed` seeds.
        **kwargs: of `keras.Model`.

    Call arguments:
        x: [B, *event].
        training: passed to the networks.

    Returns:
        The reconstruction: mean of p(x|z) at the mean of q(z|x), [B, *event].

    Raises:
        TypeError: if encoder, decoder or prior give no distribution.
        ValueError: if their shapes do not fit together, or if data lies outside the likelihood's support.

    Example:

    >>> from keras_vae import layers, priors
    >>> encoder = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4), layers.MultivariateNormalDiag(2)])
    >>> decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(4), layers.IndependentBernoulli(4)])
    >>> vae = VAE(encoder, decoder, priors.StandardNormal(2), seed=0)
    >>> vae.elbo(np.ones([3, 4]), seed=1).shape.as_list()
    [3]

    References:
        Kingma & Welling (2014), "Auto-Encoding Variational Bayes".
    """

    def __init__(
        self,
        encoder: keras.layers.Layer,
        decoder: keras.layers.Layer,
        prior: Prior,
        objective: Any = None,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        for name, part, kind in (
            ("encoder", encoder, keras.layers.Layer),
            ("decoder", decoder, keras.layers.Layer),
            ("prior", prior, Prior),
        ):
            if not isinstance(part, kind):
                raise TypeError(f"`{name}` must be a {kind.__module__}.{kind.__name__}. Received: {name}={part!r}")
        self.encoder = encoder
        self.decoder = decoder
        self.prior = prior
        self.objective = ELBO() if objective is None else objective
        self.seed = python_random.randint(0, 2**31 - 1) if seed is None else seed
        self.seed_generator = keras.random.SeedGenerator(self.seed)
        self._rows_evaluated = keras.metrics.Sum(name="rows_evaluated", dtype="int64")
        names = ("loss", "reconstruction_loss", "kl", "elbo", "bits_per_dim", "cross_entropy")
        self._means = {name: keras.metrics.Mean(name=name) for name in names}
        if isinstance(encoder, keras.Model) and encoder.built and len(encoder.inputs) == 1:
            self.build(encoder.input_shape)

    @classmethod
    def for_images(
        cls,
        event_shape: Sequence[int],
        latent_dim: int,
        likelihood: str = "bernoulli",
        network: str = "mlp",
        hidden: Sequence[int] | None = None,
        activation: str = "relu",
        num_levels: int = 2,
        **kwargs: Any,
    ) -> VAE:
        """Return a VAE of ready-made parts: diagonal Gaussian q(z|x), standard normal p(z).

        Args:
            event_shape: (H, W, C).
            latent_dim: D.
            likelihood: "bernoulli"; "categorical", over `num_levels` levels; "soft-bernoulli", for grey targets.
            network: "mlp" or "conv".
            hidden: widths of the encoder's hidden layers, or filters of its convolutions; the decoder runs
                backwards. None is (400,) or (32, 64).
            activation: of the hidden layers.
            num_levels: x has the levels 0 ... num_levels-1.
            **kwargs: of `VAE`.

        Example:

        >>> VAE.for_images((8, 8, 1), latent_dim=2, network="conv").sample(3, seed=0).shape.as_list()
        [3, 8, 8, 1]
        """
        encoder = image_encoder(event_shape, latent_dim, network, hidden, activation, num_levels)
        decoder = image_decoder(event_shape, latent_dim, likelihood, network, hidden, activation, num_levels)
        return cls(encoder, decoder, StandardNormal(latent_dim), **kwargs)

    def build(self, input_shape: Any) -> None:
        """Build the parts on zeros and check that they fit together."""
        event_shape = tuple(input_shape[1:])
        if None in event_shape:
            raise ValueError(f"The shape of one example must be known. Received: input_shape={input_shape}")
        q_z = self.encode(tf.zeros([1, *event_shape]))
        p_z = self.prior()
        if q_z.batch_shape.rank != 1 or q_z.event_shape != p_z.event_shape:
            raise ValueError(
                f"The encoder's posterior must have batch [B] and the prior's event shape {p_z.event_shape}. "
                f"Received: batch_shape={q_z.batch_shape}, event_shape={q_z.event_shape}"
            )
        p_x = self.decode(tf.zeros([1, *p_z.event_shape]))
        if p_x.batch_shape.rank != 1 or tuple(p_x.event_shape) != event_shape:
            raise ValueError(
                f"The decoder's likelihood must have batch [B] and the shape of x, {event_shape}. "
                f"Received: batch_shape={p_x.batch_shape}, event_shape={p_x.event_shape}"
            )
        self.event_shape = event_shape
        self.is_normalized = is_normalized(p_x)
        self.latent_dim = int(p_z.event_shape[0])
        self.built = True

    # The three distributions, and what follows from them.

    def encode(self, x: Any, training: bool = False) -> tfd.Distribution:
        """Return the posterior q(z|x) for x [B, *event]: batch [B], event [D]."""
        return as_distribution(self.encoder(x, training=training))

    def decode(self, z: Any, training: bool = False) -> tfd.Distribution:
        """Return the likelihood p(x|z) for z [B, D] (or, of static shape, [..., D]): batch [B], event [*event]."""
        z = tf.convert_to_tensor(z)
        if z.shape.rank == 2:
            return as_distribution(self.decoder(z, training=training))
        p_x = as_distribution(self.decoder(tf.reshape(z, [-1, z.shape[-1]]), training=training))
        return tfd.BatchReshape(p_x, z.shape[:-1])

    def log_likelihood(self, x: Any, z: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Return log p(x|z) in nats, [S, B], of x [B, *event] at each of S draws z [S, B, D]."""
        p_x = self.decode(tf.reshape(z, [-1, z.shape[-1]]), training=training)
        x = tf.repeat(tf.cast(x, p_x.dtype)[None], z.shape[0], axis=0)
        log_prob = p_x.log_prob(tf.reshape(x, tf.concat([[-1], tf.shape(x)[2:]], 0)))
        return tf.reshape(log_prob, tf.shape(z)[:-1])

    def call(self, x: Any, training: bool = False) -> tf.Tensor:
        z = self.encode(x, training=training).mean()
        return self.decode(z, training=training).mean()

    def reconstruct(self, x: Any, seed: Any = None) -> tf.Tensor:
        """Return the mean of p(x|z), [B, *event], at the mean of q(z|x) or, given a `seed`, at a draw of it."""
        x = self.check(x)
        if seed is None:
            return self(x)
        return self.decode(random.sample(self.encode(x), 1, seed)[0]).mean()

    def sample(self, num_samples: int, seed: Any = None, mean: bool = False) -> tf.Tensor:
        """Draw x by ancestral sampling: z ~ p(z), then the decoder's parameters, then x ~ p(x|z).

        Args:
            num_samples: how many.
            seed: see `keras_vae.random.as_seed`; None advances the model's own generator.
            mean: return the mean of p(x|z) instead of a draw from it.

        Returns:
            x [num_samples, *event].
        """
        seed = random.as_seed(self.seed_generator if seed is None else seed)
        z = random.sample(self.prior(), num_samples, random.fold_in(seed, 0))
        p_x = self.decode(z)
        return p_x.mean() if mean else random.sample(p_x, 1, random.fold_in(seed, 1))[0]

    def elbo(self, x: Any, num_samples: int = 1, seed: Any = None) -> tf.Tensor:
        """Return the ELBO of each example in nats, [B], from `num_samples` posterior draws; up is better.

        Its mean over draws is a lower bound of log p(x), whatever objective the model is trained with.
        """
        seed = self.seed_generator if seed is None else seed
        return ELBO(num_samples=num_samples)(self, self.check(x), seed=seed).elbo

    def check(self, x: Any) -> tf.Tensor:
        """Return eager `x` as a tensor after the check of the likelihood's support."""
        x = tf.convert_to_tensor(x)
        if not tf.executing_eagerly():
            return x
        if not self.built:
            self.build(x.shape)
        check_support(self.decode(tf.zeros([1, self.latent_dim])), x)
        return x

    # The Keras contract.

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
        single_graph = not kwargs.get("run_eagerly", False) and self.distribute_strategy.num_replicas_in_sync == 1
        kwargs = {"jit_compile": "auto", "steps_per_execution": 32 if single_graph else 1, **kwargs}
        if kwargs["jit_compile"] == "auto":
            kwargs["jit_compile"] = single_graph and self._gains_from_xla()
        super().compile(optimizer, **kwargs)

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
        return [self._means[name] for name in names]

    def reset_metrics(self) -> None:
        super().reset_metrics()
        self._rows_evaluated.reset_state()

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Take one gradient step on one batch; `fit` and `keras_vae.training.train` both call it.

        Unlike Keras' own step it does not run `call` first: the objective runs the networks once, so that
        batch normalisation and dropout see each batch once.
        """
        x, _, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        seed = random.fold_in(self.seed, _TRAINING, self.optimizer.iterations)
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
        return self._update_metrics(terms, penalty, sample_weight)

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Evaluate one batch with noise that depends on the row of the data set, not on the batch size."""
        x, _, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        num_rows = tf.shape(x)[0]
        rows_before = replicas.sum_over_replicas(self._rows_evaluated.result())
        terms = self.objective(
            self,
            x,
            seed=random.fold_in(self.seed, _EVALUATION),
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
            "bits_per_dim": bits_per_dim(terms.elbo, self.event_shape),
        }
        for mean in self.metrics:
            mean.update_state(values[mean.name], sample_weight)
        return {mean.name: mean.result() for mean in self.metrics}

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
        alone, which needs none of that, goes through `keras_vae.training.train`: the same steps, faster.

        Raises:
            ValueError: if an array lies outside the likelihood's support.
        """
        x, validation_x = _x_of(x), _x_of(validation_data)
        if _is_array(x):
            self.check(x)
        one_graph = not self.run_eagerly and self.distribute_strategy.num_replicas_in_sync == 1
        arrays_alone = _is_array(x) and y is None and (validation_x is None or _is_array(validation_x))
        if one_graph and arrays_alone and shuffle and not kwargs:
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
        if isinstance(x, tf.data.Dataset):
            shuffle = False  # it is the data set's own affair, and Keras would warn
        kwargs |= {"validation_data": validation_data, "shuffle": shuffle, "initial_epoch": initial_epoch}
        return super().fit(x, y, batch_size, epochs, verbose, callbacks, **kwargs)

    def evaluate(self, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Return loss and metrics; see `keras.Model.evaluate`. Arrays are checked as in `fit`."""
        x = _x_of(x)
        if _is_array(x):
            self.check(x)
        return super().evaluate(x, *args, **kwargs)

    def predict(self, x: Any, *args: Any, **kwargs: Any) -> np.ndarray:
        """Return reconstructions (see `call`), [N, *event]; see `keras.Model.predict`."""
        return super().predict(_x_of(x), *args, **kwargs)

    def export(self, filepath: Any) -> Any:
        """Export a SavedModel that TensorFlow alone loads; see `keras_vae.saving.export`."""
        return export(self, filepath)

    def get_config(self) -> dict[str, Any]:
        parts = {name: getattr(self, name) for name in ("encoder", "decoder", "prior", "objective")}
        serialized = {name: keras.saving.serialize_keras_object(part) for name, part in parts.items()}
        return {**super().get_config(), **serialized, "seed": self.seed}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> VAE:
        parts = ("encoder", "decoder", "prior", "objective")
        built = {name: keras.saving.deserialize_keras_object(config[name], custom_objects) for name in parts}
        return cls(**{**config, **built})


def _x_of(data: Any) -> Any:
    """Return the x of (x,) or (x, y); anything else as it is."""
    return data[0] if isinstance(data, tuple | list) and len(data) in (1, 2) else data


def _is_array(x: Any) -> bool:
    return isinstance(x, np.ndarray | tf.Tensor)
