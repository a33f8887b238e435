"""The door of `.npz` files: splits of levels with their labels, or one ValueError that tells what was received."""

import io
import zipfile

import numpy as np
import pytest

import keras_vae as kv
from keras_vae.data.npz_files import read_npz

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (10, 4, 3), "uint8")
IMAGES[0, 0, 0] = 255


@pytest.fixture
def save(tmp_path):
    """Return a function that writes arrays and returns the path of the file."""

    def save(**arrays):
        np.savez(tmp_path / "a.npz", **arrays)
        return str(tmp_path / "a.npz")

    return save


@pytest.mark.parametrize("name", ["x_train", "images", "x"])
def test_images_have_each_of_their_names(save, name):
    train, test, levels = read_npz(save(**{name: IMAGES}))
    assert (train.images.shape, test.images.shape, levels.num_levels) == ((8, 4, 3, 1), (2, 4, 3, 1), 256)


@pytest.mark.parametrize(
    ("x_test", "message"),
    [
        (IMAGES[:, :2], "`x_test` must hold images of the shape of `x_train`"),
        (IMAGES[..., None].repeat(3, -1), "`x_test` must hold images of the shape of `x_train`"),
        (IMAGES.astype(float), "all splits the same kind"),
        (IMAGES / 255, "all splits the same kind"),
        (IMAGES.astype("int16") - 300, "must not be negative"),
        (IMAGES.astype("int16") + 1, "`num_levels` must say"),
        (IMAGES[:0], "one or more, as `x_test`"),
        (IMAGES[0], "one or more, as `x_test`"),
        (np.array(["a"]), "one or more, as `x_test`"),
    ],
)
def test_test_images_pass_the_checks_of_training_images(save, x_test, message):
    with pytest.raises(ValueError, match=f"{message}.* Received: "):
        read_npz(save(x_train=IMAGES, x_test=x_test))


