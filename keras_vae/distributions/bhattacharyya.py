"""How much two normal distributions overlap, in closed form."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.distributions.entries import normal_entries

__all__ = ["bhattacharyya_distances"]


def bhattacharyya_distances(q: Any, p: Any) -> tf.Tensor | None:
    """Return -log integral sqrt(q_i(z) p_j(z)) dz of all pairs, [I, J], in nats; None unless all are normal.

        distance = 1/8 d' C^-1 d + 1/2 log(det C / sqrt(det C_q det C_p)),  d = loc_q - loc_p,  C = (C_q + C_p) / 2

    It is computed in float64, as narrow covariances need.

    Args:
        q: batch [I], event [D].
        p: batch [J], event [D].

    Example:

    >>> q = tfd.MultivariateNormalDiag(tf.constant([[0., 0.], [4., 0.]]))
    >>> bhattacharyya_distances(q, q).numpy().tolist()
    [[0.0, 2.0], [2.0, 0.0]]

    References:
        Kailath (1967), "The divergence and Bhattacharyya distance measures in signal selection", Eq. 61.
    """
    entries_q, entries_p = normal_entries(q), normal_entries(p)
    if entries_q is not None and entries_p is not None:
        loc_q, scale_q = (tf.cast(part, tf.float64)[:, None] for part in (entries_q.loc, entries_q.scale))
        loc_p, scale_p = (tf.cast(part, tf.float64)[None] for part in (entries_p.loc, entries_p.scale))
        variance = (scale_q**2 + scale_p**2) / 2
        of_entries = (loc_q - loc_p) ** 2 / (8 * variance) + 0.5 * tf.math.log(variance / (scale_q * scale_p))
        return tf.reduce_sum(of_entries, axis=list(range(2, of_entries.shape.rank)))
    if not all(isinstance(part, tfd.MultivariateNormalLinearOperator) for part in (q, p)):
        return None
    loc_q, loc_p = tf.cast(q.mean(), tf.float64)[:, None], tf.cast(p.mean(), tf.float64)[None]
    covariance_q, covariance_p = (_covariance(part.scale) for part in (q, p))
    root = tf.linalg.cholesky((covariance_q[:, None] + covariance_p[None]) / 2)
    shift = tf.linalg.triangular_solve(root, (loc_q - loc_p)[..., None])[..., 0]
    log_dets = [_log_det(tf.linalg.cholesky(covariance)) for covariance in (covariance_q, covariance_p)]
    log_ratio = _log_det(root) - (log_dets[0][:, None] + log_dets[1][None]) / 2
    return tf.reduce_sum(shift**2, axis=-1) / 8 + log_ratio / 2


def _covariance(scale: Any) -> tf.Tensor:
    scale = tf.cast(scale.to_dense(), tf.float64)
    return tf.linalg.matmul(scale, scale, transpose_b=True)


def _log_det(root: tf.Tensor) -> tf.Tensor:
    """Return log det(root @ root.T) of a triangular root [..., D, D]."""
    return 2 * tf.reduce_sum(tf.math.log(tf.linalg.diag_part(root)), axis=-1)
