"""The variational autoencoder."""

from __future__ import annotations

import dataclasses
import random as python_random
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae import random
from keras_vae.arguments import as_count, check_counts, check_not_masked
from keras_vae.corruptions import Corruption, corrupt
from keras_vae.data.arrays import as_tensor
from keras_vae.distributions import latents
from keras_vae.distributions.batch_reshape import BatchReshape
from keras_vae.distributions.discrete import is_discrete
from keras_vae.distributions.entries import has_independent_entries, weighted_log_prob
from keras_vae.distributions.estimated_density import scored_with
from keras_vae.distributions.sets import REAL
from keras_vae.distributions.support import family_name, is_normalized, support_of
from keras_vae.evaluation.importance_sampling import log_marginal
from keras_vae.layers import KLDivergenceAddLoss, KLDivergenceRegularizer, MissingIndicator, as_distribution
from keras_vae.models.from_parts import FromParts
from keras_vae.models.gamma import Gamma
from keras_vae.models.objective_model import ObjectiveModel
from keras_vae.models.scorable import Scorable, check_shape
from keras_vae.objectives import ELBO
from keras_vae.objectives.estimators import Estimator, Pathwise
from keras_vae.priors import Prior
from keras_vae.protocols import Batch, LatentDraws
from keras_vae.random import Noise, Stream
from keras_vae.registration import register, sharing_objects
from keras_vae.saving.saved_model import export

__all__ = ["VAE"]

_NUM_SCORED = 100  # examples whose log-probability must be finite where the likelihood's support is not known


