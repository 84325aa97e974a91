"""Arrays as small maps: at most 4,096 cells of one byte, all that a heat map shows of an array.

An array is reduced as in pictures (a cell stands for the number of its block that is farthest from
zero) and rounded to 127 shades on each side of zero. Each map has a scale of its own, a power of
two, so that the same cell can be compared in two frames.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_edu.core.arraylike import Array
from tinygrad_edu.graph.pictures.heat import SIDE, TILES, reduce_matrix

SHADES = 127  # on each side of zero
NOT_A_NUMBER = -128  # the byte of a cell that is NaN
FILTERS = 64  # of a convolution, shown at most
SMALLEST_EXPONENT = -126  # of a scale: what is smaller is zero


@dataclass(frozen=True, eq=False)
class Map:
    """A cell is numbers/127 · 2^exponent; `greatest` is |x|'s, NaN if one number is not finite."""

    shape: tuple[int, ...]
    exponent: int
    numbers: Array  # int8
    greatest: float

    def array(self) -> Array:
        """The cells as numbers again, right to half a shade."""
        cells = self.numbers.astype(np.float64) * (2.0**self.exponent / SHADES)
        return np.where(self.numbers == NOT_A_NUMBER, np.nan, cells)


def make_map(x: Array) -> Map:
    """Round an array to bytes.

    >>> make_map(np.array([[1.0, -0.5, np.nan]])).array().round(2)
    array([[ 1. , -0.5,  nan]])
    """
    finite = np.isfinite(x)
    complete = bool(finite.all())
    greatest = float(np.abs(x if complete else np.where(finite, x, 0)).max(initial=0))
    exponent = math.ceil(math.log2(greatest)) if greatest > 0 else SMALLEST_EXPONENT
    exponent = max(exponent, SMALLEST_EXPONENT)
    shades = np.rint(x * (SHADES * 2.0**-exponent))
    if not complete:
        held = np.clip(np.nan_to_num(shades, posinf=SHADES, neginf=-SHADES), -SHADES, SHADES)
        shades = np.where(np.isnan(x), NOT_A_NUMBER, held)
    return Map(x.shape, exponent, shades.astype(np.int8), greatest if complete else math.nan)


# What is shown of an array


def parameter_cells(w: Array, image: tuple[int, int] | None = None) -> Array:
    """A parameter as a matrix, or as images: filters, and weights of the pixels of an image."""
    if w.ndim == 4:
        filters: Array = w.reshape(-1, *w.shape[2:])[:FILTERS]
        return filters
    if image and w.ndim == 2 and w.shape[1] == image[0] * image[1]:
        return w[:TILES].reshape(-1, *image)
    return as_cells(w)


def output_cells(z: Array) -> Array:
    """What leaves a Module: 16 examples by their units, or the channels of the first image."""
    if z.ndim == 4:
        return shrink_images(z[0][:TILES])
    return as_cells(z[:TILES].reshape(min(len(z), TILES), -1) if z.ndim else z)


def as_cells(x: Array) -> Array:
    """Any array as a matrix of at most 64 rows and columns."""
    matrix = x.reshape(-1, x.shape[-1]) if x.ndim > 1 else x.reshape(1, -1)
    return reduce_matrix(matrix)[0] if matrix.size else matrix


def shrink_images(stack: Array) -> Array:
    """Images of at most 64 × 64 cells."""
    if max(stack.shape[1:]) <= SIDE:
        return stack
    return np.stack([reduce_matrix(image)[0] for image in stack])


# Sizes, as one number


def root_mean_square(x: Array) -> float:
    return length(x) / math.sqrt(x.size or 1)


def length(x: Array) -> float:
    """‖x‖ in float64; by NumPy's own sum, as BLAS would wake its threads for so few numbers."""
    return math.sqrt(float(np.square(x, dtype=np.float64).sum()))


def is_multiple(x: Array, y: Array) -> bool:
    """Whether x is a multiple of y, as a step of plain gradient descent is of the gradient."""
    a, b = (np.asarray(each, np.float64).ravel()[: SIDE * SIDE] for each in (x, y))
    return bool(abs(a @ b) >= (1 - 1e-4) * math.sqrt((a @ a) * (b @ b)))


def finite_or_text(x: Any, digits: int = 4) -> float | str | None:
    """A number for a file: four digits; what JSON has no form for is written NaN, inf, -inf."""
    if x is None or isinstance(x, int):
        return x
    if not math.isfinite(x):
        return "NaN" if math.isnan(x) else "inf" if x > 0 else "-inf"
    return float(f"{x:.{digits}g}")
