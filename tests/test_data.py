"""MNIST as it was published; IDX files, whatever is in them; batches that lose nothing; one-hot
labels."""

from __future__ import annotations

import csv
import gzip
import hashlib
import math
import re
import struct
import tempfile
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tinygrad_edu.nn.data import (
    DataLoader,
    one_hot,
    random_split,
    read_idx,
    read_mnist,
    train_test_split,
)

Array = np.ndarray[Any, Any]
MNIST = Path(__file__).parents[1] / "examples" / "data" / "mnist"
CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}
FEW_MB = 4 * 2**20  # a chunk of 1 MiB is read, then copied


def header(code: int, *shape: int) -> bytes:
    return struct.pack(f">HBB{len(shape)}I", 0, code, len(shape), *shape)


def idx(array: Array) -> bytes:
    """The IDX file of an array."""
    values = array.astype(array.dtype.newbyteorder(">")).tobytes()
    return header(CODES[array.dtype.str[1:]], *array.shape) + values


def read(contents: bytes) -> Array:
    """What read_idx makes of a file; if that is a ValueError, it must name the file."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "digits")
        path.write_bytes(contents)
        try:
            return read_idx(path)
        except ValueError as error:
            assert str(path) in str(error)
            raise


@contextmanager
def at_most(limit: int) -> Iterator[None]:
    """Assert how many bytes are allocated at the peak."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < limit
    finally:
        tracemalloc.stop()


# MNIST

SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


@pytest.mark.parametrize("name", SHA256)
def test_mnist_is_what_was_published(name: str) -> None:
    assert (
        hashlib.sha256(gzip.decompress((MNIST / f"{name}.gz").read_bytes())).hexdigest()
        == SHA256[name]
    )


@pytest.mark.parametrize("name", SHA256)
def test_the_readme_states_the_same_sum(name: str) -> None:
    assert any(
        f"{name}.gz" in line and SHA256[name] in line
        for line in (MNIST / "README.md").read_text().splitlines()
    )


def test_mnist_has_its_shapes_and_as_many_of_each_digit() -> None:
    (images, labels), (test_images, test_labels) = read_mnist(MNIST)
    assert (images.shape, test_images.shape) == ((60_000, 28, 28), (10_000, 28, 28))
    assert {array.dtype for array in (images, labels, test_images, test_labels)} == {np.dtype("u1")}
    assert np.bincount(labels).tolist() == [
        5923,
        6742,
        5958,
        6131,
        5842,
        5421,
        5918,
        6265,
        5851,
        5949,
    ]
    assert np.bincount(test_labels).tolist() == [
        980,
        1135,
        1032,
        1010,
        982,
        892,
        958,
        1028,
        974,
        1009,
    ]
    assert (images.min(), images.max()) == (0, 255)


# read_idx


def arrays() -> st.SearchStrategy[Array]:
    types = st.sampled_from([np.dtype(code) for code in CODES])
    return hnp.arrays(types, hnp.array_shapes(min_dims=1, max_dims=5, min_side=0, max_side=5))


@given(arrays(), st.booleans())
def test_what_was_written_is_read(array: Array, zipped: bool) -> None:
    found = read(gzip.compress(idx(array)) if zipped else idx(array))
    assert found.dtype == array.dtype and found.dtype.isnative and found.flags.writeable
    np.testing.assert_array_equal(found, array)


def test_64_dimensions_are_read() -> None:
    assert read(header(0x08, *[1] * 64) + b"\5").shape == (1,) * 64


def test_an_array_of_many_chunks_is_read() -> None:
    array = np.arange(700_000, dtype="f8")  # 5.6 MB
    np.testing.assert_array_equal(read(idx(array)), array)


DIGITS = header(0x08, 2, 3) + b"abcdef"
ZIPPED = gzip.compress(DIGITS)
HUGE = 2**32 - 1
TOO_MUCH = "expected at most 1,073,741,824 bytes of values, found"
DAMAGED = "expected an intact gzip stream, found a damaged one: "

