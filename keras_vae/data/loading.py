"""Load image sets: scikit-learn's digits, any TFDS image set by name, `.npz` files."""

from __future__ import annotations

import dataclasses
import math
import os
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from keras_vae.data.images import Split
from keras_vae.data.pixel_levels import Pixels, pixels

__all__ = ["ImageData", "load"]

# Sets up to this size are kept in memory as one tensor; larger ones are streamed.
_MAX_BYTES_IN_MEMORY = 2 * 1024**3
_TEST_FRACTION = 0.2
_SPLIT_SEED = 0


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
    """

    name: str
    event_shape: tuple[int, ...]
    pixels: Pixels
    train: Split
    validation: Split | None
    test: Split

    def __str__(self) -> str:
        validation = self.validation.num_examples if self.validation else 0
        sizes = f"{self.train.num_examples:,} training, {validation:,} validation, {self.test.num_examples:,} test"
        return f"{self.name} {'x'.join(map(str, self.event_shape))}, {self.pixels}, {sizes} images"


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
            "mnist", or a path that ends in ".npz" (integer images `x_train` and `x_test`, or `images` or `x`;
            optionally `y_train` and `y_test`, or `labels` or `y`).
        pixels_name: see `keras_vae.data.pixels`; None is "binarize=dynamic".
        data_dir: of TFDS; None is its default, or the environment variable TFDS_DATA_DIR.
        image_size: resize to this height and width.
        grayscale: turn colour images grey.
        validation_fraction: between 0 (no validation) and 1, exclusive.
        num_levels: of the pixels of a `.npz` file: 2 for binary images, say. None is 256, if the largest level
            is between 128 and 255.

    Returns:
        `ImageData`.

    Raises:
        ValueError: for a name, file or option that cannot be used.
        FileNotFoundError: if the `.npz` file is missing, or a TFDS set is neither prepared nor to be had.
    """
    if not 0 <= validation_fraction < 1:
        raise ValueError(
            f"`validation_fraction` must be at least 0 and below 1. Received: validation_fraction={validation_fraction}"
        )
    if name == "digits":
        train, test = _digits()
        num_levels = 17
    elif name.endswith(".npz"):
        train, test = _npz(name)
        num_levels = _num_levels(int(max(train.images.max(), test.images.max())), num_levels)
    else:
        treatment, prepare = pixels(pixels_name or "binarize=dynamic"), _preparation(image_size, grayscale)
        return _tfds(name, treatment, prepare, data_dir, validation_fraction)
    treatment, prepare = pixels(pixels_name or "binarize=dynamic", num_levels), _preparation(image_size, grayscale)
    kept = len(train.images) - round(len(train.images) * validation_fraction)
    parts = {"train": train[:kept], "validation": train[kept:], "test": test}
    del train, test  # or the set would stand in memory twice
    splits = {}
    for split in list(parts):
        part = parts.pop(split)
        if len(part.images):
            images = prepare(tf.constant(part.images))
            splits[split] = Split(images, len(part.images), treatment, part.labels)
    event_shape = tuple(splits["train"].images.shape[1:])
    validation = splits.get("validation")
    return ImageData(name, event_shape, treatment, train=splits["train"], validation=validation, test=splits["test"])


@dataclasses.dataclass(frozen=True)
class _Arrays:
    """Raw images and labels, to be sliced together."""

    images: Any
    labels: np.ndarray | None

    def __getitem__(self, rows: Any) -> _Arrays:
        return _Arrays(self.images[rows], None if self.labels is None else self.labels[rows])


def _split_at_random(whole: _Arrays) -> tuple[_Arrays, _Arrays]:
    """Return train and test, a fifth for the test."""
    order = np.random.default_rng(_SPLIT_SEED).permutation(len(whole.images))
    num_test = round(len(order) * _TEST_FRACTION)
    return whole[order[num_test:]], whole[order[:num_test]]


def _digits() -> tuple[_Arrays, _Arrays]:
    from sklearn.datasets import load_digits

    digits = load_digits()
    return _split_at_random(_Arrays(digits.images[..., None].astype(np.uint8), digits.target))


