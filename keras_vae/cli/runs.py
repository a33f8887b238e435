"""A run of `train.py`: what its configuration names, and its folder read back."""

from __future__ import annotations

import dataclasses
import json
import textwrap
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_vae import likelihoods, networks, posteriors, priors
from keras_vae.cli.config import Config, ModelConfig, TrainingConfig
from keras_vae.data import Dequantize, ImageData, Split, load
from keras_vae.likelihoods import LIKELIHOODS, Gaussian, Likelihood
from keras_vae.models import VAE
from keras_vae.networks import Network
from keras_vae.objectives import ELBO, ESTIMATORS, IWAE, FreeBits, GumbelSoftmax, StraightThrough
from keras_vae.posteriors import Categorical, Posterior
from keras_vae.priors import Prior, VampPrior
from keras_vae.protocols import LatentVariableModel

__all__ = [
    "Run",
    "divergence",
    "doubts",
    "learning_rate",
    "likelihood",
    "load_data",
    "load_run",
    "network",
    "num_classes",
    "objective",
    "posterior",
    "prior",
]

_STAGES = 8  # of Burda et al.'s schedule


class Run(NamedTuple):
    """What a run was told, what it was trained on, and what came out of it."""

    config: Config
    data: ImageData
    vae: VAE


def load_data(config: Config) -> ImageData:
    """Return the data set, its pixels treated as asked or as suits the likelihood."""
    options = config.data
    data = load(
        options.dataset,
        pixels_name=options.pixels or LIKELIHOODS[config.model.likelihood].pixels,
        data_dir=options.data_dir,
        image_size=options.image_size,
        grayscale=options.grayscale,
        validation_fraction=options.validation_fraction,
        num_levels=options.num_levels,
    )
    return data if config.model.condition is None else _with_labels(data)


def _with_labels(data: ImageData) -> ImageData:
    """Return the data set with the labels as y of each split."""

    def with_labels(split: Split) -> Split:
        if split.labels is None or not split.in_memory or np.min(split.labels) < 0:
            raise ValueError(
                "condition=label requires a set in memory with a label, 0 or more, for each image. "
                f"Received: {data.name!r}"
            )
        return dataclasses.replace(split, y=tf.constant(split.labels))

    validation = data.validation and with_labels(data.validation)
    return dataclasses.replace(data, train=with_labels(data.train), validation=validation, test=with_labels(data.test))


def num_classes(data: ImageData) -> int:
    """Return how many classes the labels of the images have, which count from 0."""
    splits = (data.train, data.validation, data.test)
    return 1 + max(int(np.max(split.labels)) for split in splits if split is not None and split.labels is not None)


def likelihood(options: ModelConfig, num_levels: int | None) -> Likelihood:
    """Return the likelihood that the configuration names, for x of `num_levels` levels.

    Example:

    >>> likelihood(ModelConfig(likelihood="categorical"), num_levels=16)
    Categorical(num_levels=16)
    >>> likelihood(ModelConfig(likelihood="gaussian-fixed", sigma=0.2), num_levels=None)
    Gaussian(scale=0.2)
    """
    if options.likelihood == "gaussian-fixed":
        return Gaussian(options.sigma)
    return likelihoods.get(options.likelihood, num_levels)


def network(options: ModelConfig) -> Network:
    """Return the network that the configuration names.

    Example:

    >>> network(ModelConfig(network="conv", hidden=(8, 16), activation="elu"))
    Conv(filters=(8, 16), activation='elu', initial='glorot_uniform')
    """
    settings: dict[str, Any] = {"activation": options.activation, "initial": options.initial}
    if options.batch_norm:
        settings["batch_norm"] = True
    named: Any = networks.get(options.network, options.hidden)
    return dataclasses.replace(named, **settings)


def doubts(vae: LatentVariableModel, data: ImageData) -> list[str]:
    """Return a sentence if p(x|z) is a density and x has isolated values, at which it may rise without end."""
    if vae.support.integer or not vae.is_normalized or isinstance(data.pixels, Dequantize):
        return []
    return [
        f"The likelihood is a density, and these pixels have isolated values, {data.pixels}: log p(x) may have no "
        "upper bound, and compares with nothing but runs of the same likelihood and pixels. Choose pixels=dequantize, "
        "or a likelihood of levels, such as bernoulli for binary pixels."
    ]


def divergence(history: Mapping[str, Sequence[float]]) -> list[str]:
    """Return a sentence if the ELBO ended below that of the first epoch, as after steps that were too long.

    Example:

    >>> divergence({"elbo": [-240.0, -95.0, -1e6]})[0]
    'The ELBO ended at -1,000,000.00 nats, after -240.00 in the first epoch: it diverged. Lower the learning rate.'
    """
    elbo = history.get("elbo", ())
    if len(elbo) < 2 or elbo[-1] >= elbo[0]:
        return []
    return [
        f"The ELBO ended at {elbo[-1]:,.2f} nats, after {elbo[0]:,.2f} in the first epoch: it diverged. Lower the "
        "learning rate."
    ]


