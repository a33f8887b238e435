"""Load image sets: scikit-learn's digits, any TFDS image set by name, `.npz` files."""

from __future__ import annotations

import dataclasses
import math
import zlib
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from keras_vae.data.images import Split
from keras_vae.data.npz_files import read_npz
from keras_vae.data.pixel_levels import Pixels, pixels
from keras_vae.data.raw_levels import Levels, RawImages, find_levels
from keras_vae.data.tfds_sets import ImageBuilder

__all__ = ["ImageData", "load"]

# Sets up to this size are kept in memory as one tensor; larger ones are streamed.
_MAX_BYTES_IN_MEMORY = 2 * 1024**3
# Of larger sets, and of images that differ in size, these first ones of each split say the levels, and each later one
# must have them.
_IMAGES_LOOKED_AT = 100
_LARGEST_IMAGE = 10_000  # pixels of one side, beyond which products of sizes overflow in TensorFlow


_Preparation = Callable[[tf.Tensor], tf.Tensor]


@dataclasses.dataclass(frozen=True)
class ImageData:
    """A data set with disjoint splits.

    Attributes:
        name: what was asked for.
        event_shape: (H, W, C).
        pixels: how raw levels become x.
        train: to fit.
        validation: held out of the training split; None if none was asked for.
        test: to report.
        levels: what the raw pixels were found to be; None for images that were not loaded.
    """

    name: str
    event_shape: tuple[int, ...]
    pixels: Pixels
    train: Split
    validation: Split | None
    test: Split
    levels: Levels | None = None

    def fingerprint(self) -> dict[str, list[int | None]]:
        """Return of each split the number of images and, if it is in memory, a checksum."""
        splits = {"train": self.train, "validation": self.validation, "test": self.test}
        return {
            name: [split.num_examples, zlib.crc32(np.asarray(split.images).data) if split.in_memory else None]
            for name, split in splits.items()
            if split is not None
        }

    def __str__(self) -> str:
        validation = self.validation.num_examples if self.validation else 0
        sizes = f"{self.train.num_examples:,} training, {validation:,} validation, {self.test.num_examples:,} test"
        found = f"{self.levels}, " if self.levels else ""
        return f"{self.name} {'x'.join(map(str, self.event_shape))}, {found}{self.pixels}, {sizes} images"


def load(
    name: str,
    pixels_name: str | None = None,
    data_dir: str | None = None,
    image_size: int | None = None,
    grayscale: bool = False,
    validation_fraction: float = 0.1,
    num_levels: int | None = None,
) -> ImageData:
    """Load a data set.

    Splits: TFDS sets have their own "train" and "test"; a set without "test", the digits and `.npz` files
    without `x_test` give a fifth of their images, drawn with a fixed seed, to the test. The validation images
    are the last `validation_fraction` of the training images.

    Args:
        name: "digits" (scikit-learn's, 1,797 images, 8x8, 17 levels, no download), a TFDS name such as
            "mnist", or a path that ends in ".npz" (images [N, H, W] or [N, H, W, C] as `x_train` and `x_test`, or
            `images` or `x`; optionally one whole number an image as `y_train` and `y_test`, or `labels` or `y`).
        pixels_name: see `keras_vae.data.pixels`; None is "binarize=dynamic".
        data_dir: of TFDS; None is its default, or the environment variable TFDS_DATA_DIR.
        image_size: resize to this height and width.
        grayscale: turn colour images [H, W, 3] grey, with the weights 0.299, 0.587, 0.114 of ITU-R BT.601.
        validation_fraction: between 0 (no validation) and 1, exclusive; it must come to one image or more.
        num_levels: how many levels the raw pixels have: 2 for binary images, say. None is 2 for bool, and 256 if the
            largest level is between 128 and 255. Floats in [0, 1] need it: they are level / (num_levels - 1).

    Returns:
        `ImageData`.

    Raises:
        ValueError: for a name, file or option that cannot be used; for pixels that are no levels or of which it is not
            plain how many levels they have; if a split has no image.
        FileNotFoundError: if the `.npz` file is missing, or a TFDS set is neither prepared nor to be had.
    """
    if not 0 <= validation_fraction < 1:
        raise ValueError(
            f"`validation_fraction` must be at least 0 and below 1. Received: validation_fraction={validation_fraction}"
        )
    if image_size is not None and not 1 <= image_size <= _LARGEST_IMAGE:
        raise ValueError(f"`image_size` must be 1 to {_LARGEST_IMAGE} pixels. Received: image_size={image_size}")
    treatment_name, prepare = pixels_name or "binarize=dynamic", _preparation(image_size, grayscale)
    if name == "digits":
        train, test = _digits()
        levels = find_levels([train.images, test.images], 17 if num_levels is None else num_levels, repr(name))
    elif name.endswith(".npz"):
        train, test, levels = read_npz(name, num_levels)
    else:
        return _tfds(name, treatment_name, prepare, data_dir, validation_fraction, num_levels, grayscale)
    _check_channels(train.images.shape[1:], grayscale)
    kept = _num_kept(len(train.images), len(test.images), validation_fraction)
    parts = {"train": train.rows(slice(kept)), "validation": train.rows(slice(kept, None)), "test": test}
    del train, test
    if not len(parts["validation"].images):
        del parts["validation"]
    return _in_memory(name, parts, treatment_name, prepare, levels)


