"""Image sets of TFDS, written by the tests themselves: their levels, their labels, and what is damaged."""

import shutil

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

import keras_vae as kv

IMAGE = tfds.features.Image(shape=(4, 4, 1))
GREY = [150, 0, 20, 40, 60, 80, 100, 160, 180, 200]


def example_of(value, **features):
    return {"image": np.full((4, 4, 1), value, "uint8"), **features}


SETS = {
    "grey": (
        {"image": IMAGE, "label": tfds.features.ClassLabel(num_classes=10)},
        lambda i: example_of(GREY[i], label=i),
    ),
    "binary": ({"image": IMAGE, "label": tfds.features.Text()}, lambda i: example_of(i % 2, label=str(i))),
    "mask": (
        {"image": tfds.features.Tensor(shape=(4, 4, 1), dtype=np.bool_)},
        lambda i: {"image": np.full((4, 4, 1), i % 2 > 0)},
    ),
    "unit": (
        {"image": tfds.features.Tensor(shape=(4, 4, 1), dtype=np.float32), "label": tfds.features.Scalar(np.float32)},
        lambda i: {"image": np.full((4, 4, 1), i / 9, "float32"), "label": i + 0.5},
    ),
    "sizes": (
        {"image": tfds.features.Image(shape=(None, None, 3)), "label": tfds.features.Scalar(np.int64)},
        lambda i: {"image": np.full((4 + i, 4, 3), GREY[i], "uint8"), "label": i},
    ),
    "text": ({"image": tfds.features.Text()}, lambda i: {"image": "a"}),
    "video": (
        {"image": tfds.features.Tensor(shape=(2, 4, 4, 1), dtype=np.uint8)},
        lambda i: {"image": np.zeros((2, 4, 4, 1), "uint8")},
    ),
    "none": ({"picture": IMAGE}, lambda i: {"picture": np.zeros((4, 4, 1), "uint8")}),
}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """Return a folder with all sets."""
    folder = tmp_path_factory.mktemp("tfds")
    for name, (features, example) in SETS.items():
        tfds.dataset_builders.store_as_tfds_dataset(
            name=name,
            version="1.0.0",
            features=tfds.features.FeaturesDict(features),
            split_datasets={"train": [(i, example(i)) for i in range(len(GREY))]},
            data_dir=str(folder),
            disable_shuffling=True,
        )
    return str(folder)


@pytest.fixture(params=["in memory", "streamed"])
def streamed(request, monkeypatch):
    """Return whether sets are streamed, and see to it."""
    if request.param == "streamed":
        monkeypatch.setattr("keras_vae.data.loading._MAX_BYTES_IN_MEMORY", 0)
    return request.param == "streamed"


def levels_of(split):
    return split.head(split.num_examples)[:, 0, 0, 0].numpy().tolist()


def test_a_set_of_256_levels_is_read_as_it_is(data_dir, streamed):
    data = kv.data.load("grey", "levels", data_dir, validation_fraction=0.25)
    assert data.pixels.num_levels == 256
    assert levels_of(data.train) + levels_of(data.validation) + levels_of(data.test) == GREY
    assert data.train.in_memory != streamed


def test_a_set_of_bool_has_two_levels(data_dir, streamed):
    data = kv.data.load("mask", "levels", data_dir)
    assert data.pixels.num_levels == 2
    assert levels_of(data.test) == [0, 1]


def test_a_set_of_zeros_and_ones_asks_for_the_number_of_levels(data_dir, streamed):
    with pytest.raises(ValueError, match="`num_levels` must say .* Received: num_levels=None .* up to 1, .*'binary'"):
        kv.data.load("binary", "levels", data_dir)


def test_the_number_of_levels_is_obeyed(data_dir, streamed):
    data = kv.data.load("binary", "unit", data_dir, num_levels=2)
    assert levels_of(data.test) == [0.0, 1.0]


def test_pixels_beyond_the_number_of_levels_raise(data_dir, streamed):
    with pytest.raises(ValueError, match="Received: num_levels=100 for pixels up to "):
        kv.data.load("grey", data_dir=data_dir, num_levels=100)


def test_floats_in_the_unit_interval_are_levels_of_the_given_number(data_dir, streamed):
    data = kv.data.load("unit", "levels", data_dir, num_levels=10)
    assert levels_of(data.test) == [8, 9]
    with pytest.raises(ValueError, match="or pass `num_levels`.* Received: num_levels=None"):
        kv.data.load("unit", "levels", data_dir)


