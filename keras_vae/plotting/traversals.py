"""Figures of what each dimension of z does, and of the posterior that an encoder should find."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from scipy.special import logsumexp

from keras_vae import random
from keras_vae.distributions import latents
from keras_vae.distributions.discrete import is_discrete
from keras_vae.distributions.estimated_density import has_density
from keras_vae.plotting.figures import image_grid
from keras_vae.protocols import LatentVariableModel

__all__ = ["exact_posterior", "traversals"]

_MASS = (0.99, 0.9, 0.5)  # inside the contours


def traversals(
    vae: LatentVariableModel,
    data: Any,
    num_dimensions: int = 10,
    num_steps: int = 11,
    reach: float = 2.5,
    high: float | None = None,
) -> Figure:
    """Draw what happens to the image of one z when one of its dimensions changes; a row for each dimension.

    Of a discrete z a column has all values of one variable, and the others stay as in the most probable z.

    The rows are the dimensions whose posterior means vary most over `data`, the most used first. A row goes from the
    mean over the data minus `reach` standard deviations of the aggregate posterior to plus as many; all other
    dimensions stay at the posterior mean of the first image.

    Args:
        vae: Built model of images whose z is one vector, or discrete.
        data: Array [N, *event], of which the first image is changed.
        num_dimensions: Int, rows at most. 10.
        num_steps: Int, images in a row. 11.
        reach: Float, standard deviations. 2.5.
        high: Float, value of white, as in `image_grid`. None: the largest in the figure.
    """
    q_z = vae.encode(vae.check(data))
    if is_discrete(q_z):
        return _flips(vae, q_z, num_dimensions, high)
    loc, scale = random.mean_of(q_z).numpy(), random.stddev_of(q_z).numpy()
    spread = np.sqrt(loc.var(axis=0) + np.mean(scale**2, axis=0))
    order = np.argsort(-loc.var(axis=0), kind="stable")[:num_dimensions]
    z = np.tile(loc[0], [len(order), num_steps, 1])
    for row, j in enumerate(order):
        z[row, :, j] = loc[:, j].mean() + spread[j] * np.linspace(-reach, reach, num_steps)
    images = random.mean_of(vae.decode(z.reshape(-1, z.shape[-1])))
    names = ", ".join(f"z{j}" for j in order)
    return image_grid(images, num_steps, f"means of p(x|z) as one dimension changes; rows: {names}", high=high)


def _flips(vae: LatentVariableModel, q_z: Any, num_variables: int, high: float | None) -> Figure:
    """Draw the image of each value of one variable after another: 0 and 1 of a unit, or the categories."""
    probs, first = random.mean_of(q_z).numpy(), random.center_of(q_z)[0].numpy()
    values = np.array([0.0, 1.0]) if first.ndim == 1 else np.eye(first.shape[-1])
    order = np.argsort(-probs.var(axis=0).reshape(len(first), -1).sum(axis=1), kind="stable")[:num_variables]
    z = np.tile(first, [len(values), len(order), *[1] * first.ndim])
    for column, j in enumerate(order):
        z[:, column, j] = values
    images = random.mean_of(vae.decode(z.reshape(-1, *first.shape)))
    names = ", ".join(f"z{j}" for j in order)
    return image_grid(images, len(order), f"columns: each value of {names}", high=high)


def exact_posterior(vae: LatentVariableModel, x: Any, num_steps: int = 200, reach: float = 4.0) -> Figure:
    """Draw p(z|x) of each x on a grid, as filled contours, and q(z|x) as lines, for z of two dimensions.

    The contours hold 50, 90 and 99 % of the mass. p(z|x) is p(x|z) p(z) over its sum on the grid, which covers the
    draws of the prior and q(z|x), and the plane beyond them where `reach` is large.

    Args:
        vae: Built model with two latent dimensions and a likelihood that is one.
        x: Array [N, *event], a panel for each.
        num_steps: Int, points of the grid along each axis. 200.
        reach: Float, standard deviations of the prior's draws that the grid covers around their mean. 4.

    Raises:
        ValueError: if z has another number of dimensions, or if the density of the prior is estimated.
    """
    if vae.latent_shape != (2,):
        raise ValueError(
            f"The posterior is drawn for z of two dimensions. Received: a model with latent_shape={vae.latent_shape}"
        )
    x, p_z = vae.check(x), vae.prior_distribution()
    if not has_density(p_z):
        raise ValueError(
            "The exact posterior needs the density p(z), of which a second stage has estimates only: draw the model "
            f"with another prior, `vae.with_prior`. Received: vae={vae.name!r}"
        )
    draws = random.sample(p_z, 1_000, seed=0).numpy()
    limits = [(m - reach * s, m + reach * s) for m, s in zip(draws.mean(0), draws.std(0), strict=True)]
    axes_of_z = [np.linspace(*limit, num_steps) for limit in limits]
    grid = np.stack(np.meshgrid(*axes_of_z), axis=-1).reshape(-1, 2).astype(draws.dtype)
    figure = Figure(figsize=(3.4 * len(x), 3.4), layout="constrained")
    for i, panel in enumerate(np.atleast_1d(figure.subplots(1, len(x)))):
        rows = np.array_split(grid, num_steps)
        log_likelihood = [vae.log_likelihood(x[i : i + 1], part[:, None])[:, 0].numpy() for part in rows]
        log_joint = np.concatenate(log_likelihood) + latents.log_prob(p_z, grid).numpy()
        exact = np.exp(log_joint - logsumexp(log_joint))
        log_q = latents.log_prob(vae.encode(x[i : i + 1]), grid).numpy()
        approximate = np.exp(log_q - logsumexp(log_q))
        square = (num_steps, num_steps)
        panel.contourf(*axes_of_z, exact.reshape(square), [*_levels(exact), 1.1 * exact.max()], cmap="Blues")
        panel.contour(*axes_of_z, approximate.reshape(square), _levels(approximate), colors="tab:red", linewidths=1)
        panel.set_title(f"x{i}", fontsize=9)
        panel.set_aspect("equal")
        panel.tick_params(labelsize=7)
    figure.suptitle("p(z|x), filled, and q(z|x), red lines: 50, 90 and 99 % of the mass", fontsize=9)
    return figure


def _levels(mass: np.ndarray) -> list[float]:
    """Return the values above which `_MASS` of the probabilities on a grid lies, in ascending order."""
    ordered = np.sort(mass)[::-1]
    inside = np.cumsum(ordered)
    levels = [float(ordered[np.searchsorted(inside, share)]) for share in _MASS]
    return list(np.unique(levels))
