import json

import pytest

from keras_vae.saving.atomic import new_folder, write_json


def test_folder_takes_its_name_when_it_is_complete(tmp_path):
    with new_folder(tmp_path / "runs" / "a") as folder:
        (folder / "file").write_text("x")
        assert not (tmp_path / "runs" / "a").exists()
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["a"]
    assert (tmp_path / "runs" / "a" / "file").read_text() == "x"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_nothing_is_left_after_an_error(tmp_path, error):
    def fill_and_fail():
        with new_folder(tmp_path / "a") as folder:
            (folder / "file").write_text("x")
            raise error("stop")

    with pytest.raises(error, match="stop"):
        fill_and_fail()
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_never_overwritten(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").write_text("x")
    with pytest.raises(FileExistsError, match="exists already, and is never overwritten. Received: .*a"):
        new_folder(tmp_path / "a").__enter__()
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a" / "file").read_text() == "x"


def test_json_is_replaced_as_a_whole(tmp_path):
    write_json(tmp_path / "a.json", {"x": 1})
    with pytest.raises(TypeError, match="not JSON serializable"):
        write_json(tmp_path / "a.json", {"x": object()})
    assert json.loads((tmp_path / "a.json").read_text()) == {"x": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
