"""The commands of `python -m keras_vae`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tyro

from keras_vae.arguments import check_counts, check_paths
from keras_vae.cli import train
from keras_vae.cli.reading import read_flags
from keras_vae.cli.runs import load_run
from keras_vae.cli.summary import format_summary, summarize
from keras_vae.cli.terminal import one_line, run_command, say
from keras_vae.plotting import latent_usage
from keras_vae.saving.atomic import write_json

__all__ = ["evaluate_run", "export_run", "main", "train_run"]


def evaluate_run(
    run: tyro.conf.Positional[Path],
    num_samples: int = 1000,
    annealed: int = 0,
    baselines: bool = True,
    seed: int = 0,
) -> int:
    """Estimate log p(x), the parts of the ELBO and baselines on the test images, into evaluation.json.

    Args:
        run: folder of the run, as saved_models/mnist-bernoulli
        num_samples: importance samples an image
        annealed: how many of the test images to score by annealed importance sampling too
        baselines: fit simple densities to the training images, for comparison
        seed: of all noise
    """
    check_counts(num_samples=num_samples)
    check_counts(0, annealed=annealed, seed=seed)
    _, data, vae = load_run(run)
    summary = summarize(vae, data, num_samples, num_annealed=annealed, baselines=baselines, seed=seed)
    say(format_summary(summary))  # before anything is written, as the folder may be read-only
    try:
        write_json(run / "evaluation.json", summary)
        if parts := summary.get("decomposition"):
            figure = latent_usage(parts["kl_per_dimension"], parts["variance_of_means"])
            (run / "figures").mkdir(exist_ok=True)
            figure.savefig(run / "figures" / "latent_usage.png", dpi=120)
    except OSError as error:
        say(f"These numbers could not be saved in {run}: {one_line(error)}", error=True)
        return 1
    say(f"Saved in {run / 'evaluation.json'}")
    return 0


def export_run(run: tyro.conf.Positional[Path], to: str) -> int:
    """Export the whole model as a SavedModel: decode, encode, reconstruct, sample, elbo.

    Args:
        run: folder of the run, as saved_models/mnist-bernoulli
        to: folder of the versions; the export goes to the next free number in it
    """
    check_paths(to=to)
    say(f"Saved in {load_run(run).vae.export(to)}")
    return 0


def train_run(flags: tyro.conf.Positional[tuple[str, ...]] = ()) -> None:
    """Train a VAE on images and leave a decoder ready to serve; `train --help` lists the settings.

    Args:
        flags: settings, as --dataset mnist
    """


def _later(command: Callable[..., int]) -> Callable[..., Callable[[], int]]:
    """Return a function of the same arguments that returns the call, so that only the flags are read."""

    @functools.wraps(command)
    def call(*args: Any, **kwargs: Any) -> Callable[[], int]:
        return functools.partial(command, *args, **kwargs)

    return call


def main(arguments: list[str]) -> int:
    """Run a command and return the exit code; it is 2, after one line, for what the user can mend."""
    if arguments[:1] == ["train"]:  # it reads its flags together with a file of settings
        return train.main(arguments[1:])
    commands: dict[str, Any] = {"train": train_run, "evaluate": evaluate_run, "export": export_run}

    def parse() -> Callable[[], int]:
        return tyro.extras.subcommand_cli_from_dict(
            {name: _later(function) for name, function in commands.items()},
            prog="python -m keras_vae",
            description="Train, evaluate or export a VAE.",
            args=arguments,
        )

    return run_command("python -m keras_vae", lambda: read_flags(parse)())
