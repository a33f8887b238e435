"""What each ingredient of a recipe brings, and how long a given likelihood takes: log p(x) of MNIST's test images.

Each variant is a run of `train.py` with `recipes/iwae_one_layer_k1.yaml`, the flags of the variant and a number of
epochs, over which the learning rate falls to 0 unless it is constant; log p(x) is then estimated with
`python -m keras_vae evaluate`. The minutes are those of the training alone, compilation included.

    python benchmarks/ingredients.py
    python benchmarks/ingredients.py --only "60 epochs" "constant learning rate"
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import tyro

ROOT = Path(__file__).resolve().parents[1]

INGREDIENTS = {
    "as in the recipe": "",
    "pathwise gradient": "--gradient pathwise",
    "constant learning rate": "--schedule constant",
    "learning rate 0.001": "--learning-rate 0.001",
    "learning rate 0.001, constant": "--learning-rate 0.001 --schedule constant",
    "output bias 0": "--output-bias zeros",
    "batch size 20": "--batch-size 20",
    "batch size 20, learning rate 0.001": "--batch-size 20 --learning-rate 0.001",
    "batch size 400": "--batch-size 400",
    "relu": "--activation relu",
    "softplus": "--activation softplus",
    "kernels as in PyTorch": "--initial fan_in_uniform",
    "KL warm-up over 10 epochs": "--warm-up 10",
}
BUDGETS = {f"{epochs} epochs": f"--epochs {epochs}" for epochs in (60, 150, 300)}


def measure(flags: list[str], folder: Path, num_samples: int) -> str:
    """Train and evaluate a run in `folder`; return its row of the table."""
    recipe = ["--config", str(ROOT / "recipes" / "iwae_one_layer_k1.yaml"), "--output-dir", str(folder)]
    name = str(len(list(folder.iterdir())))
    quiet = {"check": False, "capture_output": True, "text": True}
    train = subprocess.run([sys.executable, str(ROOT / "train.py"), *recipe, "--name", name, *flags], **quiet)
    if train.returncode:
        return f"failed: {(train.stdout + train.stderr).strip().splitlines()[-1]}"
    evaluate = [sys.executable, "-m", "keras_vae", "evaluate", str(folder / name), "--num-samples", str(num_samples)]
    subprocess.run([*evaluate, "--no-baselines"], cwd=ROOT, **{**quiet, "check": True})
    minutes = json.loads((folder / name / "metrics.json").read_text())["training_seconds"] / 60
    summary = json.loads((folder / name / "evaluation.json").read_text())
    nll, units = -summary["log_marginal"]["mean"], summary["decomposition"]["active_units"]
    return f"{minutes:.1f} | {-summary['elbo']['mean']:.2f} | {nll:.2f} | {units}"


def main(epochs: int = 25, num_samples: int = 500, seed: int = 0, only: tuple[str, ...] = ()) -> None:
    """Print a table of variants.

    Args:
        epochs: of each ingredient's run.
        num_samples: importance samples an image: with few, -log p(x) looks higher than it is.
        seed: of the training.
        only: names of variants; all, if there is none.
    """
    print("| variant | minutes | -ELBO | -log p(x) | active units |\n| --- | --- | --- | --- | --- |", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for name, flags in {**INGREDIENTS, **BUDGETS}.items():
            if not only or name in only:
                options = ["--epochs", str(epochs), "--seed", str(seed), *flags.split()]
                print(f"| {name} | {measure(options, Path(folder), num_samples)} |", flush=True)


if __name__ == "__main__":
    tyro.cli(main)
