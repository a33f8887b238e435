"""What the distribution layers cost: a training step of one VAE, with `keras_vae.layers` and with raw TFP.

Both steps train the same VAE 784-400-20-400-784 (ReLU, Bernoulli likelihood from logits, diagonal Gaussian
posterior, one posterior draw, KL in closed form, Adam) on the same synthetic binary images:

    raw      two keras.Sequential of Dense layers; the step itself makes tfd.MultivariateNormalDiag and
             tfd.Independent(tfd.Bernoulli) of their outputs, draws with TFP's `sample` and sums the loss
    layers   the same Dense layers, with MultivariateNormalDiag and its KLDivergenceRegularizer at the end of the
             encoder and IndependentBernoulli at the end of the decoder; the step calls the one on the other

A round times `--steps` steps of each, in turn, in one process, and reverses the order every other round. The
ratio is taken within a round; the table has the median and the quartiles over rounds. Each pair runs twice: as a
TensorFlow graph, and compiled by XLA. The last column, the loss after the last step in nats per image, shows that
the work is the same. The machine should be idle otherwise.

    python benchmarks/layers_cost.py
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
import tyro
from tensorflow_probability import distributions as tfd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package need not be installed

from keras_vae import layers

PIXELS, HIDDEN, LATENT = 784, 400, 20


def make_images(num_images: int) -> tf.Tensor:
    """Return binary images [num_images, 784], float32, about 13 % of them ones."""
    rng = np.random.default_rng(0)
    return tf.constant(rng.random((num_images, PIXELS)) < 0.13, tf.float32)


def body(inputs: int, outputs: int) -> list[keras.layers.Layer]:
    """Return the dense layers of one network."""
    return [keras.Input((inputs,)), keras.layers.Dense(HIDDEN, "relu"), keras.layers.Dense(outputs)]


def prior() -> tfd.MultivariateNormalDiag:
    """Return the standard normal p(z)."""
    return tfd.MultivariateNormalDiag(tf.zeros(LATENT), tf.ones(LATENT))


def raw() -> tuple[list[tf.Variable], Callable[[tf.Tensor], tf.Tensor]]:
    """Return weights and loss of the VAE written by hand with TFP's distributions."""
    encoder, decoder = keras.Sequential(body(PIXELS, 2 * LATENT)), keras.Sequential(body(LATENT, PIXELS))

    def loss(x: tf.Tensor) -> tf.Tensor:
        loc, raw_scale = tf.split(encoder(x, training=True), 2, axis=-1)
        q_z = tfd.MultivariateNormalDiag(loc, 1e-5 + tf.math.softplus(raw_scale))
        p_x = tfd.Independent(tfd.Bernoulli(logits=decoder(q_z.sample(), training=True)), 1)
        return tf.reduce_mean(tfd.kl_divergence(q_z, prior()) - p_x.log_prob(x))

    return encoder.trainable_variables + decoder.trainable_variables, loss


def with_layers() -> tuple[list[tf.Variable], Callable[[tf.Tensor], tf.Tensor]]:
    """Return weights and loss of the VAE made of distribution layers."""
    regularizer = layers.KLDivergenceRegularizer(prior(), use_exact_kl=True)
    posterior = layers.MultivariateNormalDiag(LATENT, activity_regularizer=regularizer)
    encoder = keras.Sequential([*body(PIXELS, posterior.params_size(LATENT)), posterior])
    decoder = keras.Sequential([*body(LATENT, PIXELS), layers.IndependentBernoulli(PIXELS)])

    def loss(x: tf.Tensor) -> tf.Tensor:
        p_x = decoder(encoder(x, training=True), training=True)
        return tf.add_n(encoder.losses) - tf.reduce_mean(p_x.log_prob(x))

    return encoder.trainable_variables + decoder.trainable_variables, loss


def make_step(make_loss: Callable, jit_compile: bool) -> Callable[[tf.Tensor], tf.Tensor]:
    """Return the compiled training step of a VAE with fresh weights."""
    keras.utils.set_random_seed(0)
    weights, loss = make_loss()
    optimizer = keras.optimizers.Adam(1e-3)
    optimizer.build(weights)

    @tf.function(jit_compile=jit_compile, autograph=False)
    def step(x: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            value = loss(x)
        optimizer.apply(tape.gradient(value, [weight.value for weight in weights]), weights)
        return value

    return step


def seconds(step: Callable[[tf.Tensor], tf.Tensor], batches: list[tf.Tensor]) -> tuple[float, float]:
    """Return how long one step on each batch took together, and the last loss."""
    start = time.perf_counter()
    for batch in batches:
        loss = step(batch)
    return time.perf_counter() - start, float(loss)


def main(batch_size: int = 128, steps: int = 150, rounds: int = 30) -> None:
    """Print the table.

    Args:
        batch_size: images a step.
        steps: steps of each contestant in a round.
        rounds: rounds that count; two more come before them.
    """
    batches = tf.split(make_images(steps * batch_size), steps)
    print(
        f"TensorFlow {tf.__version__}, Keras {keras.__version__}, batch {batch_size}, {rounds} rounds of {steps} steps"
    )
    print(f"{'':6}{'raw, ms a step':>16}{'layers, ms a step':>20}{'layers / raw':>14}{'quartiles':>16}{'losses':>18}")
    for name, jit_compile in (("graph", False), ("XLA", True)):
        contestants = [make_step(raw, jit_compile), make_step(with_layers, jit_compile)]
        times, losses = [], [0.0, 0.0]
        for number in range(rounds + 2):
            pair = [0.0, 0.0]
            for i in (0, 1) if number % 2 else (1, 0):
                pair[i], losses[i] = seconds(contestants[i], batches)
            times.append(pair)
        kept = np.array(times[2:]) * 1000 / steps
        low, ratio, high = np.quantile(kept[:, 1] / kept[:, 0], [0.25, 0.5, 0.75])
        medians = np.median(kept, axis=0)
        quartiles, shown = f"{low:.3f}-{high:.3f}", f"{losses[0]:.2f} {losses[1]:.2f}"
        print(f"{name:6}{medians[0]:16.2f}{medians[1]:20.2f}{ratio:14.3f}{quartiles:>16}{shown:>18}")


if __name__ == "__main__":
    tyro.cli(main)