@register
class VAE(FromParts, ObjectiveModel):
    """Variational autoencoder: posterior q(z|x), prior p(z), likelihood p(x|z) and an objective.

    The three distributions come from Keras models or layers; everything else talks to them as TFP
    distributions. `fit`, `evaluate`, `predict`, `save` and callbacks are those of Keras; `compile` needs no
    loss. The metrics `loss`, `reconstruction_loss`, `kl` and `elbo` are in nats per example (event dimensions
    summed), `bits_per_dim` is -elbo / (log(2) * prod(event_shape)), and log2(K) more of dequantised levels. Where grey
    targets are scored by a cross-entropy (`keras_vae.layers.IndependentSoftBernoulli`) they are `loss`, `cross_entropy`
    and `kl`. A Gaussian likelihood with one learned scale ("gaussian-shared") adds `gamma`, that scale in units of x.

    Noise is a function of (seed, optimizer step, row of the batch): runs repeat exactly, however many
    replicas share a batch. Evaluation noise is a function of (seed, row of the data set).

    Args:
        encoder: maps x [B, *event] to q(z|x), batch [B], event [D]; ends in a layer of `keras_vae.layers`.
        decoder: maps z [B, D] to p(x|z), batch [B], event [*event]; ends in a layer of `keras_vae.layers`.
        prior: returns p(z), batch [], event [D], as `keras_vae.priors.StandardNormal`.
        objective: A `keras_vae.objectives.Objective`. None: the ELBO.
        seed: int, base of all noise; None draws one from Python's `random`, which
            `keras.utils.set_random_seed` seeds.
        dequantized_levels: K where x = (level + u) / K with uniform noise u in [0, 1): log2(K) bits per dimension
            are added, so that `bits_per_dim` is an upper bound for the levels.
        corruption: A `keras_vae.corruptions.Corruption` or a Keras layer, such as `keras.layers.GaussianNoise(0.3)`:
            noise on the x that the encoder sees in training, while the likelihood scores the clean x. Evaluation is on
            x as it is. None: no noise.
        **kwargs: of `keras.Model`.

    Call arguments:
        x: [B, *event].
        training: passed to the networks.

    Returns:
        The reconstruction: mean of p(x|z) at the mean of q(z|x), [B, *event].

    Raises:
        TypeError: if encoder, decoder or prior do not return a distribution, or if the objective is not an `Objective`,
            or the corruption neither a `Corruption` nor a layer.
        ValueError: if their shapes do not fit together, or if data lies outside the likelihood's support.

    Example:

    >>> from keras_vae import layers, priors
    >>> encoder = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4), layers.MultivariateNormalDiag(2)])
    >>> decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(4), layers.IndependentBernoulli(4)])
    >>> vae = VAE(encoder, decoder, priors.StandardNormal(2), seed=0)
    >>> vae.elbo(np.ones([3, 4]), seed=1).shape.as_list()
    [3]

    References:
        Kingma & Welling (2014), "Auto-Encoding Variational Bayes". The corruption: Im et al. (2017), "Denoising
        Criterion for Variational Auto-Encoding Framework".
    """

    enumerates_y = False
    takes_missing = False  # until the model is built
    _kind_of_prior: Any = Prior
    _parts: tuple[str, ...] = ("encoder", "decoder", "prior", "objective", "corruption")

    def __init__(
        self,
        encoder: keras.layers.Layer,
        decoder: keras.layers.Layer,
        prior: Prior,
        objective: Any = None,
        seed: int | None = None,
        dequantized_levels: int = 1,
        corruption: Corruption | keras.layers.Layer | None = None,
        **kwargs: Any,
    ):
        seed = python_random.randint(0, 2**31 - 1) if seed is None else seed
        super().__init__(objective, seed, dequantized_levels, **kwargs)
        for name, part, kind in (
            ("encoder", encoder, keras.layers.Layer),
            ("decoder", decoder, keras.layers.Layer),
            ("prior", prior, self._kind_of_prior),
        ):
            if not isinstance(part, kind):
                raise TypeError(f"`{name}` must be a {kind.__module__}.{kind.__name__}. Received: {name}={part!r}")
        if not isinstance(corruption, Corruption | keras.layers.Layer | None):
            raise TypeError(
                "`corruption` must be a keras_vae.corruptions.Corruption or a Keras layer. "
                f"Received: corruption={corruption!r}"
            )
        self._check_inputs(encoder)
        self.encoder = encoder
        self.decoder = decoder
        self.prior = prior
        self.corruption = corruption
        self.seed_generator = keras.random.SeedGenerator(self.seed)
        if type(self) is VAE and len(getattr(encoder, "inputs", None) or []) == 1:
            self.build(encoder.input_shape)  # a subclass may add weights first, and is built when it is used

    def _check_inputs(self, encoder: keras.layers.Layer) -> None:
        """Raise if the encoder takes something else than x."""
        if (num_inputs := len(getattr(encoder, "inputs", None) or [0])) > 1:
            raise ValueError(
                "x is one tensor: let the encoder take one input, and join there what belongs to an example. Where the "
                "second input is a condition y, make a keras_vae.ConditionalVAE. "
                f"Received: an encoder with {num_inputs} inputs"
            )

    def build(self, input_shape: Any) -> None:
        """Build the parts on zeros, check that they fit together, and find what the likelihood can score."""
        event_shape = tuple(input_shape[1:])
        for layer in self.encoder._flatten_layers():
            if isinstance(layer, KLDivergenceAddLoss | KLDivergenceRegularizer):
                raise ValueError(
                    f"KL(q(z|x), p(z)) has two owners: {type(layer).__name__} {layer.name!r} of the encoder adds it to "
                    f"the loss, and so does the objective, {type(self.objective).__name__}. Leave the layer out. "
                    f"Received: encoder={self.encoder.name!r}"
                )
        if None in event_shape:
            raise ValueError(f"The shape of one example must be known. Received: input_shape={input_shape}")
        inputs = getattr(self.encoder, "inputs", None)
        self.dtype_of_x = tf.as_dtype(inputs[0].dtype if inputs else self.variable_dtype)
        self.event_shape = event_shape
        given = self.given_zeros()
        q_z = self.encode(tf.zeros([1, *event_shape], self.dtype_of_x), **given)
        if isinstance(self.prior, Prior):
            self.prior.lend(self)
        p_z = self.prior_distribution(**given)
        self.latent_shape = latents.latent_shape(p_z)
        posteriors = tf.nest.flatten(q_z)
        self._has_parts = tf.nest.is_nested(p_z)
        self._latent_rank = tf.nest.flatten(p_z)[0].event_shape.rank
        if latents.latent_shape(q_z) != self.latent_shape or any(q.batch_shape.rank != 1 for q in posteriors):
            raise ValueError(
                f"The encoder's posterior must have batch [B] and the prior's event shape {self.latent_shape}. "
                f"Received: batch_shape={[q.batch_shape for q in posteriors]}, event_shape={latents.latent_shape(q_z)}"
            )
        tf.nest.map_structure(_check_prior_of_discrete, q_z, p_z)
        p_x = self.decode(tf.nest.map_structure(lambda p: tf.zeros([1, *p.event_shape], p.dtype), p_z), **given)
        if p_x.batch_shape.rank != 1 or tuple(p_x.event_shape) != event_shape:
            raise ValueError(
                f"The decoder's likelihood must have batch [B] and the shape of x, {event_shape}. "
                f"Received: batch_shape={p_x.batch_shape}, event_shape={p_x.event_shape}"
            )
        self.support = support_of(p_x)
        self.takes_missing = any(isinstance(layer, MissingIndicator) for layer in self.encoder._flatten_layers())
        if self.takes_missing and not has_independent_entries(p_x):
            received = type(getattr(p_x, "tensor_distribution", p_x)).__name__
            raise ValueError(
                "Where entries of x are missing, the likelihood must be independent over its entries, as those of "
                f"keras_vae.layers.Independent... are. Received: {received}"
            )
        if self.takes_missing and self.dequantized_levels > 1:
            raise ValueError(
                "The bits per dim of dequantised levels count all entries: leave `dequantized_levels` out where some "
                f"are missing. Received: dequantized_levels={self.dequantized_levels}"
            )
        self._scorable = Scorable(event_shape, self.dtype_of_x, self.support, family_name(p_x), self.takes_missing)
        self.is_normalized = is_normalized(p_x)
        self.latent_dim = sum(p.event_shape.num_elements() for p in tf.nest.flatten(p_z))
        self._is_reparameterized = all(q.reparameterization_type == tfd.FULLY_REPARAMETERIZED for q in posteriors)
        for layer in self.objective.estimator.layers:
            if not layer.built:
                layer.build((None, *event_shape))
        if isinstance(self.corruption, keras.layers.Layer):
            self.corruption(tf.zeros([1, *event_shape], self.variable_dtype))
            if self.corruption.trainable_variables:
                raise ValueError(
                    f"`corruption` must have no weights to train. Received: corruption={self.corruption!r}"
                )
        self._gamma = Gamma.of(self.decoder)
        self.built = True

    @property
    def metric_units(self) -> dict[str, str]:
        gamma = getattr(self, "_gamma", None)  # found when the model is built
        return super().metric_units | ({} if gamma is None else {gamma.name: gamma.unit})

    def with_prior(self, prior: Prior) -> VAE:
        """Return a new model with another prior, which shares encoder, decoder and objective with this one.

        A subclass whose constructor takes other arguments than that of `VAE` overrides this.

        Args:
            prior: A `keras_vae.priors.Prior` of the same event shape.

        Example:

        >>> vae = VAE.for_vectors((4,), latent_dim=2)
        >>> other = vae.with_prior(kv.priors.MixtureOfNormals(2))
        >>> other.encoder is vae.encoder, type(other.prior).__name__
        (True, 'MixtureOfNormals')
        """
        with self.distribute_strategy.scope():
            model = type(self)(
                self.encoder,
                self.decoder,
                prior,
                objective=self.objective,
                seed=self.seed,
                dequantized_levels=self.dequantized_levels,
                dtype=self.dtype_policy,
                **({} if self.corruption is None else {"corruption": self.corruption}),
                **self._own_arguments(),
            )
            if self.built and not model.built:
                model.build((None, *self.event_shape))
        model.step.assign(self.step)  # no noise comes twice if it is trained
        return model

    def _own_arguments(self) -> dict[str, Any]:
        """Return the arguments of the constructor that a subclass adds to those of `VAE`, for `with_prior`."""
        return {}

    # What a subclass conditions the distributions on, which is nothing here.

    def given(self, batch: Batch) -> dict[str, Any]:
        """Return what `encode`, `prior_distribution`, `decode` and `log_likelihood` take of a batch beside x."""
        return {}

    @property
    def given_specs(self) -> list[tf.TensorSpec]:
        return []

    def given_zeros(self) -> dict[str, tf.Tensor]:
        """Return `given` of one example of zeros."""
        return {spec.name: tf.zeros([1, *spec.shape[1:]], spec.dtype) for spec in self.given_specs}

    def own_signatures(self) -> dict[str, Any]:
        """Return functions of x that are exported beside those that every model has, by name."""
        return {}

    def check_given(self) -> dict[str, tf.Tensor]:
        """Return `given` as tensors, or raise if it cannot be given."""
        return {}

    def checked(self, batch: Batch) -> Batch:
        """Return what `draw` needs of a batch, as tensors, or raise if the model cannot score it."""
        return Batch(self.check(batch.x))

    # The three distributions, and what follows from them.

    def encode(self, x: Any, training: bool = False) -> Any:
        """Return the posterior q(z|x) for x [B, *event]: batch [B], event [*latent]; or a structure of such."""
        self._check_shape(x)
        return latents.as_latents(self.encoder(x, training=training))

    def prior_distribution(self) -> Any:
        """Return the prior p(z): batch [], event [*latent]; or a structure of such."""
        return latents.as_latents(self.prior())

    def decode(self, z: Any, training: bool = False) -> tfd.Distribution:
        """Return the likelihood p(x|z) for z [B, *latent], or a structure of such: batch [B], event [*event].

        Of z [S, B, *latent] and the like, of static rank, it has the batch [S, B].
        """
        z = (
            tf.nest.map_structure(tf.convert_to_tensor, latents.as_tuples(z))
            if self._has_parts
            else tf.convert_to_tensor(z)
        )
        first = tf.nest.flatten(z)[0]
        leading = first.shape.rank - self._latent_rank
        if leading == 1:
            return as_distribution(self.decoder(z, training=training))
        flat = tf.nest.map_structure(lambda part: tf.reshape(part, [-1, *part.shape[leading:]]), z)
        return BatchReshape(as_distribution(self.decoder(flat, training=training)), first.shape[:leading])

    def log_likelihood(
        self, x: Any, z: Any, training: bool = False, entry_weight: Any = None, **given: Any
    ) -> tf.Tensor:
        """Return log p(x|z) in nats, [S, B], of x [B, *event] at each of S draws z [S, B, *latent].

        `given` is what the likelihood is conditioned on beside z, [B, ...], see `given`. With weights [B, *event] of
        the entries it is sum_e w_e log p(x_e|z): the likelihood must be independent over
        entries. Missing entries, NaN in a model that takes them, have the weight 0.
        """
        x = tf.convert_to_tensor(x)
        self._check_shape(x)
        if self.takes_missing and x.dtype.is_floating:
            observed = tf.cast(~tf.math.is_nan(x), x.dtype)
            entry_weight = observed if entry_weight is None else observed * tf.cast(entry_weight, x.dtype)
            x = self.support.filled(x)
        first = tf.nest.flatten(z)[0]

        def for_each_draw(part: Any) -> tf.Tensor:
            part = tf.convert_to_tensor(part)
            return tf.tile(part, [first.shape[0]] + [1] * (part.shape.rank - 1))

        flat = tf.nest.map_structure(lambda part: tf.reshape(part, [-1, *part.shape[2:]]), z)
        p_x = self.decode(flat, training=training, **{name: for_each_draw(part) for name, part in given.items()})
        x = for_each_draw(tf.cast(x, p_x.dtype))
        log_prob = p_x.log_prob(x) if entry_weight is None else weighted_log_prob(p_x, x, for_each_draw(entry_weight))
        return tf.reshape(log_prob, tf.shape(first)[:2])

    def draw(
        self,
        batch: Batch,
        num_samples: int,
        noise: Noise,
        estimator: Estimator | None = None,
        training: bool = False,
    ) -> LatentDraws:
        """Run the networks once, draw z from q(z|x), and score it.

        Args:
            batch: The examples, as `checked` returns them; of `y` a conditional model makes use.
            num_samples: S, draws per example.
            noise: Of the draws.
            estimator: Says where gradients are stopped; None lets none through the draws.
            training: Passed to the networks.
        """
        estimator = estimator or Estimator()
        # The encoder runs on x last: Keras keeps the losses of its regularisers from the last call alone.
        given = self.given(batch)
        p_z = scored_with(self.prior_distribution(**given), noise.of(Stream.PRIOR), training)
        seen = batch.x
        if training and self.corruption is not None:
            seen = corrupt(self.corruption, tf.cast(seen, self.variable_dtype), noise.of(Stream.CORRUPTION))
        q_z = self.encode(seen, training=training, **given)
        z = estimator.sample(q_z, num_samples, noise.of(Stream.POSTERIOR))
        weights = {} if batch.entry_weight is None else {"entry_weight": batch.entry_weight}
        return LatentDraws(
            z=z,
            posterior=q_z,
            prior=p_z,
            log_likelihood=self.log_likelihood(batch.x, z, training=training, **weights, **given),
            estimator=estimator,
        )

    def call(self, x: Any, training: bool = False) -> tf.Tensor:
        return self._reconstruction(x, training=training)

    def _reconstruction(self, x: Any, seed: Any = None, training: bool = False, **given: Any) -> tf.Tensor:
        q_z = self.encode(x, training=training, **given)
        if seed is None:
            z = random.center_of(q_z)
        else:
            drawn = random.sample(q_z, 1, random.as_noise(seed).of(Stream.POSTERIOR))
            z = tf.nest.map_structure(lambda part: part[0], drawn)
        return random.mean_of(self.decode(z, training=training, **given))

    def reconstruct(self, x: Any, seed: Any = None) -> tf.Tensor:
        """Return the mean of p(x|z), [B, *event], at the mean of q(z|x) or, given a `seed`, at a draw of it.

        Of a discrete z it is the mode, the most probable z, in the place of the mean. A model that was trained with a
        `corruption` takes any finite x, such as noisy images that the likelihood could not score.
        """
        x = self.check_seen(x)
        return self(x) if seed is None else self._reconstruction(x, seed)

    def sample(self, num_samples: int, seed: Any = None, mean: bool = False) -> tf.Tensor:
        """Draw x by ancestral sampling: z ~ p(z), then the decoder's parameters, then x ~ p(x|z).

        Args:
            num_samples: how many, 1 or more.
            seed: see `keras_vae.random.as_seed`; None advances the model's own generator.
            mean: return the mean of p(x|z) instead of a draw from it.

        Returns:
            x [num_samples, *event].

        Raises:
            ValueError: if `num_samples` is not a positive integer, or if so many do not fit into memory.
        """
        if tf.executing_eagerly():  # in a graph it may be a tensor
            check_counts(num_samples=num_samples)
        return self._sample(num_samples, seed, mean)

    def _sample(self, num_samples: Any, seed: Any, mean: bool, **given: Any) -> tf.Tensor:
        noise = random.as_noise(self._next_seed() if seed is None else seed)
        p_z = self.prior_distribution(**given)
        has_rows = tf.nest.flatten(p_z)[0].batch_shape.rank > 0  # a p(z|y) for each row of y
        try:
            z = random.sample(p_z, 1 if has_rows else num_samples, noise.of(Stream.PRIOR))
            z = tf.nest.map_structure(lambda part: part[0], z) if has_rows else z
            p_x = self.decode(z, **given)
            return random.mean_of(p_x) if mean else random.sample(p_x, 1, noise.of(Stream.OBSERVATIONS))[0]
        except tf.errors.ResourceExhaustedError as error:
            raise ValueError(
                "So many samples do not fit into memory: draw them in parts, each with "
                "seed=keras_vae.random.as_noise(seed, first_row=number of samples before it). "
                f"Received: num_samples={num_samples}"
            ) from error

    def elbo(self, x: Any, num_samples: int = 1, seed: Any = None) -> tf.Tensor:
        """Return the ELBO of each example in nats, [B], from `num_samples` posterior draws; up is better.

        Its mean over draws is a lower bound of log p(x), whatever objective the model is trained with. Gradients go
        through the draws of a reparameterised posterior; those of a discrete one carry none.
        """
        return self._elbo(Batch(x), num_samples, seed)

    def _elbo(self, batch: Batch, num_samples: int, seed: Any) -> tf.Tensor:
        seed = self._next_seed() if seed is None else seed
        draws = self.draw(
            self.checked(batch),
            as_count(num_samples=num_samples),
            random.as_noise(seed),
            Pathwise() if self._is_reparameterized else Estimator(),
        )
        return ELBO().terms(draws).elbo

    def log_marginal(self, x: Any, num_samples: int = 1000, seed: Any = None) -> tuple[np.ndarray, np.ndarray]:
        """Return log p(x) of each example in nats, [N], and its standard error, by importance sampling.

        See `keras_vae.evaluation.log_marginal`, which returns the effective sample size too.
        """
        estimate = log_marginal(self, x, num_samples, self._next_seed() if seed is None else seed)
        return estimate.log_marginal, estimate.standard_error

    def check(self, x: Any) -> tf.Tensor:
        """Return `x` as a tensor that has passed the check of shape and support: at once, or when a graph runs.

        Raises:
            ValueError: if x has another shape than [B, *event_shape], or entries outside of the likelihood's support.
            tf.errors.InvalidArgumentError: instead, where a graph meets such entries; XLA leaves the check out.
        """
        x = self._as_checked_tensor(x)
        if not tf.executing_eagerly():
            return self._scorable.checked_in_graph(x)
        self._scorable.check(x)
        if not self.support.is_known:
            center = random.center_of(self.encode(x[:_NUM_SCORED]))
            log_prob = self.log_likelihood(x[:_NUM_SCORED], tf.nest.map_structure(lambda part: part[None], center))
            if not np.all(np.isfinite(log_prob)):
                raise ValueError(
                    f"The {self._scorable.family} likelihood gives x a log-probability that is not finite: is x in its "
                    f"support? Received: values in x from {np.min(x):g} to {np.max(x):g}"
                )
        return x

    def _other_parts_in_graphs(self) -> list[Any]:
        return [] if self.corruption is None else [self.corruption]

    def check_seen(self, x: Any) -> tf.Tensor:
        if self.corruption is None:
            return self.check(x)
        x, any_number = self._as_checked_tensor(x), dataclasses.replace(self._scorable, support=REAL)
        if not tf.executing_eagerly():
            return any_number.checked_in_graph(x, "x must be finite. Received: x with NaN or infinite entries")
        any_number.check(x)
        return x

    def _as_checked_tensor(self, x: Any) -> tf.Tensor:
        """Return x as a tensor of the right shape; the model is built if it was not."""
        check_not_masked(x=x)
        x = as_tensor(x)
        if not self.built:
            self.build(x.shape)
        self._check_shape(x)
        return x

    def can_score(self, x: tf.Tensor) -> tf.Tensor:
        return self._scorable.contains(x)

    def _check_shape(self, x: Any) -> None:
        if hasattr(self, "event_shape"):  # an encoder may be used before the model is built
            check_shape(x, self.event_shape)

    def _next_seed(self) -> tf.Tensor:
        return random.as_noise(self.seed_generator).of(Stream.UNSEEDED).seed

    def export(
        self, filepath: Any, format: str = "tf_saved_model", verbose: Any = None, input_signature: Any = None
    ) -> Any:
        """Export a SavedModel that TensorFlow alone loads; see `keras_vae.saving.export`.

        Args:
            filepath: Str or path, folder of the versions.
            format: Str, "tf_saved_model".
            verbose: Bool, whether to say where it is saved.
            input_signature: None: the signatures are those of `keras_vae.saving.export`.

        Returns:
            The folder written.

        Raises:
            ValueError: if the model is not built or `filepath` is not a path, or for another format or signature.
            OSError: if the folder cannot be written.
        """
        if format != "tf_saved_model" or input_signature is not None:
            raise ValueError(
                "A VAE is exported as a SavedModel with signatures of its own; `vae.decoder.export` knows other "
                f"formats. Received: format={format!r}, input_signature={input_signature!r}"
            )
        if not self.built:
            raise ValueError("Only a built model can be exported: call it on data, or fit it. Received: built=False")
        folder = export(self, filepath)
        if verbose:
            print(f"Saved in {folder}")
        return folder

    def get_config(self) -> dict[str, Any]:
        parts = {name: getattr(self, name) for name in self._parts}
        with sharing_objects():
            serialized = {name: keras.saving.serialize_keras_object(part) for name, part in parts.items()}
        return {**super().get_config(), **serialized, "seed": self.seed, "dequantized_levels": self.dequantized_levels}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> VAE:
        with sharing_objects():
            built = {
                name: keras.saving.deserialize_keras_object(config.get(name), custom_objects) for name in cls._parts
            }
        return cls(**{**config, **built})


def _check_prior_of_discrete(q_z: tfd.Distribution, p_z: tfd.Distribution) -> None:
    """Raise if z is discrete under q(z|x) and not under p(z): probabilities and densities would be compared."""
    if is_discrete(q_z) and not (support := support_of(q_z)).contains(random.sample(p_z, 1, seed=0)):
        raise ValueError(
            f"The entries of z are {support.description} under the posterior, and others under the prior: pass a prior "
            f"of the same kind, such as keras_vae.priors.Bernoulli. Received: a prior of {type(p_z).__name__}"
        )
