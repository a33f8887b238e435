"""Figures of the aggregate posterior against the prior: where the data is, and where the prior has holes."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from matplotlib import colormaps
from matplotlib.collections import EllipseCollection
from matplotlib.figure import Figure

from keras_vae import random
from keras_vae.arguments import as_count
from keras_vae.data.images import as_batches
from keras_vae.distributions.latents import entries
from keras_vae.evaluation.aggregate_posterior import prior_draws
from keras_vae.plotting.figures import image_grid
from keras_vae.protocols import LatentVariableModel, as_batch
from keras_vae.random import Stream

__all__ = ["bubbles", "holes"]


def bubbles(vae: LatentVariableModel, data: Any, labels: Any = None, num_bubbles: int = 300, seed: Any = 0) -> Figure:
    """Draw posteriors as ellipses of one standard deviation on draws of the prior, in two dimensions of z.

    Where the prior has draws and no bubble is, it has a hole. Of more than two dimensions those are shown in which the
    posterior's means vary most.

    Args:
        vae: Built model, whose posteriors have a standard deviation.
        data: Array, tensor, `keras_vae.data.Split` or unbatched `tf.data.Dataset`, of which the first are used.
        labels: Integers [N] that colour the bubbles, in ten colours, or None.
        num_bubbles: Int, how many posteriors are drawn. 300.
        seed: Seed of the prior's draws. 0.
    """
    batch = next(iter(as_batches(data, num_bubbles, seed, training=False).epoch(0)))
    q_z = vae.encode(vae.check(as_batch(batch).x))
    loc, scale = entries(random.mean_of(q_z)).numpy(), entries(random.stddev_of(q_z)).numpy()
    noise = random.as_noise(seed).of(Stream.PRIOR)
    of_prior = entries(random.sample(vae.prior_distribution(), 10 * num_bubbles, noise)).numpy()
    first, second = sorted(np.argsort(-loc.var(axis=0), kind="stable")[:2]) if loc.shape[1] > 1 else (0, 0)
    figure = Figure(figsize=(5.2, 4.8), layout="constrained")
    axes = figure.add_subplot()
    axes.scatter(of_prior[:, first], of_prior[:, second], s=2, color="0.85", label="draws of the prior", zorder=1)
    colours = "tab:blue" if labels is None else colormaps["tab10"](np.asarray(labels)[: len(loc)] % 10)
    ellipses = EllipseCollection(
        2 * scale[:, first],
        2 * scale[:, second],
        np.zeros(len(loc)),
        units="xy",
        offsets=loc[:, [first, second]],
        offset_transform=axes.transData,
        facecolors=colours,
        alpha=0.5,
        zorder=2,
    )
    axes.add_collection(ellipses)
    axes.scatter(loc[:, first], loc[:, second], s=2, c=colours, zorder=3)  # a bubble may be too small to be seen
    axes.autoscale_view()
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xlabel(f"z{first}")
    axes.set_ylabel(f"z{second}")
    axes.set_title("posteriors q(z|x), 1 standard deviation, on draws of the prior (grey)", fontsize=9)
    axes.grid(alpha=0.3)
    return figure


def holes(
    vae: LatentVariableModel,
    data: Any,
    num_images: int = 12,
    num_samples: int = 1_000,
    seed: Any = 0,
    high: float | None = None,
) -> Figure:
    """Draw the images of three places of z: the deepest holes of the prior, all of the prior, and where the data is.

    Args:
        vae: Built model of images.
        data: Array, tensor, `keras_vae.data.Split` or unbatched `tf.data.Dataset`: see `evaluation.prior_draws`.
        num_images: Int, images in a row. 12.
        num_samples: Int, draws of the prior among which the holes are found. 1,000.
        seed: Seed of the draws. 0.
        high: Float, value of white, as in `image_grid`. None: the largest in the figure.

    Raises:
        ValueError: if a count is not 1 or more, or if there are fewer draws than images in a row.
    """
    num_images, num_samples = as_count(num_images=num_images), as_count(num_samples=num_samples)
    if num_images > num_samples:
        raise ValueError(
            "The images of a row are made from `num_samples` draws: pass as many draws or more. "
            f"Received: num_images={num_images}, num_samples={num_samples}"
        )
    draws = prior_draws(vae, data, num_samples, seed=seed)
    places = np.concatenate(
        [
            np.arange(num_images),
            np.linspace(0, num_samples - 1, num_images).astype(int),
            np.arange(num_samples - num_images, num_samples),
        ]
    )
    z = tf.nest.map_structure(lambda part: tf.gather(part, places), draws.z)
    title = "means of p(x|z) at draws of the prior: in its holes; from holes (left) to data; where the data is"
    return image_grid(random.mean_of(vae.decode(z)), num_images, title, high=high)
