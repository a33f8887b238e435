"""How much of a discrete z a model uses."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.special import entr

from keras_vae import random
from keras_vae.data import as_batches
from keras_vae.distributions.discrete import has_discrete_values
from keras_vae.evaluation.examples import checked_examples
from keras_vae.protocols import LatentVariableModel

__all__ = ["CodeUse", "code_use"]


class CodeUse(NamedTuple):
    """The use of each variable of a discrete z.

    Attributes:
        probs: Array [D] of P(z_j = 1), or [N, K] of P(z_n = k), under the aggregate posterior: means over the data.
        perplexity: Array [D] or [N], the exponential of the entropy of `probs` in nats: from 1, where a variable has
            the same value for all data, to 2 of a unit or K, where all its values are equally frequent.
        mutual_information: Array [D] or [N], I(x; z_j) in nats: the entropy of `probs` less the mean entropy of
            q(z_j|x). It is 0 where the variable does not depend on x.
        num_codes: Int, how many different modes of q(z|x) the data has.
        num_examples: Int, number of examples.
    """

    probs: np.ndarray
    perplexity: np.ndarray
    mutual_information: np.ndarray
    num_codes: int
    num_examples: int


def code_use(vae: LatentVariableModel, data: Any, batch_size: int = 256) -> CodeUse:
    """Return how often each value of each variable of z occurs, and how many codes there are.

    The means of two stochastic layers are averages of 100 draws: I(x; z_j) is then up to 0.005 nats too large.

    Args:
        vae: Built model whose posterior has Bernoulli units or one-hot vectors.
        data: Array [N, *event], or what `fit` takes.
        batch_size: Int, examples at a time. 256.

    Raises:
        ValueError: if z is not discrete.

    Example:

    >>> vae = kv.VAE.for_images((4, 4, 1), latent_dim=3, posterior="bernoulli", seed=0)
    >>> use = code_use(vae, np.ones([5, 4, 4, 1]))
    >>> use.probs.shape, use.num_codes, use.num_examples
    ((3,), 1, 5)
    """
    if not has_discrete_values(vae.prior_distribution()):
        raise ValueError(
            "The use of codes is that of a discrete z, of Bernoulli units or one-hot vectors; of others "
            f"`kv.evaluation.decompose` counts the active units. Received: vae={vae.name!r}"
        )
    probs, modes = [], []
    for _, x in checked_examples(vae, as_batches(data, batch_size, 0, training=False), "codes"):
        q_z = vae.encode(x)
        probs.append(random.mean_of(q_z).numpy())
        modes.append(random.center_of(q_z).numpy() > 0.5)
    of_examples = np.concatenate(probs).astype(np.float64)
    codes = np.concatenate(modes).reshape(len(of_examples), -1)
    mean = of_examples.mean(axis=0)
    entropy = _entropy(mean, mean.ndim)
    information = entropy - _entropy(of_examples, mean.ndim).mean(axis=0)
    return CodeUse(mean, np.exp(entropy), information, len(np.unique(codes, axis=0)), len(codes))


def _entropy(probs: np.ndarray, rank: int) -> np.ndarray:
    """Return the entropy of each variable in nats: of its P(z = 1) where z is a vector, else of its K values."""
    return entr(probs) + entr(1 - probs) if rank == 1 else entr(probs).sum(axis=-1)
