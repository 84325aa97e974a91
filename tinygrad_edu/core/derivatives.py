"""The calculus table: what each NumPy function's derivative is. (2 of 4; before: engine.py; next:
functional.py)

`g` is the gradient that has arrived, ∂L/∂z; `z` the result, z = f(x, y); a partial gives ∂L/∂x or
∂L/∂y. Broadcasting, dtypes and adding up are the engine's: in a partial shapes are as if nothing
had been broadcast. Every partial is itself made of functions of this table, so it can be
differentiated again. At kinks the values are PyTorch's."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from tinygrad_edu.core.arraylike import REGISTRY
from tinygrad_edu.core.engine import derivative, operation, plain
from tinygrad_edu.core.marks import opaque
from tinygrad_edu.core.sparse import Placed

inf = np.inf
REAL, POSITIVE, UNIT = (-inf, inf), (0.0, inf), (-1.0, 1.0)
LN2, LN10, DEGREE = math.log(2), math.log(10), math.pi / 180

# Arithmetic

# fmt: off
derivative(np.add, lambda g, z, x, y: g, lambda g, z, x, y: g, forward=operator.add)
derivative(np.subtract, lambda g, z, x, y: g, lambda g, z, x, y: -g, forward=operator.sub)
derivative(np.multiply, lambda g, z, x, y: g * y,  # ∂(x y)/∂x = y
                        lambda g, z, x, y: g * x, forward=operator.mul)  # ∂(x y)/∂y = x
derivative(np.divide, lambda g, z, x, y: g / y,  # ∂(x/y)/∂x = 1/y
                      lambda g, z, x, y: -g * z / y, forward=operator.truediv)  # ∂(x/y)/∂y = −x/y²
for power, run in ((np.power, operator.pow), (np.float_power, np.float_power)):
    derivative(power, lambda g, z, x, y: g * y * x ** lowered(x, y),  # ∂xʸ/∂x = y xʸ⁻¹
                      lambda g, z, x, y: g * z * np.log(np.where(x == 0, 1.0, x)),  # ∂xʸ/∂y = xʸ ln x, and 0 where x = 0
               domain=(POSITIVE, REAL), forward=run)
# fmt: on


def lowered(x: Any, y: Any) -> Any:
    """y − 1, but 0 where x and y are both 0, so that 0 · 0⁻¹ is 0."""
    return y - 1 if isinstance(y, int | float) and y else lowered_where(x, y)


@opaque
def lowered_where(x: Any, y: Any) -> Any:
    return y - 1 if np.all(y) else y - ((x != 0) | (y != 0))


def inverse(x: Any, bound: Any = 0.0) -> Any:
    """1/x, but 0 where |x| is not above a bound, and so are its derivatives: for lengths that may
    be 0."""
    none = np.absolute(x) <= bound
    return np.where(none, 0.0, 1 / np.where(none, 1.0, x))


# fmt: off
derivative(np.remainder, lambda g, z, x, y: g, lambda g, z, x, y: -g * np.floor(x / y))  # x mod y = x − y ⌊x/y⌋
derivative(np.fmod, lambda g, z, x, y: g, lambda g, z, x, y: -g * np.trunc(x / y))  # the same, rounded towards 0
derivative(np.negative, lambda g, z, x: -g)
derivative(np.positive, lambda g, z, x: g)
derivative(np.square, lambda g, z, x: g * 2 * x)  # (x²)′ = 2x
derivative(np.sqrt, lambda g, z, x: g / (2 * z), domain=(POSITIVE,))  # (√x)′ = 1/(2√x), and ∞ at 0
derivative(np.cbrt, lambda g, z, x: g / (3 * z * z))  # (∛x)′ = 1/(3 ∛x²), and ∞ at 0
derivative(np.reciprocal, lambda g, z, x: -g * z * z)  # (1/x)′ = −1/x²
derivative(np.hypot, lambda g, z, x, y: g * x * inverse(z),  # ∂√(x² + y²)/∂x = x/z, and 0 at the origin
                     lambda g, z, x, y: g * y * inverse(z))

# Exponentials and logarithms

derivative(np.exp, lambda g, z, x: g * z)  # (eˣ)′ = eˣ
derivative(np.exp2, lambda g, z, x: g * z * LN2)  # (2ˣ)′ = 2ˣ ln 2
derivative(np.expm1, lambda g, z, x: g * (z + 1))  # (eˣ − 1)′ = eˣ
derivative(np.log, lambda g, z, x: g / x, domain=(POSITIVE,))  # (ln x)′ = 1/x
derivative(np.log2, lambda g, z, x: g / (x * LN2), domain=(POSITIVE,))
derivative(np.log10, lambda g, z, x: g / (x * LN10), domain=(POSITIVE,))
derivative(np.log1p, lambda g, z, x: g / (x + 1), domain=((-1.0, inf),))  # (ln(1 + x))′ = 1/(1 + x)
derivative(np.logaddexp, lambda g, z, x, y: g * np.exp(x - z),  # ∂ln(eˣ + eʸ)/∂x = eˣ/(eˣ + eʸ)
                         lambda g, z, x, y: g * np.exp(y - z))
derivative(np.logaddexp2, lambda g, z, x, y: g * np.exp2(x - z), lambda g, z, x, y: g * np.exp2(y - z))

# Trigonometric and hyperbolic functions

derivative(np.sin, lambda g, z, x: g * np.cos(x))  # (sin x)′ = cos x
derivative(np.cos, lambda g, z, x: -g * np.sin(x))  # (cos x)′ = −sin x
derivative(np.tan, lambda g, z, x: g * (1 + z * z))  # (tan x)′ = 1 + tan² x
derivative(np.arcsin, lambda g, z, x: g / np.sqrt(1 - x * x), domain=(UNIT,))  # (arcsin x)′ = 1/√(1 − x²)
derivative(np.arccos, lambda g, z, x: -g / np.sqrt(1 - x * x), domain=(UNIT,))  # arccos x = π/2 − arcsin x
derivative(np.arctan, lambda g, z, x: g / (1 + x * x))  # (arctan x)′ = 1/(1 + x²)
derivative(np.arctan2, lambda g, z, y, x: g * x / (x * x + y * y),  # the angle of the point (x, y)
                       lambda g, z, y, x: -g * y / (x * x + y * y))
derivative(np.sinh, lambda g, z, x: g * np.cosh(x))  # (sinh x)′ = cosh x
derivative(np.cosh, lambda g, z, x: g * np.sinh(x))  # (cosh x)′ = sinh x
derivative(np.tanh, lambda g, z, x: g * (1 - z * z))  # (tanh x)′ = 1 − tanh² x
derivative(np.arcsinh, lambda g, z, x: g / np.hypot(x, 1.0))  # (arsinh x)′ = 1/√(x² + 1)
derivative(np.arccosh, lambda g, z, x: g / np.sqrt((x - 1) * (x + 1)), domain=((1.0, inf),))  # (arcosh x)′ = 1/√(x² − 1)
derivative(np.arctanh, lambda g, z, x: g / (1 - x * x), domain=(UNIT,))  # (artanh x)′ = 1/(1 − x²)
for to_radians in (np.deg2rad, np.radians): derivative(to_radians, lambda g, z, x: g * DEGREE)
for to_degrees in (np.rad2deg, np.degrees): derivative(to_degrees, lambda g, z, x: g / DEGREE)
# fmt: on

# Kinks: where two pieces meet, the two slopes' mean


def wins(ahead: Any, tie: Any) -> Any:
    """1 where ahead, ½ at a tie, 0 elsewhere."""
    return np.where(tie, 0.5, ahead)


# fmt: off
for absolute in (np.absolute, np.fabs): derivative(absolute, lambda g, z, x: g * np.sign(x))  # |x|′ = ±1, and 0 at 0
derivative(np.maximum, lambda g, z, x, y: g * wins(x > y, x == y), lambda g, z, x, y: g * wins(y > x, x == y))
derivative(np.minimum, lambda g, z, x, y: g * wins(x < y, x == y), lambda g, z, x, y: g * wins(y < x, x == y))
derivative(np.fmax, lambda g, z, x, y: g * wins((x > y) | np.isnan(y), x == y),  # a number wins against NaN
                    lambda g, z, x, y: g * wins((y > x) | np.isnan(x), x == y))
derivative(np.fmin, lambda g, z, x, y: g * wins((x < y) | np.isnan(y), x == y),
                    lambda g, z, x, y: g * wins((y < x) | np.isnan(x), x == y))
derivative(np.where, None, lambda g, z, chosen, x, y: np.where(chosen, g, 0.0),  # exactly 0 for the side not taken
                           lambda g, z, chosen, x, y: np.where(chosen, 0.0, g))
derivative(np.nan_to_num, lambda g, z, x, *, nan=0.0, posinf=None, neginf=None: np.where(np.isfinite(x), g, 0.0))
# fmt: on


@operation
def clip(x: Any, low: Any, high: Any) -> Any:
    """np.clip, its bounds in their places: inside, and on a bound, x has the gradient; beyond a
    bound the bound has it."""
    return np.clip(x, low, high)


def below(x: Any, low: Any) -> Any:
    return False if low is None else x < low


def above(x: Any, high: Any) -> Any:
    return False if high is None else x > high


# fmt: off
derivative(clip, lambda g, z, x, low, high: np.where(np.logical_or(below(x, low), above(x, high)), 0.0, g),
                 lambda g, z, x, low, high: np.where(np.logical_and(below(x, low), np.logical_not(above(low, high))), g, 0.0),
                 lambda g, z, x, low, high: np.where(np.logical_or(above(x, high), above(low, high)), g, 0.0))
# fmt: on

# Reductions


def axes_of(axis: Any, ndim: int) -> tuple[int, ...]:
    """An axis argument as a tuple of axes, none of them negative; all for None. NumPy's AxisError
    if there is no such axis."""
    return normalize_axis_tuple(range(ndim) if axis is None else axis, ndim)


def unreduced(g: Any, axis: Any, keepdims: Any) -> Any:
    """A reduced array with the axes back that were reduced, of size 1, so that it broadcasts
    against what was reduced."""
    return g if axis is None or keepdims else np.expand_dims(g, axis)


def of_a_sum(g: Any, z: Any, x: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    """Every summand receives the gradient of the sum."""
    if g.ndim or not isinstance(g, np.ndarray | np.generic):
        return np.broadcast_to(unreduced(g, axis, keepdims), x.shape)
    z = np.empty(x.shape, g.dtype)  # of one number this is five times as fast
    z.fill(g)
    return z


def of_an_extreme(g: Any, z: Any, x: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    """The gradient goes to the element that was chosen; elements that tie share it equally."""
    chosen = x == unreduced(z, axis, keepdims)
    return chosen * (
        unreduced(g, axis, keepdims) / chosen.sum(axis=axis, keepdims=True, dtype=g.dtype)
    )


def of_a_product(g: Any, z: Any, x: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    """Each factor receives the product of all others, those before it times those after it: no
    division, so zeros are fine."""
    reduced = axes_of(axis, x.ndim)
    last = [*(a for a in range(x.ndim) if a not in reduced), *reduced]
    moved = np.transpose(x, last)
    rows = moved.reshape(
        *moved.shape[: x.ndim - len(reduced)], math.prod(x.shape[a] for a in reduced)
    )
    after = np.flip(products_before(np.cumprod(np.flip(rows, -1), -1), -1), -1)
    others = products_before(np.cumprod(rows, -1), -1) * after
    return unreduced(g, axis, keepdims) * np.transpose(others.reshape(moved.shape), way_back(last))


# fmt: off
derivative(np.sum, of_a_sum, forward=lambda x, axis=None, *, keepdims=False: x.sum(axis=axis, keepdims=keepdims))
for greatest in (np.max, np.amax): derivative(greatest, of_an_extreme)
for least in (np.min, np.amin): derivative(least, of_an_extreme)
derivative(np.prod, of_a_product)
# fmt: on


@operation
def length(x: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    """√Σx² over the axis or axes: the Euclidean norm. An operation of its own, so that its
    derivatives at 0 are 0."""
    return np.sqrt(np.sum(np.square(x), axis=axis, keepdims=keepdims))


# fmt: off
derivative(length, lambda g, z, x, axis=None, *, keepdims=False:  # ∂|x|/∂x = x/|x|
           unreduced(g * inverse(z), axis, keepdims) * x)
# fmt: on

# Scans


def along(axis: int, ndim: int, start: int | None, stop: int | None) -> tuple[slice, ...]:
    """The index of a range along one axis."""
    return (slice(None),) * normalize_axis_index(axis, ndim) + (slice(start, stop),)


def delayed(x: Any, axis: int, fill: float, steps: int = 1) -> Any:
    """x moved `steps` places along an axis, `fill` coming in: xᵢ becomes xᵢ₋₁."""
    kept = x[along(axis, x.ndim, None, max(x.shape[axis] - steps, 0))]
    return join(np.full_like(x[along(axis, x.ndim, None, steps)], fill), kept, axis=axis)


def products_before(running: Any, axis: int) -> Any:
    """The product of all factors before each, from the running product that includes it."""
    return delayed(running, axis, 1.0)


def recurrence(g: Any, a: Any, axis: int) -> Any:
    """r with rᵢ = gᵢ + aᵢ rᵢ₋₁ along an axis, in log₂ n steps: each doubles how far back a value
    reaches."""
    steps = 1
    while steps < g.shape[axis]:
        g, a = g + a * delayed(g, axis, 0.0, steps), a * delayed(a, axis, 0.0, steps)
        steps *= 2
    return g


def of_a_running_sum(g: Any, z: Any, x: Any, axis: int | None = None) -> Any:
    """An element is in all sums from its own on: the running sum from the other end."""
    along = 0 if axis is None else axis
    return np.flip(np.cumsum(np.flip(g, along), along), along).reshape(x.shape)


def of_a_running_product(g: Any, z: Any, x: Any, axis: int | None = None) -> Any:
    """xⱼ receives Σᵢ gᵢ ∏ₖ xₖ over i ≥ j and k ≤ i without j: the product before it, times rⱼ = gⱼ
    + xⱼ₊₁ rⱼ₊₁."""
    along = 0 if axis is None else axis
    backwards = np.flip(x.reshape(z.shape), along)
    rest = np.flip(recurrence(np.flip(g, along), delayed(backwards, along, 0.0), along), along)
    return (products_before(z, along) * rest).reshape(x.shape)


# fmt: off
derivative(np.cumsum, of_a_running_sum)
derivative(np.cumprod, of_a_running_product)

# Shape and order: the gradient takes the way back

derivative(np.reshape, lambda g, z, x, shape: g.reshape(x.shape))
derivative(np.ravel, lambda g, z, x: g.reshape(x.shape))
derivative(np.ndarray.flatten, lambda g, z, x: g.reshape(x.shape), forward=lambda x: np.ravel(x).copy())
derivative(np.expand_dims, lambda g, z, x, axis: g.reshape(x.shape))
derivative(np.squeeze, lambda g, z, x, axis=None: g.reshape(x.shape))
derivative(np.swapaxes, lambda g, z, x, axis1, axis2: g.swapaxes(axis1, axis2),
           forward=lambda x, axis1, axis2: x.swapaxes(axis1, axis2))
derivative(np.matrix_transpose, lambda g, z, x: g.mT)
derivative(np.transpose, lambda g, z, x, axes=None: np.transpose(g, way_back(axes)))
derivative(np.moveaxis, lambda g, z, x, source, destination: np.moveaxis(g, destination, source))
derivative(np.broadcast_to, lambda g, z, x, shape: g)  # the edge sums what was repeated
derivative(np.ndarray.astype, lambda g, z, x, dtype: g, forward=lambda x, dtype: x.astype(dtype))  # the edge casts back
derivative(np.copy, lambda g, z, x: g)
# fmt: on


def way_back(axes: Any) -> Any:
    """The permutation of axes that undoes this one."""
    return (
        None
        if axes is None
        else [int(axis) for axis in np.argsort([axis % len(axes) for axis in axes])]
    )


def part(number: int, g: Any, z: Any, *arrays: Any, axis: int = 0) -> Any:
    """The gradient of joined arrays, cut apart again."""
    start = sum(array.shape[axis] for array in arrays[:number])
    return g[along(axis, g.ndim, start, start + arrays[number].shape[axis])]


@operation
def join(*arrays: Any, axis: int = 0) -> Any:
    """np.concatenate with the arrays as arguments, not in a list, so that the engine sees the
    Tensors."""
    return np.concatenate(arrays, axis)


derivative(join, each=part)


@operation
def pile(*arrays: Any, axis: int = 0) -> Any:
    """np.stack with the arrays as arguments, likewise."""
    return np.stack(arrays, axis)


# fmt: off
derivative(pile, each=lambda number, g, z, *arrays, axis=0: g[(slice(None),) * normalize_axis_index(axis, g.ndim) + (number,)])
# fmt: on


@operation
@opaque
def scatter(*pieces: Any, indices: tuple[Any, ...], shape: tuple[int, ...]) -> Any:
    """Zeros of a shape with each piece added at its index, as often as that names a place:
    getitem's transpose."""
    z = np.zeros(shape, pieces[0].dtype)
    for piece, index in zip(pieces, indices, strict=True):
        if all(
            isinstance(i, int | slice | type(...) | None)
            for i in (index if isinstance(index, tuple) else (index,))
        ):
            z[index] += piece  # basic indexing names no place twice
        else:
            np.add.at(z, index, piece)
    return z