FAILURES = {  # what is in the file ↦ what the message must say: what was expected, what was found
    "empty": (b"", "expected 4 bytes for the magic number, found 0"),
    "cut off in the magic number": (DIGITS[:3], "expected 4 bytes for the magic number, found 3"),
    "no IDX file": (b"\x89PNG\r\n", "first two bytes are 0, found 0x8950"),
    "second byte": (b"\0\1" + DIGITS[2:], "first two bytes are 0, found 0x0001"),
    "unknown type": (header(0x0A, 1) + b"a", "0x08, 0x09, 0x0b, 0x0c, 0x0d, 0x0e, found 0x0a"),
    "no dimension": (header(0x08) + b"a", "expected 1 to 64 dimensions, found 0"),
    "255 dimensions": (header(0x08, *[1] * 255) + b"a", "expected 1 to 64 dimensions, found 255"),
    "cut off in the sizes": (
        DIGITS[:11],
        "expected 8 bytes for the sizes of 2 dimensions, found 7",
    ),
    "no sizes": (DIGITS[:4], "expected 8 bytes for the sizes of 2 dimensions, found 0"),
    "cut off": (DIGITS[:-1], "expected 6 bytes for values of shape (2, 3), found 5"),
    "no values": (DIGITS[:12], "expected 6 bytes for values of shape (2, 3), found 0"),
    "half a number": (
        header(0x0B, 2) + b"abc",
        "expected 4 bytes for values of shape (2,), found 3",
    ),
    "too long": (DIGITS + b"g", "expected 6 bytes of values for shape (2, 3), found more"),
    "too long for no values": (
        header(0x08, 0) + b"a",
        "expected 0 bytes of values for shape (0,), found more",
    ),
    "absurd sizes": (
        header(0x08, HUGE, HUGE),
        f"{TOO_MUCH} uint8 of shape (4294967295, 4294967295)",
    ),
    "absurd by one byte": (header(0x08, 2**30 + 1), f"{TOO_MUCH} uint8 of shape (1073741825,)"),
    "absurd by type": (header(0x0E, 2**27 + 1), f"{TOO_MUCH} >f8 of shape (134217729,)"),
    "absurd beside a zero": (
        header(0x08, 0, HUGE, HUGE, HUGE),
        f"{TOO_MUCH} uint8 of shape (0, 4294967295",
    ),
    "big promise": (
        header(0x08, 900_000_000) + b"a" * 100,
        "expected 900,000,000 bytes for values of",
    ),
    "big promise, zipped": (
        gzip.compress(header(0x0D, 2**28) + b"a"),
        "expected 1,073,741,824 bytes",
    ),
    "bomb": (
        gzip.compress(DIGITS + bytes(20_000_000)),
        "expected 6 bytes of values for shape (2, 3), found more",
    ),
    "bomb without a header": (gzip.compress(bytes(20_000_000)), "found 0x00"),
    "zipped, empty": (gzip.compress(b""), "expected 4 bytes for the magic number, found 0"),
    "zipped twice": (gzip.compress(ZIPPED), "first two bytes are 0, found 0x1f8b"),
    "gzip, only its magic number": (ZIPPED[:2], DAMAGED),
    "gzip, cut off": (ZIPPED[:-9], DAMAGED + "Compressed file ended"),
    "gzip, checksum cut off": (ZIPPED[:-1], DAMAGED + "Compressed file ended"),
    "gzip, wrong checksum": (ZIPPED[:-8] + bytes(8), DAMAGED + "CRC"),
    "gzip, broken in the middle": (ZIPPED[:10] + b"\xff" * 20, DAMAGED + "Error -3"),
    "gzip, something behind": (ZIPPED + b"g", DAMAGED + "Not a gzipped file"),
}


@pytest.mark.parametrize("contents, message", FAILURES.values(), ids=FAILURES)
def test_a_file_that_is_not_right_is_refused_in_words_and_in_little_memory(
    contents: bytes, message: str
) -> None:
    with at_most(FEW_MB), pytest.raises(ValueError) as caught:
        read(contents)
    assert message in str(caught.value)


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nothing"):
        read_idx(tmp_path / "nothing")


def reads_or_is_refused(contents: bytes) -> None:
    with at_most(FEW_MB), suppress(ValueError):
        read(contents)


STARTS = [b"", b"\0\0", b"\0\0\x08", b"\0\0\x0e\1", b"\x1f\x8b", ZIPPED[:10], ZIPPED]