def test_a_streamed_image_beyond_the_levels_of_the_first_ones_raises(data_dir, monkeypatch):
    monkeypatch.setattr("keras_vae.data.loading._MAX_BYTES_IN_MEMORY", 0)
    monkeypatch.setattr("keras_vae.data.loading._IMAGES_LOOKED_AT", 1)
    data = kv.data.load("grey", "levels", data_dir, num_levels=190)
    with pytest.raises(tf.errors.InvalidArgumentError, match="An image has other pixels than the first ones"):
        levels_of(data.test)


def test_the_first_streamed_images_of_every_split_are_looked_at(data_dir, monkeypatch):
    monkeypatch.setattr("keras_vae.data.loading._MAX_BYTES_IN_MEMORY", 0)
    monkeypatch.setattr("keras_vae.data.loading._IMAGES_LOOKED_AT", 1)
    with pytest.raises(ValueError, match="Received: num_levels=170 for pixels up to 180"):
        kv.data.load("grey", "levels", data_dir, num_levels=170)


def test_images_that_differ_in_size_need_one_and_keep_their_labels(data_dir):
    data = kv.data.load("sizes", "levels", data_dir, image_size=4, grayscale=True, validation_fraction=0)
    assert (data.event_shape, data.train.in_memory) == ((4, 4, 1), True)
    assert levels_of(data.train) == [GREY[label] for label in data.train.labels]
    with pytest.raises(ValueError, match="differ in size: pass `image_size`.* Received: shape="):
        kv.data.load("sizes", data_dir=data_dir)


def test_whole_labels_stay_with_their_images(data_dir):
    data = kv.data.load("grey", "levels", data_dir)
    assert levels_of(data.test) == [GREY[label] for label in data.test.labels]


@pytest.mark.parametrize(("name", "num_levels"), [("binary", 2), ("unit", 10)])
def test_labels_that_are_no_whole_numbers_are_left_out(data_dir, name, num_levels):
    assert kv.data.load(name, data_dir=data_dir, num_levels=num_levels).train.labels is None


def test_what_was_found_is_printed(data_dir):
    text = str(kv.data.load("binary", data_dir=data_dir, num_levels=2))
    assert text.startswith("binary 4x4x1, uint8 pixels from 0 to 1 taken for 2 levels, Binarize(num_levels=2")


@pytest.mark.parametrize("name", ["text", "video", "none"])
def test_sets_without_images_raise(data_dir, name):
    with pytest.raises(ValueError, match=r"feature `image` of shape \[H, W, C\] .* Received: name="):
        kv.data.load(name, data_dir=data_dir)


def test_a_fraction_that_leaves_nothing_to_train_on_raises(data_dir):
    with pytest.raises(ValueError, match="lower `validation_fraction`.* Received: validation_fraction=0.99 for 8 "):
        kv.data.load("grey", data_dir=data_dir, validation_fraction=0.99)


@pytest.mark.parametrize(
    "name", ["grey:9.9.9", "grey/nope", "grey:x", "mnist:9.9.9", "mnist/nope", "a b", "", "..", "a/b/c/d"]
)
def test_names_versions_and_configurations_that_are_not_there_raise(data_dir, name):
    with pytest.raises(ValueError, match="no such data set|cannot read this set") as raised:
        kv.data.load(name, data_dir=data_dir)
    assert "Received: " in str(raised.value)


def test_the_folder_that_was_looked_in_is_named(tmp_path):
    with pytest.raises(ValueError, match=f"no such data set.* Received: 'grey', data_dir='{tmp_path}/wrong'"):
        kv.data.load("grey", data_dir=f"{tmp_path}/wrong")


def cut(shard):
    shard.write_bytes(shard.read_bytes()[:-100])


def flip(shard):
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 255
    shard.write_bytes(content)


@pytest.mark.parametrize("damage", [cut, flip, lambda shard: shard.unlink()], ids=["cut", "flipped", "missing"])
def test_damaged_shards_raise_and_name_their_folder(data_dir, tmp_path, damage):
    folder = tmp_path / "grey" / "1.0.0"
    shutil.copytree(f"{data_dir}/grey/1.0.0", folder)
    damage(next(folder.glob("*tfrecord*")))
    with pytest.raises(
        ValueError, match=f"cannot be read. .* remove the folder {folder} .* Received: name='grey'"
    ) as raised:
        kv.data.load("grey", data_dir=str(tmp_path))
    assert "[Op:" not in str(raised.value)


@pytest.mark.parametrize("content", ["", "{", "[]"])
def test_a_damaged_description_of_the_set_raises(data_dir, tmp_path, content):
    shutil.copytree(f"{data_dir}/grey", tmp_path / "grey")
    (tmp_path / "grey" / "1.0.0" / "dataset_info.json").write_text(content)
    with pytest.raises(ValueError, match="no such data set|cannot read this set") as raised:
        kv.data.load("grey", data_dir=str(tmp_path))
    assert "Received: " in str(raised.value)
