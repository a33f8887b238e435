"""log p(x) by importance sampling from the posterior."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae import random
from keras_vae.arguments import as_count
from keras_vae.data.images import as_batches
from keras_vae.evaluation.examples import checked_batches, padded
from keras_vae.protocols import Batch, LatentVariableModel, as_batch
from keras_vae.random import Noise, Stream

__all__ = [
    "LogMarginal",
    "add_log_sums",
    "check_normalized",
    "in_chunks",
    "log_importance_weights",
    "log_marginal",
]

# Decoded images a step: on a CPU their parameters stay in the processor's cache, on a GPU (not measured) they fill it.
_ROWS_AT_ONCE, _ROWS_AT_ONCE_ON_GPU = 500, 20_000
_SAMPLES_AT_ONCE = 50


class LogMarginal(NamedTuple):
    """Estimates of log p(x), one an example, in nats.

    Attributes:
        log_marginal: [N]. Its expectation lies below log p(x), by about standard_error**2 / 2.
        standard_error: [N], of `log_marginal`, by the delta method.
        effective_sample_size: [N], between 1 and num_samples: how many equally weighted samples would do as
            well. Near 1, one sample carries all: neither the estimate nor its standard error can be trusted.
    """

    log_marginal: np.ndarray
    standard_error: np.ndarray
    effective_sample_size: np.ndarray

    @classmethod
    def of_log_sums(cls, log_sum: np.ndarray, log_sum_of_squares: np.ndarray, num_samples: int) -> LogMarginal:
        """Return the estimates of log sum_s w_s and log sum_s w_s^2, [N], over `num_samples` weights w_s."""
        effective = np.exp(2 * log_sum - log_sum_of_squares)
        with np.errstate(invalid="ignore"):  # one sample has no standard error: not a number
            variance = (num_samples / effective - 1) / np.float64(num_samples - 1)
        return cls(log_sum - math.log(num_samples), np.sqrt(np.maximum(variance, 0)), effective)


def log_importance_weights(
    vae: LatentVariableModel, x: Any, num_samples: int, seed: Any, first_row: Any = 0, proposal: str = "posterior"
) -> tf.Tensor:
    """Return log w = log p(x|z) + log p(z) - log r(z), [S, B], in nats, at `num_samples` draws of the proposal r.

    The mean of w over the draws is an unbiased estimate of p(x). Arguments as in `log_marginal`; x is an array, or a
    `Batch` that has what a conditional model needs beside x.
    """
    num_samples = as_count(num_samples=num_samples)
    _check_proposal(vae, proposal)
    noise, batch = random.as_noise(seed, first_row), as_batch(x)
    if proposal == "prior":  # of which every example gets draws of its own
        rows, given = tf.shape(batch.x)[:1], vae.given(batch)
        p_z = tf.nest.map_structure(lambda part: tfd.BatchBroadcast(part, rows), vae.prior_distribution(**given))
        return vae.log_likelihood(batch.x, random.sample(p_z, num_samples, noise.of(Stream.PRIOR)), **given)
    return vae.draw(batch, num_samples, noise).log_weights


def log_marginal(
    vae: LatentVariableModel, data: Any, num_samples: int = 1000, seed: Any = 0, proposal: str = "posterior"
) -> LogMarginal:
    """Estimate log p(x) of each example by importance sampling, in compiled steps of bounded memory.

        log p(x) ~ log(mean_s w_s),  w_s = p(x|z_s) p(z_s) / r(z_s),  z_s ~ r

    Args:
        vae: built model.
        data: array, tensor, `keras_vae.data.Split` or unbatched `tf.data.Dataset`; the tuple (x, y) of a conditional
            model, for log p(x|y).
        num_samples: S, any number.
        seed: of the pixels' draws and of the proposal's noise.
        proposal: r, the "posterior" q(z|x) or the "prior" p(z); the latter is naive Monte Carlo, whose error
            grows with the latent dimension until no number of samples will do.

    Returns:
        `LogMarginal`, in the order of the data.

    Raises:
        ValueError: if `num_samples` is not a positive integer, if the data lies outside the likelihood's support, or
            if the likelihood is a cross-entropy of grey targets, for which there is no log p(x).

    Example:

    >>> vae = kv.VAE.for_images((4, 4, 1), latent_dim=2, seed=0)
    >>> estimate = log_marginal(vae, np.ones([10, 4, 4, 1]), num_samples=100)
    >>> estimate.log_marginal.shape, bool(np.all(estimate.standard_error < 0.5))
    ((10,), True)

    References:
        Rezende et al. (2014), "Stochastic Backpropagation and Approximate Inference in Deep Generative
        Models", App. E. Burda et al. (2016), "Importance Weighted Autoencoders", Eq. 8.
        Effective sample size: Kong (1992), "A note on importance sampling using standardized weights".
    """
    num_samples = as_count(num_samples=num_samples)
    _check_proposal(vae, proposal)
    check_normalized(vae)
    samples = min(num_samples, _SAMPLES_AT_ONCE)
    on_gpu = bool(tf.config.list_physical_devices("GPU"))
    batch_size = max(1, (_ROWS_AT_ONCE_ON_GPU if on_gpu else _ROWS_AT_ONCE) // samples)
    seed = random.as_seed(seed)
    batches = as_batches(data, batch_size, seed, training=False)
    key = ("log_marginal", num_samples, proposal)
    log_sums = vae.compiled_function(key, lambda: _log_sums(vae, num_samples, samples, proposal))

    def of_batch(example: tuple[tf.Tensor, Batch]) -> np.ndarray:
        first_row, batch = example
        whole = batch.map(lambda part: padded(part, batches))
        return log_sums(whole, seed, first_row).numpy()[:, : len(batch.x)]

    # One thread a core: within a batch XLA uses several for the matrix products only. A GPU is kept busy by one.
    num_threads = 1 if on_gpu else _num_cores()
    examples = checked_batches(vae, batches, "log p(x)")
    sums: list[np.ndarray] = []
    with ThreadPoolExecutor(num_threads) as pool:
        while some := list(itertools.islice(examples, 8 * num_threads)):
            sums += pool.map(of_batch, some)
    log_sum, log_sum_of_squares = np.concatenate(sums, axis=1).astype(np.float64)
    return LogMarginal.of_log_sums(log_sum, log_sum_of_squares, num_samples)


def check_normalized(vae: LatentVariableModel) -> None:
    """Raise if x has no log p(x) under the model, as its likelihood is a cross-entropy of grey targets."""
    if not vae.is_normalized:
        raise ValueError(
            "Grey targets under a soft Bernoulli have no log p(x): evaluate with a likelihood. "
            f"Received: vae={vae.name!r}"
        )


def _check_proposal(vae: LatentVariableModel, proposal: str) -> None:
    if proposal not in ("posterior", "prior"):
        raise ValueError(f"`proposal` must be posterior or prior. Received: proposal={proposal!r}")
    if proposal == "prior" and vae.enumerates_y:
        raise ValueError("Where labels may be missing, the proposal must be the posterior. Received: proposal='prior'")


def _num_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _log_sums(vae: LatentVariableModel, num_samples: int, samples_at_once: int, proposal: str) -> Callable:
    """Return a compiled function of a batch, seed and first row: log sum_s w_s and log sum_s w_s^2, [2, B]."""

    @tf.function(autograph=False, jit_compile=vae.uses_xla())
    def log_sums(batch: Batch, seed: tf.Tensor, first_row: tf.Tensor) -> tf.Tensor:
        noise = Noise(seed, first_row).of(Stream.PROPOSAL)

        def add(sums: tf.Tensor, chunk: Any, size: int) -> tf.Tensor:
            return add_log_sums(sums, log_importance_weights(vae, batch, size, noise.of(chunk), proposal=proposal))

        nothing = tf.fill([2, tf.shape(batch.x)[0]], tf.constant(-math.inf, vae.variable_dtype))
        return in_chunks(add, nothing, num_samples, samples_at_once)

    return log_sums


def add_log_sums(log_sums: tf.Tensor, log_w: tf.Tensor) -> tf.Tensor:
    """Return log sum_s w_s and log sum_s w_s^2, [2, B], with the weights of log w [S, B] added to them."""
    new = tf.stack([tf.reduce_logsumexp(log_w, 0), tf.reduce_logsumexp(2 * log_w, 0)])
    return tf.reduce_logsumexp(tf.stack([log_sums, new]), 0)


def in_chunks(add: Callable, sums: Any, num_samples: int, samples_at_once: int) -> Any:
    """Return `sums` after `sums = add(sums, chunk, size)` for each chunk of the samples, in a loop of the graph."""
    whole, rest = divmod(num_samples, samples_at_once)
    _, sums = tf.while_loop(
        lambda chunk, _: chunk < whole,
        lambda chunk, sums: (chunk + 1, add(sums, chunk, samples_at_once)),
        (tf.zeros([], tf.int32), sums),
    )
    return add(sums, whole, rest) if rest else sums
