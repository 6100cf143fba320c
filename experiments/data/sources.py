"""Image classification sets as NumPy arrays: the MNIST beside this file, idx files, TFDS.

Imports no jax, and scikit-learn for its digits alone. TensorFlow Datasets is read in
`experiments.data.tfds`.
"""

from __future__ import annotations

import difflib
import math
import sys
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np

from experiments.data import tfds
from experiments.data.dataset import DataError, Dataset, Split

__all__ = ["DataError", "Dataset", "Split", "load"]

MNIST = Path(__file__).parents[1] / "assets" / "mnist"
FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
GZIP_MAGIC = b"\x1f\x8b"
UNSIGNED_BYTE = 0x08
BEYOND = 2**20
"""Bytes that are unpacked beyond those that a header announces, to say how many there are."""
DIGITS_TEST = 500
FETCH_AGAIN = "fetch the file again"
CHECK_NAME = "check that the file belongs under this name"
WELL_KNOWN = {"mnist": "mnist", "digits": "digits"} | {
    name: f"tfds:{name}" for name in ("fashion_mnist", "kmnist", "emnist", "cifar10", "cifar100")
}


def imports_packages(source: str) -> bool:
    """Whether loading it imports packages, so that nothing else may be imported meanwhile.

    While TensorFlow Datasets is imported, it puts a hook into the imports of every thread.
    """
    return source.partition(":")[0] in ("tfds", "digits")


def load(source: str = "mnist") -> Dataset:
    """Loads an image classification set into memory.

    Errors speak of ``--data``, by which every command takes the source.

    Args:
      source: `"mnist"`, the files in this repository; `"digits"`, the 1,797 digits of 8 x 8
        pixels that come with scikit-learn, the last 500 to test; `"idx:DIR"`, the four idx
        files of MNIST, FashionMNIST or KMNIST as torchvision leaves them, gzipped or not, in
        DIR, DIR/raw or DIR/*/raw; `"tfds:NAME"`, a set of TensorFlow Datasets
        (`"tfds:cifar10"`, `"tfds:emnist/letters"`), in the directory that TFDS_DATA_DIR
        names, otherwise in `~/tensorflow_datasets`.

    Returns:
      The data set. The labels of idx files count as many classes as the largest training label
      needs, at least two.

    Raises:
      DataError: The source is unknown, a file is missing or wrong, or a package is missing.

    >>> load("mnist").train.images.shape
    (60000, 28, 28, 1)
    """
    kind, _, argument = source.partition(":")
    if source == "mnist":
        return _load_idx(source, MNIST, classes=10)
    if source == "digits":
        return _load_digits()
    if kind == "idx" and argument:
        return _load_idx(source, _directory(source, argument))
    if kind == "tfds" and argument:
        return tfds.load(argument)
    raise DataError(
        f"--data: expected mnist, digits, idx:DIR or tfds:NAME, found {source!r}"
        f"{_near_miss(source)}"
    )


