"""NumPy functions that need no derivative of their own: they are built from functions of the
table."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_edu.core import errors
from tinygrad_edu.core.arraylike import REGISTRY
from tinygrad_edu.core.derivatives import axes_of, axis_slice, clip, concatenate, norm, pad, stack
from tinygrad_edu.core.engine import Tensor


def composed(*functions: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let a function of Tensors stand for NumPy's function of the same meaning."""

    def register(composition: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(composition)
        def run(*args: Any, **options: Any) -> Any:
            known = inspect.signature(composition).parameters if options else {}
            if not options.keys() <= known.keys():
                raise errors.unknown_options(run.__name__, options, known)
            return composition(*args, **options)

        run.__name__ = functions[0].__name__
        for function in functions:
            REGISTRY[function] = run
        return composition

    return register


def as_arrays(*xs: Any) -> list[Any]:
    """Lists and numbers as arrays, Tensors as they are."""
    return [x if isinstance(x, Tensor) else np.asarray(x) for x in xs]


# Elementwise


@composed(np.clip)
def bounded(
    x: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None
) -> Any:
    """min(max(x, low), high); without a bound that is not given."""
    return clip(x, a_min if min is None else min, a_max if max is None else max)


@composed(np.sinc)
def sinc(x: Any) -> Any:
    """sin πx / πx. Near 0 its Taylor series, so that every derivative is right there too."""
    y, near = math.pi * x, np.absolute(x) < 0.25
    square, away = np.where(near, y, 0.0) ** 2, np.where(near, 1.0, y)
    series: Any = 1.0
    for k in range(9, 0, -1):
        series = 1 - square / (2 * k * (2 * k + 1)) * series  # Σ (−y²)ᵏ / (2k + 1)!
    return np.where(near, series, np.sin(away) / away)


# Reductions


def count(x: Any, axis: Any) -> int:
    """How many elements each result is made of."""
    return math.prod(x.shape[a] for a in axes_of(axis, x.ndim))


@composed(np.mean)
def mean(x: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    """The sum divided by how many were added."""
    return np.sum(x, axis=axis, keepdims=keepdims) / count(x, axis)


@composed(np.average)
def average(
    x: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: Any = False
) -> Any:
    """Σ w x / Σ w. Weights are of x's shape, or of the shape of the averaged axes."""
    (x,) = as_arrays(x)
    if weights is None:
        w = np.ones(x.shape, x.dtype)
    elif np.shape(weights) == x.shape:
        w = weights
    else:
        axes = axes_of(axis, x.ndim)
        w = np.transpose(weights, np.argsort(axes)).reshape(
            [x.shape[a] if a in axes else 1 for a in range(x.ndim)]
        )
        w = np.broadcast_to(w, x.shape)
    total = np.sum(w, axis=axis, keepdims=keepdims)
    value = np.sum(x * w, axis=axis, keepdims=keepdims) / total
    return (value, total) if returned else value


@composed(np.var)
def var(
    x: Any,
    axis: Any = None,
    *,
    ddof: float = 0,
    correction: float | None = None,
    keepdims: Any = False,
) -> Any:
    """Σ (x − mean)² / (n − ddof): the variance, unbiased with ddof=1."""
    squares = np.square(x - np.mean(x, axis=axis, keepdims=True))
    return np.sum(squares, axis=axis, keepdims=keepdims) / (
        count(x, axis) - (ddof if correction is None else correction)
    )


@composed(np.std)
def std(
    x: Any,
    axis: Any = None,
    *,
    ddof: float = 0,
    correction: float | None = None,
    keepdims: Any = False,
) -> Any:
    """√var, as the length of what deviates from the mean: where all are equal its slope is 0."""
    deviation = norm(x - np.mean(x, axis=axis, keepdims=True), axis=axis, keepdims=keepdims)
    return deviation / math.sqrt(count(x, axis) - (ddof if correction is None else correction))


@composed(np.nansum)
def nansum(x: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    """The sum of what is not NaN."""
    return np.sum(np.where(np.isnan(x), 0.0, x), axis=axis, keepdims=keepdims)


@composed(np.nanmean)
def nanmean(x: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    """The mean of what is not NaN."""
    return nansum(x, axis, keepdims=keepdims) / np.sum(
        (~np.isnan(x)).astype(x.dtype), axis=axis, keepdims=keepdims
    )


@composed(np.ptp)
def ptp(x: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    """Peak to peak: the greatest minus the least."""
    return np.max(x, axis=axis, keepdims=keepdims) - np.min(x, axis=axis, keepdims=keepdims)


@composed(np.median)
def median(x: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    """The middle of the sorted elements, or the mean of the two in the middle; NaN if there is
    one."""
    axes = axes_of(axis, x.ndim)
    kept = [a for a in range(x.ndim) if a not in axes]
    moved = np.transpose(x, [*kept, *axes]) if kept else x
    rows = np.sort(moved.reshape(*[x.shape[a] for a in kept], count(x, axis)))
    n = rows.shape[-1]
    middle = (rows[..., (n - 1) // 2] + rows[..., n // 2]) / 2
    spoilt = np.isnan(rows[..., -1])  # NaN is sorted to the end
    if spoilt.any():
        middle = np.where(spoilt, math.nan, middle)
    return (
        middle.reshape([1 if a in axes else x.shape[a] for a in range(x.ndim)])
        if keepdims
        else middle
    )


@composed(np.diff)
def diff(x: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """xᵢ₊₁ − xᵢ along an axis, n times."""
    if n < 0:
        raise ValueError(f"diff is taken 0, 1, 2 … times, and n = {n} came")
    (x,) = as_arrays(x)
    if n == 0:
        return x
    one = [1 if a == axis % x.ndim else size for a, size in enumerate(x.shape)]
    ends = [
        end if np.ndim(end) else np.broadcast_to(end, one)
        for end in (prepend, append)
        if end is not None
    ]
    if prepend is not None:
        x = np.concatenate([ends.pop(0), x], axis)
    if append is not None:
        x = np.concatenate([x, ends.pop(0)], axis)
    for _ in range(n):
        x = x[axis_slice(axis, x.ndim, 1, None)] - x[axis_slice(axis, x.ndim, None, -1)]
    return x


@composed(np.trapezoid)
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """∫ y dx by the trapezoidal rule: Σ (yᵢ + yᵢ₊₁)/2 · (xᵢ₊₁ − xᵢ)."""
    (y,) = as_arrays(y)
    if x is not None:
        dx = np.diff(x, axis=axis if np.ndim(x) > 1 else -1)
        if dx.ndim == 1:
            dx = dx.reshape([-1 if a == axis % y.ndim else 1 for a in range(y.ndim)])
    heights = y[axis_slice(axis, y.ndim, 1, None)] + y[axis_slice(axis, y.ndim, None, -1)]
    return np.sum(heights * dx / 2.0, axis=axis)


# Order


@composed(np.sort)
def sort(x: Any, axis: int | None = -1, *, kind: Any = None, stable: bool | None = None) -> Any:
    """The elements from the least to the greatest: each takes its gradient back to where it was."""
    if axis is None:
        x, axis = np.ravel(x), -1
    return np.take_along_axis(x, np.argsort(x, axis=axis, kind=kind, stable=stable), axis)


# Joining, padding and cutting


@composed(np.concatenate)
def concatenate_list(arrays: Sequence[Any], axis: int | None = 0) -> Any:
    """One after the other along an axis; all of them flat if axis is None."""
    if axis is None:
        return concatenate(*[np.ravel(x) for x in arrays])
    return concatenate(*as_arrays(*arrays), axis=axis)


@composed(np.stack)
def stack_list(arrays: Sequence[Any], axis: int = 0) -> Any:
    """Side by side along a new axis."""
    return stack(*as_arrays(*arrays), axis=axis)


@composed(np.append)
def append(x: Any, values: Any, axis: int | None = None) -> Any:
    """x and then the values."""
    return concatenate_list([x, values], axis)


@composed(np.atleast_1d)
def atleast_1d(*arrays: Any) -> Any:
    """(1,) in place of ()."""
    return at_least(arrays, lambda shape: shape or (1,))


@composed(np.atleast_2d)
def atleast_2d(*arrays: Any) -> Any:
    """A vector as a row."""
    return at_least(arrays, lambda shape: (1,) * (2 - len(shape)) + shape)


@composed(np.atleast_3d)
def atleast_3d(*arrays: Any) -> Any:
    """A vector as (1, n, 1), a matrix as (m, n, 1)."""
    return at_least(
        arrays, lambda shape: (*((1,) * (2 - len(shape)) + shape), 1) if len(shape) < 3 else shape
    )


def at_least(arrays: tuple[Any, ...], wider: Callable[[tuple[int, ...]], tuple[int, ...]]) -> Any:
    """Each array in a wider shape; one array for one."""
    results = tuple([np.reshape(x, wider(np.shape(x))) for x in arrays])
    return results[0] if len(arrays) == 1 else results


@composed(np.vstack)
def vstack(arrays: Sequence[Any]) -> Any:
    """One below the other."""
    return concatenate_list([atleast_2d(x) for x in arrays], 0)


@composed(np.hstack)
def hstack(arrays: Sequence[Any]) -> Any:
    """One beside the other."""
    wide = [atleast_1d(x) for x in arrays]
    return concatenate_list(wide, 0 if wide[0].ndim == 1 else 1)


@composed(np.dstack)
def dstack(arrays: Sequence[Any]) -> Any:
    """One behind the other."""
    return concatenate_list([atleast_3d(x) for x in arrays], 2)


@composed(np.column_stack)
def column_stack(arrays: Sequence[Any]) -> Any:
    """Vectors as the columns of a matrix."""
    return concatenate_list([x if np.ndim(x) == 2 else np.reshape(x, (-1, 1)) for x in arrays], 1)


@composed(np.pad)
def pad_with(x: Any, pad_width: Any, mode: str = "constant", *, constant_values: Any = 0) -> Any:
    """Elements of x, or a constant, around x; of NumPy's modes those that compute nothing."""
    known = ("constant", "edge", "reflect", "symmetric", "wrap")
    if mode not in known:
        raise errors.unknown_mode("pad", mode, known)
    z = pad(x, pad_width, mode)
    if np.array_equal(constant_values, 0):
        return z
    return z + np.pad(np.zeros(x.shape, x.dtype), pad_width, constant_values=constant_values)


def cut(split: Callable[..., Any]) -> Callable[..., Any]:
    """A function that cuts an array: NumPy's own cuts the positions along the axis, x is cut where
    it says."""

    def pieces(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
        (axis,) = axes_of(axis, x.ndim)
        positions = split(np.arange(x.shape[axis]), indices_or_sections)
        return [
            x[
                axis_slice(axis, x.ndim, int(p[0]), int(p[-1]) + 1)
                if p.size
                else axis_slice(axis, x.ndim, 0, 0)
            ]
            for p in positions
        ]

    pieces.__name__ = split.__name__
    return pieces


split = composed(np.split)(cut(np.split))
array_split = composed(np.array_split)(cut(np.array_split))


@composed(np.vsplit)
def vsplit(x: Any, indices_or_sections: Any) -> Any:
    """The rows in parts."""
    return split(x, indices_or_sections, 0)


@composed(np.hsplit)
def hsplit(x: Any, indices_or_sections: Any) -> Any:
    """The columns in parts."""
    return split(x, indices_or_sections, min(x.ndim - 1, 1))