def posterior(options: ModelConfig) -> Posterior:
    """Return the posterior that the configuration names.

    Example:

    >>> posterior(ModelConfig(posterior="categorical", num_categories=4))
    Categorical(num_categories=4)
    """
    made = posteriors.get(options.posterior)
    return dataclasses.replace(made, num_categories=options.num_categories) if isinstance(made, Categorical) else made


def prior(options: ModelConfig, train: Split) -> Prior | None:
    """Return the prior that the configuration names, or None; a VampPrior has no more components than training images.

    Example:

    >>> images = np.zeros([20, 4, 4, 1], np.uint8)
    >>> prior(ModelConfig(prior="vamp-prior"), kv.data.Split(images, 20)).num_components
    20
    """
    made = priors.get(options.prior, options.latent_dim) if options.prior else None
    if isinstance(made, VampPrior) and made.num_components > train.num_examples:
        return VampPrior(train.num_examples)
    return made


def objective(config: Config, steps_per_epoch: int) -> ELBO | IWAE:
    """Return the objective that the configuration names.

    Example:

    >>> from keras_vae.cli.config import LossConfig
    >>> objective(Config(loss=LossConfig("iwae", num_samples=5)), 100).num_samples
    5
    """
    options, estimator = config.loss, ESTIMATORS[config.gradient]
    gradient = estimator(options.temperature) if estimator in (GumbelSoftmax, StraightThrough) else estimator.name
    if options.objective == "iwae":
        return IWAE(config.num_samples, gradient)
    beta: Any = options.beta
    if options.warm_up:
        beta = keras.optimizers.schedules.PolynomialDecay(0.0, options.warm_up * steps_per_epoch, options.beta)
    if options.free_bits:
        return FreeBits(options.free_bits, beta=beta, num_samples=config.num_samples)
    form = "log_ratio" if config.gradient == "sticking_the_landing" else "kl"
    return ELBO(beta, config.num_samples, form, gradient)


def learning_rate(options: TrainingConfig, num_steps: int) -> float | keras.optimizers.schedules.LearningRateSchedule:
    """Return the learning rate, or its schedule over `num_steps` steps.

    The schedule "burda" has the rates r 10^(-i/7), i = 0 ... 7, the i-th for 3^i parts of 3280: see Burda et al.
    (2016), "Importance Weighted Autoencoders", Sec. 5. With 3280 epochs it is theirs.

    Example:

    >>> schedule = learning_rate(TrainingConfig(learning_rate=1.0, schedule="burda"), 3280)
    >>> [round(float(schedule(step)), 3) for step in (0, 1, 3, 4, 3279)]
    [1.0, 0.72, 0.72, 0.518, 0.1]
    """
    if options.schedule == "cosine":
        return keras.optimizers.schedules.CosineDecay(options.learning_rate, num_steps)
    if options.schedule == "burda":
        last = [num_steps * (3**i - 1) // (3**_STAGES - 1) - 1 for i in range(1, _STAGES)]  # step of each stage
        rates = [options.learning_rate * 10 ** (-i / (_STAGES - 1)) for i in range(_STAGES)]
        return keras.optimizers.schedules.PiecewiseConstantDecay(last, rates)
    return options.learning_rate


def load_run(folder: str | Path) -> Run:
    """Return what the run in `folder` left behind.

    Raises:
        FileNotFoundError: if `folder` is not that of a run.
        ValueError: if one of its files cannot be read, with the file's name and the reason.
    """
    folder = Path(folder)
    for name in ("config.json", "model.keras"):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"A folder that train.py left behind has a {name}. Received: {str(folder)!r}")
    config, vae = _read_config(folder / "config.json"), _read_model(folder / "model.keras")
    data, environment = load_data(config), folder / "environment.json"
    trained_on = _read_json(environment).get("data") if environment.is_file() else None
    if trained_on not in (None, data.fingerprint()):
        raise ValueError(
            "The data set is another one than that of the training, so that its test images may have been trained on: "
            f"put the old one back. Received: {config.data.dataset!r} with {data.fingerprint()} for {trained_on}"
        )
    return Run(config, data, vae)


def _read_config(path: Path) -> Config:
    try:
        return Config.from_dict(_read_json(path))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"The configuration of the run cannot be read: {error}. Received: {str(path)!r}") from None


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _read_model(path: Path) -> VAE:
    try:
        with zipfile.ZipFile(path) as file:
            damaged = file.testzip()
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        damaged = str(error)
    if damaged:
        raise ValueError(
            "The model of the run is damaged, or was cut short when it was written: train it again, or copy it anew. "
            f"Received: {str(path)!r}, damaged: {damaged}"
        )
    try:
        model = keras.saving.load_model(path)
    except Exception as error:  # of Keras, of h5py, or of the classes in the file
        reason = textwrap.shorten(f"{type(error).__name__}: {error}", 300, placeholder=" ...")
        raise ValueError(
            "The model of the run cannot be loaded: it was saved by another version of keras_vae, or has classes that "
            f"are not registered here. Received: {str(path)!r}, {reason}"
        ) from error
    if not isinstance(model, VAE):
        raise ValueError(f"The model of a run is a keras_vae.VAE. Received: {str(path)!r}, a {type(model).__name__}")
    return model