derivative(operator.getitem, lambda g, z, x, index: Placed(scatter, x.shape, [(g, index)]))
derivative(scatter, each=lambda number, g, z, *pieces, indices, shape: g[indices[number]])


def moves(function: Callable[..., Any]) -> None:
    """Register a function that only moves, repeats, drops elements and fills in zeros.

    Called on the elements' numbers 1, 2, 3 … in place of the elements it tells where each came
    from, and 0 that none did."""

    @functools.wraps(function)
    def way_home(g: Any, z: Any, x: Any, *args: Any, **options: Any) -> Any:
        numbers = function(np.arange(1, x.size + 1).reshape(x.shape), *map(plain, args), **options)
        return scatter(g, indices=(numbers,), shape=(x.size + 1,))[1:].reshape(x.shape)

    derivative(function, way_home)


# fmt: off
for function in (np.flip, np.fliplr, np.flipud, np.rot90, np.roll, np.rollaxis, np.repeat, np.tile, np.take, np.take_along_axis,
                 np.diag, np.diagonal, np.tril, np.triu): moves(function)
# fmt: on


@operation
def padded(x: Any, width: Any, mode: str = "constant") -> Any:
    """np.pad with zeros, or with elements of x: the modes that only move elements."""
    return np.pad(x, width, mode)  # type: ignore[call-overload]


