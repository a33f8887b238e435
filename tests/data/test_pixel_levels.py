"""Pixels against NumPy formulas: values, dtypes, supports, draws."""

import numpy as np
import pytest
import tensorflow as tf

from keras_vae import random
from keras_vae.data.images import Split
from keras_vae.data.pixel_levels import PIXELS, Binarize, Dequantize, Pixels, Quantize, Unit, pixels
from keras_vae.distributions.sets import BINARY, UNIT, levels_support

EPS = np.finfo("float32").eps
RAW = np.arange(256, dtype="uint8").reshape(4, 8, 8, 1)  # every level once
DIGITS = np.arange(17, dtype="uint8").reshape(17, 1)  # the levels of scikit-learn's digits
NAMES = [
    "binarize=dynamic",
    "binarize=static",
    "binarize=threshold",
    "quantize=16",
    "quantize=256",
    "unit",
    "dequantize",
]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("binarize=dynamic", Binarize(17, how="dynamic")),
        ("binarize=static", Binarize(17, how="static")),
        ("binarize=threshold", Binarize(17, how="threshold")),
        ("quantize=16", Quantize(17, levels=16)),
        ("levels", Quantize(17, levels=17)),
        ("unit", Unit(17)),
        ("dequantize", Dequantize(17)),
    ],
)
def test_a_name_gives_its_choice(name, expected):
    assert pixels(name, 17) == expected


@pytest.mark.parametrize(
    "name", ["", "grey", "binarize", "quantize", "quantize=", "quantize=-2", "quantize=2.5", "unit=1", "dequantize=3"]
)
def test_another_name_raises_and_tells_all(name):
    told = (
        "binarize is 'dynamic', 'static' or 'threshold'"
        if name == "binarize"
        else f"one of these ways: {', '.join(PIXELS)}"
    )
    with pytest.raises(ValueError, match=f"{told}. Received: "):
        pixels(name)


def test_the_message_of_another_name_tells_all_names():
    with pytest.raises(ValueError, match=f"one of these ways: {', '.join(PIXELS)}. Received: pixels='grey'"):
        pixels("grey")


def test_another_way_to_binarise_raises():
    with pytest.raises(ValueError, match=r"binarize is 'dynamic', 'static' or 'threshold'. Received: binarize='often'"):
        pixels("binarize=often")


@pytest.mark.parametrize(("levels", "num_levels"), [(1, 256), (0, 256), (257, 256), (18, 17)])
def test_levels_that_the_pixels_do_not_have_raise(levels, num_levels):
    with pytest.raises(ValueError, match=f"quantize takes 2 to {num_levels} levels.* Received: quantize={levels}"):
        pixels(f"quantize={levels}", num_levels)


def test_threshold_is_a_grey_value_above_one_half():
    for raw, num_levels in ((RAW, 256), (DIGITS, 17)):
        x = Binarize(num_levels, how="threshold")(raw)
        np.testing.assert_array_equal(x, 2 * raw.astype(int) > num_levels - 1)
    assert np.asarray(Binarize(17, how="threshold")(DIGITS)).sum() == 8  # 9 ... 16; 8/16 is not above one half


