"""What is wrong with a latent space, in sentences, and the parts that mend it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import keras

from keras_vae import random
from keras_vae.distributions import latents
from keras_vae.distributions.discrete import has_discrete_values
from keras_vae.evaluation.aggregate_posterior import draws_of
from keras_vae.evaluation.decomposition import Decomposition, decompose
from keras_vae.evaluation.two_sample import AUC, MMD, classifier_test, mmd_test
from keras_vae.objectives import ELBO, FreeBits
from keras_vae.priors import MAF, MixtureOfNormals, VampPrior
from keras_vae.protocols import LatentVariableModel
from keras_vae.random import Stream

__all__ = ["Diagnosis", "Finding", "PriorFit", "diagnose", "prior_fit"]

_FEWEST_EXAMPLES = 50  # a variance over 50 normal values has a relative standard error of 20 %
_HOLE_AUC = 0.6  # of two normal densities of variance 1, whose means are 0.36 apart
_HOLE_NATS, _NO_HOLE_NATS = 0.25, 0.05
_STANDARD_ERRORS = 3  # on each side of a bound: a hole is seen where there is none in 1 of 700 cases or fewer


@dataclasses.dataclass(frozen=True)
class PriorFit:
    """How far the aggregate posterior is from the prior, and whether the prior has holes.

    The verdict is "hole" where KL(q(z), p(z)) is above 0.25 nats or a classifier tells draws of the two apart with an
    AUC above 0.6, in either case by 3 standard errors. It is "none" where the KL is below 0.05 nats and the AUC below
    0.6, by as much: then at most 5 % of the prior's mass can lie where no posterior is. Else it is "cannot tell".

    Attributes:
        parts: The bounds of the KL.
        classifier: Area under the curve of a classifier between draws of the aggregate posterior and the prior.
        mmd: Squared maximum mean discrepancy of such draws.
    """

    parts: Decomposition
    classifier: AUC
    mmd: MMD

    @property
    def verdict(self) -> str:
        """Either "hole", "none" or "cannot tell"."""
        lower, upper = self.parts.marginal_kl_lower, self.parts.marginal_kl_upper
        if lower.mean - _STANDARD_ERRORS * lower.standard_error > _HOLE_NATS:
            return "hole"
        if self.classifier.mean - _STANDARD_ERRORS * self.classifier.standard_error > _HOLE_AUC:
            return "hole"
        is_near = upper.mean + _STANDARD_ERRORS * upper.standard_error < _NO_HOLE_NATS
        is_alike = self.classifier.mean + _STANDARD_ERRORS * self.classifier.standard_error < _HOLE_AUC
        return "none" if is_near and is_alike else "cannot tell"

    def __str__(self) -> str:
        lower, upper = (max(bound.mean, 0) for bound in (self.parts.marginal_kl_lower, self.parts.marginal_kl_upper))
        measures = (
            f"KL(aggregate posterior, prior) is between {lower:.2f} and {upper:.2f} nats; a classifier tells their "
            "draws apart with AUC {:.3f} ({:.3f} to {:.3f}; 0.5 is chance); the MMD test has p = {:.3f}".format(
                self.classifier.mean, *self.classifier.interval(), self.mmd.p_value
            )
        )
        num_examples, dimensions = self.parts.draws.shape
        return {
            "hole": f"The prior has holes, and samples of it may look worse than reconstructions: {measures}.",
            "none": f"The prior fits: {measures}.",
            "cannot tell": f"Whether the prior has holes cannot be told with N={num_examples:,} points in "
            f"{dimensions} dimension{'s'[: dimensions - 1]}: {measures}.",
        }[self.verdict]


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or that cannot be told.

    Attributes:
        name: Str, "posterior-collapse", "inactive-units", "prior-hole", "prior-unknown" or "few-examples".
        sentence: Str, what was found and what mends it.
        remedies: Parts for another model that mend it: objectives or priors, ready to use.
    """

    name: str
    sentence: str
    remedies: tuple[Any, ...] = ()


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """All findings about the latent space of a model; printed, a sentence each.

    Attributes:
        parts: The parts of the ELBO.
        prior_fit: How far the prior is from the aggregate posterior; None for fewer than 50 examples.
        findings: What is wrong; empty if all is well.
    """

    parts: Decomposition
    prior_fit: PriorFit | None
    findings: tuple[Finding, ...]

    def __str__(self) -> str:
        return "\n".join(finding.sentence for finding in self.findings) or f"All is well. {self.prior_fit}"


