"""What a training run leaves behind."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import tensorflow as tf
from matplotlib.figure import Figure

__all__ = ["describe_device", "environment", "save_figures"]

_PACKAGES = ("keras_vae", "tensorflow", "keras", "tensorflow_probability", "numpy", "tensorflow_datasets")


def describe_device() -> str:
    """Return the device TensorFlow computes on, for people."""
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        names = [tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in gpus]
        return f"GPU ({', '.join(names)})"
    return f"CPU ({len(tf.config.list_logical_devices('CPU'))} device, {platform.processor() or platform.machine()})"


def environment() -> dict[str, Any]:
    """Return what a result depends on beside its configuration: versions, device, commit."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": describe_device(),
        "packages": {name: sys.modules[name].__version__ for name in _PACKAGES if name in sys.modules},
        "commit": _commit(),
    }


def _commit() -> str | None:
    """Return the commit of the code, marked when there are changes on top; None outside its own git checkout."""
    here = Path(__file__).parents[2]
    if not (here / ".git").exists():  # an installed package may lie in another project's checkout
        return None
    try:
        describe = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
        done = subprocess.run(describe, cwd=here, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def save_figures(folder: str | Path, figures: dict[str, Figure]) -> None:
    """Write `figures` as PNG files into a new `folder`."""
    folder = Path(folder)
    folder.mkdir()
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.png", dpi=120)
