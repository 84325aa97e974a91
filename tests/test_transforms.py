"""Images shifted and rotated as slow loops do it, each by its own amount; what is moved back is
back."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tinygrad_edu.nn import transforms

Array = np.ndarray[Any, Any]
DTYPES = [np.uint8, np.float16, np.float32, np.float64]
SHAPES = st.one_of(
    hnp.array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=6),
    hnp.array_shapes(min_dims=4, max_dims=4, min_side=1, max_side=5),
)
every_dtype = pytest.mark.parametrize("dtype", DTYPES)


def images(shapes: Any = SHAPES, dtypes: Any = None) -> st.SearchStrategy[Array]:
    return hnp.arrays(dtypes or st.sampled_from(DTYPES), shapes, elements=st.integers(0, 255))


@st.composite
def with_each(draw: Any, elements: Any) -> tuple[Array, Array, Array]:
    """Images, and two numbers for each."""
    x = draw(images())
    return x, *(
        np.array(draw(st.lists(elements, min_size=len(x), max_size=len(x)))) for _ in range(2)
    )


def at(image: Array, i: int, j: int) -> Any:
    """The pixel, `()` or `(channels,)`; 0 outside."""
    h, w = image.shape[-2:]
    return image[..., i, j].astype(float) if 0 <= i < h and 0 <= j < w else 0.0


def slowly(x: Array, pixel: Any) -> Array:
    """Pixel by pixel: pixel(n, i, j)."""
    z = np.zeros(x.shape)
    for n, i, j in np.ndindex(len(x), *x.shape[-2:]):
        z[n, ..., i, j] = pixel(n, i, j)
    return z


@given(with_each(st.integers(-7, 7)))
def test_shift_is_that_of_slow_loops(case: tuple[Array, Array, Array]) -> None:
    x, rows, columns = case
    z = transforms.shift(x, rows, columns)
    assert z.dtype == x.dtype
    np.testing.assert_array_equal(
        z, slowly(x, lambda n, i, j: at(x[n], i - rows[n], j - columns[n]))
    )


def bilinear(image: Array, degrees: float, i: int, j: int) -> Any:
    """The corner pixels, weighted by the area of the opposite part."""
    (h, w), angle = image.shape[-2:], math.radians(degrees)
    down, right = i - (h - 1) / 2, j - (w - 1) / 2
    y = math.cos(angle) * down + math.sin(angle) * right + (h - 1) / 2
    x = math.cos(angle) * right - math.sin(angle) * down + (w - 1) / 2
    return sum(
        (1 - abs(y - k)) * (1 - abs(x - m)) * at(image, k, m)
        for k in (math.floor(y), math.floor(y) + 1)
        for m in (math.floor(x), math.floor(x) + 1)
    )


@given(with_each(st.floats(-400, 400)))
def test_rotate_is_that_of_slow_loops(case: tuple[Array, Array, Array]) -> None:
    x, degrees, _ = case
    z, tolerance = (
        transforms.rotate(x, degrees),
        {"u1": 0.501, "f2": 0.13, "f4": 1e-3, "f8": 1e-9}[x.dtype.str[1:]],
    )
    assert z.dtype == x.dtype
    np.testing.assert_allclose(
        z, slowly(x, lambda n, i, j: bilinear(x[n], degrees[n], i, j)), rtol=0, atol=tolerance
    )


@given(images(), st.integers(-3, 3), st.integers(-3, 3))
def test_there_and_back_leaves_what_stayed_inside(x: Array, rows: int, columns: int) -> None:
    framed = np.pad(x, [(0, 0)] * (x.ndim - 2) + [(3, 3), (3, 3)])
    there = transforms.shift(framed, rows, columns)
    assert there.sum(dtype=float) == x.sum(dtype=float)
    np.testing.assert_array_equal(transforms.shift(there, -rows, -columns), framed)


@given(images())
def test_no_shift_and_no_turn_and_whole_turns_change_nothing(x: Array) -> None:
    np.testing.assert_array_equal(transforms.shift(x, 0, 0), x)
    for degrees in (0, 360, -720.0):
        np.testing.assert_array_equal(transforms.rotate(x, degrees), x)


SQUARES = st.integers(1, 7).flatmap(
    lambda side: st.sampled_from([(2, side, side), (1, 3, side, side)])
)


@given(images(SQUARES), st.integers(-9, 9))
def test_quarter_turns_are_exact(x: Array, quarters: int) -> None:
    np.testing.assert_array_equal(
        transforms.rotate(x, 90 * quarters), np.rot90(x, quarters, axes=(-2, -1))
    )


@given(st.floats(-360, 360))
def test_what_is_constant_stays_constant_but_for_the_corners(degrees: float) -> None:
    i, j = np.ogrid[-7.5:8, -7.5:8]
    z = transforms.rotate(np.full((1, 16, 16), 200, np.uint8), degrees)
    assert (z[:, np.hypot(i, j) <= 7.5] == 200).all()


@given(st.floats(-360, 360))
def test_a_smooth_blob_keeps_its_sum(degrees: float) -> None:
    i, j = np.ogrid[-13.5:14, -13.5:14]
    blob = np.exp(-((i - 2) ** 2 + (j + 3) ** 2) / 8)[None]
    assert transforms.rotate(blob, degrees).sum() == pytest.approx(
        blob.sum(), rel=2e-3
    )  # bilinear loses 0.11 % at 44.3°


def test_a_turn_there_and_back_is_nearly_the_image() -> None:
    i, j = np.ogrid[-13.5:14, -13.5:14]
    blob = np.exp(-((i - 2) ** 2 + (j + 3) ** 2) / 18)[None]
    assert abs(transforms.rotate(transforms.rotate(blob, 30), -30) - blob).max() < 0.05


def test_random_shifts_are_each_up_to_most_and_of_all_kinds() -> None:
    x = np.zeros((500, 7, 7), np.uint8)
    x[:, 3, 3] = 1
    z = transforms.random_shift(x, 2, np.random.default_rng(0))
    assert {(i - 3, j - 3) for _, i, j in np.argwhere(z)} == {
        (i, j) for i in range(-2, 3) for j in range(-2, 3)
    }


def test_random_turns_are_each_up_to_most_in_both_directions() -> None:
    x = np.zeros((500, 21, 21))
    x[:, 10, 18:] = 1  # to the right of the centre
    z = transforms.random_rotate(x, 20, np.random.default_rng(0))
    i, j = np.ogrid[-10:11, -10:11]
    angles = np.degrees(np.arctan2(-(z * i).sum((1, 2)), (z * j).sum((1, 2))))
    assert (
        -21 < angles.min() < -19
        and 19 < angles.max() < 21
        and len(np.unique(angles.round(6))) > 490
    )


@pytest.mark.parametrize("random", [transforms.random_shift, transforms.random_rotate])
def test_the_rng_decides_and_most_0_changes_nothing(random: Any) -> None:
    x = np.random.default_rng(1).random((4, 3, 9, 9))
    one, same, other = (random(x, 3, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert np.array_equal(one, same) and not np.array_equal(one, other)
    np.testing.assert_array_equal(random(x, 0, np.random.default_rng(0)), x)


def test_the_images_given_stay_as_they_are() -> None:
    x = np.random.default_rng(0).random((2, 5, 5))
    before, rng = x.copy(), np.random.default_rng(0)
    for z in (
        transforms.shift(x, 0, 0),
        transforms.rotate(x, 0),
        transforms.random_rotate(x, 9, rng),
    ):
        z += 1
    np.testing.assert_array_equal(x, before)


@every_dtype
def test_no_images_are_no_images(dtype: Any) -> None:
    x = np.zeros((0, 3, 4, 4), dtype)
    for z in (transforms.shift(x, 1, 1), transforms.rotate(x, 30)):
        assert (z.shape, z.dtype) == (x.shape, x.dtype)


X = np.zeros((3, 4, 4), np.float32)
REFUSED = {
    "one image": (
        ValueError,
        lambda: transforms.shift(X[0], 1, 1),
        r"found \(4, 4\): for one image, write image\[None\]",
    ),
    "integers": (
        TypeError,
        lambda: transforms.rotate(X.astype(int), 1),
        r"found int64: write images.astype\(np.float32\)",
    ),
    "half pixels": (TypeError, lambda: transforms.shift(X, 0.5, 1), "whole pixels, found float64"),
    "two for three": (
        ValueError,
        lambda: transforms.rotate(X, [1, 2]),
        r"each of 3 images, found shape \(2,\)",
    ),
    "negative": (
        ValueError,
        lambda: transforms.random_shift(X, -1, np.random.default_rng(0)),
        "found most=-1",
    ),
    "negative angle": (
        ValueError,
        lambda: transforms.random_rotate(X, -1, np.random.default_rng(0)),
        "found most=-1",
    ),
}


@pytest.mark.parametrize("error, call, message", REFUSED.values(), ids=REFUSED)
def test_what_does_not_fit_is_refused_in_words(error: Any, call: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        call()
