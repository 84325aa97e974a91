"""Transforms move and turn images a little, so that a model sees more than was photographed.

Images are `(n, height, width)` or `(n, channels, height, width)`, of a floating-point type or
uint8, which they keep. There is no loop over them.

>>> from tinygrad_edu.nn import transforms
>>> rng, images = np.random.default_rng(0), np.zeros((32, 28, 28), np.uint8)
>>> transforms.random_rotate(transforms.random_shift(images, 2, rng), 10, rng).shape
(32, 28, 28)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from tinygrad_edu import Tensor, at_replay, opaque

from .module import Array, plain_array

__all__ = ["random_rotate", "random_shift", "rotate", "shift"]


@opaque
def shift(images: ArrayLike, rows: ArrayLike, columns: ArrayLike) -> Array:
    """z[i, j] = x[i − rows, j − columns], and 0 from outside: moved down and to the right.

    `rows` and `columns` are whole pixels, for all images or `(n,)`, one for each. Raises TypeError
    if they are not whole.

    >>> shift(np.array([[[1, 2], [3, 4]]], np.uint8), rows=0, columns=1)
    array([[[0, 1],
            [0, 3]]], dtype=uint8)
    """
    x = batch(images)
    n, _, h, w = x.shape
    i = np.arange(h) - per_image(rows, n, np.int64)[:, None]  # (n, h)
    j = np.arange(w) - per_image(columns, n, np.int64)[:, None]  # (n, w)
    inside = ((i >= 0) & (i < h))[:, None, :, None] & ((j >= 0) & (j < w))[:, None, None, :]
    z = pixels(x, i.clip(0, h - 1)[:, :, None], j.clip(0, w - 1)[:, None, :])
    return np.where(inside, z, np.zeros((), x.dtype)).reshape(np.shape(images))


def random_shift(images: Tensor | ArrayLike, most: int, rng: np.random.Generator) -> Array:
    """Shift each image by its own whole numbers of pixels, uniform from −most to most.

    >>> random_shift(np.ones((5, 28, 28), np.float32), 2, np.random.default_rng(0)).dtype
    dtype('float32')
    """
    if most < 0:
        raise ValueError(f"expected most ≥ 0 pixels, found most={most}")
    x = plain_array(images)
    rows, columns = at_replay(lambda: rng.integers(-most, most, (2, len(x)), endpoint=True))
    return shift(x, rows, columns)


@opaque
def rotate(images: ArrayLike, degrees: ArrayLike) -> Array:
    """Turn images counterclockwise about the centre; bilinear between pixels, 0 from outside.

    `degrees` is a number, for all images or `(n,)`, one for each. Multiples of 90 turn square
    images exactly. uint8 is rounded to the nearest integer.

    >>> rotate(np.array([[[1, 2], [3, 4]]], np.uint8), 90)
    array([[[2, 4],
            [1, 3]]], dtype=uint8)
    """
    x = batch(images)
    n, _, h, w = x.shape
    cos, sin = cos_sin(per_image(degrees, n, np.float64)[:, None, None])
    down, right = np.arange(h)[:, None] - (h - 1) / 2, np.arange(w) - (w - 1) / 2  # of the centre
    z = interpolated(
        x, cos * down + sin * right + (h - 1) / 2, cos * right - sin * down + (w - 1) / 2
    )  # turned back by −degrees
    if x.dtype == np.uint8:
        z = np.rint(z)
    return z.astype(x.dtype, copy=False).reshape(np.shape(images))


def random_rotate(images: Tensor | ArrayLike, most: float, rng: np.random.Generator) -> Array:
    """Rotate each image by its own angle, uniform from −most to most degrees.

    >>> random_rotate(np.ones((5, 28, 28), np.float32), 10, np.random.default_rng(0)).dtype
    dtype('float32')
    """
    if not most >= 0:
        raise ValueError(f"expected most ≥ 0 degrees, found most={most}")
    x = plain_array(images)
    return rotate(x, at_replay(lambda: rng.uniform(-most, most, len(x))))


def interpolated(x: Array, y: Array, u: Array) -> Array:
    """x at rows y and columns u, `(n, h, w)` both: the mean of four pixels, by nearness."""
    _, _, h, w = x.shape
    x = np.pad(
        x.astype(np.result_type(x, np.float32), copy=False), ((0, 0), (0, 0), (1, 1), (1, 1))
    )  # the 0 outside
    y, u = np.clip(y + 1, 0, h + 1), np.clip(u + 1, 0, w + 1)
    i, j = (
        np.minimum(y.astype(np.int64), h),
        np.minimum(u.astype(np.int64), w),
    )  # i + 1 and j + 1 exist
    a, b = (
        (y - i).astype(x.dtype)[:, None],
        (u - j).astype(x.dtype)[:, None],
    )  # (n, 1, h, w), from 0 to 1
    above = (1 - b) * pixels(x, i, j) + b * pixels(x, i, j + 1)
    below = (1 - b) * pixels(x, i + 1, j) + b * pixels(x, i + 1, j + 1)
    z: Array = (1 - a) * above + a * below
    return z


def pixels(x: Array, i: Array, j: Array) -> Array:
    """z[n, c, …] = x[n, c, i[n, …], j[n, …]]; the indices broadcast to `(n, h, w)`."""
    n, c = np.ogrid[: x.shape[0], : x.shape[1]]
    z: Array = x[n[:, :, None, None], c[:, :, None, None], i[:, None], j[:, None]]
    return z


def cos_sin(degrees: Array) -> tuple[Array, Array]:
    """(cos, sin), exactly 0 and ±1 at multiples of 90, as quarters are turned by signs."""
    quarters = np.rint(degrees / 90)
    rest, whole = np.radians(degrees - 90 * quarters), (quarters % 4).astype(np.int64)
    c, s = np.array([1, 0, -1, 0])[whole], np.array([0, 1, 0, -1])[whole]
    return c * np.cos(rest) - s * np.sin(rest), s * np.cos(rest) + c * np.sin(
        rest
    )  # cos(α + β), sin(α + β)


def batch(images: ArrayLike) -> Array:
    """The images as `(n, channels, height, width)`."""
    x = np.asarray(images)
    if x.dtype.kind != "f" and x.dtype != np.uint8:
        raise TypeError(
            f"expected images of a floating-point type or uint8, found {x.dtype}: write "
            "images.astype(np.float32)"
        )
    if x.ndim not in (3, 4):
        raise ValueError(
            f"expected images (n, height, width) or (n, channels, height, width), found {x.shape}: "
            "for one image, write image[None]"
        )
    return x if x.ndim == 4 else x[:, None]


def per_image(values: ArrayLike, n: int, dtype: DTypeLike) -> Array:
    """Make a number for each of n images, of one for all or one for each."""
    found = np.asarray(values)
    if not np.can_cast(found.dtype, dtype, "same_kind"):
        raise TypeError(f"expected whole pixels, found {found.dtype}")
    if found.shape not in ((), (n,)):
        raise ValueError(
            f"expected one number, or one for each of {n} images, found shape {found.shape}"
        )
    return np.broadcast_to(found.astype(dtype), (n,))