@pytest.mark.parametrize(
    ("x_train", "x_test", "num_levels", "found"),
    [
        (IMAGES, IMAGES // 128, None, "up to 255 in `x_train` and up to 1 in `x_test`"),
        (IMAGES // 128, IMAGES, None, "up to 1 in `x_train` and up to 255 in `x_test`"),
        (IMAGES.astype(float), (IMAGES // 128).astype(float), None, "up to 255 in `x_train` and up to 1 in `x_test`"),
        (IMAGES * np.uint16(257), IMAGES, 65_536, "up to 65535 in `x_train` and up to 255 in `x_test`"),
    ],
)
def test_splits_on_different_scales_raise(save, x_train, x_test, num_levels, found):
    with pytest.raises(ValueError, match=f"bring `x_test` to the scale of `x_train`.* Received: .*{found}"):
        read_npz(save(x_train=x_train, x_test=x_test), num_levels)


def test_a_dark_split_is_no_other_scale(save):
    _, test, _ = read_npz(save(x_train=IMAGES, x_test=IMAGES // 64), 256)
    assert test.images.max() == 3


def test_nan_in_the_test_images_raises(save):
    x_test = IMAGES.astype(float)
    x_test[3, 2, 1] = np.nan
    with pytest.raises(ValueError, match="must be finite.* Received: "):
        read_npz(save(x_train=IMAGES.astype(float), x_test=x_test))


@pytest.mark.parametrize(
    "labels",
    [np.eye(10), np.array(list("abcdefghij")), np.full(10, np.nan), np.arange(10) / 2, np.arange(9), np.arange(11), 3],
    ids=["one-hot", "text", "NaN", "halves", "shorter", "longer", "one number"],
)
@pytest.mark.parametrize("name", ["y_train", "y_test"])
def test_labels_that_do_not_suit_the_images_raise(save, name, labels):
    message = f"`{name}` must hold one whole number for each image of `x_{name[2:]}`.* leave them out. Received: "
    with pytest.raises(ValueError, match=message):
        read_npz(save(x_train=IMAGES, x_test=IMAGES, **{name: labels}))


def test_test_labels_without_test_images_raise(save):
    with pytest.raises(ValueError, match="`y_test` needs the images `x_test`.* Received: "):
        read_npz(save(x=IMAGES, y_test=np.arange(10)))


@pytest.mark.parametrize("num_images", [1, 2])
def test_too_few_images_for_a_test_raise(save, num_images):
    with pytest.raises(ValueError, match="at least one image each, .* or add `x_test`. Received: "):
        read_npz(save(x=IMAGES[:num_images]))


def test_one_image_in_each_split_is_enough(save):
    data = kv.data.load(save(x_train=IMAGES[:1], x_test=IMAGES[:1]), validation_fraction=0)
    assert (data.train.num_examples, data.validation, data.test.num_examples) == (1, None, 1)


def test_a_validation_fraction_that_comes_to_no_image_raises(save):
    path = save(x_train=IMAGES[:4], x_test=IMAGES)
    with pytest.raises(ValueError, match=r"0 is no validation.* Received: validation_fraction=0.1 for 4 training"):
        kv.data.load(path, validation_fraction=0.1)


def test_a_validation_fraction_that_leaves_nothing_to_train_on_raises(save):
    path = save(x_train=IMAGES[:2], x_test=IMAGES)
    with pytest.raises(ValueError, match="lower `validation_fraction`.* Received: validation_fraction=0.9 for 2 "):
        kv.data.load(path, validation_fraction=0.9)


# Files.


def test_an_array_that_claims_90_terabytes_raises_before_it_is_read(tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (90 * 10**12, 1, 1)})
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", header.getvalue() + b"0")
    with pytest.raises(ValueError, match=r"Received: .*x.npy claims the shape \[90000000000000, 1, 1\]"):
        read_npz(str(tmp_path / "a.npz"))


def test_an_array_of_objects_raises(save):
    with pytest.raises(ValueError, match="no .npz archive of plain arrays.* Received: .*Object arrays"):
        read_npz(save(x=np.array([IMAGES, None], object)))


def test_an_array_of_text_raises(save):
    with pytest.raises(ValueError, match="must hold integer images .* Received: .*x: str"):
        read_npz(save(x=np.array(["a", "b"])))


def test_a_renamed_npy_file_raises(tmp_path):
    with open(tmp_path / "a.npz", "wb") as file:
        np.save(file, IMAGES)
    with pytest.raises(ValueError, match="no .npz archive of plain arrays.* Received: "):
        read_npz(str(tmp_path / "a.npz"))


def test_a_renamed_zip_archive_raises(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("word/document.xml", "<w>no array</w>")
    with pytest.raises(ValueError, match="no .npz archive of plain arrays.* Received: "):
        read_npz(str(tmp_path / "a.npz"))


def test_a_folder_raises(tmp_path):
    (tmp_path / "a.npz").mkdir()
    with pytest.raises(ValueError, match="no .npz archive of plain arrays.* Received: "):
        read_npz(str(tmp_path / "a.npz"))


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_a_file_cut_anywhere_raises(tmp_path, write):
    write(tmp_path / "whole.npz", x=IMAGES)
    whole = (tmp_path / "whole.npz").read_bytes()
    for length in range(0, len(whole), 37):
        (tmp_path / "a.npz").write_bytes(whole[:length])
        with pytest.raises(ValueError, match="no .npz archive of plain arrays.* Received: "):
            read_npz(str(tmp_path / "a.npz"))


# Whatever is in the file.

SHAPES = {(6, 3, 2): 8, (6, 3, 2, 1): 8, (6, 3, 2, 3): 8, (): 1, (6,): 1, (6, 3): 1, (1, 3, 2): 1, (2, 3, 2): 1}
SHAPES |= {(0, 3, 2): 1, (6, 0, 2): 1, (6, 3, 2, 1, 1): 1}
NUMBERS = ["bool", "uint8", "int8", "uint16", "int32", "int64", "uint64", "float16", "float32", "float64"]
DTYPES = [*NUMBERS, "complex64", "U3", "datetime64[s]", "object"]
RANGES = [(0, 1), (0, 2), (0, 17), (0, 256), (0, 65_536), (-3, 3), (200, 201)]
WHOLE = [np.arange, lambda n: np.arange(n, dtype="float32")]
WRONG = [lambda n: np.arange(n + 1), lambda n: np.arange(max(n - 1, 0)), np.eye, lambda n: np.full(n, np.nan)]
WRONG += [lambda n: np.full(n, "a"), lambda n: np.full(n, None)]


def draw_images(rng, shape, dtype):
    low, high = RANGES[rng.integers(len(RANGES))]
    values = rng.integers(low, high, shape)
    if dtype.startswith("float") and rng.random() < 0.5:
        values = values / max(high - 1, 1)
        if rng.random() < 0.2 and values.size:
            values.flat[0] = rng.choice([np.nan, np.inf, 0.1234])
    return values.astype(dtype)


def draw_labels(rng, num_labels):
    kinds = WHOLE if rng.random() < 0.7 else WRONG
    return kinds[rng.integers(len(kinds))](num_labels)


def draw_file(rng):
    """Return arrays of a dtype, a rank, a range and labels, and a number of levels."""
    weights = np.array(list(SHAPES.values()))
    shape, dtype = list(SHAPES)[rng.choice(len(SHAPES), p=weights / weights.sum())], DTYPES[rng.integers(len(DTYPES))]
    arrays = {rng.choice(["x_train", "images", "x", "z"], p=[0.4, 0.3, 0.25, 0.05]): draw_images(rng, shape, dtype)}
    num_rows = shape[0] if shape else 1
    if rng.random() < 0.5:
        arrays["y_train"] = draw_labels(rng, num_rows)
    if rng.random() < 0.5:
        same_shape, same_dtype = rng.random(2) < 0.8
        arrays["x_test"] = draw_images(rng, shape if same_shape else (6, 4, 4), dtype if same_dtype else "float32")
    if rng.random() < 0.3:
        arrays["y_test"] = draw_labels(rng, num_rows)
    return arrays, rng.choice(np.array([None, 2, 17, 256, 65_536, 1, -1], object))


def check_read(train, test, levels, arrays, num_levels):
    """Assert that the splits hold levels 0 ... num_levels-1 and their labels."""
    assert num_levels in (None, levels.num_levels)
    for raw in (train, test):
        assert raw.images.dtype == levels.level_dtype
        assert len(raw.images) > 0
        assert 0 <= raw.images.min() <= raw.images.max() < levels.num_levels
    images = next(arrays[name] for name in ("x_train", "images", "x") if name in arrays)
    images = images.reshape(len(images), *train.images.shape[1:]).astype(float) * levels.factor
    labels = arrays.get("y_train")
    assert (train.labels is None) == (labels is None)
    rows = np.arange(len(images)) if "x_test" in arrays else np.random.default_rng(0).permutation(len(images))[1:]
    np.testing.assert_array_equal(train.images, np.rint(images[rows]))
    if labels is not None:
        np.testing.assert_array_equal(train.labels, labels[rows])


@pytest.mark.filterwarnings("ignore:invalid value|overflow:RuntimeWarning")  # of the cases themselves
def test_every_file_gives_levels_with_their_labels_or_one_error_that_tells_what_was_received(save):
    rng = np.random.default_rng(0)
    num_read, messages = 0, []
    for _ in range(300):
        arrays, num_levels = draw_file(rng)
        path = save(**arrays)
        try:
            train, test, levels = read_npz(path, num_levels)
        except ValueError as error:
            messages.append(str(error))
        else:
            check_read(train, test, levels, arrays, num_levels)
            num_read += 1
    assert num_read > 15
    assert len(messages) > 20
    assert all("Received: " in message for message in messages)
