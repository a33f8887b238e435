"""What a run of `train.py` can be told: frozen dataclasses, to and from plain dictionaries.

The names are the flags of `train.py`, and their descriptions its help.
"""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import math
import reprlib
import textwrap
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import dacite
import tyro
import yaml

from keras_vae.cli.reading import read_flags, read_settings
from keras_vae.likelihoods import LIKELIHOODS, Likelihood
from keras_vae.networks import NETWORKS
from keras_vae.objectives import ELBO, ESTIMATORS, IWAE, Objective
from keras_vae.objectives.estimators import Pathwise
from keras_vae.posteriors import POSTERIORS, DiscretePosterior
from keras_vae.priors import PRIORS

__all__ = [
    "Config",
    "DataConfig",
    "LossConfig",
    "ModelConfig",
    "RunConfig",
    "TrainingConfig",
    "parse_config",
]


_SMALLEST, _LARGEST, _LARGEST_INT = 1e-37, 1e38, 2**31 - 1  # what float32 and int32 hold

_shortened = reprlib.Repr()
_shortened.maxlevel = 2
_shortened.maxstring = _shortened.maxother = 80


def _flag(kind: Any, default: str, description: str | None = None) -> Any:
    """Return how `train.py` shows a setting that is None by default: the type it takes, and what None means."""
    return tyro.conf.arg(constructor=kind, help=description, help_behavior_hint=f"(default: {default})")


def _summaries(table: Mapping[str, object]) -> str:
    """Return the first sentence of the documentation of each part, after its name."""
    return "; ".join(f"{name} ({(inspect.getdoc(part) or '').partition('.')[0]})" for name, part in table.items())


def _widths(table: Mapping[str, Any]) -> str:
    """Return the widths that the networks have by default, by name."""
    return ", ".join(f"{' '.join(map(str, network.widths))} for {name}" for name, network in table.items())


def _by_pixels(table: Mapping[str, Likelihood]) -> str:
    """Return the names of the likelihoods, grouped by the treatment of pixels that suits them."""
    groups: dict[str, list[str]] = {}
    for name, likelihood in table.items():
        groups.setdefault(likelihood.pixels, []).append(name)
    return "; ".join(f"{pixels} for {', '.join(names)}" for pixels, names in groups.items())


_LIKELIHOOD_HELP = (
    f"p(x|z), which decides how pixels become x by default: {_by_pixels(LIKELIHOODS)}; "
    "soft-bernoulli is a cross-entropy of grey pixels, no likelihood"
)

if TYPE_CHECKING:  # a type checker cannot read the keys of a table
    LikelihoodName = str
    NetworkName = str
    PosteriorName = str
    PriorName = str
    GradientName = str
else:
    LikelihoodName, NetworkName, PosteriorName, PriorName, GradientName = (
        Literal[tuple(table)] for table in (LIKELIHOODS, NETWORKS, POSTERIORS, PRIORS, ESTIMATORS)
    )


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """What x is."""

    dataset: str = "digits"
    """digits (scikit-learn's, no download), a TFDS image set such as mnist, or a .npz file of integer images"""
    data_dir: Annotated[str | None, _flag(str, "environment variable TFDS_DATA_DIR, or TFDS' own folder")] = None
    """folder of TFDS"""
    pixels: Annotated[str | None, _flag(str, "what suits the likelihood")] = None
    """how pixels become x: binarize=dynamic, binarize=static, binarize=threshold, quantize=K, levels, unit or
    dequantize"""
    num_levels: Annotated[int | None, _flag(int, "256 where that is plain")] = None
    """how many levels the pixels of a .npz file have: 2 for binary images"""
    image_size: Annotated[int | None, _flag(int, "as they are")] = None
    """resize to this height and width"""
    grayscale: bool = False
    """turn colour images grey"""
    validation_fraction: float = 0.1
    """part of the training images held out for validation"""


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """The VAE."""

    likelihood: Annotated[LikelihoodName, tyro.conf.arg(help=_LIKELIHOOD_HELP)] = "bernoulli"
    sigma: float = 0.1
    """scale of gaussian-fixed"""
    latent_dim: int = 20
    """dimensions of z; how many variables a categorical z has; or how many units each of two layers has"""
    posterior: Annotated[PosteriorName, tyro.conf.arg(help=f"q(z|x): {_summaries(POSTERIORS)}")] = "diagonal"
    num_categories: int = 10
    """of each variable of a categorical z"""
    condition: Annotated[
        Literal["label"] | None,
        _flag(Literal["label"], "none", "what encoder and decoder get beside x and z: the label of each image"),
    ] = None
    prior: Annotated[
        PriorName | None,
        _flag(PriorName, "standard-normal, or learned probabilities of a discrete z", f"p(z): {_summaries(PRIORS)}"),
    ] = None
    network: Annotated[NetworkName, tyro.conf.arg(help=f"body of encoder and decoder: {_summaries(NETWORKS)}")] = "mlp"
    hidden: Annotated[
        tuple[int, ...] | None,
        tyro.conf.arg(metavar="[INT [INT ...]]", help_behavior_hint=f"(default: {_widths(NETWORKS)})"),
    ] = None
    """widths of the encoder's hidden layers, or filters of its convolutions of stride 2; the decoder's run backwards;
    an empty list in a settings file makes both linear"""
    activation: str = "relu"
    """of the hidden layers, by its Keras name"""
    initial: str = "glorot_uniform"
    """of the kernels: a Keras initializer's name, or fan_in_uniform, PyTorch's default"""
    output_bias: Literal["zeros", "data_mean"] = "zeros"
    """of the decoder's last layer: data_mean lets (soft-)bernoulli start at the mean of 10,000 training images"""
    batch_norm: bool = False
    """normalise the hidden layers of mlp, before their activation, over the batch"""