@pytest.mark.parametrize(
    ("levels", "num_levels"), [(2, 256), (16, 256), (100, 256), (256, 256), (5, 17), (17, 17), (1000, 65_536)]
)
def test_quantised_levels_are_rounded_down_and_fill_their_support(levels, num_levels):
    raw = np.arange(num_levels).reshape(1, -1)
    x = np.asarray(Quantize(num_levels, levels=levels)(raw))
    np.testing.assert_array_equal(x, raw * levels // num_levels)
    assert set(np.unique(x)) == set(range(levels))


def test_unit_is_the_level_over_the_largest():
    for raw, num_levels in ((RAW, 256), (DIGITS, 17)):
        x = np.asarray(Unit(num_levels)(raw))
        np.testing.assert_allclose(x, raw / (num_levels - 1), rtol=EPS)
        assert (x.min(), x.max()) == (0, 1)


def test_dequantised_pixels_are_level_plus_uniform_noise_over_the_number_of_levels():
    u = random.uniform(RAW.shape, seed=7, first_row=3)
    np.testing.assert_allclose(Dequantize()(RAW, seed=7, first_row=3), (RAW + np.asarray(u)) / 256, rtol=EPS)


EXTREMES = [0.0, 1 - 2.0**-24]  # of `keras_vae.random.uniform`


@pytest.mark.parametrize("u", EXTREMES)
def test_dequantised_pixels_keep_their_level_and_are_below_one(u, monkeypatch):
    """Also where level + u rounds up to the next level in float32, as one draw in 200,000 does."""
    monkeypatch.setattr(random, "uniform", lambda shape, *_: tf.fill(shape, tf.constant(u)))
    x = np.asarray(Dequantize()(RAW), "float64")
    assert x.max() < 1
    np.testing.assert_array_equal(np.floor(x * 256), RAW)


@pytest.mark.parametrize("u", EXTREMES)
def test_dynamic_pixels_of_the_lowest_and_the_highest_level_are_certain(u, monkeypatch):
    monkeypatch.setattr(random, "uniform", lambda shape, *_: tf.fill(shape, tf.constant(u)))
    np.testing.assert_array_equal(Binarize()(np.array([[0, 255]])), [[0, 1]])


def test_dynamic_frequency_is_within_four_standard_errors_of_the_grey_value():
    """A correct draw fails 2 seeds in 100 (254 levels, 6e-5 each); levels 0 and 255 are certain."""
    n, grey = 4000, np.arange(256) / 255
    x = np.asarray(Binarize()(np.tile(np.arange(256), [n, 1]), seed=0), "float64")
    assert np.all(np.abs(x.mean(0) - grey) <= 4 * np.sqrt(grey * (1 - grey) / n) + EPS)


def test_the_overall_dynamic_frequency_is_within_four_standard_errors():
    """A correct draw fails 6 seeds in 100,000."""
    n, level = 100_000, 64
    x = np.asarray(Binarize()(np.full([n, 1], level), seed=1), "float64")
    grey = level / 255
    assert abs(x.mean() - grey) < 4 * np.sqrt(grey * (1 - grey) / n)


@pytest.mark.parametrize("name", ["binarize=dynamic", "dequantize"])
def test_a_draw_is_that_of_its_seed(name):
    choice, raw = pixels(name), np.full([50, 20], 128, "uint8")
    x = np.asarray(choice(raw, seed=1))
    np.testing.assert_array_equal(choice(raw, seed=1), x)
    fresh = np.asarray(choice(raw, seed=2))
    standard_error = np.sqrt(0.25 / x.size)  # two fair coins agree half of the time
    if name == "binarize=dynamic":
        assert abs(np.mean(x == fresh) - 0.5) < 4 * standard_error + 1 / 255
    else:
        assert np.mean(x == fresh) < 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_a_row_does_not_depend_on_its_batch(name):
    choice = pixels(name)
    whole = np.asarray(choice(RAW, seed=7, first_row=2))
    for i in range(4):
        np.testing.assert_array_equal(choice(RAW[i : i + 1], seed=7, first_row=2 + i), whole[i : i + 1])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "xla"])
def test_pixels_in_a_graph_are_those_of_eager_execution(jit_compile, name):
    choice = pixels(name)
    graph = tf.function(lambda raw, seed, row: choice(raw, seed, row), jit_compile=jit_compile)
    x = graph(tf.constant(RAW), random.as_seed(7), tf.constant(2))
    np.testing.assert_allclose(x, choice(RAW, 7, 2), rtol=2 * EPS)


def test_the_batch_size_may_be_unknown():
    for name in NAMES:
        choice = pixels(name)
        graph = tf.function(
            lambda raw, c=choice: c(raw, 7, 2), input_signature=[tf.TensorSpec([None, 8, 8, 1], tf.uint8)]
        )
        np.testing.assert_allclose(graph(RAW), choice(RAW, 7, 2), rtol=2 * EPS)  # graphs multiply by 1 / 255


@pytest.mark.parametrize("raw_dtype", ["uint8", "int32", "int64"])
@pytest.mark.parametrize(
    ("name", "dtype", "support", "num_values"),
    [
        ("binarize=dynamic", "uint8", BINARY, 2),
        ("binarize=static", "uint8", BINARY, 2),
        ("binarize=threshold", "uint8", BINARY, 2),
        ("quantize=16", "uint8", levels_support(16), 16),
        ("quantize=256", "uint8", levels_support(256), 256),
        ("unit", "float32", UNIT, None),
        ("dequantize", "float32", UNIT, None),
    ],
)
def test_every_choice_keeps_its_declared_dtype_support_and_shape(name, dtype, support, num_values, raw_dtype):
    choice = pixels(name)
    x = np.asarray(choice(tf.constant(RAW.astype(raw_dtype)), seed=3))
    assert (x.shape, x.dtype) == (RAW.shape, dtype)
    assert (choice.support, choice.num_values) == (support, num_values)
    assert choice.support.contains(x)
    if num_values is not None:
        assert len(np.unique(x)) == num_values


def test_the_base_class_has_no_formula():
    with pytest.raises(NotImplementedError, match="Pixels must override `__call__`"):
        Pixels()(RAW)


@pytest.mark.parametrize("value", [-1, 256, 0.5, np.nan])
def test_raw_pixels_that_are_no_levels_are_refused_when_a_split_is_made(value):
    raw = np.zeros([20, 4, 4, 1], "float32")
    raw[13, 0, 0, 0] = value
    message = f"Pixels must be integer levels from 0 to 255: .* `num_levels`.* such as {value:g} in row 13$"
    with pytest.raises(ValueError, match=message):
        Split(raw, 20, Binarize(how="dynamic"))
