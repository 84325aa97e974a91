"""Data for training: batches, random splits, one-hot labels. IDX files are read in idx.py."""

from __future__ import annotations

import csv
import math
import operator
import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from .idx import check_labels, read_examples, read_idx, read_mnist
from .module import Array

__all__ = ["DataLoader", "one_hot", "random_split", "read_idx", "read_mnist", "train_test_split"]


class DataLoader:
    """Batches of examples, cut from arrays along the first axis. Iterating once is one epoch.

    Yields tuples, a batch for each array; the last may be smaller, unless `drop_last`. `shuffle`
    draws a new order for every epoch from `rng`; without, batches are views. A tuple stands for its
    arrays. A source may also have `__len__` and `__getitem__`, or be iterable; its examples are
    stacked. The path of a CSV gives its rows; a folder of IDX files gives MNIST's training images
    and labels. ValueError for other lengths, batch_size < 1, shuffle without rng or of an iterable.

    >>> [y.tolist() for x, y in DataLoader(np.zeros((5, 28, 28)), [7, 2, 1, 0, 4], batch_size=2)]
    [[7, 2], [1, 0], [4]]
    """

    def __init__(
        self,
        *arrays: Any,
        batch_size: int = 1,
        shuffle: bool = False,
        rng: np.random.Generator | None = None,
        drop_last: bool = False,
    ) -> None:
        self.batch_size, self.drop_last = operator.index(batch_size), drop_last
        if self.batch_size < 1:
            raise ValueError(f"expected a batch_size of at least 1, found {batch_size}")
        if shuffle:
            check_rng(
                rng, "shuffle=True", "DataLoader(…, shuffle=True, rng=np.random.default_rng(0))"
            )
        self.rng = rng if shuffle else None
        self.arrays = [part for array in arrays for part in sources(array)]
        if any(is_stream(array) for array in self.arrays):
            self.examples = None  # nobody knows before the end
            check_stream(self.arrays, shuffle)
        else:
            n = common_length(self.arrays)
            self.examples = n - n % self.batch_size if drop_last else n  # in an epoch

    def __len__(self) -> int:
        if self.examples is None:
            raise TypeError("how many batches an iterable has is known when it has been read")
        return math.ceil(self.examples / self.batch_size)

    def __iter__(self) -> Iterator[tuple[Array, ...]]:
        if self.examples is None:
            return self.streamed(self.arrays[0])
        return self.cut(self.examples)

    def cut(self, n: int) -> Iterator[tuple[Array, ...]]:
        """Yield the batches of n examples, in a new order if there is an rng."""
        order = self.rng.permutation(len(self.arrays[0])) if self.rng else None
        for start in range(0, n, self.batch_size):
            batch = slice(start, min(start + self.batch_size, n))
            which = batch if order is None else order[batch]
            yield tuple([part for array in self.arrays for part in fetched(array, which)])

    def streamed(self, source: Iterable[Any]) -> Iterator[tuple[Array, ...]]:
        """Yield batches of the examples as they come."""
        examples = iter(source)
        batch = list(islice(examples, self.batch_size))
        if not batch:
            raise ValueError(
                f"no example came from {source!r:.60}: a generator is empty once it has been read, "
                "so give a list of it, or an object whose __iter__ begins anew"
            )
        while batch and not (self.drop_last and len(batch) < self.batch_size):
            yield tuple(columns_of(batch))
            batch = list(islice(examples, self.batch_size))


def sources(source: Any) -> list[Any]:
    """What a source of examples holds: arrays, or what gives examples one by one."""
    if isinstance(source, tuple) and source and all(isinstance(x, np.ndarray) for x in source):
        return [*source]
    if not isinstance(source, str | os.PathLike):
        return [as_examples(source)]
    path = Path(source)
    return list(read_examples(path, "train", 256)) if path.is_dir() else [read_rows(path)]


