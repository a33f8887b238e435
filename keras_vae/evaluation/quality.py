"""How good samples are beside real examples, and how good other real examples are beside the same."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from keras_vae import random
from keras_vae.arguments import as_count, check_not_masked
from keras_vae.data.images import as_batches
from keras_vae.evaluation.elbo import Estimate
from keras_vae.evaluation.examples import checked_examples
from keras_vae.evaluation.features import FeatureClassifier
from keras_vae.evaluation.point_sets import check_points, generator
from keras_vae.evaluation.sample_measures import frechet_distance, precision_recall
from keras_vae.evaluation.two_sample import MMD, mmd_test
from keras_vae.protocols import LatentVariableModel, as_batch
from keras_vae.random import Noise, Stream

__all__ = ["SampleMeasures", "SampleQuality", "sample_quality"]

_FEWEST_POINTS = 8  # halves of which have four points, and three nearest neighbours of each
_ROWS_AT_ONCE = 500


class SampleMeasures(NamedTuple):
    """Measures of one set of points beside a set of real examples.

    Attributes:
        mmd: Squared maximum mean discrepancy and its p-value, see `keras_vae.evaluation.mmd_test`.
        precision: See `keras_vae.evaluation.precision_recall`.
        recall: See `keras_vae.evaluation.precision_recall`.
        frechet_distance: Squared, see `keras_vae.evaluation.frechet_distance`.
    """

    mmd: MMD
    precision: Estimate
    recall: Estimate
    frechet_distance: Estimate


class SampleQuality(NamedTuple):
    """Measures of samples, and those of real examples as calibration; printed, a table.

    Attributes:
        samples: The samples beside real examples.
        calibration: Other real examples, as many, beside the same: no model is better but by chance.
        num_samples: Number of points of each set.
        features: Name of the features.
    """

    samples: SampleMeasures
    calibration: SampleMeasures
    num_samples: int
    features: str

    def __str__(self) -> str:
        columns = (self.samples, self.calibration)
        rows = [
            ("", "samples", "real against real"),
            ("squared MMD", *(f"{of.mmd.squared:.4f} (p = {of.mmd.p_value:.3f})" for of in columns)),
            ("precision", *(f"{of.precision.mean:.3f} +- {of.precision.standard_error:.3f}" for of in columns)),
            ("recall", *(f"{of.recall.mean:.3f} +- {of.recall.standard_error:.3f}" for of in columns)),
            (
                "squared Frechet distance",
                *("{:.4g} +- {:.2g}".format(*of.frechet_distance) for of in columns),
            ),
        ]
        title = f"By {self.features}; {self.num_samples:,} points in each set."
        return "\n".join([title, *("{:26}{:24}{}".format(*row) for row in rows)])


def sample_quality(
    samples: Any, data: Any, features: FeatureClassifier | None = None, num_samples: int | None = None, seed: Any = 0
) -> SampleQuality:
    """Compare samples with real examples, and other real examples with the same.

    All of the measures depend on the number of points, and on the features: compare numbers of the same features, of
    which the table prints the name, and read each beside that of real against real. Therefore three sets of one size
    are drawn at random: two of the data, and one of the samples.

    Args:
        samples: Model, whose `sample` draws x; or samples [M, *event], such as `vae.sample(M, mean=True)`.
        data: Array, tensor, `keras_vae.data.Split` or unbatched `tf.data.Dataset`: real examples that the model and the
            classifier were not trained on.
        features: `FeatureClassifier`; None compares x itself, flattened. None.
        num_samples: Int, points of each set. None: half of the data, or as many samples as there are.
        seed: Seed of the draws and of all choices. 0.

    Raises:
        ValueError: if a set would have fewer than 8 points or more than there are, if samples and data differ in
            shape, or if a value is not finite.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> quality = sample_quality(rng.normal(size=[100, 2]), rng.normal(size=[200, 2]) + 3)
    >>> quality.samples.precision.mean < 0.2 < quality.calibration.precision.mean
    True
    >>> print(str(quality).splitlines()[0])
    By x itself, flattened; 100 points in each set.
    """
    noise = random.as_noise(seed)
    model: LatentVariableModel | None = samples if hasattr(samples, "prior_distribution") else None
    check_not_masked(samples=samples)
    real = _examples(model, data, noise)
    drawn = None if model else _examples(None, samples, noise)
    num_samples = _size(num_samples, len(real), None if drawn is None else len(drawn))
    if drawn is None:
        drawn = _draw(samples, num_samples, noise.of(Stream.EVALUATION))
    if drawn.shape[1:] != real.shape[1:]:
        raise ValueError(
            "Samples must have the shape of the examples that they are compared with. "
            f"Received: samples.shape={drawn.shape}, for examples of shape {real.shape[1:]}"
        )
    check_points(samples=drawn, data=real)
    rng = generator(noise)
    real, drawn = rng.permutation(real), rng.permutation(drawn)
    sets = (real[:num_samples], real[num_samples : 2 * num_samples], drawn[:num_samples])
    reference, others, points = (x.reshape(len(x), -1) if features is None else features.features(x) for x in sets)
    return SampleQuality(
        _measures(reference, points, noise),
        _measures(reference, others, noise),
        num_samples,
        "x itself, flattened" if features is None else str(features),
    )


def _measures(real: np.ndarray, samples: np.ndarray, seed: Noise) -> SampleMeasures:
    return SampleMeasures(
        mmd_test(real, samples, seed),
        *precision_recall(real, samples, seed=seed),
        frechet_distance(real, samples, seed),
    )


def _examples(model: LatentVariableModel | None, data: Any, noise: Noise) -> np.ndarray:
    """Return x [N, *event] of the data; a model checks that it can score x."""
    batches = as_batches(data, _ROWS_AT_ONCE, noise, training=False)
    parts = (x for _, x in checked_examples(model, batches, "Data")) if model else batches.epoch(0)
    return np.concatenate([as_batch(part).x for part in parts])


def _size(num_samples: int | None, num_examples: int, most: int | None) -> int:
    """Return the number of points of each set."""
    largest = num_examples // 2 if most is None else min(num_examples // 2, most)
    size = largest if num_samples is None else as_count(num_samples=num_samples)
    if not _FEWEST_POINTS <= size <= largest:
        raise ValueError(
            f"Two sets of the data and one of samples are compared: `num_samples` must be {_FEWEST_POINTS} or more, at "
            "most half the number of examples, and at most the number of samples. "
            f"Received: num_samples={num_samples}, for {num_examples} examples"
            + ("" if most is None else f" and {most} samples")
        )
    return size


def _draw(model: LatentVariableModel, num_samples: int, noise: Noise) -> np.ndarray:
    """Return x [num_samples, *event] drawn from the model, part by part as memory is finite."""
    sizes = {row: min(_ROWS_AT_ONCE, num_samples - row) for row in range(0, num_samples, _ROWS_AT_ONCE)}
    return np.concatenate([model.sample(size, Noise(noise.seed, row)) for row, size in sizes.items()])
