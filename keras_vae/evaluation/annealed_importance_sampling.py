"""log p(x) by annealed importance sampling, for when importance sampling is not enough."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from keras_vae import random
from keras_vae.arguments import as_count, check_numbers
from keras_vae.data.images import as_batches
from keras_vae.distributions import latents
from keras_vae.distributions.estimated_density import has_density
from keras_vae.distributions.sets import REAL, UNKNOWN
from keras_vae.distributions.support import family_name, support_of
from keras_vae.evaluation.examples import checked_examples, padded
from keras_vae.evaluation.hamiltonian import hamiltonian_transition
from keras_vae.evaluation.importance_sampling import LogMarginal, check_normalized
from keras_vae.protocols import LatentVariableModel
from keras_vae.random import Noise, Stream

__all__ = ["AnnealedLogMarginal", "annealed_log_marginal"]


class AnnealedLogMarginal(NamedTuple):
    """What annealing gives.

    Attributes:
        estimate: `LogMarginal` over the chains.
        acceptance_rate: of the Hamiltonian transitions, mean over examples, chains and steps; 0.65 is good,
            below 0.2 the step size is too large.
    """

    estimate: LogMarginal
    acceptance_rate: float


def annealed_log_marginal(
    vae: LatentVariableModel,
    data: Any,
    num_chains: int = 16,
    num_steps: int = 200,
    step_size: float = 0.5,
    num_leapfrog_steps: int = 5,
    batch_size: int = 50,
    seed: Any = 0,
) -> AnnealedLogMarginal:
    """Estimate log p(x) of each example by annealing from q(z|x) to p(x, z) with Hamiltonian transitions.

        log w = sum_t (b_t - b_{t-1}) (log p(x, z_{t-1}) - log q(z_{t-1}|x)),   b_t = t / T
        z_t ~ a Hamiltonian transition that leaves q(z|x)^(1 - b_t) p(x, z)^b_t invariant

    The mean of w over the chains is an unbiased estimate of p(x), as in importance sampling, whose weights
    vary more: use it where the effective sample size of `log_marginal` is small. The result does not depend on the
    batch size.

    Args:
        vae: built model, whose likelihood is differentiable in z.
        data: array, tensor, `keras_vae.data.Split` or unbatched `tf.data.Dataset`.
        num_chains: independent chains an example.
        num_steps: T.
        step_size: of the leapfrog integrator, in standard deviations of q(z|x).
        num_leapfrog_steps: of each transition.
        batch_size: examples at a time.
        seed: of all noise.

    Returns:
        `AnnealedLogMarginal`, in the order of the data.

    Raises:
        ValueError: if a number is not positive, if the data lies outside the likelihood's support, if z is discrete or
            bounded, if the density of the prior is estimated, or if the likelihood is a cross-entropy of grey targets,
            for which there is no log p(x).

    References:
        Neal (2001), "Annealed importance sampling", Eq. 4 to 11. Wu et al. (2017), "On the Quantitative
        Analysis of Decoder-Based Generative Models".
    """
    num_chains, num_steps = as_count(num_chains=num_chains), as_count(num_steps=num_steps)
    num_leapfrog_steps = as_count(num_leapfrog_steps=num_leapfrog_steps)
    check_numbers(step_size=step_size)
    check_normalized(vae)
    if not has_density(vae.prior_distribution()):
        raise ValueError(
            "Annealing needs the density p(z), of which a second stage has estimates only: use `log_marginal`. "
            f"Received: vae={vae.name!r}"
        )
    for part in tf.nest.flatten(vae.prior_distribution()):
        support = support_of(part)
        if support not in (REAL, UNKNOWN):
            raise ValueError(
                "Hamiltonian transitions need latents that take all real values: use `log_marginal`. "
                f"Received: a prior of the family {family_name(part)}, on {support.description}"
            )
    seed = random.as_seed(seed)
    batches = as_batches(data, batch_size, seed, training=False)

    key = ("annealed_log_marginal", num_chains, num_steps, float(step_size), num_leapfrog_steps)
    anneal = vae.compiled_function(key, lambda: _anneal(vae, *key[1:]))
    results = [
        anneal(padded(x, batches), seed, first_row).numpy()[:, : len(x)]
        for first_row, x in checked_examples(vae, batches, "annealing")
    ]
    log_sum, log_sum_of_squares, accepted = np.concatenate(results, axis=1).astype(np.float64)
    estimate = LogMarginal.of_log_sums(log_sum, log_sum_of_squares, num_chains)
    return AnnealedLogMarginal(estimate, float(accepted.mean()))


def _anneal(
    vae: LatentVariableModel, num_chains: int, num_steps: int, step_size: float, num_leapfrog_steps: int
) -> Callable:
    """Return a compiled function of x, seed and first row: log sum w, log sum w^2 and the acceptance rates, [3, B]."""

    @tf.function(autograph=False, jit_compile=vae.uses_xla())
    def anneal(x: tf.Tensor, seed: tf.Tensor, first_row: tf.Tensor) -> tf.Tensor:
        q_z, p_z, noise = vae.encode(x), vae.prior_distribution(), Noise(seed, first_row)
        steps = tf.nest.map_structure(lambda stddev: tf.cast(step_size, stddev.dtype) * stddev, random.stddev_of(q_z))

        def log_ratio(z: Any) -> tf.Tensor:
            return vae.log_likelihood(x, z) + latents.log_prob(p_z, z) - latents.log_prob(q_z, z)

        def step(t: tf.Tensor, z: Any, log_w: tf.Tensor, accepted: tf.Tensor) -> tuple:
            log_w += log_ratio(z) / num_steps
            inverse_temperature = tf.cast(t + 1, log_w.dtype) / num_steps
            z, is_accepted = hamiltonian_transition(
                lambda z: latents.log_prob(q_z, z) + inverse_temperature * log_ratio(z),
                z,
                steps,
                num_leapfrog_steps,
                noise.of(Stream.TRANSITIONS, t),
            )
            return t + 1, z, log_w, accepted + tf.reduce_mean(tf.cast(is_accepted, log_w.dtype), 0) / num_steps

        z = random.sample(q_z, num_chains, noise.of(Stream.POSTERIOR))
        log_w = tf.zeros([num_chains, tf.shape(x)[0]], tf.nest.flatten(z)[0].dtype)
        start = (tf.zeros([], tf.int32), z, log_w, tf.zeros_like(log_w[0]))
        _, _, log_w, accepted = tf.while_loop(lambda t, *_: t < num_steps, step, start)
        return tf.stack([tf.reduce_logsumexp(log_w, 0), tf.reduce_logsumexp(2 * log_w, 0), accepted])

    return anneal
