import importlib.metadata
from importlib.metadata import version
from pathlib import Path

import tensorflow as tf
from matplotlib.figure import Figure

import keras_vae as kv
from keras_vae.cli.run_folder import environment, save_figures


def test_environment_tells_versions_and_device():
    found = environment()
    assert found["packages"]["tensorflow"] == version("tensorflow")
    assert found["packages"]["keras_vae"] == kv.__version__
    assert found["device"].startswith(("CPU", "GPU"))


def test_figures_are_png_files(tmp_path):
    save_figures(tmp_path / "figures", {"a": Figure()})
    assert (tmp_path / "figures" / "a.png").read_bytes().startswith(b"\x89PNG")


def test_packages_are_told_by_their_modules_whatever_their_distribution_is_called(monkeypatch):
    """As tensorflow-cpu and tf-nightly are."""

    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    assert environment()["packages"]["tensorflow"] == tf.__version__


def test_the_version_is_that_of_the_project():
    assert 'attr = "keras_vae.__version__"' in (Path(kv.__file__).parents[1] / "pyproject.toml").read_text()
