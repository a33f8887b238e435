"""`.npz` files of images and labels: all is checked before anything else is done with them."""

from __future__ import annotations

import math
import os
import zipfile

import numpy as np

from keras_vae.data.raw_levels import Levels, RawImages, find_levels, whole_labels

__all__ = ["read_npz"]

_IMAGES, _LABELS = ("x_train", "images", "x"), ("y_train", "labels", "y")
_OTHER_SCALE = 128  # as of 255 to 1, or of 65,535 to 255: then one split was divided, or made binary, and one was not


def read_npz(path: str, num_levels: int | None = None) -> tuple[RawImages, RawImages, Levels]:
    """Return train, test and levels of a `.npz` file; without `x_test`, a fifth of the images is the test.

    Args:
        path: a file with images [N, H, W] or [N, H, W, C] as `x_train`, `images` or `x`, and perhaps `x_test`; perhaps
            with one whole number an image as `y_train`, `labels` or `y`, and `y_test`.
        num_levels: see `find_levels`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no such archive; if images or labels are of another shape or kind; if there is no image for
            one of the splits.
    """
    arrays = _arrays(path)
    images = next((name for name in _IMAGES if name in arrays), None)
    if images is None:
        raise ValueError(
            f"The .npz file must hold images as `x_train`, `images` or `x`. Received: {path!r} with {_describe(arrays)}"
        )
    if "y_test" in arrays and "x_test" not in arrays:
        raise ValueError(
            f"`y_test` needs the images `x_test`: add them, or leave `y_test` out. Received: {path!r} with "
            f"{_describe(arrays)}"
        )
    train = _checked(arrays, images, next((name for name in _LABELS if name in arrays), None), path)
    if "x_test" in arrays:
        test = _checked(arrays, "x_test", "y_test" if "y_test" in arrays else None, path)
        if test.images.shape[1:] != train.images.shape[1:]:
            raise ValueError(
                f"`x_test` must hold images of the shape of `{images}`. Received: {path!r} with {_describe(arrays)}"
            )
    else:
        train, test = train.split_at_random()
    if not len(test.images):
        raise ValueError(
            "Training and test need at least one image each, and the test gets a fifth: add images, or add `x_test`. "
            f"Received: {path!r} with {_describe(arrays)}"
        )
    levels = find_levels([train.images, test.images], num_levels, repr(path))
    smaller, larger = sorted(float(split.images.max()) for split in (train, test))
    if larger >= _OTHER_SCALE * max(smaller, 1):
        raise ValueError(
            f"The images of the two splits must have the same levels: bring `x_test` to the scale of `{images}`. "
            f"Received: {path!r} with levels up to {train.images.max():g} in `{images}` and up to "
            f"{test.images.max():g} in `x_test`"
        )
    train, test = (raw._replace(images=levels.of_array(raw.images)) for raw in (train, test))
    return train, test, levels


def _checked(arrays: dict[str, np.ndarray], name: str, labels_name: str | None, path: str) -> RawImages:
    """Return images with channels, and their labels."""
    images = arrays[name]
    if images.ndim not in (3, 4) or 0 in images.shape or images.dtype.kind not in "biuf":
        raise ValueError(
            f"The .npz file must hold integer images [N, H, W] or [N, H, W, C], one or more, as `{name}`. "
            f"Received: {path!r} with {_describe(arrays)}"
        )
    images = images if images.ndim == 4 else images[..., None]
    if labels_name is None:
        return RawImages(images, None)
    labels = whole_labels(arrays[labels_name])
    if labels is None or len(labels) != len(images):
        raise ValueError(
            f"`{labels_name}` must hold one whole number for each image of `{name}`, as in [3, 0, 7] (of one-hot rows "
            f"pass the argmax): mend the labels, or leave them out. Received: {path!r} with {_describe(arrays)}"
        )
    return RawImages(images, labels)


def _describe(arrays: dict[str, np.ndarray]) -> str:
    return ", ".join(f"{name}: {array.dtype.name}{list(array.shape)}" for name, array in arrays.items()) or "no array"


def _arrays(path: str) -> dict[str, np.ndarray]:
    """Return the arrays of the file, after a look at what their headers claim."""
    if not os.path.exists(path):
        raise FileNotFoundError(f"There is no such .npz file. Received: {path!r}")
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                _check_header(archive, member)
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    except Exception as error:  # of zip, of its compressions, of headers, of memory: any may be what is damaged
        raise ValueError(
            "The file is no .npz archive of plain arrays: write it anew with np.savez, of numbers alone. "
            f"Received: {path!r}, {type(error).__name__}: {error}"
        ) from error


def _check_header(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    """Raise ValueError if an array claims to be larger than its part of the archive."""
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
        if not dtype.hasobject and file.tell() + math.prod(shape) * dtype.itemsize > member.file_size:
            raise ValueError(f"{member.filename} claims the shape {list(shape)} and is shorter than that")
