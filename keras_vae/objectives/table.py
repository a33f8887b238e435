"""The estimators that have a name."""

from __future__ import annotations

from keras_vae.names import look_up
from keras_vae.objectives.enumeration import Enumeration
from keras_vae.objectives.estimators import DoublyReparameterized, Estimator, Pathwise, StickingTheLanding
from keras_vae.objectives.nvil import NVIL
from keras_vae.objectives.relaxations import GumbelSoftmax, StraightThrough
from keras_vae.objectives.score_functions import VIMCO, DisARM, ScoreFunction

__all__ = ["ESTIMATORS", "get"]

_CLASSES: tuple[type[Estimator], ...] = (
    Pathwise,
    StickingTheLanding,
    DoublyReparameterized,
    ScoreFunction,
    NVIL,
    DisARM,
    VIMCO,
    GumbelSoftmax,
    StraightThrough,
    Enumeration,
)
ESTIMATORS: dict[str, type[Estimator]] = {estimator.name: estimator for estimator in _CLASSES}


def get(gradient: str | Estimator) -> Estimator:
    """Return the estimator of a name, with its defaults, or the object itself.

    Raises:
        ValueError: if there is no such estimator.

    Example:

    >>> get("gumbel_softmax").temperature
    0.5
    """
    part = look_up("gradient", gradient, ESTIMATORS, Estimator)
    return part() if isinstance(gradient, str) else part