@given(st.binary(max_size=100), st.sampled_from(STARTS))
@settings(max_examples=300)
def test_arbitrary_bytes_are_read_or_refused(contents: bytes, start: bytes) -> None:
    reads_or_is_refused(start + contents)
    reads_or_is_refused(gzip.compress(start + contents))


@given(arrays(), st.booleans(), st.data())
@settings(max_examples=300)
def test_a_damaged_file_is_read_or_refused(array: Array, zipped: bool, data: st.DataObject) -> None:
    contents = bytearray(gzip.compress(idx(array)) if zipped else idx(array))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(contents)))
        contents[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    reads_or_is_refused(bytes(contents))


# read_mnist

IMAGES, LABELS = np.arange(24, dtype="u1").reshape(4, 3, 2), np.array([0, 9, 1, 2], "u1")
SMALL = {
    "train-images": IMAGES,
    "train-labels": LABELS,
    "t10k-images": IMAGES[:2],
    "t10k-labels": LABELS[:2],
}


def write(
    directory: Path, files: dict[str, Array], separator: str = "-", zipped: bool = False
) -> Path:
    for stem, array in files.items():
        name = f"{stem}{separator}idx{3 if 'images' in stem else 1}-ubyte" + ".gz" * zipped
        (directory / name).write_bytes(gzip.compress(idx(array)) if zipped else idx(array))
    return directory


@pytest.mark.parametrize("separator", "-.")
@pytest.mark.parametrize("zipped", [False, True])
def test_all_names_in_use_are_found(tmp_path: Path, separator: str, zipped: bool) -> None:
    (images, labels), (test_images, test_labels) = read_mnist(
        str(write(tmp_path, SMALL, separator, zipped))
    )
    for found, written in zip(
        (images, labels, test_images, test_labels), SMALL.values(), strict=True
    ):
        np.testing.assert_array_equal(found, written)


UNFIT = {  # which file is replaced, by what ↦ what the message must say
    "label too large": ("train-labels", LABELS + 1, "from 0 to 9, found 10 at position 1"),
    "test label too large": ("t10k-labels", LABELS[:2] + 1, "from 0 to 9, found 10 at position 1"),
    "too few labels": (
        "train-labels",
        LABELS[:3],
        "each of the 4 images in train-images-idx3-ubyte, found 3",
    ),
    "too many labels": (
        "t10k-labels",
        LABELS,
        "each of the 2 images in t10k-images-idx3-ubyte, found 4",
    ),
    "flat images": (
        "train-images",
        IMAGES.reshape(4, 6),
        "in 3 dimensions, found uint8 of shape (4, 6)",
    ),
    "float images": (
        "t10k-images",
        IMAGES.astype("f4"),
        "in 3 dimensions, found float32 of shape (4, 3, 2)",
    ),
    "labels in columns": (
        "train-labels",
        LABELS[:, None],
        "in 1 dimension, found uint8 of shape (4, 1)",
    ),
    "signed labels": (
        "t10k-labels",
        LABELS.astype("i4"),
        "in 1 dimension, found int32 of shape (4,)",
    ),
    "another size": (
        "t10k-images",
        IMAGES[:2, :2],
        "images of (3, 2), as in the training set, found (2, 2)",
    ),
}


@pytest.mark.parametrize("stem, array, message", UNFIT.values(), ids=UNFIT)
def test_a_file_that_does_not_fit_is_named(
    tmp_path: Path, stem: str, array: Array, message: str
) -> None:
    with pytest.raises(ValueError) as caught:
        read_mnist(write(tmp_path, SMALL | {stem: array}))
    assert str(caught.value).startswith(str(tmp_path / stem)) and message in str(caught.value)


def test_other_numbers_of_classes_are_welcome(tmp_path: Path) -> None:
    assert (
        read_mnist(write(tmp_path, SMALL | {"train-labels": LABELS + 17}), classes=27)[0][1].max()
        == 26
    )


@pytest.mark.parametrize("stem", SMALL)
def test_a_missing_file_names_the_directory_and_what_was_looked_for(
    tmp_path: Path, stem: str
) -> None:
    write(tmp_path, {other: array for other, array in SMALL.items() if other != stem})
    with pytest.raises(FileNotFoundError) as caught:
        read_mnist(tmp_path)
    assert str(tmp_path) in str(caught.value)
    for ending in ("-idx", ".idx"):
        assert stem + ending in str(caught.value)


# DataLoader

lengths, sizes, flags, seeds = (
    st.integers(0, 40),
    st.integers(1, 50),
    st.booleans(),
    st.integers(0, 99),
)


@given(lengths, sizes, flags, flags, seeds)
def test_an_epoch_has_every_example_once(
    n: int, batch_size: int, shuffle: bool, drop_last: bool, seed: int
) -> None:
    x, rng = np.arange(n), np.random.default_rng(seed)
    loader = DataLoader(
        x,
        x[:, None] * [1, 10],
        batch_size=batch_size,
        shuffle=shuffle,
        rng=rng,
        drop_last=drop_last,
    )
    for _ in range(2):
        batches = list(loader)
        assert (
            len(batches)
            == len(loader)
            == (n // batch_size if drop_last else math.ceil(n / batch_size))
        )
        seen = [int(i) for first, _ in batches for i in first]
        assert len(set(seen)) == len(seen) and set(seen) <= set(range(n))
        assert 0 <= n - len(seen) < (batch_size if drop_last else 1)
        assert shuffle or seen == list(range(len(seen)))
        assert all(
            len(first) == batch_size for first, _ in batches[: -1 if not drop_last else None]
        )
        for first, second in batches:
            np.testing.assert_array_equal(second, first[:, None] * [1, 10])


class Stream:
    """What can be iterated again and again, and nothing else."""

    def __init__(self, examples: list[Any]) -> None:
        self.examples = examples

    def __iter__(self) -> Iterator[Any]:
        return iter(self.examples)


@given(st.integers(1, 20), st.integers(1, 9), flags)
def test_an_iterable_gives_the_batches_of_its_list(n: int, size: int, drop_last: bool) -> None:
    pairs = [(np.full(3, i), i) for i in range(n)]
    ways = [DataLoader(x, batch_size=size, drop_last=drop_last) for x in (Stream(pairs), pairs)]
    for _ in range(2):
        for one, other in zip(*ways, strict=True):
            assert all(map(np.array_equal, one, other))


def test_a_generator_is_read_once_and_says_so_the_second_time() -> None:
    loader = DataLoader((i for i in range(3)), batch_size=2)
    assert [x.tolist() for (x,) in loader] == [[0, 1], [2]]
    with pytest.raises(ValueError, match="a generator is empty once it has been read"):
        list(loader)


def test_an_iterable_has_no_length_no_order_and_no_neighbour() -> None:
    with pytest.raises(TypeError, match="known when it has been read"):
        len(DataLoader(iter([1])))
    with pytest.raises(ValueError, match="give a list of it"):
        DataLoader(iter([1]), shuffle=True, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="give it alone"):
        DataLoader(iter([1]), [2])


@pytest.mark.parametrize("header", ["", "width,height,price\n", "\ufeffwidth,height,price\n"])
def test_a_csv_is_its_rows(tmp_path: Path, header: str) -> None:
    path = tmp_path / "houses.csv"
    path.write_text(header + '1,2.5,3e2\n"4",-5,#\n'.replace("#", "6"), "utf-8")
    ((rows,),) = DataLoader(path, batch_size=9)
    assert rows.tolist() == [[1, 2.5, 300], [4, -5, 6]]


@pytest.mark.parametrize("cell", ["red", "", "#"])
def test_a_csv_that_is_not_all_numbers_is_named_with_what_to_write(
    tmp_path: Path, cell: str
) -> None:
    path = tmp_path / "houses.csv"
    path.write_text(f"width,colour\n1,{cell}\n")
    with pytest.raises(ValueError, match=r"houses.csv: could not convert.*csv.DictReader"):
        DataLoader(path)


@pytest.mark.parametrize("header", ["width,rooms\n", ""])
def test_the_advice_for_a_csv_with_a_gap_reads_it_as_nan(tmp_path: Path, header: str) -> None:
    path = tmp_path / "houses.csv"
    path.write_text(f"{header}20,1\n,2\n25,3\n")
    with pytest.raises(ValueError, match="gaps") as caught:
        DataLoader(path)
    read, column = re.findall(r"with open.*?\)\]|\[float.*?rows\]", str(caught.value))
    known = {"csv": csv, "path": path, "name": "width"}
    exec(read, known)
    assert np.isnan(eval(column, known)).tolist() == [0, 1, 0]


@pytest.mark.parametrize("first", ["1,,3", "NA,2,3", ",,3"])
def test_a_first_line_with_a_gap_is_no_header(tmp_path: Path, first: str) -> None:
    path = tmp_path / "houses.csv"
    path.write_text(f"{first}\n4,5,6\n")
    with pytest.raises(ValueError, match="read texts and gaps yourself"):
        DataLoader(path)


def test_a_first_line_of_quoted_numbers_is_no_header(tmp_path: Path) -> None:
    path = tmp_path / "houses.csv"
    path.write_text('"1","2"\n3,4\n')
    assert len(DataLoader(path)) == 2


@pytest.mark.parametrize("call", [DataLoader, train_test_split])
def test_a_number_among_the_arrays_says_that_options_need_their_name(call: Any) -> None:
    with pytest.raises(ValueError, match=r"batch_size=32 and test_size=0\.2 need their name"):
        call(np.zeros((5, 2)), 32, **({} if call is DataLoader else {"rng": generator()}))


def generator() -> np.random.Generator:
    return np.random.default_rng(0)


def test_a_tuple_stands_for_its_arrays() -> None:
    x, y = np.zeros((5, 2)), np.arange(5)
    train, _ = random_split((x, y), [4, 1], rng=np.random.default_rng(0))
    assert [(a.shape, b.shape) for a, b in DataLoader(train, batch_size=3)] == [
        ((3, 2), (3,)),
        ((1, 2), (1,)),
    ]
    assert len(next(iter(DataLoader((x, x))))) == 2  # two arrays, and not two examples


def test_a_folder_of_idx_files_is_its_training_images_and_labels(tmp_path: Path) -> None:
    ((images, labels),) = DataLoader(str(write(tmp_path, SMALL)), batch_size=4)
    assert np.array_equal(images, IMAGES) and np.array_equal(labels, LABELS)


def epochs(seed: int) -> list[list[int]]:
    loader = DataLoader(np.arange(60), batch_size=7, shuffle=True, rng=np.random.default_rng(seed))
    return [[int(i) for (batch,) in loader for i in batch] for _ in range(2)]


def test_the_same_seed_gives_the_same_order() -> None:
    assert epochs(0) == epochs(0)


def test_another_seed_gives_another_order() -> None:
    assert epochs(0) != epochs(1)


def test_every_epoch_has_its_own_order() -> None:
    assert epochs(0)[0] != epochs(0)[1]


def test_global_random_state_plays_no_part() -> None:
    before = str(np.random.get_state())  # noqa: NPY002
    epochs(0)
    assert str(np.random.get_state()) == before  # noqa: NPY002


def test_batches_are_views_unless_shuffled() -> None:
    x = np.arange(6)
    assert all(np.shares_memory(batch, x) for (batch,) in DataLoader(x, batch_size=4))
    assert not any(
        np.shares_memory(batch, x)
        for (batch,) in DataLoader(x, batch_size=4, shuffle=True, rng=np.random.default_rng(0))
    )


def test_batches_keep_dtype_and_shape() -> None:
    for shuffle in (False, True):
        (batch,) = next(
            iter(DataLoader(IMAGES, batch_size=3, shuffle=shuffle, rng=np.random.default_rng(0)))
        )
        assert (batch.dtype, batch.shape) == (np.dtype("u1"), (3, 3, 2))


class Pairs:
    """An indexable that is no array, by Python's integers alone: example i is (i, [i, 10 i])."""

    def __init__(self, n: int) -> None:
        self.examples = {i: (i, np.array([i, 10 * i])) for i in range(n)}

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, i: int) -> tuple[int, Array]:
        assert type(i) is int
        return self.examples[i]


@given(lengths, sizes, flags, flags, seeds)
def test_examples_fetched_one_by_one_make_the_batches_of_arrays(
    n: int, batch_size: int, shuffle: bool, drop_last: bool, seed: int
) -> None:
    x = np.arange(n)

    def batches(*arrays: Any) -> list[tuple[Array, ...]]:
        rng = np.random.default_rng(seed)
        return list(
            DataLoader(
                *arrays, batch_size=batch_size, shuffle=shuffle, rng=rng, drop_last=drop_last
            )
        )

    expected = batches(x, x[:, None] * [1, 10])
    for found in (batches(Pairs(n)), batches([Pairs(n)[i] for i in range(n)] or Pairs(0))):
        np.testing.assert_equal(found, expected)
    np.testing.assert_equal(batches(range(n), x[:, None] * [1, 10]), expected)


def test_an_array_beside_an_indexable_and_a_single_example_make_one_tuple() -> None:
    assert [
        [part.tolist() for part in batch]
        for batch in DataLoader(Pairs(3), np.array([7, 8, 9]), batch_size=2)
    ] == [[[0, 1], [[0, 0], [1, 10]], [7, 8]], [[2], [[2, 20]], [9]]]
    assert [x.tolist() for (x,) in DataLoader(range(3), batch_size=2)] == [[0, 1], [2]]


def test_a_list_of_numbers_is_an_array_of_one_type() -> None:
    assert {batch.dtype for (batch,) in DataLoader([1, 2.5, 3])} == {np.dtype(float)}


def test_examples_of_different_shapes_or_of_no_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="same shape"):
        list(DataLoader([(np.zeros(2),), (np.zeros(3),)], batch_size=2))
    with pytest.raises(TypeError, match="numbers, arrays or tuples of them, found dict"):
        list(DataLoader([({},)]))


