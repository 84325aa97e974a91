"""NumPy functions that need no derivative of their own: each is built from functions of the table.

Arguments without types are arrays, Tensors, or whatever else NumPy's functions take.
"""

from __future__ import annotations

import functools
import inspect
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tinygrad_edu.core.arraylike import REGISTRY, operand
from tinygrad_edu.core.derivatives import (
    axes_of,
    axis_slice,
    clip,
    concatenate,
    piecewise_constant,
    register_rearrangement,
    stack,
    where,
)
from tinygrad_edu.core.engine import Tensor, derivative, operation, plain
from tinygrad_edu.core.errors import unknown_options
from tinygrad_edu.core.marks import opaque
from tinygrad_edu.operations import errors


def composed(*functions: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let a function of Tensors run in place of NumPy's functions of the same meaning."""

    def register(composition: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(composition)
        def run(*args: Any, **options: Any) -> Any:
            known = inspect.signature(composition).parameters if options else {}
            if not options.keys() <= known.keys() and "options" not in known:
                raise unknown_options(run.__name__, options, known)
            return composition(*args, **options)

        run.__name__ = functions[0].__name__
        for function in functions:
            REGISTRY[function] = run
        return composition

    return register


def as_arrays(*xs):
    """Make arrays of lists and numbers, Tensors of lists of Tensors; leave Tensors as they are."""
    return [x if isinstance(x, Tensor) else np.asarray(x) for x in map(operand, xs)]


def as_mask(where):
    """The option `where` as bools: lists of other numbers may say it too; arrays of them do not."""
    where = plain(where)
    if not hasattr(where, "dtype"):
        return np.asarray(where, bool)
    return in_type(where, np.dtype(bool), "safe")


def in_type(x, dtype, casting="unsafe"):
    """x in another type, if NumPy's rule of casting allows it; x itself if dtype is None."""
    if dtype is None or x.dtype == dtype:
        return x
    check_cast(x.dtype, dtype, casting)
    return x.astype(dtype)


def check_cast(old, new, casting):
    """Let NumPy refuse what its rule of casting does not allow."""
    np.empty(0, old).astype(new, casting=casting)


# Elementwise

# fmt: off
derivative(np.ldexp, lambda g, z, x, y: np.ldexp(g, y), None)  # x 2ʸ, with whole y
derivative(np.conjugate, lambda g, z, x: g)                    # of a real number it is itself
derivative(np.i0, lambda g, z, x: g * bessel(x, n=1), elementwise=True)  # I₀′ = I₁
# fmt: on
piecewise_constant(np.imag, np.angle, np.isreal, np.iscomplex)


@operation
@opaque
def bessel(x, *, n):
    """Iₙ(x) = 1/π ∫ exp(x cos θ) cos nθ dθ from 0 to π, the modified Bessel function.

    With so many steps the trapezoidal rule is exact to rounding, wherever Iₙ(x) is finite.
    """
    x, sign = np.asarray(x), -1 if n % 2 else 1
    largest = np.abs(x).max(initial=0.0, where=np.abs(x) < 800.0)
    steps = 2 * (8 + n + int(2.25 * np.sqrt(largest)))
    z = np.full_like(x, 0.0 if n % 2 else (-1) ** (n // 2) / steps)  # at π/2
    for angle in np.arange(steps // 2) * (math.pi / steps):  # and π − angle
        y, weight = x * math.cos(angle), math.cos(n * angle) / steps
        z = z + (np.exp(y) + sign * np.exp(-y)) * (weight if angle else weight / 2)
    return z


derivative(
    bessel,
    lambda g, z, x, *, n: g * (bessel(x, n=abs(n - 1)) + bessel(x, n=n + 1)) / 2,
    elementwise=True,
)


@composed(np.copysign)
def copysign(x, y):
    """|x|, with the sign of y."""
    z = np.copysign(plain(x), plain(y))
    signs = np.where(np.signbit(z), -1, 1).astype(z.dtype)
    return np.absolute(as_arrays(x)[0].astype(z.dtype)) * signs


@composed(np.divmod)
def quotient_and_rest(x, y):
    """⌊x/y⌋, and what is left of x."""
    return np.floor_divide(x, y), np.remainder(x, y)


@composed(np.modf)
def modf(x):
    """What is behind the point, and what is before it."""
    whole = np.modf(plain(x))[1]
    finite = np.where(np.isinf(whole), 0.0, whole)
    return np.where(np.isinf(whole), 0.0, as_arrays(x)[0] - finite).astype(whole.dtype), whole


@composed(np.frexp)
def frexp(x):
    """m, from ½ to 1, and a whole number e, for which x = m 2ᵉ."""
    e = np.frexp(plain(x))[1]
    return np.ldexp(x, -e), e


@composed(np.clip)
def clip_between(x, a_min=None, a_max=None, *, min=None, max=None):
    """min(max(x, low), high); a bound may be left out."""
    return clip(x, a_min if min is None else min, a_max if max is None else max)


@composed(np.where)
def choose(condition, *cases):
    """x where the condition holds, else y; of a condition alone the indices where it does."""
    return where(condition, *cases) if cases else np.nonzero(condition)


@composed(np.sinc)
def sinc(x):
    """sin πx / πx; near 0 by its Taylor series, so that all derivatives are right there too."""
    y, near = math.pi * x, np.absolute(x) < 0.25
    square, away = np.where(near, y, 0.0) ** 2, np.where(near, 1.0, y)
    series: Any = 1.0
    for k in range(9, 0, -1):
        series = 1 - square / (2 * k * (2 * k + 1)) * series  # Σ (−y²)ᵏ / (2k + 1)!
    return np.where(near, series, np.sin(away) / away)


@composed(np.real, np.real_if_close)
def real(x, tol=100):
    """x: a Tensor's numbers are real."""
    return x


@composed(np.linspace)
def linspace(start, stop, num=50, endpoint=True, retstep=False, dtype=None, axis=0):
    """`num` numbers in equal steps from start to stop, which is left out if endpoint is False."""
    start, stop = operand(start), operand(stop)
    type_ = np.result_type(plain(start), plain(stop), 0.0)
    start, stop = [x.astype(type_) for x in as_arrays(start, stop)]
    shares = np.linspace(0.0, 1.0, num, endpoint)
    shares = shares.reshape(-1, *(1,) * max(start.ndim, stop.ndim))
    step = (stop - start) / ((num - 1 if endpoint else num) or math.nan)
    z = np.moveaxis(((1 - shares) * start + shares * stop).astype(type_), 0, axis)
    if dtype is not None:
        z = (np.floor(z) if np.issubdtype(dtype, np.integer) else z).astype(dtype)
    return (z, step) if retstep else z


@composed(np.logspace)
def logspace(start, stop, num=50, endpoint=True, base=10.0, dtype=None, axis=0):
    """`num` powers of the base, whose exponents go in equal steps from start to stop."""
    start, stop, base = broadcast_bases(start, stop, base, axis)
    z = np.power(base, linspace(start, stop, num, endpoint, axis=axis))
    return z if dtype is None else z.astype(dtype)


def broadcast_bases(start, stop, base, axis):
    """start and stop in the shape of all three, and the base with an axis more if it has any."""
    if np.ndim(base) == 0:
        return start, stop, base
    start, stop, base = as_arrays(start, stop, base)
    shape = np.broadcast_shapes(start.shape, stop.shape, base.shape)
    start, stop, base = [np.broadcast_to(x, shape) for x in (start, stop, base)]
    return start, stop, np.expand_dims(base, axis)


@composed(np.geomspace)
def geomspace(start, stop, num=50, endpoint=True, dtype=None, axis=0):
    """`num` numbers from start to stop, each the same multiple of the one before it."""
    start, stop = as_arrays(start, stop)
    type_ = np.geomspace(plain(start), plain(stop), 0).dtype  # NumPy refuses what does not fit
    start, stop = start.astype(type_), stop.astype(type_)
    share = linspace(np.zeros_like(start + stop), 1.0, num, endpoint, axis=axis)
    z = np.expand_dims(start, axis) * np.expand_dims(stop / start, axis) ** share
    return z if dtype is None else z.astype(dtype)


@composed(np.vander)
def vander(x, N=None, increasing=False):
    """The powers of x in columns: xᴺ⁻¹ … x 1, or if increasing is True 1 x … xᴺ⁻¹."""
    (x,) = as_arrays(x)
    if x.ndim != 1:
        raise errors.not_a_vector("vander", x)
    powers = np.arange(len(x) if N is None else N)
    return x.astype(np.promote_types(x.dtype, int))[:, None] ** (
        powers if increasing else powers[::-1]
    )


@composed(np.full_like)
def full_like(a, fill_value, dtype=None, order="K", subok=True, shape=None, *, device=None):
    """An array of a's shape and dtype, full of `fill_value`, which receives the gradient.

    `order`, `subok` and `device` are about memory, classes and machines: they change no value.
    """
    like = np.empty_like(plain(a), dtype, order, subok, shape, device=device)
    if not isinstance(fill_value, Tensor):
        return np.full_like(like, fill_value)
    return np.broadcast_to(fill_value, like.shape).astype(like.dtype)


# Differences and integrals


@composed(np.diff)
def diff(x, n=1, axis=-1, prepend=None, append=None):
    """xᵢ₊₁ − xᵢ along an axis, n times."""
    if n < 0:
        raise errors.negative_times(n)
    (x,) = as_arrays(x)
    if n == 0:
        return x
    if prepend is not None:
        x = np.concatenate([diff_end(prepend, x, axis), x], axis)
    if append is not None:
        x = np.concatenate([x, diff_end(append, x, axis)], axis)
    minus = np.not_equal if x.dtype == bool else np.subtract  # NumPy's difference of bools
    for _ in range(n):
        x = minus(x[axis_slice(axis, x.ndim, 1, None)], x[axis_slice(axis, x.ndim, None, -1)])
    return x


def diff_end(end, x, axis):
    """What np.diff puts before or after x: an array as it is, a number repeated to fit x."""
    if np.ndim(end):
        return end
    return np.broadcast_to(end, [1 if a == axis % x.ndim else n for a, n in enumerate(x.shape)])


@composed(np.ediff1d)
def ediff1d(ary, to_end=None, to_begin=None):
    """xᵢ₊₁ − xᵢ of the flat x, between what is to begin with and what is to end with."""
    (x,) = as_arrays(ary)
    x = np.ravel(x)
    for end in (to_begin, to_end):
        if end is not None:
            check_cast(as_arrays(end)[0].dtype, x.dtype, "same_kind")
    parts = [to_begin, x[1:] - x[:-1], to_end]
    parts = as_arrays(*[part for part in parts if part is not None])
    return concatenate_list([np.ravel(part).astype(x.dtype) for part in parts])


@composed(np.unwrap)
def unwrap(p, discont=None, axis=-1, *, period=2 * math.pi):
    """p plus such multiples of the period that neighbours differ by half a period at most."""
    turns = np.unwrap(plain(p), discont, axis, period=period) - plain(p)
    return p + turns


@composed(np.trapezoid)
def trapezoid(y, x=None, dx=1.0, axis=-1):
    """∫ y dx by the trapezoidal rule: Σ (yᵢ + yᵢ₊₁)/2 · (xᵢ₊₁ − xᵢ)."""
    (y,) = as_arrays(y)
    if x is not None:
        dx = np.diff(x, axis=axis if np.ndim(x) > 1 else -1)
        if dx.ndim == 1:
            dx = dx.reshape([-1 if a == axis % y.ndim else 1 for a in range(y.ndim)])
    heights = y[axis_slice(axis, y.ndim, 1, None)] + y[axis_slice(axis, y.ndim, None, -1)]
    return np.sum(heights * dx / 2.0, axis=axis)


# Order and choice

piecewise_constant(np.argpartition, np.lexsort, np.digitize, np.nanargmax, np.nanargmin)


@composed(np.sort)
def sort(x, axis=-1, *, kind=None, stable=None):
    """The elements from the least to the greatest; each gradient goes back to its element."""
    if axis is None:
        x, axis = np.ravel(x), -1
    return np.take_along_axis(x, np.argsort(x, axis=axis, kind=kind, stable=stable), axis)


@composed(np.partition)
def partition(x, kth, axis=-1, kind="introselect"):
    """The elements in NumPy's order: the kth as if all were sorted, the smaller before it."""
    (x,) = as_arrays(x)
    if axis is None:
        x, axis = np.ravel(x), -1
    ranks = np.argsort(np.argsort(np.partition(plain(x), kth, axis, kind), axis), axis)
    return np.take_along_axis(x, np.take_along_axis(np.argsort(x, axis), ranks, axis), axis)


@composed(np.choose)
def chosen_by_number(a, choices, *, mode="raise"):
    """For each place the element of the choice that a names there, by its number."""
    arrays = as_arrays(*choices)
    numbers = np.choose(plain(a), np.arange(len(arrays)), mode=mode)
    pairs = zip(choices, arrays, strict=True)
    python = (bool, int, float)  # whose numbers make no type wider
    dtype = np.result_type(*[type(c)(0) if type(c) in python else x.dtype for c, x in pairs])
    choices = [in_type(x, dtype) for x in arrays]
    z = np.zeros(np.broadcast_shapes(numbers.shape, *[x.shape for x in choices]), dtype)
    for number, choice in enumerate(choices):
        z = np.where(numbers == number, choice, z)
    return z


@composed(np.select)
def select(condlist, choicelist, default=0):
    """For each place the element of the first choice whose condition is True, else the default."""
    conditions, choices, z = [plain(x) for x in condlist], list(choicelist), default
    np.select([np.False_ & x for x in conditions], [0 for _ in choices])  # NumPy refuses
    for condition, choice in zip(conditions[::-1], choices[::-1], strict=True):
        z = np.where(condition, choice, z)
    return z


# Joining and cutting

for rearrangement in (sliding_window_view, np.fft.fftshift, np.fft.ifftshift):
    register_rearrangement(rearrangement)


@composed(np.concatenate)
def concatenate_list(arrays, axis=0, *, dtype=None, casting="same_kind"):
    """The arrays one after the other along an axis; if axis is None, all flat."""
    arrays = [in_type(x, dtype, casting) for x in as_arrays(*arrays)]
    if axis is None:
        return concatenate(*[np.ravel(x) for x in arrays])
    return concatenate(*arrays, axis=axis)


@composed(np.stack)
def stack_list(arrays, axis=0, *, dtype=None, casting="same_kind"):
    """The arrays side by side along a new axis."""
    return stack(*[in_type(x, dtype, casting) for x in as_arrays(*arrays)], axis=axis)


def unstack(x, *, axis=0):
    """The arrays of which x is the stack along an axis, in a tuple."""
    return tuple(np.moveaxis(x, axis, 0))


if hasattr(np, "unstack"):  # since NumPy 2.1
    composed(np.unstack)(unstack)


if hasattr(np, "row_stack"):  # an old name
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        REGISTRY[np.vstack] = lambda arrays, **options: vstack(arrays, **options)


@composed(np.append)
def append(x, values, axis=None):
    """The elements of x, then the values."""
    return concatenate_list([x, values], axis)


@composed(np.atleast_1d)
def atleast_1d(*arrays):
    """Give a number the shape (1,)."""
    return at_least(arrays, lambda shape: shape or (1,))


@composed(np.atleast_2d)
def atleast_2d(*arrays):
    """Make a vector a row, and a number (1, 1)."""
    return at_least(arrays, lambda shape: (1,) * (2 - len(shape)) + shape)


@composed(np.atleast_3d)
def atleast_3d(*arrays):
    """Give a vector the shape (1, n, 1), a matrix (m, n, 1)."""
    return at_least(
        arrays, lambda shape: (*(1,) * (2 - len(shape)), *shape, 1) if len(shape) < 3 else shape
    )


def at_least(arrays, wider_shape):
    """Reshape each array to its wider shape; a single array comes back alone."""
    results = tuple([np.reshape(x, wider_shape(np.shape(x))) for x in arrays])
    return results[0] if len(arrays) == 1 else results


@composed(np.vstack)
def vstack(arrays, **options):
    """The arrays one below the other."""
    return concatenate_list([atleast_2d(x) for x in arrays], 0, **options)


@composed(np.hstack)
def hstack(arrays, **options):
    """The arrays one beside the other."""
    wide = [atleast_1d(x) for x in arrays]
    return concatenate_list(wide, 0 if wide[0].ndim == 1 else 1, **options)


@composed(np.dstack)
def dstack(arrays):
    """The arrays one behind the other."""
    return concatenate_list([atleast_3d(x) for x in arrays], 2)


@composed(np.column_stack)
def column_stack(arrays):
    """Vectors as the columns of a matrix."""
    return concatenate_list([x if np.ndim(x) == 2 else np.reshape(x, (-1, 1)) for x in arrays], 1)


def split_like(numpys_split):
    """A function that cuts x where NumPy's cuts the positions 0, 1, 2 … along the axis."""

    def split_array(x, indices_or_sections, axis=0):
        (axis,) = axes_of(axis, x.ndim)
        pieces = []
        for positions in numpys_split(np.arange(x.shape[axis]), indices_or_sections):
            start, stop = (int(positions[0]), int(positions[-1]) + 1) if positions.size else (0, 0)
            pieces.append(x[axis_slice(axis, x.ndim, start, stop)])
        return pieces

    split_array.__name__ = numpys_split.__name__
    return split_array


split = composed(np.split)(split_like(np.split))
array_split = composed(np.array_split)(split_like(np.array_split))


@composed(np.vsplit)
def vsplit(x, indices_or_sections):
    """The rows in parts."""
    if x.ndim < 2:
        raise errors.too_few_axes("vsplit", x, 2)
    return split(x, indices_or_sections, 0)


@composed(np.dsplit)
def dsplit(x, indices_or_sections):
    """What is one behind the other, in parts."""
    if x.ndim < 3:
        raise errors.too_few_axes("dsplit", x, 3)
    return split(x, indices_or_sections, 2)


@composed(np.hsplit)
def hsplit(x, indices_or_sections):
    """The columns in parts."""
    if x.ndim < 1:
        raise errors.too_few_axes("hsplit", x, 1)
    return split(x, indices_or_sections, min(x.ndim - 1, 1))
