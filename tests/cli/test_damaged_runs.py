"""Folders of runs whose files are damaged, or of something else: one error that names the file and the reason."""

import json
import zipfile

import keras
import pytest

from keras_vae.cli.config import Config
from keras_vae.cli.main import main
from keras_vae.cli.runs import load_run


@pytest.fixture
def run(make_vae, tmp_path):
    make_vae().save(tmp_path / "model.keras")
    (tmp_path / "config.json").write_text(json.dumps(Config().to_dict()))
    return tmp_path


def rewrite(path, change):
    """Change the member config.json of a .keras file."""
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    members["config.json"] = change(members["config.json"])
    with zipfile.ZipFile(path, "w") as file:
        for name, data in members.items():
            file.writestr(name, data)


def flip_a_bit(path):
    """Change a byte in the middle of the weights, so that their checksum is wrong."""
    with zipfile.ZipFile(path) as file:
        weights = file.getinfo("model.weights.h5")
    data = bytearray(path.read_bytes())
    data[weights.header_offset + weights.file_size // 2] ^= 1
    path.write_bytes(data)


def other_keras_model(path):
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).save(path)


DAMAGES = {
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[:-200]), "damaged, or was cut short"),
    "empty": (lambda path: path.write_bytes(b""), "damaged, or was cut short"),
    "checksum": (flip_a_bit, "damaged, or was cut short.*damaged: model.weights.h5"),
    "class": (lambda path: rewrite(path, lambda c: c.replace(b"VAE", b"XYZ")), "classes that are not registered here"),
    "json": (lambda path: rewrite(path, lambda config: config[:-20]), "cannot be loaded.*JSONDecodeError"),
    "model": (other_keras_model, "The model of a run is a keras_vae.VAE. Received: .*, a Sequential"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_model_that_cannot_be_used_is_named_with_the_reason_in_one_line(run, capsys, damage):
    spoil, message = DAMAGES[damage]
    spoil(run / "model.keras")
    with pytest.raises(ValueError, match=message) as error:
        load_run(run)
    assert str(run / "model.keras") in str(error.value)
    assert len(str(error.value)) < 1_000
    assert main(["evaluate", str(run)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("text", ["{", "[" * 100_000, '{"model": {"latent_dim": "x"}}', "[]"], ids=range(4))
def test_a_configuration_that_cannot_be_used_is_named_with_the_reason(run, text):
    (run / "config.json").write_text(text)
    with pytest.raises(ValueError, match="The configuration of the run cannot be read: ") as error:
        load_run(run)
    assert str(run / "config.json") in str(error.value)


def test_other_data_than_that_of_the_training_is_refused(run):
    known = load_run(run).data.fingerprint()
    (run / "environment.json").write_text(json.dumps({"data": known}))
    assert load_run(run).data.fingerprint() == known
    assert known["test"][0] == 359
    known["train"][1] += 1
    (run / "environment.json").write_text(json.dumps({"data": known}))
    with pytest.raises(ValueError, match="another one than that of the training.* Received: 'digits' with"):
        load_run(run)
