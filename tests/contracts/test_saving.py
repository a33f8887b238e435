"""Every class comes back from its configuration, from a `.keras` file in a fresh process, and as a SavedModel."""

import inspect
import json
import pathlib
import subprocess
import sys
import tempfile

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_vae as kv
from keras_vae import losses
from tests.contracts import cases
from tests.contracts.cases import CASES, DISTRIBUTIONS, LAYERS, inputs_of, make, model_of, numbers_of, result_of

ROOT = pathlib.Path(kv.__file__).parents[1]
NAMES = cases.present(CASES)
every_class = pytest.mark.parametrize("name", cases.present([*DISTRIBUTIONS, *LAYERS]))
every_model = pytest.mark.parametrize("name", NAMES)


# Configuration.


@every_class
def test_a_layer_made_of_its_config_has_the_same_config(name):
    layer = make(name, variant=True, name="other", trainable=False)
    config = layer.get_config()
    twin = type(layer).from_config(config)
    assert json.loads(json.dumps(twin.get_config())) == json.loads(json.dumps(config))
    assert (twin.name, twin.trainable, twin.dtype) == ("other", False, layer.dtype)


@every_class
def test_every_argument_of_the_variant_is_an_attribute_and_in_the_config(name):
    variant = CASES[name].variant()
    layer = make(name, variant=True)
    assert set(variant) - set(layer.get_config()) == set()
    for key in variant:
        assert hasattr(layer, key), key


@pytest.mark.parametrize("name", cases.present(DISTRIBUTIONS))
def test_the_config_has_every_named_argument(name):
    layer = make(name, variant=True)
    base = {"convert_to_tensor_fn", "seed"}
    arguments = set(inspect.signature(type(layer).__init__).parameters) - {"self", "kwargs"}
    assert (arguments | base) - set(layer.get_config()) == set()


@pytest.mark.parametrize("name", cases.present(DISTRIBUTIONS))
def test_concretisation_and_seed_survive_the_config(name):
    layer = make(name, variant=True, convert_to_tensor_fn="mean", seed=7)
    twin = type(layer).from_config(layer.get_config())
    assert (twin.convert_to_tensor_fn, twin.seed) == ("mean", 7)


@pytest.mark.parametrize("name", cases.LOSSES)
def test_a_loss_made_of_its_config_has_the_same_config(name):
    loss = cases.LOSSES[name]()
    twin = getattr(losses, name).from_config(loss.get_config())
    assert twin.get_config() == loss.get_config()
    assert keras.saving.get_registered_name(type(loss)) == f"keras_vae>{name}"


# SavedModels and .keras files: all are written here, and read in one other process, first without this package.

READ = """
import json, pathlib, sys, traceback
import numpy as np
import tensorflow as tf

root, errors = pathlib.Path(sys.argv[1]), {}
for folder in sorted(root.glob("export*")):
    try:
        model = tf.saved_model.load(folder / "export")  # it holds the variables: without the name they are lost
        outputs = model.serve({name: tf.constant(x) for name, x in np.load(folder / "inputs.npz").items()})
        np.savez(folder / "outputs.npz", **{name: value.numpy() for name, value in outputs.items()})
        assert not any(module.startswith(("keras_vae", "tensorflow_probability")) for module in sys.modules)
    except Exception:
        errors[folder.name] = traceback.format_exc()

import keras_vae
import keras
from tests.contracts import cases  # registers the functions a user would write

for path in sorted(root.glob("*.keras")):
    try:
        model = keras.saving.load_model(path, safe_mode=True)
        np.savez(path.with_suffix(".npz"), **cases.numbers_of(path.name.split(".")[0], model))
    except Exception:
        errors[path.name] = traceback.format_exc()
(root / "errors.json").write_text(json.dumps(errors))
"""


def _save(names, root):
    """Save one model; return what it computes here."""
    (name,) = names
    keras.utils.set_random_seed(0)
    model = model_of(name, variant=name not in cases.PARTS)
    model.save(root / f"{name}.keras")
    return {name: numbers_of(name, model)}


def _export(names, folder):
    """Write the graph of one model of all names; return for each its folder, and the shape of what it gives here.

    Keras' `export`, which traces everything three times, is tested with single layers.
    """
    arrays = {name: inputs_of(name) for name in names}
    inputs = {name: keras.Input(x.shape[1:], name=name) for name, x in arrays.items()}
    model = keras.Model(inputs, {name: cases.output_of(name, x) for name, x in inputs.items()})
    specs = {name: tf.TensorSpec([None, *x.shape[1:]]) for name, x in arrays.items()}
    module = tf.Module()
    module.variables_of_model = [variable.value for variable in model.variables]
    graph = tf.function(lambda x: {name: tf.identity(y) for name, y in model(x).items()}, autograph=False)
    module.serve = graph.get_concrete_function(specs)
    tf.saved_model.save(module, str(folder / "export"))
    np.savez(folder / "inputs.npz", **arrays)
    return {name: (folder, y.shape) for name, y in module.serve.structured_outputs.items()}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Return the folder of all files, what each model computes in this process, the exports, and errors elsewhere."""
    root = tmp_path_factory.mktemp("models")
    saved = [*NAMES, *cases.VAES]
    numbers = {name: cases.all_or_each(lambda names: _save(names, root), [name])[name] for name in saved}
    exports = cases.all_or_each(lambda names: _export(names, pathlib.Path(tempfile.mkdtemp("", "export", root))), NAMES)
    process = subprocess.run(
        [sys.executable, "-c", READ, str(root)], check=False, cwd=ROOT, capture_output=True, text=True
    )
    assert process.returncode == 0, process.stderr
    return root, numbers, exports, json.loads((root / "errors.json").read_text())


@pytest.mark.parametrize("name", [*NAMES, *cases.VAES])
def test_a_model_is_the_same_in_a_fresh_process_after_safe_loading(name, written):
    root, numbers, _, errors = written
    expected = result_of(numbers, name)
    assert f"{name}.keras" not in errors, errors[f"{name}.keras"]
    loaded = np.load(root / f"{name}.npz")
    assert set(loaded) == set(expected)
    for key, array in expected.items():
        assert loaded[key].dtype == array.dtype
        np.testing.assert_array_equal(loaded[key], array, err_msg=key)


@every_model
def test_an_exported_model_runs_without_this_package(name, written):
    _, _, exports, errors = written
    folder, shape = result_of(exports, name)
    assert folder.name not in errors, errors[folder.name]
    outputs = np.load(folder / "outputs.npz")[name]
    assert shape.is_compatible_with(outputs.shape)
    assert np.all(np.isfinite(outputs))
