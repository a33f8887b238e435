"""A prior for a model that is trained already."""

from __future__ import annotations

from typing import Any

from keras_vae import priors
from keras_vae.models.vae import VAE
from keras_vae.objectives import ELBO
from keras_vae.priors import Prior

__all__ = ["fit_prior"]


def fit_prior(vae: VAE, x: Any, prior: str | Prior = "mixture", optimizer: Any = "adam", **kwargs: Any) -> VAE:
    """Fit a prior to the draws z ~ q(z|x) of a trained model, whose encoder and decoder stay as they are.

    Maximising E_q log p(z) over the prior is maximising the ELBO: the metrics of the training are those of the whole
    model, and `keras_vae.evaluation.elbo_gain` states on other data what the new prior has changed.

    Args:
        vae: A trained model. It keeps its prior.
        x: Data, in any of the forms that `vae.fit` takes.
        prior: Str, a key of `keras_vae.priors.PRIORS`, or a `keras_vae.priors.Prior`. "mixture". With
            `keras_vae.priors.SecondStage(second)` this is the second training of the two-stage VAE.
        optimizer: Str or object, as of `keras.Model.compile`. "adam".
        **kwargs: Arguments of `vae.fit`, such as `epochs`, `batch_size`, `validation_data`, `callbacks`, `verbose`.

    Returns:
        A model with the fitted prior that shares encoder, decoder and objective with `vae`; see `VAE.with_prior`.

    Raises:
        ValueError: if there is no such prior, or if it has nothing to fit.

    Example:

    >>> x = np.random.default_rng(0).integers(0, 2, [64, 4, 4, 1])
    >>> vae = kv.VAE.for_images((4, 4, 1), latent_dim=2, seed=0)
    >>> better = fit_prior(vae, x, kv.priors.MixtureOfNormals(2, num_components=3), epochs=2, verbose=0)
    >>> better.decoder is vae.decoder, type(better.prior).__name__
    (True, 'MixtureOfNormals')

    References:
        Ghosh et al. (2020), "From variational to deterministic autoencoders", Sec. 4 (density estimation after the
        training).
    """
    fitted = vae.with_prior(priors.get(prior, vae.latent_dim))
    if not fitted.prior.trainable_variables:
        raise ValueError(f"The prior must have weights to be fitted. Received: prior={prior!r}")
    parts = (vae.encoder, vae.decoder)
    trainable = [part.trainable for part in parts]
    model = VAE(*parts, fitted.prior, ELBO(), vae.seed, vae.dequantized_levels, dtype=vae.dtype_policy)
    try:
        for part in parts:
            part.trainable = False
        model.compile(optimizer)
        model.fit(x, **kwargs)
    finally:
        for part, value in zip(parts, trainable, strict=True):
            part.trainable = value
    fitted.history = model.history
    return fitted
