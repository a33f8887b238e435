import os

import numpy as np
import pytest

import keras_vae as kv


def rows(split):
    images = np.asarray(split.images)
    return {image.tobytes() for image in images.reshape(len(images), -1)}


def test_digits_are_1797_images_of_17_levels_in_disjoint_splits():
    data = kv.data.load("digits", "quantize=17")
    splits = (data.train, data.validation, data.test)
    assert sum(split.num_examples for split in splits) == 1797
    assert data.event_shape == (8, 8, 1)
    assert len(set.union(*map(rows, splits))) == sum(len(rows(split)) for split in splits)
    assert max(np.max(split.images) for split in splits) == 16
    assert data.pixels.num_levels == 17


def test_splits_are_always_the_same():
    a, b = kv.data.load("digits"), kv.data.load("digits")
    for split in ("train", "validation", "test"):
        np.testing.assert_array_equal(getattr(a, split).images, getattr(b, split).images)


def test_labels_stay_with_their_images():
    from sklearn.datasets import load_digits

    whole = load_digits()
    label_of = {image.astype("uint8").tobytes(): label for image, label in zip(whole.images, whole.target, strict=True)}
    data = kv.data.load("digits")
    for split in (data.train, data.validation, data.test):
        images = np.asarray(split.images)
        assert [label_of[image.tobytes()] for image in images] == split.labels.tolist()


def test_no_validation_when_none_is_asked_for():
    data = kv.data.load("digits", validation_fraction=0.0)
    assert data.validation is None
    assert data.train.num_examples + data.test.num_examples == 1797


def test_npz_with_its_own_test_split(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {"x_train": rng.integers(0, 256, (20, 5, 4), "uint8"), "x_test": rng.integers(0, 256, (6, 5, 4), "uint8")}
    np.savez(tmp_path / "a.npz", **arrays, y_train=np.arange(20), y_test=np.arange(6))
    data = kv.data.load(str(tmp_path / "a.npz"), "unit", validation_fraction=0.25)
    assert data.event_shape == (5, 4, 1)
    np.testing.assert_array_equal(data.test.images[..., 0], arrays["x_test"])
    np.testing.assert_array_equal(data.validation.images[..., 0], arrays["x_train"][15:])
    np.testing.assert_array_equal(data.validation.labels, np.arange(15, 20))
    np.testing.assert_allclose(data.test.head(6)[..., 0], arrays["x_test"] / 255, rtol=1e-6)


def test_npz_of_one_array_gives_a_fifth_to_the_test(tmp_path):
    np.savez(tmp_path / "a.npz", images=np.arange(50 * 4).reshape(50, 2, 2) % 7)
    data = kv.data.load(str(tmp_path / "a.npz"), "quantize=7", validation_fraction=0, num_levels=7)
    assert (data.train.num_examples, data.test.num_examples) == (40, 10)
    assert data.pixels.num_levels == 7


def test_images_are_resized_and_made_grey(tmp_path):
    colour = np.zeros((10, 4, 4, 3), "uint8")
    colour[..., 0] = 255
    np.savez(tmp_path / "a.npz", x_train=colour, x_test=colour)
    data = kv.data.load(str(tmp_path / "a.npz"), "unit", image_size=2, grayscale=True)
    assert data.event_shape == (2, 2, 1)
    np.testing.assert_array_equal(data.test.images, np.full((10, 2, 2, 1), 76))  # 0.2989 * 255, as a level


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.full((3, 2, 2), 0.5)}, "must be whole levels, .* Received: .*float64"),
        ({"other": np.zeros((3, 2, 2), int)}, "as `x_train`, `images` or `x`. Received: .*other"),
        ({"x": np.zeros((3, 2), int)}, "must hold integer images"),
        ({"x": np.full((3, 2, 2), -1)}, "must not be negative"),
    ],
)
def test_unsuitable_npz_files_are_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(ValueError, match=message):
        kv.data.load(str(tmp_path / "a.npz"))


@pytest.mark.parametrize("num_levels", [None, 1])
def test_the_number_of_levels_is_not_guessed(tmp_path, num_levels):
    """A binary uint8 file taken for 256 levels would train on black images."""
    np.savez(tmp_path / "a.npz", x=np.arange(40, dtype="uint8").reshape(10, 2, 2) % 2)
    with pytest.raises(ValueError, match=f"`num_levels` must .* Received: num_levels={num_levels} for pixels up to 1"):
        kv.data.load(str(tmp_path / "a.npz"), num_levels=num_levels)


def test_a_file_that_is_no_archive_is_refused(tmp_path):
    (tmp_path / "a.npz").write_text("no")
    with pytest.raises(ValueError, match="no .npz archive of plain arrays.* Received: .*a.npz"):
        kv.data.load(str(tmp_path / "a.npz"))


def test_names_that_are_no_data_set_are_refused(tmp_path):
    with pytest.raises(ValueError, match="no such data set: .* Received: 'no_such_set'"):
        kv.data.load("no_such_set", data_dir=str(tmp_path))
    with pytest.raises(FileNotFoundError, match="missing.npz"):
        kv.data.load(str(tmp_path / "missing.npz"))


@pytest.mark.parametrize("fraction", [-0.1, 1.0])
def test_fractions_out_of_range_are_refused(fraction):
    with pytest.raises(ValueError, match="at least 0 and below 1. Received: validation_fraction="):
        kv.data.load("digits", validation_fraction=fraction)


HAS_MNIST = os.path.isdir(os.path.join(os.environ.get("TFDS_DATA_DIR", ""), "mnist"))


@pytest.mark.skipif(not HAS_MNIST, reason="needs MNIST prepared in the folder TFDS_DATA_DIR")
def test_tfds_splits_are_its_own_and_streaming_gives_the_same_images(monkeypatch):
    in_memory = kv.data.load("mnist", "unit", validation_fraction=1 / 6)
    assert (in_memory.train.num_examples, in_memory.validation.num_examples) == (50_000, 10_000)
    assert in_memory.test.num_examples == len(in_memory.test.labels) == 10_000
    monkeypatch.setattr("keras_vae.data.loading._MAX_BYTES_IN_MEMORY", 0)
    streamed = kv.data.load("mnist", "unit", validation_fraction=1 / 6)
    assert not streamed.test.in_memory
    np.testing.assert_array_equal(streamed.test.head(100), in_memory.test.head(100))
    np.testing.assert_array_equal(streamed.validation.head(100), in_memory.validation.head(100))
