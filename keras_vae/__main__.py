"""`python -m keras_vae`: evaluate or export what a run of `train.py` left behind."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import tyro

from keras_vae.evaluation.summary import format_summary, summarize
from keras_vae.plotting import latent_usage
from keras_vae.runs import load_run
from keras_vae.saving.atomic import write_json

__all__ = ["evaluate", "export", "main"]


def evaluate(
    run: tyro.conf.Positional[Path],
    num_samples: int = 1000,
    annealed: int = 0,
    baselines: bool = True,
    seed: int = 0,
) -> None:
    """Estimate log p(x), the parts of the ELBO and baselines on the test images, into evaluation.json.

    Args:
        run: folder of the run, as saved_models/mnist-bernoulli
        num_samples: importance samples an image
        annealed: how many of the test images to score by annealed importance sampling too
        baselines: fit simple densities to the training images, for comparison
        seed: of all noise
    """
    _, data, vae = load_run(run)
    summary = summarize(vae, data, num_samples, annealed, baselines, seed)
    parts = summary["decomposition"]
    figures = run / "figures"
    figures.mkdir(exist_ok=True)
    latent_usage(parts["kl_per_dimension"], parts["variance_of_means"]).savefig(figures / "latent_usage.png", dpi=120)
    write_json(run / "evaluation.json", summary)
    print(format_summary(summary))
    print(f"Saved in {run / 'evaluation.json'}")


def export(run: tyro.conf.Positional[Path], to: Path) -> None:
    """Export the whole model as a SavedModel: decode, encode, reconstruct, sample, elbo.

    Args:
        run: folder of the run, as saved_models/mnist-bernoulli
        to: folder of the versions; the export goes to the next free number in it
    """
    print(f"Saved in {load_run(run).vae.export(to)}")


def main(arguments: list[str]) -> int:
    """Run a subcommand; return the exit code: 2 for what the user can mend, told in one line."""
    commands: dict[str, Any] = {"evaluate": evaluate, "export": export}
    try:
        tyro.extras.subcommand_cli_from_dict(
            commands, prog="python -m keras_vae", description="Evaluate or export a trained VAE.", args=arguments
        )
    except (ValueError, OSError) as error:
        print(f"python -m keras_vae: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
