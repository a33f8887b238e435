import pytest

from keras_vae.names import look_up

TABLE = {"one": 1, "two": 2}


def test_a_name_gives_its_row():
    assert look_up("part", "two", TABLE, int) == 2


def test_an_object_of_the_kind_is_returned_itself():
    part = 12345
    assert look_up("part", part, TABLE, int) is part


@pytest.mark.parametrize("value", ["three", 2.5, None, int], ids=["name", "object", "None", "class"])
def test_anything_else_is_refused_with_the_names_and_the_kind(value):
    with pytest.raises(
        ValueError, match="`part` must be one of one, two, or an object of the kind int. Received: part="
    ) as error:
        look_up("part", value, TABLE, int)
    assert str(error.value).endswith(f"Received: part={value!r}")
