"""Grey images and other sizes: levels stay levels."""

import numpy as np
import pytest

import keras_vae as kv


@pytest.fixture
def load(tmp_path):
    """Return a function that writes images to a `.npz` file and loads them."""

    def load(images, num_levels=None, **options):
        np.savez(tmp_path / "a.npz", x_train=images, x_test=images)
        return kv.data.load(str(tmp_path / "a.npz"), "levels", num_levels=num_levels, validation_fraction=0, **options)

    return load


@pytest.mark.parametrize(
    ("dtype", "num_levels"), [("uint8", 256), ("uint16", 65_536), ("int32", 65_536), ("int64", 4096)]
)
def test_grey_pixels_in_three_channels_keep_their_level(load, dtype, num_levels):
    grey = np.linspace(0, num_levels - 1, 256).astype(dtype).reshape(1, 16, 16, 1)
    data = load(grey.repeat(3, -1), num_levels, grayscale=True)
    np.testing.assert_array_equal(data.train.images, grey)


def test_grey_is_the_rounded_luma_of_bt_601(load):
    colours = np.random.default_rng(0).integers(0, 65_536, (5, 6, 7, 3))
    exact = colours @ [0.299, 0.587, 0.114]
    grey = np.asarray(load(colours, 65_536, grayscale=True).train.images)[..., 0]
    assert np.abs(grey - exact).max() <= 0.5 + 65_536 * np.finfo("float32").eps


def test_images_of_one_channel_stay_as_they_are(load):
    images = np.full((2, 3, 3, 1), 200, "uint8")
    np.testing.assert_array_equal(load(images, grayscale=True).train.images, images)


@pytest.mark.parametrize("channels", [2, 4, 5])
def test_images_of_other_channels_are_not_made_grey(load, channels):
    with pytest.raises(ValueError, match=rf"1 channel or 3.* Received: grayscale=True .* shape \[3, 3, {channels}\]"):
        load(np.full((2, 3, 3, channels), 200, "uint8"), grayscale=True)


@pytest.mark.parametrize("image_size", [0, -1, 10**9])
def test_a_size_below_one_or_beyond_any_image_raises(load, image_size):
    with pytest.raises(ValueError, match=f"`image_size` must be 1 to 10000 pixels. Received: image_size={image_size}"):
        load(np.full((2, 3, 3), 200, "uint8"), image_size=image_size)


def test_resized_binary_images_stay_binary(load):
    images = np.random.default_rng(0).integers(0, 2, (3, 8, 8)) > 0
    assert set(np.unique(load(images, image_size=5).train.images)) == {0, 1}