def diagnose(vae: LatentVariableModel, data: Any, batch_size: int = 500, seed: Any = 0) -> Diagnosis:
    """Return what is wrong with the latent space of a model, with a remedy for each.

    Posterior collapse and inactive units are found by the variance of the posterior's means, and holes of the prior by
    the two bounds of KL(q(z), p(z)) and a classifier: see `PriorFit`. Fewer than 50 examples do not say how the
    posterior's means vary: then the report says only that.

    Args:
        vae: built model.
        data: array, tensor, `keras_vae.data.Split` or unbatched `tf.data.Dataset`.
        batch_size: examples at a time.
        seed: of all draws.

    Raises:
        ValueError: if the data lies outside the likelihood's support.

    Example:

    >>> vae = kv.VAE.for_images((4, 4, 1), latent_dim=2, seed=0)
    >>> report = diagnose(vae, np.random.default_rng(0).integers(0, 2, [200, 4, 4, 1]))
    >>> [finding.name for finding in report.findings]
    ['prior-unknown']
    """
    seed = random.as_seed(seed)
    parts = decompose(vae, data, batch_size, seed)
    if len(parts.draws) < _FEWEST_EXAMPLES:
        sentence = (
            f"Whether z depends on x, and whether the prior fits, cannot be told with N={len(parts.draws)} examples: "
            f"give {_FEWEST_EXAMPLES} examples or more."
        )
        return Diagnosis(parts, None, (Finding("few-examples", sentence),))
    fit = prior_fit(vae, parts, seed)
    return Diagnosis(parts, fit, (*_unused_units(parts), *_misfit(vae, fit)))


def prior_fit(vae: LatentVariableModel, parts: Decomposition, seed: Any = 0) -> PriorFit:
    """Return how far the aggregate posterior, whose draws are in `parts`, is from the prior; see `PriorFit`."""
    noise = random.as_noise(seed).of(Stream.PRIOR)
    of_prior = latents.entries(draws_of(vae.prior_distribution(), len(parts.draws), noise)).numpy()
    return PriorFit(parts, classifier_test(parts.draws, of_prior, noise), mmd_test(parts.draws, of_prior, noise))


def _unused_units(parts: Decomposition) -> Iterator[Finding]:
    latent_dim, active = len(parts.variance_of_means), parts.active_units
    beta = keras.optimizers.schedules.PolynomialDecay(0.0, 10_000, 1.0)
    if active == 0:
        yield Finding(
            "posterior-collapse",
            "Posterior collapse: no dimension of z depends on x. Let the weight of the KL grow from 0 "
            "(keras.optimizers.schedules.PolynomialDecay as beta), give it free bits (keras_vae.objectives.FreeBits; "
            'per="total" where the posterior is no diagonal normal), or take a weaker decoder.',
            (ELBO(beta), FreeBits(0.1, per="total")),
        )
    elif active < latent_dim:
        yield Finding(
            "inactive-units",
            f"{latent_dim - active} of {latent_dim} dimensions of z do not depend on x: they cost little and give "
            "nothing. A smaller latent_dim does as well; a KL weight that grows from 0, or free bits, may use them.",
            (ELBO(beta), FreeBits(0.1, per="total")),
        )


def _misfit(vae: LatentVariableModel, fit: PriorFit) -> Iterator[Finding]:
    if fit.verdict == "hole":
        if has_discrete_values(vae.prior_distribution()):
            advice = "A prior whose variables depend on one another fits better: train with"
            yield Finding("prior-hole", f"{fit} {advice} prior=keras_vae.priors.VampPrior().", (VampPrior(),))
            return
        is_vector = vae.latent_shape == (vae.latent_dim,)
        remedies = (MixtureOfNormals(vae.latent_dim), VampPrior(), MAF(vae.latent_dim)) if is_vector else ()
        sentence = (
            f"{fit} A learned prior fits better: train with prior=keras_vae.priors.VampPrior(), or fit one to this "
            "model with keras_vae.fit_prior."
        )
        yield Finding("prior-hole", sentence, remedies)
    elif fit.verdict == "cannot tell":
        yield Finding("prior-unknown", str(fit))
