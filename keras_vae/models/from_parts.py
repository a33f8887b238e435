"""Models whose parts are given by name."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeVar

from keras_vae import likelihoods, networks
from keras_vae.likelihoods import Likelihood
from keras_vae.models.assembly import (
    image_decoder,
    image_encoder,
    latent_shape_and_prior,
    make_decoder,
    make_encoder,
)
from keras_vae.networks import Network
from keras_vae.posteriors import Posterior
from keras_vae.priors import Prior

__all__ = ["FromParts"]

Model = TypeVar("Model", bound="FromParts")


class FromParts:
    """The constructors of `keras_vae.VAE` that put encoder, decoder and prior together from parts."""

    @classmethod
    def _condition_shape(cls, arguments: dict[str, Any]) -> tuple[int, ...] | None:
        """Return the shape of what the networks get beside x, by the arguments of the constructor; None for nothing."""
        return None

    @classmethod
    def _other_parts(
        cls,
        event_shape: Sequence[int],
        latent_dim: int,
        network: Network,
        scale: float,
        missing: bool,
        arguments: dict[str, Any],
    ) -> tuple[Any, ...]:
        """Return the parts that the constructor takes after encoder, decoder and prior."""
        return ()

    @classmethod
    def for_images(
        cls: type[Model],
        event_shape: Sequence[int],
        latent_dim: int,
        likelihood: str | Likelihood = "bernoulli",
        network: str | Network = "mlp",
        posterior: str | Posterior = "diagonal",
        prior: str | Prior | None = None,
        *,
        hidden: Sequence[int] | None = None,
        num_levels: int | None = None,
        missing: bool = False,
        **kwargs: Any,
    ) -> Model:
        """Return a VAE of images, made of parts that are given by name or as objects.

        Args:
            event_shape: Integers (H, W, C).
            latent_dim: Int, D; or how many variables a categorical z has, or units each of two layers.
            likelihood: Str, a key of `keras_vae.likelihoods.LIKELIHOODS`, or a `keras_vae.likelihoods.Likelihood`.
                "bernoulli".
            network: Str, a key of `keras_vae.networks.NETWORKS`, or a `keras_vae.networks.Network`. "mlp".
            posterior: Str, a key of `keras_vae.posteriors.POSTERIORS`, or a `keras_vae.posteriors.Posterior`.
                "diagonal".
            prior: Str, a key of `keras_vae.priors.PRIORS`, or a `keras_vae.priors.Prior`. None: N(0, I), or
                independent variables with learned probabilities where the posterior is discrete.
            hidden: Integers, widths of the encoder's hidden layers, or filters of its convolutions, where the network
                is given by name; the decoder runs backwards. None: those of the table.
            num_levels: Int, K where x has the levels 0 ... K-1: the encoder scales them to [0, 1], and a likelihood
                that is given by name counts them. None: the number of the likelihood, or 2.
            missing: Bool, whether x may have missing entries, which are NaN. The encoder is told which they are, and
                the likelihood scores the others: all of "log p(x)" is then of what was observed. False.
            **kwargs: Arguments of `VAE`.

        Raises:
            ValueError: if a part is neither a name of its table nor an object of its kind.

        Example:

        >>> kv.VAE.for_images((8, 8, 1), latent_dim=2, network="conv").sample(3, seed=0).shape.as_list()
        [3, 8, 8, 1]
        >>> network = kv.networks.MLP((300, 300), activation="tanh")
        >>> vae = kv.VAE.for_images((8, 8, 1), 2, network=network, prior=kv.priors.StandardNormal(2))
        """
        if moved := {"activation", "initial", "batch_norm", "sigma"} & set(kwargs):
            raise TypeError(
                "`activation`, `initial` and `batch_norm` are arguments of the network, as in "
                'network=keras_vae.networks.MLP((400,), activation="relu"), and `sigma` of the likelihood, as in '
                f"likelihood=keras_vae.likelihoods.Gaussian(scale=0.1). Received: {', '.join(sorted(moved))}"
            )
        family = likelihoods.get(likelihood, num_levels)
        levels = family.num_levels or 2 if num_levels is None else num_levels
        condition_shape = cls._condition_shape(kwargs)
        encoder = image_encoder(
            event_shape,
            latent_dim,
            network=network,
            hidden=hidden,
            num_levels=levels,
            posterior=posterior,
            missing=missing,
            condition_shape=condition_shape,
        )
        latent_shape, prior = latent_shape_and_prior(posterior, prior, latent_dim)
        decoder = image_decoder(
            event_shape,
            latent_shape,
            likelihood=family,
            network=network,
            hidden=hidden,
            num_seen=prior.num_seen,
            condition_shape=condition_shape,
        )
        others = cls._other_parts(
            event_shape, math.prod(latent_shape), networks.get(network, hidden), 1 / (levels - 1), missing, kwargs
        )
        make: Any = cls
        return make(encoder, decoder, prior, *others, **kwargs)

    @classmethod
    def for_vectors(
        cls: type[Model],
        event_shape: Sequence[int],
        latent_dim: int,
        likelihood: str | Likelihood = "gaussian",
        network: str | Network = "mlp",
        posterior: str | Posterior = "diagonal",
        prior: str | Prior | None = None,
        *,
        hidden: Sequence[int] | None = None,
        missing: bool = False,
        **kwargs: Any,
    ) -> Model:
        """Return a VAE of vectors or tables, made of parts that are given by name or as objects.

        The encoder sees x as it is: standardise columns of different units before, and keep the units in mind when
        log-densities are compared.

        Args:
            event_shape: Integers, the shape of one x, such as (30,).
            latent_dim: Int, D.
            likelihood: Str or object, as of `for_images`. "gaussian".
            network: Str or object, as of `for_images`. "mlp".
            posterior: Str or object, as of `for_images`. "diagonal".
            prior: Str or object, as of `for_images`. None.
            hidden: Integers, as of `for_images`. None: those of the table.
            missing: Bool, as of `for_images`. False.
            **kwargs: Arguments of `VAE`.

        Raises:
            ValueError: if a part is neither a name of its table nor an object of its kind.

        Example:

        >>> vae = kv.VAE.for_vectors((30,), latent_dim=5, likelihood="laplace", hidden=(64,))
        >>> vae.sample(3, seed=0).shape.as_list()
        [3, 30]
        """
        body, condition_shape = networks.get(network, hidden), cls._condition_shape(kwargs)
        encoder = make_encoder(
            event_shape,
            latent_dim,
            network=body,
            posterior=posterior,
            missing=missing,
            condition_shape=condition_shape,
        )
        latent_shape, prior = latent_shape_and_prior(posterior, prior, latent_dim)
        decoder = make_decoder(event_shape, latent_shape, likelihood, body, prior.num_seen, condition_shape)
        others = cls._other_parts(event_shape, math.prod(latent_shape), body, 1.0, missing, kwargs)
        make: Any = cls
        return make(encoder, decoder, prior, *others, **kwargs)