X = np.zeros((3, 2))
REFUSED = {  # arguments, options ↦ what the message must say
    "lengths": ((X, X[:2]), {}, "arrays of the same length, found [3, 2]"),
    "no arrays": ((), {}, "arrays with a first axis, found []"),
    "a number": ((X, np.float64(1)), {}, "arrays with a first axis, found [(3, 2), ()]"),
    "empty batches": ((X,), {"batch_size": 0}, "batch_size of at least 1, found 0"),
    "negative batches": ((X,), {"batch_size": -2}, "batch_size of at least 1, found -2"),
    "no rng": (
        (X,),
        {"shuffle": True},
        "rng=None: write DataLoader(…, shuffle=True, rng=np.random.default_rng(0))",
    ),
    "a seed": ((X,), {"shuffle": True, "rng": 3}, "rng=3: write DataLoader(…, shuffle=True, rng="),
}


@pytest.mark.parametrize("arguments, options, message", REFUSED.values(), ids=REFUSED)
def test_a_loader_says_what_it_expected(arguments: Any, options: Any, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        DataLoader(*arguments, **options)
    assert message in str(caught.value)


# Splits


@given(st.integers(2, 60), seeds, st.data())
def test_train_and_test_have_every_example_once_and_rows_stay_together(
    n: int, seed: int, data: st.DataObject
) -> None:
    test_size = data.draw(
        st.integers(1, n - 1) | st.floats(0.01, 0.99).filter(lambda part: math.ceil(part * n) < n)
    )
    x, rng = np.arange(n), np.random.default_rng(seed)
    x_train, x_test, y_train, y_test = train_test_split(
        x, x[:, None] * [1, 10], test_size=test_size, rng=rng
    )
    assert sorted([*x_train, *x_test]) == x.tolist()
    assert len(x_test) == (test_size if isinstance(test_size, int) else math.ceil(test_size * n))
    for one, other in ((x_train, y_train), (x_test, y_test)):
        np.testing.assert_array_equal(other, one[:, None] * [1, 10])


def test_a_fifth_is_held_back_by_default_and_the_rng_decides_which() -> None:
    def held(seed: int) -> list[int]:
        _, test = train_test_split(np.arange(50), rng=np.random.default_rng(seed))
        assert len(test) == 10
        return [*map(int, test)]

    assert held(0) == held(0) != held(1)


@given(st.lists(st.integers(0, 20), min_size=1, max_size=6), seeds)
def test_parts_have_their_lengths_and_every_example_once(parts: list[int], seed: int) -> None:
    n = sum(parts)
    indices = random_split(n, parts, rng=np.random.default_rng(seed))
    assert [len(part) for part in indices] == parts
    assert sorted(np.concatenate(indices).tolist()) == list(range(n))
    x = np.arange(n) * 3
    arrays, pairs = (
        random_split(what, parts, rng=np.random.default_rng(seed)) for what in (x, (x, x + 1))
    )
    np.testing.assert_equal(arrays, [x[part] for part in indices])
    np.testing.assert_equal(pairs, [(x[part], x[part] + 1) for part in indices])


# n, fractions ↦ as torch.utils.data.random_split: rounded down, what is left to the first parts
FRACTIONS = {
    "even": (10, [0.5, 0.5], [5, 5]),
    "one left": (11, [0.5, 0.5], [6, 5]),
    "two left": (29, [0.3, 0.3, 0.4], [9, 9, 11]),
    "whole": (5, [1.0], [5]),
    "nothing": (0, [0.5, 0.5], [0, 0]),
    "tenths": (103, [0.1] * 10, [11] * 3 + [10] * 7),
}


@pytest.mark.parametrize("n, fractions, parts", FRACTIONS.values(), ids=FRACTIONS)
def test_fractions_are_rounded_as_in_pytorch(
    n: int, fractions: list[float], parts: list[int]
) -> None:
    assert [len(part) for part in random_split(n, fractions, rng=np.random.default_rng(0))] == parts


RNG = np.random.default_rng(0)
UNSPLIT = {
    "too few": (lambda: random_split(10, [3, 6], rng=RNG), r"add up to 10, .* found \[3, 6\]"),
    "too much": (
        lambda: random_split(10, [0.5, 0.6], rng=RNG),
        r"fractions that add up to 1.0, found \[0.5, 0.6\]",
    ),
    "negative": (lambda: random_split(10, [-1, 11], rng=RNG), "lengths ≥ 0"),
    "NaN": (lambda: random_split(10, [math.nan, 0.5], rng=RNG), "lengths ≥ 0"),
    "a seed": (lambda: random_split(10, [5, 5], rng=3), "rng=3: write rng=np.random.default_rng"),  # type: ignore[arg-type]
    "lengths": (
        lambda: train_test_split(np.zeros(3), np.zeros(2), rng=RNG),
        r"same length, found \[3, 2\]",
    ),
    "all": (
        lambda: train_test_split(np.zeros(3), test_size=3, rng=RNG),
        "from 1 to 2 of 3 examples, found 3",
    ),
    "all of it": (lambda: train_test_split(np.zeros(3), test_size=0.99, rng=RNG), "found 0.99"),
    "none": (lambda: train_test_split(np.zeros(3), test_size=0.0, rng=RNG), "found 0.0"),
}


@pytest.mark.parametrize("call, message", UNSPLIT.values(), ids=UNSPLIT)
def test_a_split_says_what_it_expected(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


# one_hot


@given(
    st.lists(st.integers(0, 9)),
    st.sampled_from(["u1", "i1", "i8"]),
    st.sampled_from([None, "f4", "f8", "i4"]),
)
def test_one_hot_is_one_at_the_label_and_zero_elsewhere(
    labels: list[int], kind: str, dtype: str | None
) -> None:
    z = one_hot(np.array(labels, kind), 10, *([dtype] if dtype else []))
    assert z.shape == (len(labels), 10) and z.dtype == np.dtype(dtype or "f4")
    assert z.tolist() == [[float(label == j) for j in range(10)] for label in labels]


@pytest.mark.parametrize(
    "labels, message",
    [
        ([0, 3], "from 0 to 2, found 3 at position 1"),
        ([1, 0, -1], "from 0 to 2, found -1 at position 2"),
        ([0.0, 1.0], "integer labels in one dimension, found float64 of shape (2,)"),
        ([[0, 1]], "integer labels in one dimension, found int64 of shape (1, 2)"),
        (1, "integer labels in one dimension, found int64 of shape ()"),
    ],
)
def test_one_hot_refuses_other_labels(labels: Any, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        one_hot(labels, 3)
    assert message in str(caught.value)


def test_a_list_of_arrays_of_other_shapes_is_told_how_arrays_of_examples_are_given() -> None:
    with pytest.raises(ValueError, match=r"shapes \(5, 3\), \(5,\).* DataLoader\(x, y\)"):
        DataLoader([np.zeros((5, 3)), np.zeros(5)])
