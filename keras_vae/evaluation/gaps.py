"""How much of log p(x) the ELBO misses, and whether the encoder or the family of q(z|x) is to blame."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from keras_vae import random
from keras_vae.arguments import as_count
from keras_vae.data.images import as_batches
from keras_vae.distributions import latents
from keras_vae.distributions.estimated_density import scored_with
from keras_vae.evaluation.elbo import Estimate, estimate
from keras_vae.evaluation.examples import checked_examples
from keras_vae.evaluation.importance_sampling import LogMarginal, add_log_sums, check_normalized, in_chunks
from keras_vae.evaluation.posterior_optimization import optimizer_of, posterior_function
from keras_vae.protocols import LatentVariableModel
from keras_vae.random import Noise, Stream

__all__ = ["InferenceGap", "inference_gap"]

_DRAWS_A_STEP = 10
_SAMPLES_AT_ONCE = 10


class InferenceGap(NamedTuple):
    """gap = approximation_gap + amortization_gap, in nats per example; q* is the best q(z|x) of the family for each x.

    Attributes:
        gap: log p(x) - ELBO[q], which is KL(q(z|x), p(z|x)): what the ELBO misses.
        approximation_gap: log p(x) - ELBO[q*], which no encoder of this family can close: take a richer family.
        amortization_gap: ELBO[q*] - ELBO[q], left by the encoder: train it longer, or take a larger network.
        log_marginal: log p(x), estimated from below.
        elbo: ELBO[q], of the encoder's q(z|x).
        optimized_elbo: ELBO[q*].
        effective_sample_size: [N], of the estimate of log p(x), see `LogMarginal`. Where it is near 1, log p(x) and so
            `gap` and `approximation_gap` may be far too low.
    """

    gap: Estimate
    approximation_gap: Estimate
    amortization_gap: Estimate
    log_marginal: Estimate
    elbo: Estimate
    optimized_elbo: Estimate
    effective_sample_size: np.ndarray


def inference_gap(
    vae: LatentVariableModel,
    data: Any,
    num_samples: int = 500,
    num_steps: int = 500,
    learning_rate: float = 0.1,
    batch_size: int = 100,
    seed: Any = 0,
) -> InferenceGap:
    """Divide log p(x) - ELBO into what the family of q(z|x) and what the encoder leaves, over a data set.

        log p(x) - ELBO[q] = (log p(x) - ELBO[q*]) + (ELBO[q*] - ELBO[q])

    q* is found as by `optimize_posterior`, from the encoder's parameters. Both ELBOs are means of
    log p(x, z) - log q(z) over draws made from the same noise. Of the samples of log p(x), half are these draws of q,
    and half are those of q*:

        log p(x) ~ log(mean_s p(x, z_s) / r(z_s)),  r = (q + q*) / 2

    Its expectation lies below log p(x), and ELBO[q*] below that of the very best q. So `gap` is a lower bound in
    expectation, and so is `amortization_gap`; `approximation_gap` is one as far as the steps suffice. Standard errors
    are those of the differences, example by example.

    Args:
        vae: built model, whose encoder ends in a layer of `keras_vae.layers`, see `optimize_posterior`.
        data: array, tensor, `keras_vae.data.Split` or unbatched `tf.data.Dataset`.
        num_samples: draws of each of q and q*.
        num_steps: steps of Adam to q*. Twice as many show whether they were enough.
        learning_rate: of the first step.
        batch_size: examples at a time.
        seed: of the pixels' draws and of all draws of z.

    Returns:
        `InferenceGap`.

    Raises:
        TypeError: if the encoder does not end in a distribution layer.
        ValueError: if an argument is out of range, if the draws of q(z|x) carry no gradient, if the data lies outside
            the likelihood's support, or if the likelihood is a cross-entropy of grey targets, which has no log p(x).

    Example:

    >>> vae = kv.VAE.for_images((4, 4, 1), latent_dim=2, hidden=(8,), seed=0)
    >>> vae.compile(jit_compile=False)  # XLA would take longer to compile than this takes
    >>> parts = inference_gap(vae, np.ones([10, 4, 4, 1]), num_samples=50, num_steps=50)
    >>> bool(np.isclose(parts.gap.mean, parts.approximation_gap.mean + parts.amortization_gap.mean))
    True

    References:
        Cremer et al. (2018), "Inference Suboptimality in Variational Autoencoders", Eq. 5 and Sec. 3.1; there log p(x)
        is the greater of two lower bounds. The weights of two proposals: Veach & Guibas (1995), "Optimally combining
        sampling techniques for Monte Carlo rendering", Sec. 3.2 (balance heuristic).
    """
    num_samples = as_count(num_samples=num_samples)
    check_normalized(vae)
    optimize = optimizer_of(vae, _DRAWS_A_STEP, "encoder", num_steps, learning_rate)
    compare = vae.compiled_function(("inference_gap", num_samples), lambda: _compare(vae, num_samples))
    seed = random.as_seed(seed)
    batches = as_batches(data, batch_size, seed, training=False)
    results = []
    for first_row, x in checked_examples(vae, batches, "inference gap"):
        parameters = optimize(x, seed, first_row)
        results.append(compare(x, parameters, seed, first_row).numpy())
    log_sum, log_sum_of_squares, elbo, optimized_elbo = np.concatenate(results, axis=1).astype(np.float64)
    log_marginal, _, effective_sample_size = LogMarginal.of_log_sums(log_sum, log_sum_of_squares, 2 * num_samples)
    return InferenceGap(
        gap=estimate(log_marginal - elbo),
        approximation_gap=estimate(log_marginal - optimized_elbo),
        amortization_gap=estimate(optimized_elbo - elbo),
        log_marginal=estimate(log_marginal),
        elbo=estimate(elbo),
        optimized_elbo=estimate(optimized_elbo),
        effective_sample_size=effective_sample_size,
    )


def _compare(vae: LatentVariableModel, num_samples: int) -> Callable:
    """Return a compiled function of x, parameters of q*, seed and first row.

    Its results [4, B] are log sum_s w_s and log sum_s w_s^2 over the draws of both posteriors, ELBO[q] and ELBO[q*].
    """
    posterior_of = posterior_function(vae)

    @tf.function(autograph=False, reduce_retracing=True, jit_compile=vae.uses_xla())
    def compare(x: tf.Tensor, parameters: list[tf.Tensor], seed: tf.Tensor, first_row: tf.Tensor) -> tf.Tensor:
        noise = Noise(seed, first_row).of(Stream.PROPOSAL)
        posteriors = vae.encode(x), posterior_of(parameters)

        def add(sums: tuple, chunk: Any, size: int) -> tuple:
            log_sums, elbos = sums
            p_z = scored_with(vae.prior_distribution(), noise.of(chunk).of(Stream.PRIOR))
            log_ratios = []
            for q_z in posteriors:
                z = random.sample(q_z, size, noise.of(chunk).of(Stream.POSTERIOR))
                log_joint = vae.log_likelihood(x, z) + latents.log_prob(p_z, z)
                log_ratios.append(log_joint - latents.log_prob(q_z, z))
                log_r = tf.reduce_logsumexp([latents.log_prob(part, z) for part in posteriors], axis=0) - math.log(2)
                log_sums = add_log_sums(log_sums, log_joint - log_r)
            return log_sums, elbos + tf.reduce_sum(log_ratios, axis=1) / num_samples

        dtype, num_rows = vae.variable_dtype, tf.shape(x)[0]
        nothing = tf.fill([2, num_rows], tf.constant(-math.inf, dtype)), tf.zeros([2, num_rows], dtype)
        return tf.concat(in_chunks(add, nothing, num_samples, _SAMPLES_AT_ONCE), axis=0)

    return compare
