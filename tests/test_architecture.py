"""Imports go down: the floors of CONTRIBUTING.md against the import statements of the sources."""

import ast
import pathlib
import re

import pytest

import keras_vae

ROOT = pathlib.Path(keras_vae.__file__).parent
MAP = (ROOT.parent / "CONTRIBUTING.md").read_text()
FLOORS = [name.removesuffix(".py").rstrip("/") for name in re.findall(r"^keras_vae/(\S+)", MAP, re.MULTILINE)]
ENTRANCES = ("__init__", "__main__")  # of the package: they are above all floors
FILES = sorted(path for path in ROOT.rglob("*.py") if path.parent != ROOT or path.stem not in ENTRANCES)


def module_of(path):
    parts = ("keras_vae", *path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in ROOT.rglob("*.py")}


def imports_of(source, modules=frozenset(MODULES)):
    """Return the modules of the package that a source imports anywhere: in functions and for types too."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.split(".")[0] == "keras_vae"}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "keras_vae":
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found.add(whole if whole in modules else node.module)
    return found


def floor_of(module):
    return FLOORS.index(module.split(".")[1])


def arrows_up(path, source):
    """Return the imports of a file that lead to a floor above its own; the package itself is as high as the highest."""
    floors = {module: len(FLOORS) - 1 if module == "keras_vae" else floor_of(module) for module in imports_of(source)}
    return [module for module, floor in floors.items() if floor > floor_of(module_of(path))]


def test_every_file_and_folder_of_the_package_has_a_floor():
    names = {path.stem for path in ROOT.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert names - set(ENTRANCES) == set(FLOORS)


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_no_import_leads_to_a_floor_above(path):
    assert arrows_up(path, path.read_text()) == []


@pytest.mark.parametrize(
    "line",
    [
        "from keras_vae import models",
        "from keras_vae.models import VAE",
        "import keras_vae as kv",
        "if TYPE_CHECKING:\n    from keras_vae.models.vae import VAE",
        "def f():\n    from keras_vae.training import train",
    ],
)
def test_an_import_that_leads_up_is_found(line):
    assert len(arrows_up(ROOT / "objectives" / "elbo.py", line)) == 1


def test_no_two_modules_import_each_other_in_a_circle():
    graph = {module: imports_of(path.read_text()) - {module} for module, path in MODULES.items() if path in FILES}
    packages = {module for module, path in MODULES.items() if path.name == "__init__.py"}
    done, open_ = set(), []

    def visit(module):
        assert module not in open_, f"circle: {open_[open_.index(module) :]}"
        if module in done or module in packages:  # a folder's __init__ imports its own files
            return
        open_.append(module)
        for imported in graph.get(module, ()):
            visit(imported)
        open_.pop()
        done.add(module)

    for module in graph:
        visit(module)


@pytest.mark.parametrize(
    ("package", "function", "module"),
    [("data", "pixels", "pixel_levels"), ("saving", "export", "saved_model"), ("plotting", "report", "run_figures")],
)
def test_a_function_hides_no_module(package, function, module):
    folder = getattr(keras_vae, package)
    assert callable(getattr(folder, function))
    assert f"keras_vae.{package}.{function}" not in MODULES
    assert getattr(folder, module).__name__ == f"keras_vae.{package}.{module}"