def read_rows(path: Path) -> Array:
    """The numbers of a CSV, `(rows, columns)`; a first line without any number is a header."""
    with open(path, newline="", encoding="utf-8-sig") as file:
        header = not any(map(is_number, next(csv.reader(file), [])))
    how: Any = {"delimiter": ",", "quotechar": '"', "comments": None, "encoding": "utf-8-sig"}
    try:
        return np.loadtxt(path, skiprows=int(header), ndmin=2, **how)
    except ValueError as error:
        reader, column = ("csv.DictReader", "name") if header else ("csv.reader", "0")
        raise ValueError(
            f"{path}: {error}: read texts and gaps yourself, with open(path, newline='', "
            f"encoding='utf-8-sig') as file: rows = [*{reader}(file)], then [float(row[{column}] "
            "or 'nan') for row in rows] for a column of numbers, and give the DataLoader arrays of "
            "numbers (docs/guides/your-csv.md)"
        ) from None


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def is_stream(source: Any) -> bool:
    """Whether a source can be iterated only."""
    return not isinstance(source, Indexed)


def check_stream(arrays: list[Any], shuffle: bool) -> None:
    """Raise ValueError unless an iterable stands alone and is read in its own order."""
    if len(arrays) > 1:
        raise ValueError("an iterable gives whole examples, tuples (x, y): give it alone")
    if shuffle:
        raise ValueError(
            "an iterable has no order to shuffle before it has been read: give a list of it"
        )


@runtime_checkable
class Indexed(Protocol):
    """A set of examples that are fetched one by one."""

    def __len__(self) -> int: ...
    def __getitem__(self, i: int, /) -> Any: ...


@runtime_checkable
class Convertible(Protocol):
    """A value of which np.asarray makes an array."""

    def __array__(self) -> Array: ...


def as_examples(source: Any) -> Any:
    """Make an array of a source, unless it gives examples one by one, or is a list of tuples."""
    if isinstance(source, list | tuple):
        one_by_one = bool(source) and isinstance(source[0], tuple)
    else:
        one_by_one = isinstance(source, Iterable | Indexed) and not isinstance(source, Convertible)
    if one_by_one:
        return source
    try:
        return np.asarray(source)
    except ValueError as error:
        shapes = ", ".join([str(getattr(x, "shape", type(x).__name__)) for x in source])
        raise ValueError(
            f"a list is a list of examples, which have one shape; found the shapes {shapes:.60}: "
            "give arrays of examples one by one, DataLoader(x, y)"
        ) from error


def fetched(source: Any, which: slice | Array) -> Iterator[Array]:
    """Yield the batch of these examples; if they are tuples, a batch for each place in them."""
    if isinstance(source, np.ndarray):
        yield source[which] if isinstance(which, slice) else source.take(which, axis=0)
    else:
        indices = range(which.start, which.stop) if isinstance(which, slice) else which.tolist()
        yield from columns_of([source[i] for i in indices])


def columns_of(examples: list[Any]) -> Iterator[Array]:
    """Yield the examples stacked; if they are tuples, a batch for each place in them."""
    columns = zip(*examples, strict=True) if isinstance(examples[0], tuple) else [examples]
    yield from map(stacked, columns)


def stacked(examples: Sequence[Any]) -> Array:
    """Stack k examples of shape `(…)` to one array `(k, …)`."""
    z = np.stack([np.asarray(example) for example in examples])
    if z.dtype != object:
        return z
    raise TypeError(
        "expected examples that are numbers, arrays or tuples of them, found "
        f"{type(examples[0]).__name__}"
    )


def train_test_split(
    *arrays: ArrayLike, test_size: float | int = 0.2, rng: np.random.Generator
) -> list[Array]:
    """Shuffle arrays alike and cut each in two: `[x_train, x_test, y_train, y_test, …]`.

    `test_size` is how many examples are held back: an integer, or a part between 0 and 1, rounded
    up, as in scikit-learn. Raises ValueError for different lengths, or if one side would be empty.

    >>> x, y, rng = np.zeros((10, 3)), np.arange(10), np.random.default_rng(0)
    >>> x_train, x_test, y_train, y_test = train_test_split(x, y, rng=rng)
    >>> x_train.shape, x_test.shape, sorted([*y_train, *y_test]) == [*range(10)]
    ((8, 3), (2, 3), True)
    """
    every = [np.asarray(array) for array in arrays]
    n = common_length(every)
    held = math.ceil(test_size * n) if isinstance(test_size, float) else operator.index(test_size)
    if not 0 < held < n:
        raise ValueError(
            f"expected a test_size between 0 and 1, or from 1 to {n - 1} of {n} examples, found "
            f"{test_size}"
        )
    return [
        part
        for train_and_test in zip(
            *random_split(tuple(every), [n - held, held], rng=rng), strict=True
        )
        for part in train_and_test
    ]


