"""The public names: told once, in literal `__all__`, and the same from wherever they are reached."""

import ast
import importlib
import inspect
import os
import pathlib
import pkgutil
import subprocess
import sys

import pytest

import keras_vae

ROOT = pathlib.Path(keras_vae.__file__).parent
MODULES = sorted(
    name for _, name, _ in pkgutil.walk_packages([str(ROOT)], "keras_vae.") if not name.endswith("__main__")
)
PACKAGES = ["keras_vae", *(name for name in MODULES if hasattr(importlib.import_module(name), "__path__"))]


def source_of(name):
    return pathlib.Path(importlib.import_module(name).__file__).read_text()


def literal_all(name):
    """Return the value of `__all__` as written in the source; raise unless it is written once, as a literal."""
    values = [
        ast.literal_eval(node.value)
        for node in ast.parse(source_of(name)).body
        if isinstance(node, ast.Assign) and any(getattr(target, "id", None) == "__all__" for target in node.targets)
    ]
    (value,) = values
    return value


def imports_of(package):
    """Return {name: module it is imported from} of the statements `from keras_vae... import name` of a package."""
    return {
        alias.asname or alias.name: node.module
        for node in ast.parse(source_of(package)).body
        if isinstance(node, ast.ImportFrom) and node.module.startswith("keras_vae")
        for alias in node.names
    }


def isort_key(name):
    """Return ruff's order of `__all__`: constants, then classes, then the rest."""
    return (0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2, name)


@pytest.mark.parametrize("name", ["keras_vae", *MODULES])
def test_all_is_one_sorted_literal_without_duplicates_whose_names_resolve(name):
    names = literal_all(name)
    assert len(names) == len(set(names))
    assert names == sorted(names, key=isort_key)
    module = importlib.import_module(name)
    assert names == module.__all__
    for public in names:
        assert hasattr(module, public), public


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_offers_what_it_imports_and_nothing_else(name):
    assert set(literal_all(name)) == {public for public in imports_of(name) if not public.startswith("_")}


@pytest.mark.parametrize("name", PACKAGES)
def test_a_name_of_a_package_is_the_same_public_name_of_the_module_it_comes_from(name):
    package = importlib.import_module(name)
    for public, module_name in imports_of(name).items():
        module = importlib.import_module(module_name)
        assert getattr(package, public) is getattr(module, public)
        assert public in module.__all__ or hasattr(getattr(module, public), "__path__") or module is package, public


@pytest.mark.parametrize("name", [name for name in MODULES if name not in PACKAGES])
def test_a_modules_public_classes_and_functions_are_those_of_its_all(name):
    module = importlib.import_module(name)
    defined = {
        public
        for public, value in vars(module).items()
        if not public.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == name
    }
    of_all = {
        public
        for public in module.__all__
        if getattr(getattr(module, public), "__module__", name).startswith("keras_vae")
        and (inspect.isclass(getattr(module, public)) or inspect.isfunction(getattr(module, public)))
    }
    assert defined == of_all


def test_the_parts_of_the_package_are_reached_from_the_top():
    of_models = {"VAE", "fit_prior"}
    for name in set(keras_vae.__all__) - of_models:
        assert getattr(keras_vae, name) is importlib.import_module(f"keras_vae.{name}")
    for name in of_models:
        assert getattr(keras_vae, name) is getattr(keras_vae.models, name)


def run(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        cwd=ROOT.parent,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_another_backend_of_keras_is_refused_in_one_sentence(backend):
    """With a stand-in for Keras, which cannot itself be imported where the other backend is not installed."""
    code = """
import os, sys, types
keras = types.ModuleType("keras")
keras.config = types.SimpleNamespace(backend=lambda: os.environ["KERAS_BACKEND"])
sys.modules["keras"] = keras
import keras_vae
"""
    process = run(code, KERAS_BACKEND=backend)
    assert process.returncode != 0
    message = process.stderr.strip().splitlines()[-1]
    assert message == (
        "ImportError: keras_vae needs the TensorFlow backend of Keras: set the environment variable "
        f"KERAS_BACKEND=tensorflow. Received: backend='{backend}'"
    )


def test_importing_changes_neither_the_state_of_python_nor_of_numpy_nor_of_keras():
    code = """
import os, random
import keras, numpy as np

def state():
    return (random.getstate(), np.random.get_state()[1].tobytes(), np.random.get_state()[2:],
            keras.config.dtype_policy().name,
            keras.config.floatx(), keras.config.image_data_format(), dict(os.environ))

before = state()
import keras_vae
assert state() == before
import tensorflow as tf
tf.config.set_logical_device_configuration(  # raises once TensorFlow has started its devices
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
"""
    process = run(code)
    assert process.returncode == 0, process.stderr
