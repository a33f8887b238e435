"""The best q(z|x) of the posterior's family for each x, found by optimisation instead of by the encoder."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae import random
from keras_vae.arguments import as_count, check_numbers
from keras_vae.data.images import as_batches
from keras_vae.distributions import latents
from keras_vae.distributions.estimated_density import scored_with
from keras_vae.evaluation.examples import checked_examples
from keras_vae.layers import DistributionLambda
from keras_vae.objectives import ELBO
from keras_vae.objectives.estimators import StickingTheLanding
from keras_vae.protocols import LatentDraws, LatentVariableModel
from keras_vae.random import Noise, Stream

__all__ = ["OptimizedPosterior", "optimize_posterior", "optimizer_of", "posterior_function"]

_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8  # of Adam: Kingma & Ba (2015), Algorithm 1


class OptimizedPosterior(NamedTuple):
    """What the optimisation found.

    Attributes:
        posterior: q*(z|x), batch [N], event [*latent]; or a structure of such.
        elbo: [N], the ELBO of each example under q*, in nats, from draws that the optimisation has not seen.
    """

    posterior: Any
    elbo: np.ndarray


def optimize_posterior(
    vae: LatentVariableModel,
    data: Any,
    num_steps: int = 500,
    num_samples: int = 10,
    learning_rate: float = 0.1,
    start: str = "encoder",
    batch_size: int = 100,
    seed: Any = 0,
) -> OptimizedPosterior:
    """Maximise the ELBO of each example over the parameters of its own q(z|x); the model is left as it is.

    The parameters are the numbers that enter the encoder's last layer. Adam takes `num_steps` steps with fresh draws in
    each, and its learning rate falls to 0 along a cosine. The gradient is "sticking_the_landing", which has no variance
    left where q(z|x) is the true posterior. Weights of the last layer itself, which a flow has, stay as
    they are. Twice the steps show whether the steps were enough. The result does not depend on the batch size.

    Args:
        vae: built model, whose encoder is a `keras.Sequential` or functional model that ends in a layer of
            `keras_vae.layers`.
        data: array, tensor, `keras_vae.data.Split` or unbatched `tf.data.Dataset`.
        num_steps: steps of Adam.
        num_samples: draws of z per example in each step, and for the ELBO that is returned.
        learning_rate: of the first step.
        start: "encoder" begins at the encoder's parameters; "zeros" makes no use of the encoder.
        batch_size: examples at a time.
        seed: of the pixels' draws and of all draws of z.

    Returns:
        `OptimizedPosterior`, in the order of the data.

    Raises:
        TypeError: if the encoder does not end in a distribution layer.
        ValueError: if an argument is out of range, if the draws of q(z|x) carry no gradient, or if the data lies
            outside the likelihood's support.

    Example:

    >>> vae = kv.VAE.for_images((4, 4, 1), latent_dim=2, hidden=(8,), seed=0)
    >>> vae.compile(jit_compile=False)  # XLA would take longer to compile than this takes
    >>> best = optimize_posterior(vae, np.ones([10, 4, 4, 1]), num_steps=50)
    >>> best.posterior.batch_shape.as_list(), bool(best.elbo.mean() > np.mean(vae.elbo(np.ones([10, 4, 4, 1]), 10)))
    ([10], True)

    References:
        Cremer et al. (2018), "Inference Suboptimality in Variational Autoencoders", Sec. 3.1. Hoffman et al. (2013),
        "Stochastic variational inference": variational parameters without an encoder. Roeder et al. (2017), "Sticking
        the Landing".
    """
    num_samples = as_count(num_samples=num_samples)
    if start not in ("encoder", "zeros"):
        raise ValueError(f"`start` must be encoder or zeros. Received: start={start!r}")
    optimize = optimizer_of(vae, num_samples, start, num_steps, learning_rate)
    evaluate = vae.compiled_function(("optimized elbo", num_samples), lambda: _evaluator(vae, num_samples))
    seed = random.as_seed(seed)
    batches = as_batches(data, batch_size, seed, training=False)
    found, elbos = [], []
    for first_row, x in checked_examples(vae, batches, "optimised posterior"):
        found.append(optimize(x, seed, first_row))
        elbos.append(evaluate(x, found[-1], seed, first_row))
    parameters = [tf.concat(parts, axis=0) for parts in zip(*found, strict=True)]
    return OptimizedPosterior(posterior_function(vae)(parameters), np.concatenate(elbos))


def posterior_function(vae: LatentVariableModel) -> Callable:
    """Return the encoder's last layers as a function: its raw parameters, a tensor [B, P] for each latent -> q(z|x).

    Raises:
        TypeError: if the encoder does not end in distribution layers.
    """
    layers, _ = _ends(vae)

    def posterior_of(parameters: list[tf.Tensor]) -> Any:
        parts = [layer(part, training=False) for layer, part in zip(layers, parameters, strict=True)]
        return latents.as_latents(tf.nest.pack_sequence_as(vae.prior_distribution(), parts))

    return posterior_of


def _parameters_function(vae: LatentVariableModel) -> Callable:
    """Return the encoder without its last layers as a function: x -> the raw parameters of q(z|x)."""
    layers, inputs = _ends(vae)
    encoder: Any = vae.encoder  # type: ignore[attr-defined]
    body = keras.Model(encoder.inputs[0], inputs)

    def parameters_of(x: tf.Tensor) -> list[tf.Tensor]:
        pairs = zip(tf.nest.flatten(body(x, training=False)), layers, strict=True)
        return [tf.cast(part, layer.variable_dtype) for part, layer in pairs]

    return parameters_of


def _ends(vae: LatentVariableModel) -> tuple[list, list]:
    """Return the last layers of the encoder, and the input of each."""
    encoder: Any = getattr(vae, "encoder", None)
    ends = [output._keras_history for output in getattr(encoder, "outputs", None) or []]
    layers = [end.operation for end in ends]
    inputs = [layer._inbound_nodes[end.node_index].input_tensors for layer, end in zip(layers, ends, strict=True)]
    ends_well = [isinstance(layer, DistributionLambda) for layer in layers] + [len(tensors) == 1 for tensors in inputs]
    if not ends or not all(ends_well):
        raise TypeError(
            "The parameters of q(z|x) are what enters the encoder's last layer: make the encoder a keras.Sequential or "
            "functional model that ends in a layer of keras_vae.layers with one input. "
            f"Received: vae.encoder={encoder!r}"
        )
    return layers, [tensor for (tensor,) in inputs]


def optimizer_of(
    vae: LatentVariableModel, num_samples: int, start: str, num_steps: Any, learning_rate: Any
) -> Callable:
    """Return a function of x, seed and first row: the best parameters. It is compiled for all steps and rates.

    Raises:
        TypeError: if the encoder does not end in distribution layers.
        ValueError: if the steps or the learning rate are out of range.
    """
    num_steps = as_count(num_steps=num_steps)
    if num_steps > tf.int32.max:
        raise ValueError(f"`num_steps` must be {tf.int32.max:,} or less. Received: num_steps={num_steps}")
    check_numbers(learning_rate=learning_rate)
    key = ("optimize_posterior", num_samples, start)
    optimize = vae.compiled_function(key, lambda: _optimizer(vae, num_samples, start))
    options = tf.constant(num_steps), tf.constant(float(learning_rate))
    return lambda x, seed, first_row: optimize(x, seed, first_row, *options)


def _optimizer(vae: LatentVariableModel, num_samples: int, start: str) -> Callable:
    parameters_of, posterior_of = _parameters_function(vae), posterior_function(vae)

    @tf.function(autograph=False, reduce_retracing=True, jit_compile=vae.uses_xla())
    def optimize(
        x: tf.Tensor, seed: tf.Tensor, first_row: tf.Tensor, num_steps: tf.Tensor, learning_rate: tf.Tensor
    ) -> list[tf.Tensor]:
        noise = Noise(seed, first_row).of(Stream.OPTIMIZATION)
        objective = ELBO(num_samples=num_samples, form="log_ratio")

        def step(t: tf.Tensor, parameters: list, means: list, squares: list) -> tuple:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(parameters)
                draws = _draw(vae, x, posterior_of(parameters), num_samples, noise.of(t))
                elbo = objective.terms(draws).elbo  # its sum has the gradient of each example in the example's row
            gradients = tape.gradient(elbo, parameters, unconnected_gradients="zero")
            return t + 1, *adam(tf.cast(t, elbo.dtype), parameters, means, squares, gradients)

        def adam(t: tf.Tensor, parameters: list, means: list, squares: list, gradients: list) -> tuple:
            rate = tf.cast(learning_rate, t.dtype) * 0.5 * (1 + tf.cos(math.pi * t / tf.cast(num_steps, t.dtype)))
            rate *= tf.sqrt(1 - _BETA_2 ** (t + 1)) / (1 - _BETA_1 ** (t + 1))
            means = [_BETA_1 * m + (1 - _BETA_1) * g for m, g in zip(means, gradients, strict=True)]
            squares = [_BETA_2 * v + (1 - _BETA_2) * g**2 for v, g in zip(squares, gradients, strict=True)]
            moments = zip(parameters, means, squares, strict=True)
            return [p + rate * m / (tf.sqrt(v) + _EPSILON) for p, m, v in moments], means, squares

        parameters = parameters_of(x)
        _check_gradient(posterior_of(parameters))
        zeros = [tf.zeros_like(part) for part in parameters]
        first = (tf.zeros([], tf.int32), parameters if start == "encoder" else zeros, zeros, zeros)
        return tf.while_loop(lambda t, *_: t < num_steps, step, first)[1]

    return optimize


def _check_gradient(posterior: Any) -> None:
    for part in tf.nest.flatten(posterior):
        if part.reparameterization_type != tfd.FULLY_REPARAMETERIZED:
            raise ValueError(
                "The ELBO is optimised through the draws of z, which must carry a gradient, as those of a normal "
                f"posterior do. Received: a posterior of type {type(part).__name__}"
            )


def _draw(vae: LatentVariableModel, x: tf.Tensor, q_z: Any, num_samples: int, noise: Noise) -> LatentDraws:
    """Return draws of another posterior than the encoder's, scored by the model."""
    estimator = StickingTheLanding()
    p_z = scored_with(vae.prior_distribution(), noise.of(Stream.PRIOR))
    z = estimator.sample(q_z, num_samples, noise.of(Stream.POSTERIOR))
    return LatentDraws(z, q_z, p_z, vae.log_likelihood(x, z), estimator)


def _evaluator(vae: LatentVariableModel, num_samples: int) -> Callable:
    """Return a compiled function of x, parameters, seed and first row: the ELBO of each example, [B]."""
    posterior_of, objective = posterior_function(vae), ELBO(num_samples=num_samples, form="log_ratio")

    @tf.function(autograph=False, reduce_retracing=True)
    def evaluate(x: tf.Tensor, parameters: list[tf.Tensor], seed: tf.Tensor, first_row: tf.Tensor) -> tf.Tensor:
        draws = _draw(vae, x, posterior_of(parameters), num_samples, Noise(seed, first_row).of(Stream.EVALUATION))
        return objective.terms(draws).elbo

    return evaluate
