"""A prior of two stochastic layers."""

from __future__ import annotations

from typing import Any

import keras

from keras_vae import distributions, layers
from keras_vae.priors.prior import Prior
from keras_vae.registration import register

__all__ = ["TopDown"]


@register
class TopDown(Prior):
    """p(z) = p(z_2) p(z_1|z_2) of z = [z_1, z_2]: the prior of the first layer is a decoder of the second one.

    The encoder's layer beside it is `keras_vae.layers.Stacked`, and the decoder looks at z_1 alone. A model with the
    posterior `keras_vae.posteriors.TwoLayerBernoulli` has all three. The KL is estimated from draws, and so is the
    gradient, by "score_function", "nvil" or "vimco".

    Args:
        second: A `Prior` of z_2, a vector.
        first: A Keras model from z_2 to a distribution of z_1, a vector.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:

    >>> B = kv.layers.IndependentBernoulli
    >>> first = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3), B(3)])
    >>> prior = TopDown(kv.priors.Bernoulli(2), first)
    >>> second = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), B(2)])
    >>> x = keras.Input((8, 8, 1))
    >>> encoder = keras.Model(x, kv.layers.Stacked(B(3), second)(keras.layers.Dense(3)(keras.layers.Flatten()(x))))
    >>> decoder = kv.models.make_decoder((8, 8, 1), latent_dim=5, num_seen=3)
    >>> objective = kv.objectives.ELBO(num_samples=2, gradient="score_function")
    >>> kv.VAE(encoder, decoder, prior, objective).elbo(np.ones([4, 8, 8, 1]), seed=0).shape.as_list()
    [4]
    """

    def __init__(self, second: Prior, first: keras.Model, **kwargs: Any):
        super().__init__(**kwargs)
        self.second, self.first = second, first
        self.num_seen: int = first.output_shape[-1]

    def distribution(self) -> distributions.Stacked:
        return distributions.Stacked(self.second(), self._first, self.num_seen, reverse=True)

    def _first(self, z_2: Any) -> Any:
        return layers.as_distribution(self.first(z_2))

    def get_config(self) -> dict[str, Any]:
        parts = {name: keras.saving.serialize_keras_object(getattr(self, name)) for name in ("second", "first")}
        return {**super().get_config(), **parts}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> TopDown:
        parts = {name: keras.saving.deserialize_keras_object(config[name]) for name in ("second", "first")}
        return cls(**{**config, **parts})