def _load_digits() -> Dataset:
    """UCI's optical recognition of handwritten digits, by 43 people; pixels from 0 to 16."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise DataError(
            "--data digits: expected scikit-learn, which they come with, found none; "
            "pip install scikit-learn"
        ) from None
    values, classes = load_digits(return_X_y=True)
    images = np.rint(values.reshape(-1, 8, 8, 1) * (255 / 16)).astype(np.uint8)
    labels = classes.astype(np.int32)
    train, test = slice(-DIGITS_TEST), slice(-DIGITS_TEST, None)
    splits = (Split(images[part], labels[part]) for part in (train, test))
    return Dataset("digits", *splits, classes=10)


def _near_miss(source: str) -> str:
    kind, colon, argument = source.partition(":")
    known = {k: f"{k}:{argument}" for k in ("idx", "tfds")} if colon and argument else WELL_KNOWN
    matches = difflib.get_close_matches(kind.lower(), known, n=1)
    return f"; did you mean --data {known[matches[0]]}?" if matches else ""


def _load_idx(source: str, directory: Path, classes: int | None = None) -> Dataset:
    paths = _locate(source, directory)
    with ThreadPoolExecutor(len(paths)) as pool:  # zlib releases the GIL
        arrays = list(pool.map(_read_idx, paths, (3, 1, 3, 1)))
    train, test = _split(paths[:2], arrays[:2]), _split(paths[2:], arrays[2:])
    if train.images.shape[1:] != test.images.shape[1:]:
        raise DataError(
            f"{paths[2]}: expected images of {_product(train.images.shape[1:3])} pixels as in "
            f"{paths[0].name}, found {_product(test.images.shape[1:3])}; {CHECK_NAME}"
        )
    classes = classes or max(2, int(train.labels.max()) + 1)
    for path, split in ((paths[1], train), (paths[3], test)):
        _check_labels(path, split.labels, classes)
    return Dataset(source, train, test, classes)


def _directory(source: str, name: str) -> Path:
    """The directory of a name, which may begin with that of a home directory."""
    try:
        directory = Path(name).expanduser()
        if directory.is_dir():
            return directory
        found = "a file" if directory.exists() else "none"
    except (OSError, RuntimeError) as error:  # too long, not permitted, or of nobody's home
        directory, found = Path(name), f"none ({getattr(error, 'strerror', None) or error})"
    raise DataError(f"--data {source}: expected a directory, found {found} at {directory}")


def _locate(source: str, directory: Path) -> list[Path]:
    """The four files, in the order of `FILES`."""
    places = [
        place
        for place in (directory, directory / "raw", *sorted(directory.glob("*/raw")))
        if any(_find(place, name) for name in FILES)
    ]
    if len(places) > 1:
        found = ", ".join(map(str, places))
        raise DataError(
            f"--data {source}: expected one data set, found several; name one of {found}"
        )
    place = places[0] if places else directory
    paths = [path for name in FILES if (path := _find(place, name))]
    if missing := [name for name in FILES if not _find(place, name)]:
        raise DataError(
            f"--data {source}: expected four idx files, gzipped or not, in {place}, "
            f"found {len(paths)}; missing: {', '.join(missing)}"
        )
    return paths


def _find(directory: Path, name: str) -> Path | None:
    paths = (directory / name, directory / f"{name}.gz")
    return next((path for path in paths if path.is_file()), None)


def _read_idx(path: Path, dimensions: int) -> np.ndarray:
    """The array of one idx file: a big-endian magic number and sizes, then bytes in C order.

    Hardly more is unpacked than the header announces, and no room made for what does not come.
    """
    take = _unpacking(path)
    header = 4 * (1 + dimensions)
    content = take(header)
    if len(content) < header:
        raise DataError(
            f"{path}: expected an idx header of {header} bytes, "
            f"found {len(content)} bytes; {FETCH_AGAIN}"
        )
    magic, *sizes = np.frombuffer(content, ">u4", 1 + dimensions).tolist()
    expected = UNSIGNED_BYTE << 8 | dimensions
    if magic != expected:
        raise DataError(
            f"{path}: expected the idx magic number {expected}, found {magic}; {CHECK_NAME}"
        )
    count = math.prod(sizes)
    values = take(min(count + BEYOND, sys.maxsize))
    if len(values) != count or not count:
        more = " or more" * (len(values) == count + BEYOND)
        raise DataError(
            f"{path}: expected {_product(sizes)} bytes, at least one, after the header, "
            f"found {len(values)}{more}; {FETCH_AGAIN}"
        )
    return np.frombuffer(values, np.uint8).reshape(sizes)


def _product(sizes: tuple[int, ...] | list[int]) -> str:
    return " x ".join(map(str, sizes))


def _unpacking(path: Path) -> Callable[[int], bytes]:
    """What takes the next bytes of a file, gzipped or not: fewer than asked for at its end."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path}: expected a file that can be read, found none ({error.strerror}); "
            f"check its permissions"
        ) from None
    if content.startswith(GZIP_MAGIC):
        return _gunzipping(path, content)
    if path.suffix == ".gz":
        raise DataError(
            f"{path}: expected gzip, whose first bytes are {GZIP_MAGIC.hex()}, "
            f"found {content[:2].hex() or 'nothing'}; {FETCH_AGAIN}, "
            "or drop .gz from its name if it is unpacked"
        )
    return BytesIO(content).read


def _gunzipping(path: Path, content: bytes) -> Callable[[int], bytes]:
    stream, left = zlib.decompressobj(16 + zlib.MAX_WBITS), content

    def take(count: int) -> bytes:
        nonlocal left
        try:
            unpacked = stream.decompress(left, count)
        except zlib.error as error:
            raise DataError(
                f"{path}: expected gzip, found damage ({error}); {FETCH_AGAIN}"
            ) from error
        left = stream.unconsumed_tail
        if len(unpacked) < count and not stream.eof:
            raise DataError(
                f"{path}: expected a whole gzip file, "
                f"found one cut off after {len(content)} bytes; {FETCH_AGAIN}"
            )
        return unpacked

    return take


def _split(paths: list[Path], arrays: list[np.ndarray]) -> Split:
    images, labels = arrays
    if len(images) != len(labels):
        raise DataError(
            f"{paths[1]}: expected a label for each of the {len(images)} images of "
            f"{paths[0].name}, found {len(labels)} labels; take both files from one source"
        )
    return Split(images[..., np.newaxis], labels.astype(np.int32))


def _check_labels(path: Path, labels: np.ndarray, classes: int) -> None:
    if (largest := labels.max()) >= classes:
        raise DataError(
            f"{path}: expected labels from 0 to {classes - 1}, "
            f"found {largest} at index {labels.argmax()}; {CHECK_NAME}"
        )
