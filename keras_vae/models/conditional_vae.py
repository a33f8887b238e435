"""The conditional variational autoencoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_vae.arguments import as_count, sizes_of
from keras_vae.distributions import latents
from keras_vae.evaluation.importance_sampling import log_marginal
from keras_vae.layers import as_distribution
from keras_vae.models.conditions import Arrays, Condition, Labels
from keras_vae.models.door import as_one_batch
from keras_vae.models.vae import VAE
from keras_vae.priors import Prior
from keras_vae.protocols import Batch, as_batch
from keras_vae.registration import register

__all__ = ["ConditionalVAE"]


@register
class ConditionalVAE(VAE):
    """Variational autoencoder of x given y: q(z|x, y), p(z) or p(z|y), and p(x|z, y); y comes with each x.

    y is a label, a vector, or an image such as the part of x that is known. A part that takes y has one input more:
    the encoder takes [x, y], the decoder [z, y], and a prior p(z|y) is a Keras model of y that ends in a distribution
    layer. A functional model of one input does not take y; all other layers are taken to. `fit`, `evaluate` and
    data sets get (x, y), and all numbers are those of log p(x|y).

    Args:
        encoder: Keras layer from [x, y] to q(z|x, y), or from x to q(z|x).
        decoder: Keras layer from [z, y] to p(x|z, y), or from z to p(x|z).
        prior: Keras layer from y to p(z|y), batch [B], or a `keras_vae.priors.Prior`, p(z).
        *args: As of `VAE`.
        num_classes: Int, K, where y is a label from 0 to K - 1: the parts get it as a one-hot vector [B, K]. None: y is
            an array of real numbers.
        condition_shape: Integers, the shape of one such y. None: that of the inputs of the parts.
        **kwargs: As of `VAE`.

    Call arguments:
        inputs: The pair of x [B, *event] and y [B] or [B, *condition_shape].
        training: Passed to the networks.

    Returns:
        The reconstruction, as of `VAE`.

    Raises:
        TypeError: as of `VAE`.
        ValueError: as of `VAE`; or if no part takes y, or if the shape of y is not known.

    Example:

    >>> x, y = np.random.default_rng(0).integers(0, 2, [64, 4, 4, 1]), np.arange(64) % 3
    >>> cvae = ConditionalVAE.for_images((4, 4, 1), latent_dim=2, num_classes=3, seed=0)
    >>> cvae.compile()
    >>> history = cvae.fit(x, y, epochs=2, verbose=0)
    >>> cvae.sample([2, 2, 0], seed=0).shape.as_list(), cvae.elbo(x, y, seed=0).shape.as_list()
    ([3, 4, 4, 1], [64])

    References:
        Sohn, Lee & Yan (2015), "Learning Structured Output Representation using Deep Conditional Generative Models",
        Eq. 4, whose x and y are our y and x.
    """

    takes_y = True
    _kind_of_prior = (Prior, keras.layers.Layer)

    def __init__(
        self,
        encoder: keras.layers.Layer,
        decoder: keras.layers.Layer,
        prior: Prior | keras.layers.Layer,
        *args: Any,
        num_classes: int | None = None,
        condition_shape: Sequence[int] | None = None,
        **kwargs: Any,
    ):
        super().__init__(encoder, decoder, prior, *args, **kwargs)
        if num_classes is not None and condition_shape is not None:
            raise ValueError(
                "Pass `num_classes` where y is a label, `condition_shape` where it is an array, and not both. "
                f"Received: num_classes={num_classes}, condition_shape={condition_shape}"
            )
        inputs = {name: _input_of_y(name, getattr(self, name)) for name in ("encoder", "decoder", "prior")}
        self._takers = frozenset(name for name, y in inputs.items() if y is not None)
        if not self._takers:
            raise ValueError(
                "A part must take y: an encoder of [x, y], a decoder of [z, y], or a Keras model of y as the prior. "
                f"Received: encoder={encoder!r}, decoder={decoder!r}, prior={prior!r}"
            )
        known = [y for y in inputs.values() if isinstance(y, keras.KerasTensor)]
        self.condition: Condition
        if num_classes is not None:
            self.condition = Labels(as_count(num_classes=num_classes))
        elif condition_shape is not None or known:
            shape = known[0].shape[1:] if condition_shape is None else sizes_of("condition_shape", condition_shape)
            dtype = known[0].dtype if known else self.variable_dtype
            self.condition = Arrays(tuple(shape), tf.as_dtype(dtype))
        else:
            raise ValueError(
                "The shape of y must be known: pass `num_classes` or `condition_shape`, or make a part that takes y a "
                "functional model. Received: num_classes=None, condition_shape=None"
            )
        self.observed = self.condition
        for y in known:
            if tuple(y.shape[1:]) != self.condition.seen_shape:
                raise ValueError(
                    f"The parts must take y of the shape {self.condition.seen_shape}. Received: an input of the shape "
                    f"{tuple(y.shape[1:])}"
                )
        if type(self) is ConditionalVAE and getattr(encoder, "inputs", None):
            self.build(encoder.inputs[0].shape)

    def _check_inputs(self, encoder: keras.layers.Layer) -> None:
        """Whatever takes x, or x and y, is an encoder."""

    @classmethod
    def _condition_shape(cls, arguments: dict[str, Any]) -> tuple[int, ...] | None:
        num_classes, shape = arguments.get("num_classes"), arguments.get("condition_shape")
        if (num_classes is None) == (shape is None):
            raise ValueError(
                "Pass `num_classes` where y is a label, or `condition_shape` where it is an array. "
                f"Received: num_classes={num_classes}, condition_shape={shape}"
            )
        if shape is not None:
            return tuple(sizes_of("condition_shape", shape))
        return (as_count(num_classes=num_classes),)

    def _own_arguments(self) -> dict[str, Any]:
        return self.condition.arguments

    # What the distributions are conditioned on.

    def given(self, batch: Batch) -> dict[str, Any]:
        return {"y": batch.y}

    @property
    def given_specs(self) -> list[tf.TensorSpec]:
        return [self.condition.spec]

    def checked(self, batch: Batch) -> Batch:
        x = self.check(batch.x)
        return Batch(x, self.observed.checked(self._y_of(batch), tf.shape(x)[0]))

    def _y_of(self, batch: Batch) -> Any:
        """Return the y of data, of which `observed` says what it may be."""
        return batch.y

    def seen(self, batch: Batch) -> Batch:
        x = self.check_seen(batch.x)
        return Batch(x, **self.check_given(batch.y, tf.shape(x)[0]))

    def check_given(self, y: Any, num_rows: Any = None) -> dict[str, tf.Tensor]:  # type: ignore[override]
        return {"y": self.condition.checked(y, num_rows)}

    def check_batch(self, batch: Batch, name: str = "") -> None:
        super().check_batch(batch, name)
        try:
            self.observed.checked(self._y_of(batch))
        except ValueError as error:
            raise ValueError(f"In {name}: {error}") if name else error from None

    def can_score_batch(self, batch: Batch) -> tf.Tensor:
        y = self._y_of(batch)
        if y is None:
            return tf.constant(False)
        return super().can_score_batch(batch) & self.observed.contains(y)

    # The three distributions, and what follows from them.

    def encode(self, x: Any, training: bool = False, y: Any = None) -> Any:
        """Return the posterior q(z|x, y), as `VAE.encode`."""
        if "encoder" not in self._takers:
            return super().encode(x, training=training)
        x, y = tf.convert_to_tensor(x), self._seen(y)
        self._check_shape(x)
        return latents.as_latents(self.encoder([x, y], training=training))

    def prior_distribution(self, y: Any = None) -> Any:
        """Return the prior p(z|y), batch [B], event [*latent]; or p(z), batch [], where the prior takes no y."""
        if "prior" not in self._takers:
            return super().prior_distribution()
        prior: Any = self.prior
        return latents.as_latents(prior(self._seen(y)))

    def decode(self, z: Any, training: bool = False, y: Any = None) -> Any:
        """Return the likelihood p(x|z, y) for z [B, *latent] and y [B, ...]: batch [B], event [*event]."""
        if "decoder" not in self._takers:
            return super().decode(z, training=training)
        inputs = [*map(tf.convert_to_tensor, tf.nest.flatten(z)), self._seen(y)]
        return as_distribution(self.decoder(inputs, training=training))

    def _seen(self, y: Any) -> tf.Tensor:
        if y is None:
            raise ValueError(
                "The distributions of a conditional model depend on y: pass it with x. Those functions of "
                "keras_vae.evaluation that take (x, y) are `evaluate`, `elbo_gain` and `log_marginal`. Received: y=None"
            )
        return self.condition.as_seen(tf.convert_to_tensor(y))

    def call(self, inputs: Any, training: bool = False) -> tf.Tensor:
        x, y = inputs
        return self._reconstruction(x, training=training, y=y)

    def predict_step(self, data: Any) -> tf.Tensor:
        batch = as_batch(data[0] if len(data) == 1 else data)  # predict_on_batch wraps what it is given
        return self([batch.x, batch.y], training=False)

    def reconstruct(self, x: Any, y: Any = None, seed: Any = None) -> tf.Tensor:  # type: ignore[override]
        """Return the mean of p(x|z, y), [B, *event], at the mean of q(z|x, y) or, given a `seed`, at a draw of it.

        With another y than that of the encoder, `decode(z, y=y)` shows x with another condition.
        """
        x, y, _ = self.seen(Batch(x, y))
        return self._reconstruction(x, seed, y=y)

    def sample(self, y: Any, seed: Any = None, mean: bool = False) -> tf.Tensor:
        """Draw an x for each row of y: z ~ p(z|y) or p(z), then x ~ p(x|z, y).

        Args:
            y: Array [B] of labels, or [B, *condition_shape].
            seed: See `keras_vae.random.as_seed`. None: that of the model's own generator.
            mean: Bool, whether to return the mean of p(x|z, y) instead of a draw from it. False.

        Returns:
            x [B, *event].
        """
        given = self.check_given(y)
        return self._sample(tf.shape(given["y"])[0], seed, mean, **given)

    def elbo(self, x: Any, y: Any = None, num_samples: int = 1, seed: Any = None) -> tf.Tensor:  # type: ignore[override]
        """Return the ELBO of each example in nats, [B], a lower bound of log p(x|y): as `VAE.elbo`."""
        return self._elbo(Batch(x, y), num_samples, seed)

    def log_marginal(  # type: ignore[override]
        self, x: Any, y: Any = None, num_samples: int = 1000, seed: Any = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return log p(x|y) of each example in nats, [N], and its standard error: as `VAE.log_marginal`."""
        estimate = log_marginal(self, as_one_batch(x, y), num_samples, self._next_seed() if seed is None else seed)
        return estimate.log_marginal, estimate.standard_error

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self.condition.arguments}


def _input_of_y(name: str, part: Any) -> Any:
    """Return the input of a part that takes y, or True where it has none that is known; None where it takes no y."""
    if isinstance(part, Prior):
        return None
    inputs = getattr(part, "inputs", None)
    if not inputs:
        return True
    if name == "prior":
        return inputs[0]
    return inputs[-1] if len(inputs) > 1 else None
