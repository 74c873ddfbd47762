"""What is learned from: scikit-learn's digits, a stand-in, or the user's own MNIST files (IDX)."""

import functools
import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from lnbench.errors import ConfigError

_IMAGES, _LABELS = 0x803, 0x801  # magic numbers of unsigned bytes in three and one dimensions
_GZIP = b"\x1f\x8b"
_HELD_OUT = 0.2
_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
_TEST_FILES = ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


class Data(msgspec.Struct, frozen=True):
    """Images (C, rows, columns), values from 0 to 1, and labels, to train on and held out."""

    name: str
    images: Any
    labels: Any
    test_images: Any
    test_labels: Any

    @property
    def classes(self) -> int:
        """How many labels there are."""
        return int(max(self.labels.max(), self.test_labels.max())) + 1


def load(path: Path | None) -> Data:
    """Return the digits of scikit-learn, or what the IDX files of a folder hold.

    ConfigError where scikit-learn is missing, or a file is missing, cut short, or something else.
    """
    return _digits() if path is None else _idx_folder(path)


def _digits() -> Data:
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise ConfigError(
            "the digits come with scikit-learn, which is not installed",
            "pip install 'lnbench[paper]', or name a folder of MNIST's files with --data",
        ) from None
    digits = load_digits()
    images = (digits.images / 16).astype(np.float32)
    order = np.random.default_rng(0).permutation(len(images))  # the same split for every seed
    held = round(_HELD_OUT * len(images))
    test, train = order[:held], order[held:]
    labels = digits.target.astype(np.int64)
    name = "digits (1797 images of 8x8, a stand-in)"
    return Data(name, images[train], labels[train], images[test], labels[test])


def _digest(*arrays: Any) -> str:
    """Return eight digits that tell these data from others of the same name and sizes."""
    return f"{functools.reduce(lambda sum_, array: zlib.crc32(array, sum_), arrays, 0):08x}"


def _idx_folder(folder: Path) -> Data:
    if not folder.is_dir():
        raise ConfigError(f"--data: {folder} is no folder", "it holds MNIST's four files")
    images, labels = (_read(_find(folder, name)) for name in _FILES)
    test_images, test_labels = (_read(_find(folder, name)) for name in _TEST_FILES)
    for of, pictures, names in (("train", images, labels), ("t10k", test_images, test_labels)):
        if len(pictures) != len(names):
            raise ConfigError(
                f"{folder}: {len(pictures)} {of} images have {len(names)} labels",
                "take both files from one data set",
            )
        if pictures.size == 0:
            raise ConfigError(f"{folder}: the {of} files hold no pixel of an image")
    if images.shape[1:] != test_images.shape[1:]:
        raise ConfigError(f"{folder}: train and t10k images differ in size")
    size = f"{len(images)} images of {images.shape[1]}x{images.shape[2]}"
    name = f"{folder.resolve().name} ({size}, {_digest(images, labels, test_images, test_labels)})"
    scaled = (pixels.astype(np.float32) / 255 for pixels in (images, test_images))
    train, test = scaled
    return Data(name, train, labels.astype(np.int64), test, test_labels.astype(np.int64))


def _find(folder: Path, name: str) -> Path:
    """Return a file by its usual name, with a dot in it or not, gzipped or not."""
    for stem in (name, name.replace("-idx", ".idx")):
        for ending in ("", ".gz"):
            if (path := folder / f"{stem}{ending}").is_file():
                return path
    raise ConfigError(f"--data: {folder} has no {name} or {name}.gz", "it holds MNIST's four files")


def _read(path: Path) -> Any:
    """Return the array of an IDX file; its form is told at yann.lecun.com/exdb/mnist."""
    try:
        data = path.read_bytes()
        if data.startswith(_GZIP):
            data = gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise ConfigError(f"{path} cannot be read: {error}", "fetch it again") from None
    wanted = _IMAGES if "images" in path.name else _LABELS
    if len(data) < 4 or (magic := struct.unpack(">I", data[:4])[0]) != wanted:  # noqa: PLR2004
        shown = f"{magic:#x}" if len(data) >= 4 else "nothing"  # noqa: PLR2004
        raise ConfigError(
            f"{path} begins with {shown}, an IDX file of "
            f"{'images' if wanted == _IMAGES else 'labels'} with {wanted:#x}",
            "is it another file under that name?",
        )
    count = wanted & 0xFF
    start = 4 + 4 * count
    if len(data) < start:
        raise ConfigError(f"{path} is cut short: its sizes are missing", "fetch it again")
    shape = struct.unpack(f">{count}I", data[4:start])
    if len(data) - start != math.prod(shape):
        raise ConfigError(
            f"{path} says {'x'.join(map(str, shape))} bytes and holds {len(data) - start}",
            "fetch it again",
        )
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)
