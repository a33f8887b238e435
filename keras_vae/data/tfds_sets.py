"""Image sets of TensorFlow Datasets, by name."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import tensorflow as tf

from keras_vae.data.raw_levels import TEST_FRACTION, RawImages, whole_labels

__all__ = ["ImageBuilder"]


class ImageBuilder:
    """An image set of TFDS, prepared on this machine.

    Args:
        name: such as "mnist", "name/configuration" or "name:1.0.0".
        data_dir: folder of TFDS; None is its default.

    Raises:
        ValueError: if there is no such set, or none with images.
        FileNotFoundError: if it is neither prepared nor to be had.
    """

    def __init__(self, name: str, data_dir: str | None):
        import tensorflow_datasets as tfds

        folder = os.path.expanduser(data_dir or tfds.core.constants.DATA_DIR)
        self.received = f"name={name!r}, data_dir={folder!r}"
        if os.path.isfile(folder):
            raise ValueError(f"`data_dir` must be a folder, and this is a file. Received: {self.received}")
        try:
            self.builder = tfds.builder(name, data_dir=folder if data_dir else None)
        except tfds.core.DatasetNotFoundError as error:
            raise ValueError(
                "There is no such data set: name scikit-learn's `digits`, an image set of TensorFlow Datasets such as "
                "`mnist`, one that is prepared in `data_dir` with the configuration and version that it has there, or "
                "a file that ends in .npz. "
                f"Received: {name!r}, data_dir={folder!r}"
            ) from error
        except Exception as error:  # AssertionError for versions, ValueError for configurations, ImportError ...
            raise ValueError(
                "TensorFlow Datasets cannot read this set: pass a name such as `mnist`, with a configuration and a "
                f"version that it has, or remove its damaged files. Received: {self.received}, {_first_line(error)}"
            ) from error
        self.shape, self.has_label = self._features()
        self._prepare()

    def _features(self) -> tuple[tuple[int | None, ...], bool]:
        """Return the shape of an image, and whether there is a number as its label."""
        features = dict(self.builder.info.features or {})
        shape, dtype = _tensor(features.get("image"))
        if len(shape) != 3 or dtype.kind not in "biuf":
            raise ValueError(
                "The TFDS set must have a feature `image` of shape [H, W, C] that holds numbers: choose another set. "
                f"Received: {self.received} with image={features.get('image')}"
            )
        label_shape, label_dtype = _tensor(features.get("label"))
        return shape, label_shape == () and label_dtype.kind in "biuf"

    def _prepare(self) -> None:
        try:
            self.builder.download_and_prepare()
        except Exception as error:
            raise FileNotFoundError(
                f"The data set is not prepared in {self.builder.data_dir} and could not be downloaded: check "
                f"`data_dir` and the connection. Received: {self.received}, {_first_line(error)}"
            ) from error
        if "train" not in self.builder.info.splits:
            raise ValueError(
                f"The TFDS set must have a split `train`. Received: {self.received} with the splits "
                f"{list(self.builder.info.splits)}"
            )

    def instructions(self, num_kept: Callable[[int, int], int]) -> dict[str, str]:
        """Return what to read as train, test and perhaps validation; `num_kept(train, test)` are trained on."""
        splits = self.builder.info.splits
        num_train = splits["train"].num_examples
        if "test" in splits:
            instructions, num_test = {"test": "test"}, splits["test"].num_examples
        else:
            num_test = round(num_train * TEST_FRACTION)
            num_train -= num_test
            instructions = {"test": f"train[{num_train}:]"}
        kept = num_kept(num_train, num_test)
        instructions["train"] = f"train[:{kept}]"
        if kept < num_train:
            instructions["validation"] = f"train[{kept}:{num_train}]"
        return instructions

    def num_examples(self, instruction: str) -> int:
        """Return how many images are read."""
        return self.builder.info.splits[instruction].num_examples

    def num_bytes(self, instruction: str) -> float:
        """Return the size of the raw images; infinity if they differ in size."""
        sizes = [math.inf if size is None else size for size in self.shape]
        itemsize = _tensor(self.builder.info.features["image"])[1].itemsize
        return self.num_examples(instruction) * math.prod(sizes) * itemsize

    def _examples(self, instruction: str, prepare: Callable[[tf.Tensor], tf.Tensor]) -> tf.data.Dataset:
        def to_pair(example: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
            return prepare(example["image"]), example["label"] if self.has_label else tf.constant(np.nan)

        return self.builder.as_dataset(split=instruction, shuffle_files=False).map(to_pair)

    def images(self, instruction: str, prepare: Callable[[tf.Tensor], tf.Tensor] = tf.identity) -> tf.data.Dataset:
        """Return the stream of images, each of them passed through `prepare`."""
        return self._examples(instruction, prepare).map(lambda image, label: image)

    def read(self, instruction: str, prepare: Callable[[tf.Tensor], tf.Tensor] = tf.identity) -> RawImages:
        """Return all images, of one size after `prepare`, and their labels."""
        with self.errors_of_files():
            examples = self._examples(instruction, prepare).batch(self.num_examples(instruction))
            images, labels = examples.get_single_element()
        # Labels only colour figures: where they are no whole numbers, they are left out.
        return RawImages(images.numpy(), whole_labels(labels.numpy()))

    @contextmanager
    def errors_of_files(self) -> Iterator[None]:
        """Turn TensorFlow's errors while reading into one that says what to do."""
        try:
            yield
        except (tf.errors.OpError, OSError) as error:
            raise ValueError(
                "The images cannot be read. If files are damaged or missing, remove the folder "
                f"{self.builder.data_dir} and prepare the set anew. Received: {self.received}, {_first_line(error)}"
            ) from error


def _tensor(feature: Any) -> tuple[tuple[int | None, ...], np.dtype]:
    """Return shape and dtype of a feature; those of text for what is no single tensor."""
    shape = getattr(feature, "shape", None)
    if not isinstance(shape, tuple):
        return (-1,), np.dtype(object)
    return shape, np.dtype(feature.np_dtype)


def _first_line(error: Exception) -> str:
    message = re.sub(r"{{.*?}} | \[Op:.*", "", str(error)).strip()  # without the name of TensorFlow's node
    return f"{type(error).__name__}: {message.splitlines()[0] if message else 'no message'}"
