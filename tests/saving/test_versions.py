"""Exports: numbered, in folders of any name, of finite weights; and JSON that every reader takes."""

import json
import math
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tensorflow as tf

import keras_vae as kv
from keras_vae.saving.atomic import copy_to_next_version, write_json


def test_copies_made_at_the_same_time_get_numbers_of_their_own(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "variables").mkdir(parents=True)
    (source / "variables" / "a").write_text("x")
    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(lambda _: copy_to_next_version(source, target), range(16)))
    assert sorted(int(folder.name) for folder in folders) == list(range(1, 17))
    assert sorted(folder.name for folder in target.iterdir()) == sorted(folder.name for folder in folders)
    assert all((folder / "variables" / "a").read_text() == "x" for folder in folders)


def test_the_next_number_is_above_all_others(tmp_path):
    for name in ("3", "10", "notes"):
        (tmp_path / "target" / name).mkdir(parents=True)
    (tmp_path / "source").mkdir()
    assert copy_to_next_version(tmp_path / "source", tmp_path / "target").name == "11"


def test_a_copy_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(OSError, match="missing"):
        copy_to_next_version(tmp_path / "missing", tmp_path / "target")
    assert list((tmp_path / "target").iterdir()) == []


@pytest.mark.parametrize("name", ["a[1]", "what?/b*"])
def test_an_export_to_a_folder_with_characters_of_patterns_is_whole(make_vae, tmp_path, name):
    vae, z = make_vae(), tf.ones([3, 2])
    folder = kv.saving.export_decoder(vae, tmp_path / name)
    assert folder == tmp_path / name / "1"
    served = tf.saved_model.load(str(shutil.copytree(folder, tmp_path / "plain")))
    np.testing.assert_allclose(served.decode(z=z)["mean"], vae.decode(z).mean(), rtol=1e-6)


@pytest.mark.parametrize("filepath", [None, "", 3, b"a"])
@pytest.mark.parametrize("export", [kv.saving.export, kv.saving.export_decoder, kv.VAE.export])
def test_what_is_no_path_is_refused_and_nothing_is_written(make_vae, tmp_path, monkeypatch, export, filepath):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        ValueError, match=f"`filepath` must be a path that is not empty. Received: filepath={filepath!r}"
    ):
        export(make_vae(), filepath)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_folder_that_cannot_be_written_is_named_with_the_reason(make_vae, tmp_path, name):
    (tmp_path / "file").write_text("x")
    message = rf"^The export cannot be written: \w+ .*. Received: filepath='.*/{name}'$"
    with pytest.raises((FileExistsError, NotADirectoryError), match=message):
        kv.saving.export_decoder(make_vae(), tmp_path / name)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_weights_that_are_not_finite_are_not_exported_and_named(make_vae, tmp_path, value):
    vae = make_vae()
    weight = vae.decoder.trainable_variables[0]
    weight.assign(tf.fill(weight.shape, value))
    with pytest.raises(ValueError, match=f"weights are not finite cannot be exported.*Received: .*'{weight.path}'"):
        kv.saving.export_decoder(vae, tmp_path / "decoder")
    assert not (tmp_path / "decoder").exists()


def test_numbers_that_are_not_finite_are_null_in_json(tmp_path):
    value = {"a": math.nan, "b": [1.5, -math.inf, (math.inf, 2)], "c": {"d": np.float64("nan")}, "e": None}
    write_json(tmp_path / "a.json", value)
    read = json.loads((tmp_path / "a.json").read_text(), parse_constant=pytest.fail)
    assert read == {"a": None, "b": [1.5, None, [None, 2]], "c": {"d": None}, "e": None}