moves(padded)

# Products: Z = X Y


def as_matrices(g: Any, x: Any, y: Any) -> tuple[Any, Any, Any]:
    """A vector on the left of a product as a row, on the right as a column, and the gradient of the
    product to match."""
    if y.ndim == 1:
        y, g = y[:, None], g[..., None]
    if x.ndim == 1:
        x, g = x[None, :], g[..., None, :]
    return g, x, y


def is_transposed(y: Any) -> Any:
    """Whether it is an array whose columns, not its rows, lie in memory one after the other."""
    return (
        hasattr(y, "flags") and y.flags.f_contiguous and not y.flags.c_contiguous
    )  # a Tensor has no flags


def left_factor(g: Any, z: Any, x: Any, y: Any) -> Any:
    """∂L/∂X = G Yᵀ"""
    g, _, y = as_matrices(g, x, y)
    return product(g, y.mT)


def right_factor(g: Any, z: Any, x: Any, y: Any) -> Any:
    """∂L/∂Y = Xᵀ G"""
    g, x, columns = as_matrices(g, x, y)
    if columns is not y:
        return (x.mT @ g)[..., 0]
    return (
        product(x.mT, g) if not is_transposed(y) else product(g.mT, x).mT
    )  # laid out in memory as y is


def product(x: Any, y: Any) -> Any:
    """x @ y. For matrices and vectors ndarray.dot is the same, and starts in half of the time."""
    return (
        x.dot(y)
        if type(x) is type(y) is np.ndarray and 0 < x.ndim < 3 and 0 < y.ndim < 3
        else x @ y
    )


derivative(np.matmul, left_factor, right_factor, forward=product)

# Steps: the derivative is 0 wherever there is one


def piecewise_constant(*functions: Callable[..., Any]) -> None:
    """Register functions whose derivative is zero wherever there is one: on Tensors they give plain
    arrays."""

    def on_arrays(function: Callable[..., Any], *args: Any, **options: Any) -> Any:
        return function(*map(plain, args), **options)

    for function in functions:
        REGISTRY[function] = functools.partial(on_arrays, function)


# fmt: off
piecewise_constant(np.sign, np.floor, np.ceil, np.rint, np.round, np.trunc, np.floor_divide, np.heaviside)
piecewise_constant(np.isnan, np.isinf, np.isfinite, np.signbit, np.isclose, np.allclose, np.array_equal)
piecewise_constant(np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal)
piecewise_constant(np.logical_and, np.logical_or, np.logical_not, np.logical_xor, np.any, np.all)
piecewise_constant(np.argmax, np.argmin, np.argsort, np.searchsorted, np.nonzero, np.flatnonzero, np.argwhere, np.count_nonzero)
piecewise_constant(np.shape, np.ndim, np.size, np.zeros_like, np.ones_like, np.full_like, np.empty_like)
# fmt: on
