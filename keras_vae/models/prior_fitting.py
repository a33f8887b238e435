"""A prior for a model that is trained already."""

from __future__ import annotations

import dataclasses
from typing import Any

from keras_vae import priors
from keras_vae.distributions.estimated_density import scored_with
from keras_vae.models.vae import VAE
from keras_vae.objectives import ELBO
from keras_vae.objectives.estimators import Estimator
from keras_vae.priors import Prior
from keras_vae.protocols import Batch, LatentDraws, LatentVariableModel
from keras_vae.random import Noise, Stream

__all__ = ["fit_prior"]


def fit_prior(vae: VAE, x: Any, prior: str | Prior = "mixture", optimizer: Any = "adam", **kwargs: Any) -> VAE:
    """Fit a prior to the draws z ~ q(z|x) of a trained model, whose encoder and decoder stay as they are.

    Maximising E_q log p(z) over the prior is maximising the ELBO: the metrics of the training are those of the whole
    model, and `keras_vae.evaluation.elbo_gain` states on other data what the new prior has changed.

    A `keras_vae.priors.VampPrior` starts from data if it is given some before: `vae.with_prior(prior)`, then
    `prior.set_pseudo_inputs(x[:500])`, then `fit_prior(vae, x, prior, epochs=20)`.

    Args:
        vae: A trained model. It keeps its prior; its encoder and decoder run as in evaluation.
        x: Data, in any of the forms that `vae.fit` takes.
        prior: Str, a key of `keras_vae.priors.PRIORS`, or a `keras_vae.priors.Prior`. "mixture". With
            `keras_vae.priors.SecondStage(second)` this is the second training of the two-stage VAE.
        optimizer: Str or object, as of `keras.Model.compile`. "adam".
        **kwargs: Arguments of `vae.fit`, such as `epochs`, `batch_size`, `validation_data`, `callbacks`, `verbose`.

    Returns:
        A model with the fitted prior that shares encoder, decoder and objective with `vae`; see `VAE.with_prior`.

    Raises:
        ValueError: if there is no such prior, if it has nothing to fit, or if it is the prior that the model has.

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
    if prior is vae.prior:
        raise ValueError(f"The model keeps its own prior: pass another one to be fitted. Received: prior={prior!r}")
    model = vae.with_prior(priors.get(prior, vae.latent_dim))
    if not model.prior.trainable_variables:
        raise ValueError(f"The prior must have weights to be fitted. Received: prior={prior!r}")
    flags = [(layer, layer.trainable) for part in (vae.encoder, vae.decoder) for layer in part._flatten_layers()]
    model.objective = _OfPrior()
    try:
        vae.encoder.trainable = vae.decoder.trainable = False
        as_before = {"jit_compile": vae.jit_compile, "run_eagerly": vae.run_eagerly} if vae.compiled else {}
        model.compile(optimizer, **as_before)
        model.fit(x, **kwargs)
    finally:
        for layer, trainable in flags:  # an outer layer sets its inner ones, which come after it
            layer.trainable = trainable
    fitted = vae.with_prior(model.prior)
    fitted.step.assign(model.step)
    fitted.history = model.history
    return fitted


class _OfPrior(ELBO):
    """The ELBO of a model whose encoder and decoder run as in evaluation: nothing is dropped, no moment is updated."""

    def draw(
        self, model: LatentVariableModel, batch: Batch, noise: Noise, estimator: Estimator, training: bool
    ) -> LatentDraws:
        draws = model.draw(batch, self.num_samples, noise)
        prior = scored_with(model.prior_distribution(), noise.of(Stream.PRIOR), training)
        return dataclasses.replace(draws, prior=prior)