@dataclasses.dataclass(frozen=True)
class LossConfig:
    """What is minimised."""

    objective: Literal["elbo", "iwae"] = "elbo"
    """the negative ELBO, or the importance-weighted bound of num_samples draws"""
    num_samples: Annotated[int | None, _flag(int, "1, or the 2 that the gradient compares")] = None
    """draws of z per image in training"""
    gradient: Annotated[
        GradientName | None,
        _flag(
            GradientName,
            "pathwise; of a discrete z vimco with iwae, and with elbo disarm where it is binary, gumbel_softmax where "
            "it is categorical and score_function where it has two layers",
        ),
    ] = None
    """how it is estimated: doubly_reparameterized and vimco need iwae, and the others of a discrete z elbo;
    sticking_the_landing is biased for iwae with several draws, gumbel_softmax and straight_through always"""
    temperature: float = 0.5
    """of gumbel_softmax and straight_through"""
    beta: float = 1.0
    """weight of the KL in the elbo"""
    warm_up: int = 0
    """epochs in which beta rises from 0"""
    free_bits: float = 0.0
    """nats of each latent dimension's KL that cost the elbo nothing; requires a diagonal posterior and a standard
    normal prior"""


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """How to fit it."""

    epochs: Annotated[int | None, _flag(int, "20, or more on small sets until 5,000 steps are done")] = None
    """passes over the training images"""
    batch_size: int = 128
    """images per step"""
    learning_rate: float = 1e-3
    """of Adam, at the start"""
    schedule: Literal["constant", "cosine", "burda"] = "constant"
    """of the learning rate: cosine falls to 0 at the end; burda falls to a tenth in 8 stages, each 3 times as long as
    the one before (some of the first are empty below 3,280 steps)"""
    epsilon: float = 1e-7
    """of Adam, added to the root of the mean squared gradient"""
    steps_per_execution: int = 200
    """steps between two returns to Python, where the bar moves and Ctrl-C is heard; 0 is the whole epoch"""
    jit_compile: Literal["auto", "on", "off"] = "auto"
    """compile the step with XLA; auto: but for convolutions on a CPU"""
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    """Keras dtype policy; densities are float32 under each"""
    seed: int = 0
    """of weights, noise, order and draws of pixels"""


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """Where to keep it."""

    name: Annotated[str | None, _flag(str, "dataset-likelihood, numbered")] = None
    """of the run's folder, which must not exist"""
    output_dir: str = "saved_models"
    """where the run's folder goes"""