def _in_memory(
    name: str, parts: dict[str, RawImages], treatment_name: str, prepare: _Preparation, levels: Levels
) -> ImageData:
    """Return the set whose raw images are `parts`, which is left empty, or the set would stand in memory twice."""
    treatment, splits = pixels(treatment_name, levels.num_levels), {}
    for split in list(parts):
        images, labels = parts.pop(split)
        images = prepare(tf.constant(levels.of_array(images)))
        splits[split] = Split(images, len(images), treatment, labels)
    return _image_data(name, treatment, splits, levels)


def _image_data(name: str, treatment: Pixels, splits: dict[str, Split], levels: Levels) -> ImageData:
    images = splits["train"].images
    shape = tuple(images.shape[1:] if splits["train"].in_memory else images.element_spec.shape)
    return ImageData(name, shape, treatment, splits["train"], splits.get("validation"), splits["test"], levels)


def _check_channels(shape: tuple[int | None, ...], grayscale: bool) -> None:
    if grayscale and shape[-1] not in (1, 3):
        raise ValueError(
            "`grayscale` takes images with 1 channel or 3: drop alpha before, or leave `grayscale` out. "
            f"Received: grayscale=True for images of shape {list(shape)}"
        )


def _num_kept(num_train: int, num_test: int, validation_fraction: float) -> int:
    """Return how many of the training images are trained on, after a check that each split has an image."""
    kept = num_train - round(num_train * validation_fraction)
    if kept < 1 or num_test < 1 or (validation_fraction and kept == num_train):
        raise ValueError(
            "Training, test and validation need at least one image each, and the validation images are taken from the "
            "training: lower `validation_fraction` (0 is no validation), raise it, or add images. Received: "
            f"validation_fraction={validation_fraction} for {num_train} training and {num_test} test images"
        )
    return kept


def _digits() -> tuple[RawImages, RawImages]:
    from sklearn.datasets import load_digits

    digits = load_digits()
    return RawImages(digits.images[..., None].astype(np.uint8), digits.target).split_at_random()


def _preparation(image_size: int | None, grayscale: bool) -> _Preparation:
    """Return the function that makes levels [..., H, W, C] grey and resizes them, as asked; they stay integers."""

    def prepare(images: tf.Tensor) -> tf.Tensor:
        dtype = images.dtype
        if grayscale and images.shape[-1] == 3:
            grey = tf.linalg.matvec(tf.cast(images, tf.float32), [0.299, 0.587, 0.114])[..., None]
            images = tf.cast(tf.round(grey), dtype)
        if image_size is not None:
            images = tf.image.resize(tf.cast(images, tf.float32), [image_size, image_size], method="area")
            images = tf.cast(tf.round(images), dtype)
        return images

    return prepare


def _tfds(
    name: str,
    treatment_name: str,
    prepare: _Preparation,
    data_dir: str | None,
    validation_fraction: float,
    num_levels: int | None,
    grayscale: bool,
) -> ImageData:
    source = ImageBuilder(name, data_dir)
    _check_channels(source.shape, grayscale)
    instructions = source.instructions(lambda train, test: _num_kept(train, test, validation_fraction))
    if sum(map(source.num_bytes, instructions.values())) <= _MAX_BYTES_IN_MEMORY:
        parts = {split: source.read(instruction) for split, instruction in instructions.items()}
        levels = find_levels([part.images for part in parts.values()], num_levels, source.received)
        return _in_memory(name, parts, treatment_name, prepare, levels)
    with source.errors_of_files():
        streams = [source.images(instruction).take(_IMAGES_LOOKED_AT) for instruction in instructions.values()]
        first = [image for stream in streams for image in stream.as_numpy_iterator()]
    levels = find_levels(first, num_levels, source.received)
    treatment, splits = pixels(treatment_name, levels.num_levels), {}

    def prepared(image: tf.Tensor) -> tf.Tensor:
        return prepare(levels.of_stream(image))

    image = source.images(instructions["train"], prepared).element_spec
    if None in image.shape:
        raise ValueError(
            "The images differ in size: pass `image_size`, and choose a set with one number of channels. "
            f"Received: shape={image.shape} in {source.received}"
        )
    for split, instruction in instructions.items():
        num_examples = source.num_examples(instruction)
        if num_examples * math.prod(image.shape) * image.dtype.size > _MAX_BYTES_IN_MEMORY:
            splits[split] = Split(source.images(instruction, prepared), num_examples, treatment)
        else:
            images, labels = source.read(instruction, prepared)
            splits[split] = Split(tf.constant(images), num_examples, treatment, labels)
    return _image_data(name, treatment, splits, levels)
