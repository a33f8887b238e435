"""A likelihood of tables whose columns are of different kinds."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from keras_vae import layers
from keras_vae.likelihoods.likelihood import Likelihood
from keras_vae.likelihoods.table import get

__all__ = ["Columns"]


class Columns(Likelihood):
    """A likelihood for each column of a table: real numbers, counts, categories 0 ... K-1 and 0 or 1 side by side.

    log p(x|z) is the sum over the columns, in nats. Equal columns next to each other are scored together, which is
    faster, and those of "gaussian-shared" share one scale. Missing categories are filled in by draws, see
    `keras_vae.evaluation.impute`, as a mean category is none.

    Args:
        columns: One likelihood a column, by name or as an object, see `keras_vae.likelihoods.get`.

    Example:

    >>> columns = ["gaussian", "gaussian", "bernoulli", kv.likelihoods.Categorical(5), "poisson"]
    >>> vae = kv.VAE.for_vectors((5,), latent_dim=2, likelihood=kv.likelihoods.Columns(columns))
    >>> vae.sample(3, seed=0).shape.as_list()
    [3, 5]
    """

    def __init__(self, columns: Sequence[str | Likelihood]):
        if isinstance(columns, str) or not len(columns):
            raise ValueError(
                f"`columns` must be a list of one name or likelihood a column. Received: columns={columns!r}"
            )
        self.columns = tuple(get(column) for column in columns)

    def __repr__(self) -> str:
        return f"Columns({list(self.columns)})"

    def params_size(self, event_shape: Sequence[int]) -> int:
        return sum(self._params_sizes())

    def layer(self, event_shape: Sequence[int]) -> layers.Columns:
        if tuple(event_shape) != (len(self.columns),):
            raise ValueError(
                "There must be one likelihood for each column of x. "
                f"Received: {len(self.columns)} likelihoods for x of shape {list(event_shape)}"
            )
        return layers.Columns([family.layer((size,)) for family, size in self._groups()], self._params_sizes())

    def _groups(self) -> list[tuple[Any, int]]:
        """Return each likelihood with the number of columns next to each other that have it."""
        return [(family, len(list(same))) for family, same in itertools.groupby(self.columns)]

    def _params_sizes(self) -> list[int]:
        return [family.params_size((size,)) for family, size in self._groups()]
