"""Which examples the latent space confuses: posteriors that overlap, and draws of z that fit another x better."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from scipy.special import logsumexp

from keras_vae import random
from keras_vae.arguments import as_count
from keras_vae.data.images import as_batches
from keras_vae.distributions import latents
from keras_vae.distributions.bhattacharyya import bhattacharyya_distances
from keras_vae.evaluation.elbo import Estimate, estimate
from keras_vae.evaluation.examples import checked_examples
from keras_vae.evaluation.importance_sampling import check_normalized
from keras_vae.evaluation.progress import progress
from keras_vae.protocols import LatentVariableModel
from keras_vae.random import Noise, Stream

__all__ = ["Overlap", "overlap"]


class Overlap(NamedTuple):
    """How far a model confuses the N examples of a set.

    Attributes:
        confusion_rate: how often, with z ~ q(z|x_i), some other x_j of the set has a higher p(x_j|z) than x_i itself.
        expected_error: of p(x_j|z) as a classifier over j, all alike before: the mean of
            1 - p(x_i|z) / sum_j p(x_j|z).
        coefficients: [N, N], of Bhattacharyya, between q(z|x_i) and q(z|x_j): 1 where they are equal, 0 where they have
            no z in common.
        pairs: [K, 2], the i < j whose posteriors overlap most, the greatest coefficient first.
        pair_coefficients: [K], theirs.
    """

    confusion_rate: Estimate
    expected_error: Estimate
    coefficients: np.ndarray
    pairs: np.ndarray
    pair_coefficients: np.ndarray


def overlap(
    vae: LatentVariableModel,
    data: Any,
    num_samples: int = 10,
    num_pairs: int = 20,
    batch_size: int = 100,
    seed: Any = 0,
) -> Overlap:
    """Measure how much the posteriors q(z|x_i) of a data set overlap, and how often a draw of z fits another x better.

        coefficient_ij = integral sqrt(q(z|x_i) q(z|x_j)) dz

    For normal posteriors it is in closed form. For others it is the mean of

        sqrt(q_i q_j) / ((q_i + q_j) / 2) = 1 / cosh(log(q_i / q_j) / 2)

    over as many draws of q_i as of q_j, which is unbiased and never outside 0 and 1. All N^2 pairs are visited, in
    compiled steps of bounded memory: pass some thousand examples at most. With an inverse autoregressive flow, each
    density takes D passes through the networks: pass a few hundred examples.

    The standard errors count that each x_j takes part in the rate of every other example: they are those of the
    jackknife, the spread of the rates when one example at a time is left out. In the mean they are rather too large
    than too small.

    Args:
        vae: built model.
        data: array, tensor, `keras_vae.data.Split` or unbatched `tf.data.Dataset`, of two examples or more.
        num_samples: draws of z per example.
        num_pairs: K, how many pairs are returned; fewer where there are fewer.
        batch_size: examples at a time: `batch_size`^2 pairs.
        seed: of the pixels' draws and of the posterior's noise.

    Returns:
        `Overlap`.

    Raises:
        ValueError: if a count is not a positive integer, if there is only one example, if the data lies outside the
            likelihood's support, or if the likelihood is a cross-entropy of grey targets.

    Example:

    >>> vae = kv.VAE.for_images((4, 4, 1), latent_dim=2, hidden=(8,), seed=0)
    >>> x = np.random.default_rng(0).integers(0, 2, [6, 4, 4, 1])
    >>> result = overlap(vae, np.concatenate([x, x[:1]]), num_pairs=3)
    >>> result.pairs[0].tolist(), float(result.pair_coefficients[0])
    ([0, 6], 1.0)

    References:
        Bhattacharyya (1943), "On a measure of divergence between two statistical populations". Efron & Stein
        (1981), "The jackknife estimate of variance", Theorem 2 (its bias is upward).
    """
    num_samples, num_pairs = as_count(num_samples=num_samples), as_count(num_pairs=num_pairs)
    check_normalized(vae)
    draw = vae.compiled_function(("overlap: draw", num_samples), lambda: _draw(vae, num_samples))
    score = vae.compiled_function("overlap: score", lambda: _score(vae))
    compare = vae.compiled_function("overlap: compare", lambda: _compare(vae))
    seed = random.as_seed(seed)
    batches = as_batches(data, batch_size, seed, training=False)
    blocks = list(checked_examples(vae, batches, "posteriors"))
    num_examples = sum(len(x) for _, x in blocks)
    if num_examples < 2:
        raise ValueError(f"One example overlaps with no other: give two or more. Received: {num_examples} example")
    drawn = [(int(first_row), x, draw(x, seed, first_row)) for first_row, x in blocks]

    matrix = np.zeros([num_examples, num_examples], vae.variable_dtype)
    values, shares = [], np.zeros([2, num_examples])
    for i, x, z in progress(drawn, len(drawn), "overlap"):
        log_p = np.concatenate([score(other_x, z) for _, other_x, _ in drawn], axis=-1)
        values_of_rows, shares_in_rows = _errors(log_p.astype(np.float64), first_row=i)
        values.append(values_of_rows)
        shares += shares_in_rows
        for j, other_x, other_z in drawn:
            if j >= i:  # the others are known, as the matrix is symmetric
                coefficients = compare(x, z, other_x, other_z).numpy()
                matrix[i : i + len(x), j : j + len(other_x)] = coefficients
                matrix[j : j + len(other_x), i : i + len(x)] = coefficients.T
    first, second = np.triu_indices(num_examples, k=1)
    most = np.argsort(-matrix[first, second], kind="stable")[:num_pairs]
    pairs = np.stack([first[most], second[most]], axis=1)
    confusion_rate, expected_error = (
        Estimate(float(value.mean()), estimate(value + share).standard_error)
        for value, share in zip(np.concatenate(values, axis=1), shares, strict=True)
    )
    return Overlap(confusion_rate, expected_error, matrix, pairs, matrix[tuple(pairs.T)])


def _errors(log_p: np.ndarray, first_row: int) -> tuple[np.ndarray, np.ndarray]:
    """Return confusion rate and expected error of each row, [2, I], and what each x_j adds to them, [2, N].

    What x_j adds is the sum over all rows but its own of the difference that its absence would make.

    Args:
        log_p: Array [S, I, N], log p(x_j|z_i).
        first_row: Int, the number of the first of the I rows.
    """
    rows = np.arange(log_p.shape[1])
    own = log_p[:, rows, first_row + rows][..., None]
    fits_better = log_p > own
    is_only_one = fits_better & (np.sum(fits_better, axis=-1, keepdims=True) == 1)
    log_sum, best = logsumexp(log_p, axis=-1, keepdims=True), np.argmax(log_p, axis=-1, keepdims=True)
    others = log_p.copy()
    np.put_along_axis(others, best, -math.inf, axis=-1)
    log_sum_without = log_sum + np.log1p(-np.exp(others - log_sum))
    np.put_along_axis(log_sum_without, best, logsumexp(others, axis=-1, keepdims=True), axis=-1)  # 1 - p rounds to 0
    added = np.exp(np.minimum(own - log_sum_without, 0)) - np.exp(own - log_sum)
    added[:, rows, first_row + rows] = 0
    values = np.stack([np.any(fits_better, axis=-1), -np.expm1(own - log_sum)[..., 0]])
    return values.mean(axis=1), np.stack([is_only_one, added]).mean(axis=1).sum(axis=1)


def _draw(vae: LatentVariableModel, num_samples: int) -> Callable:
    """Return a compiled function of x, seed and first row: z ~ q(z|x), [S, B, *latent]."""

    @tf.function(autograph=False, reduce_retracing=True)
    def draw(x: tf.Tensor, seed: tf.Tensor, first_row: tf.Tensor) -> Any:
        return random.sample(vae.encode(x), num_samples, Noise(seed, first_row).of(Stream.EVALUATION, Stream.POSTERIOR))

    return draw


def _of_each_draw(vae: LatentVariableModel, function: Callable, draws: Any) -> tf.Tensor:
    """Return `function` of one draw after the other, so that memory does not grow with their number."""
    return tf.map_fn(function, draws, fn_output_signature=vae.variable_dtype)


def _score(vae: LatentVariableModel) -> Callable:
    """Return a compiled function of x_j and z_i: log p(x_j|z_i), [S, I, J]."""

    @tf.function(autograph=False, reduce_retracing=True, jit_compile=vae.uses_xla())
    def score(x_j: tf.Tensor, z_i: Any) -> tf.Tensor:
        def log_likelihood(z: Any) -> tf.Tensor:
            p_x = vae.decode(z)
            return tf.transpose(p_x.log_prob(tf.cast(x_j, p_x.dtype)[:, None]))

        return _of_each_draw(vae, log_likelihood, z_i)

    return score


def _compare(vae: LatentVariableModel) -> Callable:
    """Return a compiled function of two blocks of x and z: the coefficients, [I, J]."""

    @tf.function(autograph=False, reduce_retracing=True, jit_compile=vae.uses_xla())
    def compare(x_i: tf.Tensor, z_i: Any, x_j: tf.Tensor, z_j: Any) -> tf.Tensor:
        def similarity(q: Any, own_z: Any, other: Any) -> tf.Tensor:
            """Return 1 / cosh(log(q_i / q_j) / 2) at one draw z of each q_i, [I, J]."""
            at_each = tf.nest.map_structure(lambda part: part[:, None], own_z)
            return 1 / tf.cosh((latents.log_prob(q, own_z)[:, None] - latents.log_prob(other, at_each)) / 2)

        q_i, q_j = vae.encode(x_i), vae.encode(x_j)
        parts = zip(tf.nest.flatten(q_i), tf.nest.flatten(q_j), strict=True)
        distances = [bhattacharyya_distances(*pair) for pair in parts]
        if all(distance is not None for distance in distances):
            return tf.cast(tf.exp(-tf.add_n(distances)), vae.variable_dtype)
        one = _of_each_draw(vae, lambda z: similarity(q_i, z, q_j), z_i)
        other = _of_each_draw(vae, lambda z: similarity(q_j, z, q_i), z_j)
        return tf.reduce_mean(one + tf.transpose(other, [0, 2, 1]), axis=0) / 2

    return compare
