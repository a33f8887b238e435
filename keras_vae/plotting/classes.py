"""Figures of what a label does, and what is left to z."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

from keras_vae.plotting.figures import image_grid
from keras_vae.protocols import Batch
from keras_vae.random import center_of, mean_of

__all__ = ["samples_by_class", "styles"]


def samples_by_class(
    cvae: Any, num_columns: int = 10, seed: Any = 0, mean: bool = False, high: float | None = None
) -> Figure:
    """Draw samples of each class in a row of its own, from the same z in each column where p(z) takes no label.

    Args:
        cvae: A `keras_vae.ConditionalVAE` of images and labels.
        num_columns: Int, samples of a class. 10.
        seed: Seed of z. 0.
        mean: Bool, whether to draw the means of p(x|z, y) in the place of samples of it. False.
        high: Float, value of white, as in `image_grid`. None: the largest in the figure.
    """
    labels = np.arange(_num_classes(cvae))
    rows = [cvae.sample(np.repeat(label, num_columns), seed, mean) for label in labels]
    drawn = "means of p(x|z, y)" if mean else "samples x ~ p(x|z, y)"
    title = f"{drawn}; rows: y = 0 ... {labels[-1]}; columns: z ~ p(z)"
    return image_grid(np.concatenate(rows), num_columns, title, high=high)


def styles(cvae: Any, x: Any, y: Any, high: float | None = None) -> Figure:
    """Draw each image, and beside it what its z looks like with the label of each class: z is the style that is left.

    Args:
        cvae: A `keras_vae.ConditionalVAE` of images and labels.
        x: Array [N, H, W, C], a row for each.
        y: Array [N], the labels of x.
        high: Float, value of white, as in `image_grid`. None: the largest in the figure.
    """
    num_classes = _num_classes(cvae)
    batch = cvae.checked(Batch(x, y))
    z = center_of(cvae.encode(batch.x, **cvae.given(batch)))
    of_classes = [mean_of(cvae.decode(z, y=tf.fill([len(batch.x)], label))) for label in range(num_classes)]
    columns = [tf.cast(batch.x, of_classes[0].dtype), *of_classes]
    images = tf.reshape(tf.stack(columns, axis=1), [-1, *batch.x.shape[1:]])
    title = f"left: x; then p(x|z, y) at the z of x for y = 0 ... {num_classes - 1}"
    return image_grid(images, num_classes + 1, title, high=high)


def _num_classes(cvae: Any) -> int:
    num_classes = getattr(getattr(cvae, "condition", None), "num_classes", None)
    if num_classes is None:
        raise ValueError(f"The figure is one of labels: pass a ConditionalVAE with num_classes. Received: {cvae!r}")
    return num_classes
