"""The figures of a training run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

from keras_vae.data import Split
from keras_vae.distributions.discrete import has_discrete_values
from keras_vae.distributions.latents import entries
from keras_vae.evaluation.aggregate_posterior import draws_of
from keras_vae.plotting.classes import samples_by_class, styles
from keras_vae.plotting.codes import codes
from keras_vae.plotting.figures import image_grid, latent_scatter, reconstructions, training_curves
from keras_vae.plotting.traversals import traversals
from keras_vae.protocols import LatentVariableModel
from keras_vae.random import as_noise, mean_of

__all__ = ["report"]

_NUM_SAMPLES = 100
_NUM_PAIRS = 10
_NUM_POINTS = 5_000
_NUM_QUANTILE_DRAWS = 10_000


def report(
    vae: LatentVariableModel, test: Split, history: Mapping[str, Sequence[float]], seed: int = 0
) -> dict[str, Figure]:
    """Return the figures of a trained model by name.

    Args:
        vae: trained model.
        test: test split.
        history: Keras history of the training.
        seed: of the samples.

    Returns:
        `training_curves` (if an epoch ended), `samples` (drawn from the likelihood), `sample_means`,
        `reconstructions`, `latent` (the two dimensions whose means vary most), `interpolation` (of two images or
        more), `manifold` if z has two dimensions, and `traversals` if it has more. Of a discrete z there are `codes`
        and `traversals`, and neither `latent` nor what moves z continuously. Of a model with labels as its condition
        there are `samples` and `sample_means` by class, and `styles`, and nothing that shows z alone.
    """
    x = test.head(min(_NUM_PAIRS, test.num_examples), seed)
    largest = vae.support.high
    high = None if np.isinf(largest) else largest
    figures = {"training_curves": training_curves(history, vae.metric_units)} if history.get("loss") else {}
    if vae.takes_y:
        return {
            **figures,
            "samples": samples_by_class(vae, seed=seed, high=high),
            "sample_means": samples_by_class(vae, seed=seed, mean=True, high=high),
            "styles": styles(vae, x, test.tensors.y[: len(x)], high),
        }
    samples, means = vae.sample(_NUM_SAMPLES, seed), vae.sample(_NUM_SAMPLES, seed, mean=True)
    discrete = has_discrete_values(vae.prior_distribution())
    if discrete or (isinstance(vae.latent_shape, tuple) and len(vae.latent_shape) == 1 and vae.latent_dim > 2):
        figures["traversals"] = traversals(vae, test.head(min(_NUM_POINTS, test.num_examples), seed), high=high)
    figures |= {
        "samples": image_grid(samples, title="samples x ~ p(x|z), z ~ p(z)", high=high),
        "sample_means": image_grid(means, title="means of p(x|z), z ~ p(z)", high=high),
        "reconstructions": reconstructions(x, vae.reconstruct(x), high),
    }
    if discrete:
        return {**figures, "codes": codes(vae, test.head(min(_NUM_POINTS, test.num_examples), seed))}
    return {
        **figures,
        "latent": _latent(vae, test, seed),
        **({"interpolation": _interpolation(vae, x, high)} if len(x) > 1 else {}),
        **({"manifold": _manifold(vae, high)} if vae.latent_dim == 2 else {}),
    }


def _latent(vae: LatentVariableModel, test: Split, seed: int) -> Figure:
    num_points = min(_NUM_POINTS, test.num_examples)
    z = mean_of(vae.encode(test.head(num_points, seed))).numpy()
    first, second = sorted(np.argsort(-z.var(axis=0))[:2]) if z.shape[1] > 1 else (0, 0)
    labels = None if test.labels is None else test.labels[:num_points]
    return latent_scatter(z[:, [first, second]], labels, (f"z{first}", f"z{second}"))


def _interpolation(vae: LatentVariableModel, x: tf.Tensor, high: float | None, num_steps: int = 10) -> Figure:
    """Straight lines between the posterior means of neighbours in the test set."""
    z = mean_of(vae.encode(x))
    weight = tf.linspace(0.0, 1.0, num_steps)[:, None]
    pairs = [(i, i + 1) for i in range(0, len(z) - 1, 2)]
    lines = tf.concat([(1 - weight) * z[i] + weight * z[j] for i, j in pairs], 0)
    return image_grid(
        mean_of(vae.decode(lines)), num_steps, "between the posterior means of two test images", high=high
    )


def _manifold(vae: LatentVariableModel, high: float | None, num_steps: int = 20) -> Figure:
    """Decode a grid of the quantiles of each dimension of the prior, 2.5 % to 97.5 %."""
    z = entries(draws_of(vae.prior_distribution(), _NUM_QUANTILE_DRAWS, as_noise(0))).numpy()
    quantiles = np.quantile(z, np.linspace(0.025, 0.975, num_steps), axis=0).astype(z.dtype)
    z1, z0 = tf.meshgrid(quantiles[::-1, 1], quantiles[:, 0], indexing="ij")
    rows = tf.unstack(tf.stack([z0, z1], axis=-1))  # decoded one by one: means over many levels take memory
    means = tf.concat([mean_of(vae.decode(z)) for z in rows], axis=0)
    return image_grid(means, num_steps, "means of p(x|z) over the prior's quantiles", high=high)