def _npz(path: str) -> tuple[_Arrays, _Arrays]:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
    except (zipfile.BadZipFile, ValueError, EOFError) as error:
        raise ValueError(f"The file is no .npz archive of plain arrays. Received: {path!r}") from error

    def first(*names: str) -> np.ndarray | None:
        return next((arrays[name] for name in names if name in arrays), None)

    images, test_images = first("x_train", "images", "x"), first("x_test")
    if images is None or images.ndim not in (3, 4) or not np.issubdtype(images.dtype, np.integer) or images.min() < 0:
        raise ValueError(
            "The .npz file must hold integer images [N, H, W] or [N, H, W, C], not negative, as `x_train`, `images` or "
            f"`x`. Received: {path!r} with { {name: (a.dtype.name, a.shape) for name, a in arrays.items()} }"
        )
    train = _Arrays(_with_channels(images), first("y_train", "labels", "y"))
    if test_images is None:
        return _split_at_random(train)
    return train, _Arrays(_with_channels(test_images), first("y_test"))


def _num_levels(largest: int, num_levels: int | None) -> int:
    """Return how many levels the pixels have, as told or, where it is plain, as found."""
    if num_levels is None and 128 <= largest <= 255:
        return 256
    if num_levels is None or largest >= num_levels:
        raise ValueError(
            "`num_levels` must say how many levels the pixels have, from 0 to num_levels-1 (2 for binary images). "
            f"Received: num_levels={num_levels} for pixels up to {largest}"
        )
    return num_levels


def _with_channels(images: np.ndarray) -> np.ndarray:
    return images if images.ndim == 4 else images[..., None]


def _preparation(image_size: int | None, grayscale: bool) -> Any:
    """Return the function that makes raw images grey and resizes them, as asked; levels stay integers."""

    def prepare(images: tf.Tensor) -> tf.Tensor:
        dtype = images.dtype
        if grayscale and images.shape[-1] == 3:
            images = tf.image.rgb_to_grayscale(images)
        if image_size is not None:
            images = tf.image.resize(tf.cast(images, tf.float32), [image_size, image_size], method="area")
            images = tf.cast(tf.round(images), dtype)
        return images

    return prepare


def _tfds(
    name: str, treatment: Pixels, prepare: Callable, data_dir: str | None, validation_fraction: float
) -> ImageData:
    import tensorflow_datasets as tfds

    try:
        builder = tfds.builder(name, data_dir=None if data_dir is None else os.path.expanduser(data_dir))
    except tfds.core.DatasetNotFoundError as error:
        raise ValueError(
            "There is no such data set: name scikit-learn's `digits`, an image set of TensorFlow Datasets such as "
            f"`mnist`, or a file that ends in .npz. Received: {name!r}"
        ) from error
    if "image" not in (builder.info.features or {}):
        raise ValueError(f"The TFDS set has no feature `image`. Received: {name!r}")
    try:
        builder.download_and_prepare()
    except Exception as error:
        raise FileNotFoundError(
            f"The data set {name!r} is not prepared in {builder.data_dir} and could not be downloaded: "
            f"{str(error).splitlines()[0]}"
        ) from error

    num_train = builder.info.splits["train"].num_examples
    if "test" in builder.info.splits:
        instructions = {"test": "test"}
    else:
        num_train -= round(num_train * _TEST_FRACTION)
        instructions = {"test": f"train[{num_train}:]"}
    kept = num_train - round(num_train * validation_fraction)
    instructions["train"] = f"train[:{kept}]"
    if kept < num_train:
        instructions["validation"] = f"train[{kept}:{num_train}]"

    has_label = "label" in builder.info.features

    def to_pair(example: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        label = example["label"] if has_label else tf.constant(0)
        return prepare(example["image"]), label

    splits = {}
    for split, instruction in instructions.items():
        examples = builder.as_dataset(split=instruction, shuffle_files=False).map(to_pair)
        num_examples = builder.info.splits[instruction].num_examples
        splits[split] = _in_memory_or_stream(examples, num_examples, treatment, has_label)
    shape = tuple(examples.element_spec[0].shape)
    validation = splits.get("validation")
    return ImageData(name, shape, treatment, train=splits["train"], validation=validation, test=splits["test"])


def _in_memory_or_stream(examples: tf.data.Dataset, num_examples: int, treatment: Pixels, has_label: bool) -> Split:
    image = examples.element_spec[0]
    if None in image.shape:
        raise ValueError(f"The images differ in size: pass image_size. Received: shape={image.shape}")
    if num_examples * math.prod(image.shape) * image.dtype.size > _MAX_BYTES_IN_MEMORY:
        return Split(examples.map(lambda image, label: image), num_examples, treatment)
    images, labels = examples.batch(num_examples).get_single_element()
    return Split(images, num_examples, treatment, labels.numpy() if has_label else None)
