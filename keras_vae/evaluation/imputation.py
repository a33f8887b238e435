"""Missing entries of x, filled in from p(x_missing | x_observed)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from keras_vae import random
from keras_vae.arguments import as_count, check_optional_counts
from keras_vae.data.images import as_batches
from keras_vae.evaluation.examples import checked_examples, padded
from keras_vae.evaluation.importance_sampling import check_normalized
from keras_vae.protocols import Batch, LatentVariableModel
from keras_vae.random import Noise, Stream

__all__ = ["impute"]

_ROWS_AT_ONCE = 20_000


def impute(
    vae: LatentVariableModel, data: Any, num_samples: int = 1000, num_imputations: int | None = None, seed: Any = 0
) -> np.ndarray:
    """Return x with its missing entries filled in, by importance sampling from q(z | x_observed).

        E[x_missing | x_observed] ~ sum_s w_s E[x_missing | z_s] / sum_s w_s,
        w_s = p(x_observed | z_s) p(z_s) / q(z_s | x_observed)

    Args:
        vae: Built model that takes missing entries, see `keras_vae.layers.MissingIndicator`.
        data: Array, tensor, `keras_vae.data.Split` or unbatched `tf.data.Dataset`, of x with NaN where an entry is
            missing.
        num_samples: Int, S. 1000.
        num_imputations: Int, M: draws of the missing entries, from p(x|z) at a z drawn among the z_s by their weights
            (importance resampling). None: their mean, which of categories is an expected number and no category: draw
            those.
        seed: Seed of the draws. 0.

    Returns:
        Array [N, *event], or [M, N, *event]. Observed entries are those of x.

    Raises:
        ValueError: if a count is not a positive integer, if the model does not take missing entries or has a
            cross-entropy in the place of a likelihood, or if an observed entry lies outside of its support.

    Example:

    >>> vae = kv.VAE.for_vectors((3,), latent_dim=2, missing=True, seed=0)
    >>> x = np.array([[1.0, np.nan, 2.0], [0.0, 1.0, np.nan]])
    >>> impute(vae, x, num_samples=50).shape, impute(vae, x, 50, num_imputations=4).shape
    ((2, 3), (4, 2, 3))

    References:
        Mattei & Frellsen (2019), "MIWAE: Deep Generative Modelling and Imputation of Incomplete Data Sets", Sec. 3.
    """
    num_samples = as_count(num_samples=num_samples)
    check_optional_counts(num_imputations=num_imputations)
    if not vae.takes_missing:
        raise ValueError(
            "The model was not made for missing entries: pass missing=True, or begin the encoder with "
            f"keras_vae.layers.MissingIndicator. Received: vae={vae.name!r}"
        )
    check_normalized(vae)
    seed = random.as_seed(seed)
    rows_an_example = max(num_samples, num_imputations or 1)
    batches = as_batches(data, max(1, _ROWS_AT_ONCE // rows_an_example), seed, training=False)
    key = ("impute", num_samples, num_imputations)
    imputed = vae.compiled_function(key, lambda: _imputed(vae, num_samples, num_imputations))
    parts = [
        imputed(padded(x, batches), seed, first_row).numpy()[:, : len(x)]
        for first_row, x in checked_examples(vae, batches, "imputation")
    ]
    whole = np.concatenate(parts, axis=1)
    return whole[0] if num_imputations is None else whole


def _imputed(vae: LatentVariableModel, num_samples: int, num_imputations: int | None) -> Callable:
    """Return a compiled function of x, seed and first row: x with its missing entries filled in, [M, B, *event]."""

    @tf.function(autograph=False)
    def imputed(x: tf.Tensor, seed: tf.Tensor, first_row: tf.Tensor) -> tf.Tensor:
        noise = Noise(seed, first_row)
        draws = vae.draw(Batch(x), num_samples, noise.of(Stream.EVALUATION))
        log_w = draws.log_weights  # [S, B]
        if num_imputations is None:
            p_x = vae.decode(draws.z)  # batch [S, B]
            weights = tf.nn.softmax(log_w, axis=0)
            mean = tf.cast(random.mean_of(p_x), weights.dtype)
            filled = tf.einsum("sb,sb...->b...", weights, mean)[None]
        else:
            u = random.uniform([tf.shape(x)[0], num_imputations], *noise.of(Stream.CHOICES), log_w.dtype)
            cumulative = tf.cumsum(tf.nn.softmax(tf.transpose(log_w)), axis=1)  # [B, S]
            chosen = tf.minimum(tf.searchsorted(cumulative, u, side="right"), num_samples - 1)  # [B, M]

            def of_chosen(part: tf.Tensor) -> tf.Tensor:
                gathered = tf.gather(_rows_first(part), chosen, batch_dims=1)  # [B, M, *latent]
                return tf.reshape(gathered, [-1, *part.shape[2:]])

            p_x = vae.decode(tf.nest.map_structure(of_chosen, draws.z))  # M rows an example, each with its own noise
            rows = random.sample(p_x, 1, Noise(seed, first_row * num_imputations).of(Stream.OBSERVATIONS))[0]
            filled = _rows_first(tf.reshape(rows, [-1, num_imputations, *rows.shape[1:]]))
        missing = tf.math.is_nan(x)
        return tf.where(missing, filled, tf.cast(tf.where(missing, tf.zeros_like(x), x), filled.dtype)[None])

    return imputed


def _rows_first(values: tf.Tensor) -> tf.Tensor:
    """Return `values` with its first two axes exchanged."""
    return tf.transpose(values, [1, 0, *range(2, values.shape.rank)])
