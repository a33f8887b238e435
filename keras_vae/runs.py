"""A run of `train.py`: the data its configuration names, and its folder read back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import keras

from keras_vae.config import Config
from keras_vae.data import ImageData, load
from keras_vae.models.for_images import LIKELIHOODS

if TYPE_CHECKING:
    from keras_vae.models import VAE

__all__ = ["Run", "load_data", "load_run"]


class Run(NamedTuple):
    """What a run was told, what it was trained on, and what came out of it."""

    config: Config
    data: ImageData
    vae: VAE


def load_data(config: Config) -> ImageData:
    """Return the data set, its pixels treated as asked or as suits the likelihood."""
    options = config.data
    return load(
        options.dataset,
        options.pixels or LIKELIHOODS[config.model.likelihood].pixels,
        options.data_dir,
        options.image_size,
        options.grayscale,
        options.validation_fraction,
        options.num_levels,
    )


def load_run(folder: str | Path) -> Run:
    """Return what the run in `folder` left behind.

    Raises:
        FileNotFoundError: if `folder` is not that of a run.
    """
    folder = Path(folder)
    for name in ("config.json", "model.keras"):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"A folder that train.py left behind has a {name}. Received: {str(folder)!r}")
    config = Config.from_dict(json.loads((folder / "config.json").read_text()))
    return Run(config, load_data(config), keras.saving.load_model(folder / "model.keras"))
