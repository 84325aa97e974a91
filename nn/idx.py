"""IDX files: MNIST and its like. Reachable as nn.data.read_idx and nn.data.read_mnist.

A file is somebody else's: nothing in it is believed before it has been checked, and no memory is
taken for what its header merely promises.
"""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

__all__ = ["read_idx", "read_mnist"]

Examples = tuple[NDArray[np.uint8], NDArray[np.uint8]]  # images (n, rows, columns), labels (n,)

IDX_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MAX_DIMENSIONS = 64  # NumPy's own limit
MAX_BYTES = 2**30  # 1 GiB of values; MNIST's largest file holds 47 MB
CHUNK = 2**20  # memory grows by this much at a time, and only as the data arrive


def read_idx(path: str | os.PathLike[str]) -> NDArray[Any]:
    """Read an IDX file: two zero bytes, type code, number of dimensions, sizes, values in C order.

    It may be gzipped, whatever its name. Returns a writable array of the header's shape and type,
    in native byte order. Raises ValueError, which names the file, if it is not exactly that, or
    holds more than 1 GiB.

    >>> from tinygrad_edu.nn.data import read_idx
    >>> read_idx("examples/data/mnist/t10k-labels-idx1-ubyte.gz")[:5]
    array([7, 2, 1, 0, 4], dtype=uint8)
    """
    name = os.fspath(path)
    with open(path, "rb") as file:
        zipped = file.peek(2)[:2] == b"\x1f\x8b"
        stream = cast(BinaryIO, gzip.GzipFile(fileobj=file)) if zipped else file
        try:
            return read_values(stream, *read_header(stream))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ValueError(
                f"{name}: expected an intact gzip stream, found a damaged one: {error}"
            ) from None


def read_header(stream: BinaryIO) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """The type and shape of the values that follow."""
    zeros, code, ndim = struct.unpack(">HBB", read_exactly(stream, 4, "the magic number"))
    if zeros:
        raise ValueError(f"expected an IDX file, whose first two bytes are 0, found 0x{zeros:04x}")
    if code not in IDX_TYPES:
        raise ValueError(
            f"expected a type code among {', '.join(f'0x{c:02x}' for c in IDX_TYPES)}, found "
            f"0x{code:02x}"
        )
    if not 1 <= ndim <= MAX_DIMENSIONS:
        raise ValueError(f"expected 1 to {MAX_DIMENSIONS} dimensions, found {ndim}")
    shape = struct.unpack(
        f">{ndim}I", read_exactly(stream, 4 * ndim, f"the sizes of {ndim} dimensions")
    )
    dtype = np.dtype(IDX_TYPES[code])
    # a size of 0 must not excuse the others: NumPy refuses (0, 2³²-1, 2³²-1, 2³²-1) too
    if math.prod(max(size, 1) for size in shape) * dtype.itemsize > MAX_BYTES:
        raise ValueError(
            f"expected at most {MAX_BYTES:,} bytes of values, found {dtype} of shape {shape}"
        )
    return dtype, shape


def read_values(stream: BinaryIO, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """The values, in native byte order; nothing may follow them."""
    expected = math.prod(shape) * dtype.itemsize
    values = read_exactly(stream, expected, f"values of shape {shape}")
    if stream.read(1):
        raise ValueError(f"expected {expected:,} bytes of values for shape {shape}, found more")
    return np.frombuffer(values, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def read_exactly(stream: BinaryIO, size: int, what: str) -> bytearray:
    """The next `size` bytes, or a ValueError if there are fewer."""
    data = bytearray()
    while chunk := stream.read(min(CHUNK, size - len(data))):
        data += chunk
    if len(data) < size:
        raise ValueError(f"expected {size:,} bytes for {what}, found {len(data):,}")
    return data


def read_mnist(
    directory: str | os.PathLike[str], *, classes: int = 10
) -> tuple[Examples, Examples]:
    """MNIST's four files, or others like them: `(images, labels)` to train, and the same to test.

    Images are uint8 `(n, rows, columns)`, pixels 0 to 255; labels uint8 `(n,)`, from 0 to `classes`
    - 1. Raises FileNotFoundError if a file is missing, ValueError naming it if its contents don't
    fit.

    >>> from tinygrad_edu.nn.data import read_mnist
    >>> (images, labels), (test_images, test_labels) = read_mnist("examples/data/mnist")
    >>> images.shape, labels.shape, test_images.shape, test_labels.shape
    ((60000, 28, 28), (60000,), (10000, 28, 28), (10000,))
    """
    train, test = (
        read_examples(directory, "train", classes),
        read_examples(directory, "t10k", classes),
    )
    size, test_size = train[0].shape[1:], test[0].shape[1:]
    if size != test_size:
        test_path = find(directory, "t10k-images", "idx3-ubyte")
        raise ValueError(
            f"{test_path}: expected images of {size}, as in the training set, found {test_size}"
        )
    return train, test


def read_examples(directory: str | os.PathLike[str], part: str, classes: int) -> Examples:
    """The images and labels of one part, "train" or "t10k", checked against each other."""
    images_path = find(directory, f"{part}-images", "idx3-ubyte")
    labels_path = find(directory, f"{part}-labels", "idx1-ubyte")
    images, labels = read_bytes(images_path, 3), read_bytes(labels_path, 1)
    if len(images) != len(labels):
        raise ValueError(
            f"{labels_path}: expected one label for each of the {len(images):,} images in "
            f"{images_path.name}, found {len(labels):,}"
        )
    try:
        check_labels(labels, classes)
    except ValueError as error:
        raise ValueError(f"{labels_path}: {error}") from None
    return images, labels


def read_bytes(path: Path, ndim: int) -> NDArray[np.uint8]:
    """An IDX file of unsigned bytes with `ndim` dimensions."""
    array = read_idx(path)
    if array.ndim != ndim or array.dtype != np.uint8:
        raise ValueError(
            f"{path}: expected uint8 values in {ndim} dimension{'s' * (ndim > 1)}, "
            f"found {array.dtype} of shape {array.shape}"
        )
    return array


def find(directory: str | os.PathLike[str], stem: str, suffix: str) -> Path:
    """The file in the directory, under any of the names in use."""
    names = [stem + separator + suffix + ending for separator in "-." for ending in ("", ".gz")]
    for name in names:
        if (path := Path(directory, name)).is_file():
            return path
    raise FileNotFoundError(
        f"{os.fspath(directory)}: expected one of {', '.join(names)}, found none"
    )


def check_labels(labels: NDArray[Any], classes: int) -> None:
    """Raise ValueError for the first label outside 0 to classes - 1."""
    for i in np.flatnonzero((labels < 0) | (labels >= classes)):
        raise ValueError(
            f"expected labels from 0 to {classes - 1}, found {labels[i]} at position {i}"
        )