def random_split(examples: Any, lengths: Sequence[float], *, rng: np.random.Generator) -> list[Any]:
    """Split an array, a tuple of arrays, or the numbers 0 to n − 1 into parts, at random.

    Every example is in one part. Lengths are integers that add up to n, or floats that add up to 1:
    then each is rounded down, and what is left goes to the first parts, one each, as in PyTorch.
    Raises ValueError for other sums and negative lengths.

    >>> parts = random_split(np.zeros((11, 3)), [0.5, 0.5], rng=np.random.default_rng(0))
    >>> [part.shape for part in parts]
    [(6, 3), (5, 3)]
    """
    check_rng(rng, "a random split", "rng=np.random.default_rng(0)")
    if isinstance(examples, int | np.integer):
        examples = np.arange(examples)
    arrays = [
        np.asarray(array) for array in (examples if isinstance(examples, tuple) else (examples,))
    ]
    order = rng.permutation(n := common_length(arrays))
    indices = np.split(order, np.cumsum(counts(lengths, n))[:-1])
    if isinstance(examples, tuple):
        return [tuple([array[i] for array in arrays]) for i in indices]
    return [arrays[0][i] for i in indices]


def counts(lengths: Sequence[float], n: int) -> list[int]:
    """How many of n examples each part has."""
    fractions = any(isinstance(length, float) for length in lengths)
    right = math.isclose(sum(lengths), 1) if fractions else sum(lengths) == n
    if not right or not all(length >= 0 for length in lengths):
        raise ValueError(
            f"expected lengths ≥ 0 that add up to {n}, or fractions that add up to 1.0, found "
            f"{[*lengths]}"
        )
    whole = [math.floor(length * n if fractions else length) for length in lengths]
    left = n - sum(whole)  # less than one for each
    return [count + (i < left) for i, count in enumerate(whole)]


def common_length(arrays: Sequence[Any]) -> int:
    """How many examples each of the arrays has; ValueError if the numbers differ."""
    shapes = [array.shape if isinstance(array, np.ndarray) else None for array in arrays]
    if not arrays or () in shapes:
        raise ValueError(
            f"expected arrays with a first axis, found {shapes}: options such as "
            "batch_size=32 and test_size=0.2 need their name"
        )
    lengths = [len(array) for array in arrays]
    if len(set(lengths)) > 1:
        raise ValueError(f"expected arrays of the same length, found {lengths}")
    return lengths[0]


def check_rng(rng: Any, what: str, write: str) -> None:
    """Raise ValueError for anything but a random generator."""
    if not isinstance(rng, np.random.Generator):
        raise ValueError(f"{what} needs a random generator, found rng={rng!r}: write {write}")


def one_hot(labels: ArrayLike, classes: int, dtype: DTypeLike = np.float32) -> NDArray[Any]:
    """`z[i, j]` = 1 if j = labels[i], else 0: integers `(n,)` become `(n, classes)`.

    Raises ValueError for a label outside 0 to `classes` - 1, and for labels that are not integers
    in one dimension.

    >>> from tinygrad_edu.nn.data import one_hot
    >>> one_hot([2, 0], classes=3)
    array([[0., 0., 1.],
           [1., 0., 0.]], dtype=float32)
    """
    index = np.asarray(labels)
    if index.ndim != 1 or index.dtype.kind not in "iu":
        raise ValueError(
            f"expected integer labels in one dimension, found {index.dtype} of shape {index.shape}"
        )
    check_labels(index, classes)
    z = np.zeros((len(index), classes), dtype)
    z[np.arange(len(index)), index] = 1
    return z
