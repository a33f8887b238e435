"""All that can be said of a trained VAE on a test set, as one dictionary of numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from keras_vae.cli.runs import doubts
from keras_vae.cli.terminal import plus_minus
from keras_vae.data import ImageData
from keras_vae.data.images import Split
from keras_vae.distributions.discrete import has_discrete_values
from keras_vae.evaluation.annealed_importance_sampling import annealed_log_marginal
from keras_vae.evaluation.baselines import density_baselines
from keras_vae.evaluation.code_use import code_use
from keras_vae.evaluation.diagnosis import diagnose
from keras_vae.evaluation.elbo import estimate, evaluate
from keras_vae.evaluation.importance_sampling import LogMarginal, log_marginal
from keras_vae.objectives import bits_per_dim
from keras_vae.protocols import LatentVariableModel

__all__ = ["format_summary", "summarize"]

_BASELINE_EXAMPLES = 10_000


def summarize(
    vae: LatentVariableModel,
    data: ImageData,
    num_samples: int = 1000,
    num_annealed: int = 0,
    baselines: bool = True,
    seed: int = 0,
) -> dict[str, Any]:
    """Return estimates on the test images, each with its standard error, as plain numbers for JSON.

    Args:
        vae: trained model.
        data: whose test split is scored; its training and validation splits serve the baselines.
        num_samples: importance samples an image.
        num_annealed: how many of the test images are scored by annealed importance sampling too.
        baselines: whether to fit simple densities to (at most 10,000 of) the training images.
        seed: of all noise.

    Returns:
        `elbo`, `reconstruction_loss`, `kl`, `bits_per_dim`; `log_marginal` with its 95 % interval, bits per dim and
        effective sample sizes; `decomposition`; `prior_fit`; `diagnosis`, sentences; `codes`, of a discrete z;
        `annealed`; `baselines`; `left_out`, sentences that say what was not computed and why. Where grey targets are
        scored by a cross-entropy there is no ELBO and no log p(x).
    """
    test = data.test
    estimates = {name: value._asdict() for name, value in evaluate(vae, test, num_samples=10, seed=seed).items()}
    importance = log_marginal(vae, test, num_samples, seed) if vae.is_normalized else None
    summary: dict[str, Any] = {
        "test_images": test.num_examples,
        "seed": seed,
        "log_marginal_of": "x|y" if vae.takes_y else "x",
        **estimates,
        "diagnosis": doubts(vae, data),
        "left_out": [],
    }
    if vae.takes_y:
        summary["left_out"].append("The diagnosis of the latent space: it is not defined for a conditional model.")
    else:
        _add_latent_space(summary, vae, test, seed)
    if importance is None:
        summary["left_out"].append("log p(x): a cross-entropy of grey targets is not a likelihood.")
    else:
        summary["log_marginal"] = {"num_samples": num_samples, **_describe(importance, vae)}
    if num_annealed and vae.takes_y:
        summary["left_out"].append("Annealed importance sampling: it does not take a condition.")
    elif num_annealed and importance is not None:
        first = test.head(min(num_annealed, test.num_examples), seed)
        annealed = annealed_log_marginal(vae, first, seed=seed)
        same = LogMarginal(*(values[: len(first)] for values in importance))
        summary["annealed"] = {
            "test_images": len(first),
            "acceptance_rate": annealed.acceptance_rate,
            **_describe(annealed.estimate, vae),
            "importance_sampling_of_the_same": _describe(same, vae),
        }
    levels = data.pixels.num_values
    obstacle = _obstacle_to_baselines(vae, data)
    if baselines and obstacle:
        summary["left_out"].append(f"Baselines: {obstacle}")
    elif baselines and levels:
        splits = (_levels(data.train, seed), _levels(data.validation, seed), _levels(test, seed))
        scores = density_baselines(*splits, levels, seed)
        summary["baselines"] = {name: score._asdict() for name, score in scores.items()}
    return summary


def _add_latent_space(summary: dict[str, Any], vae: LatentVariableModel, test: Split, seed: int) -> None:
    """Add what the latent space looks like: `decomposition`, `prior_fit`, `codes` and sentences of the diagnosis."""
    report = diagnose(vae, test, seed=seed)
    parts, fit = report.parts, report.prior_fit
    summary["decomposition"] = {
        "reconstruction_loss": parts.reconstruction_loss._asdict(),
        "mutual_information_lower": parts.mutual_information_lower._asdict(),
        "mutual_information_upper": parts.mutual_information_upper._asdict(),
        "mutual_information_at_most": math.log(test.num_examples),
        "marginal_kl_lower": parts.marginal_kl_lower._asdict(),
        "marginal_kl_upper": parts.marginal_kl_upper._asdict(),
        "active_units": parts.active_units,
        "latent_dim": len(parts.variance_of_means),
        "variance_of_means": parts.variance_of_means.tolist(),
        "kl_per_dimension": parts.kl_per_dimension.tolist(),
    }
    summary["prior_fit"] = fit and {
        "verdict": fit.verdict,
        "classifier": fit.classifier._asdict(),
        "mmd": fit.mmd._asdict(),
    }
    summary["diagnosis"] += [finding.sentence for finding in report.findings]
    if has_discrete_values(vae.prior_distribution()):
        use = code_use(vae, test)
        summary["codes"] = {
            "num_codes": use.num_codes,
            "perplexity": use.perplexity.tolist(),
            "mutual_information": use.mutual_information.tolist(),
        }


def _obstacle_to_baselines(vae: LatentVariableModel, data: ImageData) -> str | None:
    """Return why the baselines cannot be computed, or None."""
    if vae.takes_y:
        return "they do not take a condition."
    if not vae.is_normalized or not data.pixels.num_values:
        return "they are densities of integer levels, which these pixels are not."
    if not vae.support.integer:
        return "they bound probabilities of integer levels, and log p(x) of this likelihood is a density."
    if data.validation is None:
        return "their settings are chosen on validation images, of which the run has none."
    if not all(part.in_memory for part in (data.train, data.validation, data.test)):
        return "they need images in memory."
    return None


def _describe(values: LogMarginal, vae: LatentVariableModel) -> dict[str, Any]:
    mean = estimate(values.log_marginal)
    effective = values.effective_sample_size
    return {
        **mean._asdict(),
        "interval_95": [mean.mean - 1.96 * mean.standard_error, mean.mean + 1.96 * mean.standard_error],
        "monte_carlo_standard_error": float(np.sqrt(np.sum(values.standard_error**2)) / len(effective)),
        "bits_per_dim": float(bits_per_dim(mean.mean, vae.event_shape, vae.dequantized_levels)),
        "effective_sample_size": {"median": float(np.median(effective)), "smallest": float(effective.min())},
    }


def _levels(split: Split | None, seed: int) -> np.ndarray:
    """Return x of (at most 10,000 of) the images of a split in memory, as evaluation sees them."""
    if split is None:
        raise ValueError("The baselines need validation images. Received: None")
    return np.asarray(split.head(min(split.num_examples, _BASELINE_EXAMPLES), seed))


def format_summary(summary: dict[str, Any]) -> str:
    """Return the summary as a table for the terminal, in nats per image unless bits are said."""

    def line(name: str, value: dict[str, Any]) -> str:
        return f"  {name:34s}{value['mean']:12.4f}{plus_minus(value['standard_error'])}"

    parts = summary.get("decomposition", summary)
    lines = [
        f"On {summary['test_images']:,} test images, in nats per image (+- standard error of the mean over images):"
    ]
    if "log_marginal" in summary:
        log_px = summary["log_marginal"]
        sizes = log_px["effective_sample_size"]
        lines += [
            line("elbo", summary["elbo"]),
            line(f"log p({summary['log_marginal_of']}), importance sampling", log_px),
            f"  {'':34s}{log_px['num_samples']:,} samples; effective: median {sizes['median']:.0f}, "
            f"smallest {sizes['smallest']:.1f}",
            f"  {'bits per dim':34s}{log_px['bits_per_dim']:12.4f}",
            line("reconstruction loss", parts["reconstruction_loss"]),
        ]
    else:
        lines += [
            line("cross-entropy + kl", summary["cross_entropy_plus_kl"]),
            line("cross-entropy", parts["reconstruction_loss" if "decomposition" in summary else "cross_entropy"]),
        ]
    if "decomposition" in summary:
        lines += [
            line("mutual information I(x; z) >=", parts["mutual_information_lower"]),
            line("KL(aggregate posterior, prior) >=", parts["marginal_kl_lower"]),
            line("KL(aggregate posterior, prior) <=", parts["marginal_kl_upper"]),
            f"  {'active units':34s}{parts['active_units']:7d} of {parts['latent_dim']}",
        ]
    if "codes" in summary:
        codes, variables = summary["codes"], len(summary["codes"]["perplexity"])
        lines += [
            f"  {'codes, most probable z':34s}{codes['num_codes']:7,d} different ones",
            f"  {f'perplexity of {variables} variables':34s}{np.median(codes['perplexity']):12.4f} in the median, "
            f"{min(codes['perplexity']):.2f} to {max(codes['perplexity']):.2f}",
        ]
    if "annealed" in summary:
        annealed = summary["annealed"]
        lines += [
            f"On the first {annealed['test_images']} of them:",
            line("log p(x), annealed", annealed),
            line("log p(x), importance sampling", annealed["importance_sampling_of_the_same"]),
        ]
    if "baselines" in summary:
        lines += ["Simple densities of the same images (the last three: lower bounds by uniform noise):"]
        lines += [line(name.replace("_", " "), value) for name, value in summary["baselines"].items()]
    lines += [f"Left out: {sentence}" for sentence in summary["left_out"]]
    return "\n".join([*lines, *summary["diagnosis"]])
