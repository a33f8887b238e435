"""Hamiltonian transitions of many chains, with noise by rows, so that they do not depend on the batch size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from keras_vae import random
from keras_vae.random import Noise, Stream

__all__ = ["hamiltonian_transition"]


def hamiltonian_transition(
    log_prob: Callable[[Any], tf.Tensor], z: Any, step_size: Any, num_leapfrog_steps: int, noise: Noise
) -> tuple[Any, tf.Tensor]:
    """Take one step of Hamiltonian Monte Carlo in every chain; it leaves exp(log_prob) invariant.

    TFP's kernel draws for the whole batch at once, so that a chain would depend on the others.

    Args:
        log_prob: Function of z that returns [S, B], up to a constant of each example.
        z: Chains [S, B, *latent], or a structure of such.
        step_size: Of the leapfrog integrator, for each entry, [B, *latent], in the structure of z.
        num_leapfrog_steps: Int, steps of the integrator.
        noise: Of the momentum and of the acceptance.

    Returns:
        z after the step, and whether it was accepted, bool [S, B].

    References:
        Neal (2011), "MCMC using Hamiltonian dynamics", Sec. 5.3.2.
    """
    flat, steps = tf.nest.flatten(z), tf.nest.flatten(step_size)
    num_chains, num_rows = flat[0].shape[0] or tf.shape(flat[0])[0], tf.shape(flat[0])[1]

    def value_and_gradient(parts: list[tf.Tensor]) -> tuple[tf.Tensor, list[tf.Tensor]]:
        value, gradient = tfp.math.value_and_gradient(lambda *p: log_prob(tf.nest.pack_sequence_as(z, p)), parts)
        return value, list(gradient)

    def kinetic_energy(momentum: list[tf.Tensor]) -> tf.Tensor:
        return sum(tf.reduce_sum(p**2, axis=list(range(2, p.shape.rank))) / 2 for p in momentum)

    def leapfrog(
        i: tf.Tensor, q: list[tf.Tensor], p: list[tf.Tensor], gradient: list[tf.Tensor], _: tf.Tensor
    ) -> tuple:
        p = [a + step * g / 2 for a, step, g in zip(p, steps, gradient, strict=True)]
        q = [a + step * b for a, step, b in zip(q, steps, p, strict=True)]
        value, gradient = value_and_gradient(q)
        p = [a + step * g / 2 for a, step, g in zip(p, steps, gradient, strict=True)]
        return i + 1, q, p, gradient, value

    standard = [tfd.Independent(tfd.Normal(tf.zeros_like(s), tf.ones_like(s)), s.shape.rank - 1) for s in steps]
    momentum = random.sample(standard, num_chains, noise.of(Stream.MOMENTUM))
    value, gradient = value_and_gradient(flat)
    start = (tf.zeros([], tf.int32), flat, momentum, gradient, value)
    _, proposal, end, _, new_value = tf.while_loop(lambda i, *_: i < num_leapfrog_steps, leapfrog, start)
    log_ratio = new_value + kinetic_energy(momentum) - value - kinetic_energy(end)
    u = tf.transpose(random.uniform([num_rows, num_chains], *noise.of(Stream.ACCEPTANCE), value.dtype))
    is_accepted = tf.math.log1p(-u) < log_ratio

    def kept(new: tf.Tensor, old: tf.Tensor) -> tf.Tensor:
        return tf.where(
            tf.reshape(is_accepted, tf.concat([tf.shape(is_accepted), [1] * (new.shape.rank - 2)], 0)), new, old
        )

    return tf.nest.pack_sequence_as(z, [kept(*pair) for pair in zip(proposal, flat, strict=True)]), is_accepted
