"""Levels of raw pixels: found where it is plain, asked for where it is not, refused where there are none."""

import numpy as np
import pytest
import tensorflow as tf

from keras_vae.data.raw_levels import find_levels, whole_labels

INTEGERS = ["uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"]
FLOATS = ["float16", "float32", "float64"]


def found(values, num_levels=None):
    return find_levels([np.asarray(values)], num_levels, "'a set'")


def test_bool_has_two_levels():
    levels = found([True, False])
    assert levels.num_levels == 2
    np.testing.assert_array_equal(levels.of_array(np.array([True, False])), [1, 0])


@pytest.mark.parametrize("largest", [128, 255])
@pytest.mark.parametrize("dtype", [*[name for name in INTEGERS if name != "int8"], *FLOATS])
def test_a_largest_value_between_128_and_255_means_256_levels(dtype, largest):
    assert found(np.array([0, largest], dtype)).num_levels == 256


@pytest.mark.parametrize("largest", [0, 1, 16, 127, 256, 4095])
@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_other_largest_values_ask_for_the_number_of_levels(dtype, largest):
    with pytest.raises(ValueError, match=f"`num_levels` must say .* Received: num_levels=None .* up to {largest}"):
        found(np.array([0, largest], dtype))


@pytest.mark.parametrize("dtype", [*INTEGERS, *FLOATS])
def test_the_number_of_levels_is_obeyed(dtype):
    values = np.array([0, 5, 16], dtype)
    levels = found(values, 17)
    assert (levels.num_levels, levels.of_array(values).dtype) == (17, np.uint8)
    np.testing.assert_array_equal(levels.of_array(values), [0, 5, 16])


@pytest.mark.parametrize(("largest", "num_levels"), [(17, 17), (255, 2), (1, 1), (0, 0), (70_000, 100_000)])
def test_values_beyond_the_levels_raise(largest, num_levels):
    with pytest.raises(ValueError, match=f"Received: num_levels={num_levels} for pixels up to {largest}"):
        found([0, largest], num_levels)


def test_bool_for_more_than_two_levels_raises():
    with pytest.raises(ValueError, match="2 for binary images or bool.* Received: num_levels=256"):
        found([True, False], 256)


def test_wide_levels_are_int32():
    values = np.array([0, 65_535], "uint16")
    levels = found(values, 65_536).of_array(values)
    assert levels.dtype == np.int32
    np.testing.assert_array_equal(levels, [0, 65_535])


@pytest.mark.parametrize("dtype", [name for name in [*INTEGERS, *FLOATS] if not name.startswith("u")])
def test_negative_values_raise(dtype):
    with pytest.raises(ValueError, match=f"must not be negative.* Received: dtype={dtype} pixels from -1 to 1"):
        found(np.array([-1, 1], dtype), 256)


@pytest.mark.parametrize(
    ("divided_as", "stored_as"),
    [
        ("float16", "float16"),
        ("float32", "float32"),
        ("float64", "float64"),
        ("float32", "float64"),
        ("float64", "float16"),
    ],
)
def test_every_level_over_the_largest_is_that_level(divided_as, stored_as):
    x = (np.arange(256).astype(divided_as) / np.array(255, divided_as)).astype(stored_as)
    np.testing.assert_array_equal(found(x, 256).of_array(x), np.arange(256))


@pytest.mark.parametrize("num_levels", [None, 17, 1, 0, -1])
def test_floats_in_the_unit_interval_need_their_number_of_levels(num_levels):
    with pytest.raises(ValueError, match=f"or pass `num_levels`.* Received: num_levels={num_levels}, dtype=float32"):
        found((np.arange(256) / 255).astype("float32"), num_levels)


@pytest.mark.parametrize("values", [[0.5, 1.5], [0.1234, 0.5], [254.5, 255.0]])
def test_floats_that_are_no_levels_raise(values):
    with pytest.raises(ValueError, match="Floats must be whole levels, .* Received: num_levels=256, dtype=float64"):
        found(values, 256)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_raise(value):
    with pytest.raises(ValueError, match="must be finite: replace NaN and infinity. Received: dtype=float64"):
        found([0.0, value], 256)


@pytest.mark.parametrize("values", [["a"], [1j], [None], np.array(["2020"], "datetime64[Y]")])
def test_dtypes_that_hold_no_numbers_raise(values):
    with pytest.raises(ValueError, match="must hold whole numbers, .* Received: dtype="):
        found(values, 256)


def test_splits_of_different_kinds_raise():
    with pytest.raises(ValueError, match="all splits the same kind.* Received: dtype=bool, uint8 in 'a set'"):
        find_levels([np.array([True]), np.array([200], "uint8")], None, "'a set'")


def test_every_split_is_looked_at():
    with pytest.raises(ValueError, match="Received: num_levels=2 for pixels up to 2"):
        find_levels([np.array([0, 1]), np.array([0, 2])], 2, "'a set'")


def test_what_was_found_is_told_in_words():
    assert str(found(np.array([0, 16], "uint8"), 17)) == "uint8 pixels from 0 to 16 taken for 17 levels"


@pytest.mark.parametrize("values", [np.array([3, 9], "uint8"), np.array([3, 9], "float32") / np.float32(9)])
def test_a_streamed_image_has_the_levels_of_one_in_memory(values):
    levels = found(values, 10)
    np.testing.assert_array_equal(levels.of_stream(tf.constant(values)), levels.of_array(values))


@pytest.mark.parametrize(
    ("seen", "later"),
    [
        (np.array([9], "uint8"), np.array([10], "uint8")),
        (np.array([9], "int32"), np.array([-1], "int32")),
        (np.array([0.0, 1 / 9]), np.array([0.12])),
        (np.array([9.0]), np.array([np.nan])),
    ],
    ids=["beyond", "negative", "not whole", "NaN"],
)
def test_a_streamed_image_of_other_pixels_than_those_seen_raises(seen, later):
    with pytest.raises(tf.errors.InvalidArgumentError, match="An image has other pixels than the first ones"):
        found(seen, 10).of_stream(tf.constant(later))


@pytest.mark.parametrize("labels", [np.array([0, 9], "uint8"), np.array([-1, 3]), np.array([0.0, 2.0])])
def test_whole_labels_are_int64(labels):
    np.testing.assert_array_equal(whole_labels(labels), labels)
    assert whole_labels(labels).dtype == np.int64


@pytest.mark.parametrize("labels", [np.eye(3), np.array(["a"]), np.array([0.5]), np.array([np.nan]), np.array(3)])
def test_labels_that_are_not_one_whole_number_an_image_are_none(labels):
    assert whole_labels(labels) is None
