"""What a posterior is to the rest of the package."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import keras

from keras_vae.priors import Prior

__all__ = ["DiscretePosterior", "Posterior"]


@runtime_checkable
class Posterior(Protocol):
    """A family of q(z|x), before the dimension of z is known; any object with these two methods is a posterior.

    The distribution of the layer has batch [B] and event [D], the event shape of the prior. Where its draws carry no
    gradient, the objective needs an estimator that does without, such as `ELBO(gradient="score_function",
    num_samples=2)`. The KL to the prior is estimated from draws where TFP has no closed form of it.

    Example:

    >>> class Laplace:
    ...     def params_size(self, latent_dim):
    ...         return kv.layers.IndependentLaplace.params_size(latent_dim)
    ...
    ...     def layer(self, latent_dim):
    ...         return kv.layers.IndependentLaplace(latent_dim)
    >>> vae = kv.VAE.for_images((4, 4, 1), latent_dim=2, posterior=Laplace())
    >>> type(vae.encode(np.zeros([3, 4, 4, 1])).distribution).__name__
    'Laplace'
    """

    def params_size(self, latent_dim: int) -> int:
        """Return the number of parameters that the encoder gives for one x."""
        ...

    def layer(self, latent_dim: int) -> keras.layers.Layer:
        """Return the layer from parameters [B, params_size] to q(z|x)."""
        ...


@runtime_checkable
class DiscretePosterior(Posterior, Protocol):
    """A posterior that says of what shape z is, and which prior goes with it: N(0, I) does not go with a discrete z."""

    def latent_shape(self, latent_dim: int) -> tuple[int, ...]:
        """Return the shape of one z."""
        ...

    def prior(self, latent_dim: int) -> Prior:
        """Return the prior of a model that is given none."""
        ...