@dataclasses.dataclass(frozen=True)
class Config:
    """All of it.

    Raises:
        ValueError: if a number is out of range, or true or false stands in place of a number.

    Example:

    >>> Config.from_dict(Config().to_dict()) == Config()
    True
    """

    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    loss: LossConfig = LossConfig()
    training: TrainingConfig = TrainingConfig()
    run: RunConfig = RunConfig()

    def __post_init__(self) -> None:
        for section in vars(self).values():
            for field in dataclasses.fields(section):
                value = getattr(section, field.name)
                if isinstance(value, bool) and not isinstance(field.default, bool):  # Python takes True for 1
                    raise ValueError(f"`{field.name}` must be a number. Received: {field.name}={value}")
        positive = {
            "num_levels": self.data.num_levels,
            "image_size": self.data.image_size,
            "latent_dim": self.model.latent_dim,
            "num_samples": self.loss.num_samples,
            "epochs": self.training.epochs,
            "batch_size": self.training.batch_size,
            "learning_rate": self.training.learning_rate,
            "epsilon": self.training.epsilon,
            "sigma": self.model.sigma,
            "hidden": min(self.model.hidden or (), default=None),
        }
        for name, value in positive.items():
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"`{name}` must be positive and finite. Received: {name}={value}")
        not_negative = {
            "beta": self.loss.beta,
            "warm_up": self.loss.warm_up,
            "free_bits": self.loss.free_bits,
            "steps_per_execution": self.training.steps_per_execution,
        }
        for name, value in not_negative.items():
            if not 0 <= value < math.inf:
                raise ValueError(f"`{name}` must be finite and not negative. Received: {name}={value}")
        for name, value in {**positive, **not_negative}.items():
            if value and not _SMALLEST < value < (_LARGEST_INT if isinstance(value, int) else _LARGEST):
                raise ValueError(
                    f"`{name}` must be a number that float32, or int32 for whole numbers, can hold. "
                    f"Received: {name}={value}"
                )
        if not 0 <= self.training.seed < 2**32:
            raise ValueError(f"`seed` must be from 0 to 2**32 - 1. Received: seed={self.training.seed}")

        self._check_combinations()

    def _check_combinations(self) -> None:
        if self.loss.objective == "iwae" and (self.loss.beta != 1 or self.loss.warm_up or self.loss.free_bits):
            raise ValueError(
                "`beta`, `warm_up` and `free_bits` belong to objective=elbo. Received: objective=iwae, "
                f"beta={self.loss.beta}, warm_up={self.loss.warm_up}, free_bits={self.loss.free_bits}"
            )
        objective: type[Objective] = {"elbo": ELBO, "iwae": IWAE}[self.loss.objective]
        if self.gradient not in objective.gradients:
            raise ValueError(
                f"objective={self.loss.objective} cannot have this gradient. Received: gradient={self.gradient}"
            )
        if self.num_samples < (least := ESTIMATORS[self.gradient].least_draws):
            raise ValueError(f"{self.gradient} needs {least} draws or more. Received: num_samples={self.num_samples}")
        if self.is_discrete and issubclass(ESTIMATORS[self.gradient], Pathwise):
            raise ValueError(
                "This gradient goes through draws of z, which are discrete: score_function does not. "
                f"Received: posterior={self.model.posterior}, gradient={self.gradient}"
            )
        if self.model.posterior == "two-layer-bernoulli" and ESTIMATORS[self.gradient].needs_one_layer:
            raise ValueError(
                "This gradient needs a z of one stochastic layer: score_function does not. "
                f"Received: posterior={self.model.posterior}, gradient={self.gradient}"
            )
        if self.is_discrete and self.model.prior not in (None, "vamp-prior"):
            raise ValueError(
                "This prior is one of real z: take vamp-prior, or none, and the probabilities of z are learned. "
                f"Received: posterior={self.model.posterior}, prior={self.model.prior}"
            )
        of_free_bits = (self.gradient, self.model.posterior, self.model.prior or "standard-normal")
        if self.loss.free_bits and of_free_bits != ("pathwise", "diagonal", "standard-normal"):
            raise ValueError(
                "`free_bits` requires gradient=pathwise, posterior=diagonal and prior=standard-normal. "
                "Received: gradient={}, posterior={}, prior={}".format(*of_free_bits)
            )
        if self.model.condition and self.model.prior == "vamp-prior":
            raise ValueError(
                "The components of this prior are posteriors of images, and a conditional model has none without "
                "labels: take another prior. "
                f"Received: condition={self.model.condition}, prior={self.model.prior}"
            )
        if self.model.batch_norm and self.model.network != "mlp":
            raise ValueError(f"`batch_norm` requires network=mlp. Received: network={self.model.network}")
        if self.model.output_bias != "zeros" and self.model.likelihood not in ("bernoulli", "soft-bernoulli"):
            raise ValueError(
                "output_bias=data_mean requires likelihood=bernoulli or soft-bernoulli. "
                f"Received: likelihood={self.model.likelihood}"
            )

    @property
    def is_discrete(self) -> bool:
        """Whether z is."""
        return isinstance(POSTERIORS[self.model.posterior], DiscretePosterior)

    @property
    def gradient(self) -> str:
        """The gradient that is asked for, or that suits the posterior."""
        if self.loss.gradient:
            return self.loss.gradient
        if not self.is_discrete:
            return "pathwise"
        of_elbo = {"bernoulli": "disarm", "categorical": "gumbel_softmax", "two-layer-bernoulli": "score_function"}
        return of_elbo[self.model.posterior] if self.loss.objective == "elbo" else "vimco"

    @property
    def num_samples(self) -> int:
        """The draws that are asked for, or as many as the gradient needs."""
        return ESTIMATORS[self.gradient].least_draws if self.loss.num_samples is None else self.loss.num_samples

    def to_dict(self) -> dict[str, Any]:
        """Return nested plain dictionaries."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Config:
        """Return the configuration of nested dictionaries; what is left out keeps its default.

        Raises:
            ValueError: for a name that is not known or a value of the wrong type.
        """
        if not isinstance(values, dict):
            raise ValueError(
                "The configuration must have sections data, model, loss, training, run. "
                f"Received: {_shortened.repr(values)}"
            )
        training = values.get("training")
        if isinstance(training, dict):  # earlier versions had two loops, which took the same steps
            values = {**values, "training": {name: value for name, value in training.items() if name != "loop"}}
        try:
            return dacite.from_dict(cls, values, dacite.Config(strict=True, type_hooks=_CONVERSIONS))
        except dacite.WrongTypeError as error:
            reason = (
                f"`{error.field_path}` must be {_expected(error.field_type)}. "
                f"Received: {error.field_path}={_shortened.repr(error.value)}"
            )
        except dacite.UnexpectedDataError as error:
            names = textwrap.shorten(", ".join(map(repr, error.keys)), 300, placeholder=" ...")
            reason = f"There is no such setting; --help lists those there are. Received: {names}"
        # Outside of the handlers, so that the message of the cause, which has all of the value, is not printed.
        raise ValueError(f"The configuration cannot be used: {reason}")


def _number(value: Any) -> Any:
    """Return whole numbers as floats, and 1e-3, which YAML takes for text unless it is written 1.0e-3."""
    if not isinstance(value, str | int) or isinstance(value, bool):
        return value
    try:
        return float(value)
    except OverflowError:  # of an integer
        return math.inf
    except ValueError:
        return value


def _tuple(value: Any) -> Any:
    """Return a list as a tuple, and the rest as it is."""
    return tuple(value) if isinstance(value, list) else value


_CONVERSIONS: dict[Any, Any] = {float: _number, tuple[int, ...]: _tuple}


def _expected(kind: Any) -> str:
    """Return in words what a setting of the type `kind` takes.

    Example:

    >>> _expected(int | None), _expected(Literal["elbo", "iwae"]), _expected(tuple[int, ...])
    ('a whole number', 'one of elbo, iwae', 'a list of whole numbers')
    """
    words = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
    if kind in words:
        return words[kind]
    parts = typing.get_args(kind)
    if typing.get_origin(kind) is Literal:
        return f"one of {', '.join(parts)}"
    if typing.get_origin(kind) is tuple:
        return "a list of whole numbers"
    return _expected(parts[0]) if parts else "a section of settings"  # parts[0] of a type or None


_DESCRIPTION = (
    "Train a variational autoencoder on images and leave a decoder ready to serve. Settings can also stand in a "
    "file: --config FILE (YAML or JSON, sections data, model, loss, training, run); flags overrule it."
)


def parse_config(arguments: list[str], prog: str = "train.py") -> Config:
    """Return the settings of the flags of `prog`, on top of the file after `--config`, on top of the defaults.

    Raises:
        ValueError: for flags that cannot be used, with the reason in one line.
        OSError: if the file cannot be read.
        SystemExit: after `--help`.
    """
    before = argparse.ArgumentParser(prog=prog, add_help=False, allow_abbrev=False, exit_on_error=False)
    before.add_argument("--config", type=Path)
    try:
        file, arguments = before.parse_known_args(arguments)
        values = read_settings(file.config) if file.config else {}
    except (argparse.ArgumentError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"--config takes a YAML or JSON file: {error}") from error
    default = Config.from_dict({} if values is None else values)
    return read_flags(
        lambda: tyro.cli(
            Config,
            args=arguments,
            default=default,
            prog=prog,
            description=_DESCRIPTION,
            config=(tyro.conf.OmitArgPrefixes,),
        )
    )
