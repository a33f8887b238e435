import json

import pytest

from keras_vae.saving.atomic import replaced, write_json


def test_a_file_takes_its_name_when_it_is_complete(tmp_path):
    with replaced(tmp_path / "a.txt") as hidden:
        hidden.write_text("x")
        assert [path.name for path in tmp_path.iterdir()] == [".a.txt"]
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "x"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_after_an_error_the_file_is_as_it_was_and_nothing_else_is_left(tmp_path, error):
    def write_and_fail():
        with replaced(tmp_path / "a.txt") as hidden:
            hidden.write_text("y")
            raise error("stop")

    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(error, match="stop"):
        write_and_fail()
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "x"


def test_json_is_replaced_as_a_whole(tmp_path):
    write_json(tmp_path / "a.json", {"x": 1})
    with pytest.raises(TypeError, match="not JSON serializable"):
        write_json(tmp_path / "a.json", {"x": object()})
    assert json.loads((tmp_path / "a.json").read_text()) == {"x": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
