"""What objectives, training, evaluation and export ask of a model, and the records that flow between them."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import tensorflow as tf

from keras_vae.distributions import latents
from keras_vae.distributions.kl import has_closed_form_kl
from keras_vae.distributions.sets import Support
from keras_vae.random import Noise

__all__ = ["Batch", "LatentDraws", "LatentVariableModel", "as_batch"]


class Batch(NamedTuple):
    """Some examples; the tuple (x, y, sample_weight) that Keras hands to `train_step`.

    Attributes:
        x: [B, *event].
        y: Labels or conditions [B, ...], or None.
        sample_weight: Of the examples, [B]; or of their entries, [B, *event]; or None for equal weights.
    """

    x: Any
    y: Any = None
    sample_weight: Any = None

    @property
    def example_weight(self) -> Any:
        """The weights [B] of examples; None where all are equal, or where entries have weights."""
        return None if self.entry_weight is not None else self.sample_weight

    @property
    def entry_weight(self) -> Any:
        """The weights [B, *event] of entries, by which an objective multiplies their log p(x|z); or None."""
        weight = self.sample_weight
        if weight is None or len(weight.shape) < 2 or (len(weight.shape) == 2 and weight.shape[1] == 1):
            return None
        return weight

    def map(self, function: Callable[[Any], Any]) -> Batch:
        """Return the batch with `function` applied to every part that is there."""
        return Batch(*(None if part is None else function(part) for part in self))

    @property
    def data(self) -> Any:
        """What Keras hands to `train_step`: x alone, or the tuple where there is more."""
        return self.x if self.y is None and self.sample_weight is None else self


def as_batch(data: Any) -> Batch:
    """Return examples as a `Batch`.

    Args:
        data: x, the tuple (x,), (x, y) or (x, y, sample_weight) of Keras, or the dictionary of a TFDS image set, whose
            "image" is x and whose "label", where there is one, is y.

    Raises:
        ValueError: if a dictionary has no "image", or if a tuple has another number of parts.

    Example:

    >>> as_batch({"image": [[0.5]], "label": [3], "id": ["a"]})
    Batch(x=[[0.5]], y=[3], sample_weight=None)
    """
    if isinstance(data, Batch):
        return data
    parts = data if isinstance(data, tuple | list) else (data,)
    if not 1 <= len(parts) <= len(Batch._fields):
        raise ValueError(
            "Examples are x, (x,), (x, y) or (x, y, sample_weight), where each part is one array. "
            f"Received: a {type(data).__name__} of {len(parts)} parts"
        )
    batch = Batch(*parts)
    if not isinstance(batch.x, Mapping):
        return batch
    if "image" not in batch.x:
        raise ValueError(
            'x is one array. Of dictionaries those of TFDS images are taken, {"image": x, "label": y}: make x of '
            f"what else there is, or an (x, y) of it. Received: a dictionary of {', '.join(map(repr, batch.x))}"
        )
    return batch._replace(x=batch.x["image"], y=batch.x.get("label") if batch.y is None else batch.y)


class _computed_once(functools.cached_property):
    """A cached property without the lock of Python 3.11.

    A prior may run networks, in which replicas wait for each other: one that waits for a lock would never come.
    """

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        if self.attrname not in vars(instance):
            vars(instance)[self.attrname] = self.func(instance)
        return vars(instance)[self.attrname]


@dataclasses.dataclass(frozen=True)
class LatentDraws:
    """What a model says of S draws of z for each example: an objective is arithmetic on it. All in nats.

    Attributes:
        z: [S, B, *latent], or a structure of such.
        posterior: q(z|x), batch [B]; or a structure of such.
        prior: p(z), batch [] or [B]; or a structure of such.
        log_likelihood: log p(x|z), [S, B].
        estimator: The `keras_vae.objectives.Estimator` that drew z, and scores q(z|x).
    """

    z: Any
    posterior: Any
    prior: Any
    log_likelihood: tf.Tensor
    estimator: Any

    @_computed_once
    def log_prior(self) -> tf.Tensor:
        """The log-probability log p(z), [S, B]."""
        return latents.log_prob(self.prior, self.z)

    @_computed_once
    def log_posterior(self) -> tf.Tensor:
        """The log-probability log q(z|x), [S, B], with the gradient of the estimator."""
        return self.estimator.log_prob(self.posterior, self.z)

    @_computed_once
    def log_weights(self) -> tf.Tensor:
        """The log importance weights log p(x|z) + log p(z) - log q(z|x), [S, B], whose mean exp is p(x) in the mean."""
        return self.log_likelihood + self.log_prior - self.log_posterior

    @_computed_once
    def kl(self) -> dict[str, tf.Tensor]:
        """KL(q, p) of each latent by its name: [B], or [B, *latent] where its entries are independent under both.

        It is the closed form or, for a pair without one, the mean of log q(z) - log p(z) over the draws.
        """
        return latents.kl_by_latent(self.posterior, self.prior, self.z)

    @_computed_once
    def has_closed_form_kl(self) -> bool:
        """Whether TFP registers KL(q, p) of each latent in closed form."""
        parts = zip(tf.nest.flatten(self.posterior), tf.nest.flatten(self.prior), strict=True)
        return all(has_closed_form_kl(q, p) for q, p in parts)

    def mean(self, values: tf.Tensor) -> tf.Tensor:
        """Return E_q[values], [B], of `values` [S, B] at the draws, with the gradient of the estimator."""
        return self.estimator.mean(self, values)

    @_computed_once
    def entropy(self) -> tf.Tensor | None:
        """H[q], [B], in closed form; None where there is none."""
        return latents.entropy(self.posterior)


class LatentVariableModel(Protocol):
    """A model with x, latents z, and the three distributions q(z|x), p(z) and p(x|z).

    Attributes:
        event_shape: Shape of one x.
        dtype_of_x: Dtype in which the encoder takes x.
        name: Name, for messages.
        latent_shape: Shape of one z, or a structure of shapes.
        latent_dim: Number of entries of one z.
        support: The values of x that the likelihood scores.
        takes_missing: Whether entries of x may be missing, which are NaN.
        takes_y: Whether the distributions are conditioned on y, which comes with x.
        enumerates_y: Whether labels may be missing, over which `draw` sums then.
        given_specs: Name, shape and dtype of what they are conditioned on.
        is_normalized: Whether the likelihood's `log_prob` is a log-probability.
        dequantized_levels: See `keras_vae.objectives.bits_per_dim`.
        metric_units: The metrics of training by name, with their units.
        step: Training steps taken, int64.
        variable_dtype: Dtype in which densities are computed.
        variables: All weights, of Keras.
    """

    name: str
    event_shape: tuple[int, ...]
    dtype_of_x: tf.DType
    latent_shape: Any
    latent_dim: int
    support: Support
    takes_missing: bool
    takes_y: bool
    enumerates_y: bool
    given_specs: list[tf.TensorSpec]
    is_normalized: bool
    dequantized_levels: int
    metric_units: dict[str, str]
    step: Any
    variable_dtype: Any
    variables: Any

    def given(self, batch: Batch) -> dict[str, Any]:
        """Return the arguments, beside x and z, that the distributions of these examples are conditioned on."""

    def given_zeros(self) -> dict[str, tf.Tensor]:
        """Return `given` of one example of zeros."""

    def own_signatures(self) -> dict[str, Any]:
        """Return functions of x that are exported beside those that every model has, by name."""

    def check_given(self, **given: Any) -> dict[str, tf.Tensor]:
        """Return `given` as tensors, or raise if it cannot be given."""

    def checked(self, batch: Batch) -> Batch:
        """Return what `draw` needs of a batch, as tensors, or raise if the model cannot score it."""

    def encode(self, x: Any, *, training: bool = False, **given: Any) -> Any:
        """Return q(z|x)."""

    def prior_distribution(self, **given: Any) -> Any:
        """Return p(z)."""

    def decode(self, z: Any, *, training: bool = False, **given: Any) -> Any:
        """Return p(x|z)."""

    def log_likelihood(self, x: Any, z: Any, **given: Any) -> tf.Tensor:
        """Return log p(x|z), [S, B], of x [B, *event] at draws z [S, B, *latent]."""

    def draw(
        self, batch: Batch, num_samples: int, noise: Noise, estimator: Any = None, training: bool = False
    ) -> LatentDraws:
        """Run the networks once, draw z from q(z|x), and score it."""

    def __call__(self, x: Any) -> tf.Tensor:
        """Return the reconstruction [B, *event] at the mean of q(z|x)."""

    def reconstruct(self, x: Any, seed: Any = None) -> tf.Tensor:
        """Return the reconstruction [B, *event] at the mean of q(z|x) or, given a seed, at a draw."""

    def sample(self, num_samples: Any, seed: Any = None, mean: bool = False) -> tf.Tensor:
        """Return x [num_samples, *event] drawn from prior and likelihood."""

    def elbo(self, x: Any, *, num_samples: int = 1, seed: Any = None) -> tf.Tensor:
        """Return the ELBO of each example, [B]."""

    def check(self, x: Any) -> tf.Tensor:
        """Return `x` as a tensor, or raise if the model cannot score it."""

    def compiled_function(self, key: Any, make: Callable[[], Any]) -> Any:
        """Return what `make()` returned the first time that `key` was asked for."""

    def uses_xla(self) -> bool:
        """Return whether graphs are compiled with XLA."""
