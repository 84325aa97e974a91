"""The calculus table: what the derivative of each NumPy function is.

2 of 4; before: engine.py; next: functional.py.

`z` is the result, z = f(x, y), and `g` the gradient that has arrived, ∂L/∂z; a partial gives ∂L/∂x
or ∂L/∂y. Broadcasting, dtypes and adding up are the engine's work: no partial thinks of them. Each
partial is itself made of functions of this table, so it can be differentiated again: its arguments
are arrays, or then Tensors. A partial with a name ends in _vjp, for vector-Jacobian product. At
kinks the values are PyTorch's.
"""

from __future__ import annotations

import functools
import itertools
import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from tinygrad_edu.core.arraylike import REGISTRY, plain_parts
from tinygrad_edu.core.elsewhere import OPTIONS
from tinygrad_edu.core.engine import derivative, operation, plain
from tinygrad_edu.core.errors import unknown_options
from tinygrad_edu.core.sparse import SparseGradient

inf = np.inf
REAL, POSITIVE, UNIT = (-inf, inf), (0.0, inf), (-1.0, 1.0)
LN2, LN10, DEGREE = math.log(2), math.log(10), math.pi / 180

# Arithmetic

# fmt: off
derivative(np.add,      lambda g, z, x, y: g,
                        lambda g, z, x, y: g, forward=operator.add, symbol="{} + {}")
derivative(np.subtract, lambda g, z, x, y: g,
                        lambda g, z, x, y: -g, forward=operator.sub, symbol="{} − {}")
derivative(np.multiply, lambda g, z, x, y: g * y,       # ∂(x y)/∂x = y
                        lambda g, z, x, y: g * x,       # ∂(x y)/∂y = x
           forward=operator.mul, symbol="{} × {}")
derivative(np.divide,   lambda g, z, x, y: g / y,       # ∂(x/y)/∂x = 1/y
                        lambda g, z, x, y: -g * z / y,  # ∂(x/y)/∂y = −x/y²
           forward=operator.truediv, symbol="{} / {}", poles=(1,))
for power, run in ((np.power, operator.pow), (np.float_power, np.float_power)):
    derivative(power, lambda g, z, x, y: g * y * power_minus_one(x, y),  # ∂xʸ/∂x = y xʸ⁻¹
                      lambda g, z, x, y: g * z * np.log(np.where((x == 0) & (y >= 0), 1.0, x)),
               domain=(POSITIVE, REAL), forward=run, symbol="{} ** {}")  # ∂xʸ/∂y = xʸ ln x, 0 at 0
derivative(np.remainder, lambda g, z, x, y: g,                        # x mod y = x − y ⌊x/y⌋
                         lambda g, z, x, y: -g * np.floor_divide(x, y))
derivative(np.fmod,      lambda g, z, x, y: g,                        # the same, rounded towards 0
                         lambda g, z, x, y: -g * np.rint((x - z) / y))
derivative(np.negative, lambda g, z, x: -g, symbol="−{}")
derivative(np.positive, lambda g, z, x: g, symbol="+{}")
derivative(np.square, lambda g, z, x: g * 2 * x, symbol="{}²")            # (x²)′ = 2x
derivative(np.sqrt, lambda g, z, x: g / (2 * z),                          # (√x)′ = 1/(2√x), ∞ at 0
           domain=(POSITIVE,), notation="√{}")
derivative(np.cbrt, lambda g, z, x: g / (3 * z * z), notation="∛{}")      # (∛x)′ = 1/(3 ∛x²)
derivative(np.reciprocal, lambda g, z, x: -g * z * z,                     # (1/x)′ = −1/x²
           poles=(0,), notation="1 / {}")
# fmt: on


def power_minus_one(x, y):
    """xʸ⁻¹, but 1 where y is 0 and 1/x is not finite, so that 0 · x⁻¹ is 0 there."""
    if isinstance(y, int | float):
        return x if y == 2 else x ** (y - 1 if y else 0)
    return x ** (y - 1.0 * ((np.absolute(x) >= np.finfo(x.dtype).tiny) | (y != 0)))


def ratio(x, y):
    """x/y, but 0 where y is 0, with derivatives 0 there: for lengths that may be 0."""
    none = y == 0
    return np.where(none, 0.0, x / np.where(none, 1.0, y))


# Exponentials and logarithms


def below(z, x, y):
    """x − z for z = ln(eˣ + eʸ), but 0 where both are infinite, and y is not greater."""
    same = (x >= y) & np.isinf(z)
    return np.where(same, 0.0, x) - np.where(same, 0.0, z)


def power_share(power, z, x, y):
    """eˣ / (eˣ + eʸ), each divided by eᶻ: eˣ⁻ᶻ alone has the rounding of z, which may be great."""
    mine, other = power(below(z, x, y)), power(below(z, y, x))
    return mine / (mine + other)


# fmt: off
derivative(np.exp, lambda g, z, x: g * z, notation="e^{}")                      # (eˣ)′ = eˣ
derivative(np.exp2, lambda g, z, x: g * z * LN2, notation="2^{}")               # (2ˣ)′ = 2ˣ ln 2
derivative(np.expm1, lambda g, z, x: g * np.exp(x))                             # (eˣ − 1)′ = eˣ
derivative(np.log, lambda g, z, x: g / x, domain=(POSITIVE,), notation="ln({})")  # (ln x)′ = 1/x
derivative(np.log2, lambda g, z, x: g / x / LN2, domain=(POSITIVE,))
derivative(np.log10, lambda g, z, x: g / x / LN10, domain=(POSITIVE,))
derivative(np.log1p, lambda g, z, x: g / (x + 1), domain=((-1.0, inf),))  # (ln(1 + x))′ = 1/(1 + x)
derivative(np.logaddexp, lambda g, z, x, y: g * power_share(np.exp, z, x, y),
                         lambda g, z, x, y: g * power_share(np.exp, z, y, x))
derivative(np.logaddexp2, lambda g, z, x, y: g * power_share(np.exp2, z, x, y),
                          lambda g, z, x, y: g * power_share(np.exp2, z, y, x))

# Trigonometric and hyperbolic functions

derivative(np.sin, lambda g, z, x: g * np.cos(x))                               # (sin x)′ = cos x
derivative(np.cos, lambda g, z, x: -g * np.sin(x))                              # (cos x)′ = −sin x
derivative(np.tan, lambda g, z, x: g * (1 + z * z))  # (tan x)′ = 1 + tan² x
derivative(np.arcsin, lambda g, z, x: g / np.sqrt((1 - x) * (1 + x)), domain=(UNIT,))  # 1/√(1 − x²)
derivative(np.arccos, lambda g, z, x: -g / np.sqrt((1 - x) * (1 + x)), domain=(UNIT,))
derivative(np.arctan, lambda g, z, x: g / (1 + x * x))  # (arctan x)′ = 1/(1 + x²)
derivative(np.arctan2, lambda g, z, y, x: over_squares(g * x, x, y),  # of the point (x, y)
                       lambda g, z, y, x: over_squares(-g * y, x, y))
derivative(np.sinh, lambda g, z, x: g * np.cosh(x))                             # (sinh x)′ = cosh x
derivative(np.cosh, lambda g, z, x: g * np.sinh(x))                             # (cosh x)′ = sinh x
derivative(np.tanh, lambda g, z, x: g * (1 - z * z))  # (tanh x)′ = 1 − tanh² x
derivative(np.arcsinh, lambda g, z, x: g / np.hypot(x, 1.0))  # (arsinh x)′ = 1/√(x² + 1)
derivative(np.arccosh, lambda g, z, x: g / (np.sqrt(x - 1) * np.sqrt(x + 1)),
           domain=((1.0, inf),))
derivative(np.arctanh, lambda g, z, x: g / ((1 - x) * (1 + x)), domain=(UNIT,))  # 1/(1 − x²)
for to_radians in (np.deg2rad, np.radians): derivative(to_radians, lambda g, z, x: g * DEGREE)
for to_degrees in (np.rad2deg, np.degrees): derivative(to_degrees, lambda g, z, x: g / DEGREE)
# fmt: on


def over_squares(a, x, y):
    """a / (x² + y²), 0 at the origin; the squares themselves might overflow, or vanish."""
    length = np.hypot(x, y)
    return ratio(ratio(a, length), length)


# Kinks: arguments that tie share the gradient equally; at its bounds clip passes it on


@operation
def where(chosen, x, y):
    """np.where with x and y always given."""
    return np.where(chosen, x, y)


# fmt: off
derivative(np.maximum, lambda g, z, x, y: g * winner_share(z, x > y, x == y),
                       lambda g, z, x, y: g * winner_share(z, y > x, x == y),
           notation="max({}, {})")
derivative(np.minimum, lambda g, z, x, y: g * winner_share(z, x < y, x == y),
                       lambda g, z, x, y: g * winner_share(z, y < x, x == y),
           notation="min({}, {})")
derivative(np.fmax, lambda g, z, x, y: g * winner_share(z, (x > y) | np.isnan(y), x == y),
                    lambda g, z, x, y: g * winner_share(z, (y > x) | np.isnan(x), x == y))
derivative(np.fmin, lambda g, z, x, y: g * winner_share(z, (x < y) | np.isnan(y), x == y),
                    lambda g, z, x, y: g * winner_share(z, (y < x) | np.isnan(x), x == y))
derivative(where, None, lambda g, z, chosen, x, y: np.where(chosen, g, 0.0),  # 0 where not taken
                        lambda g, z, chosen, x, y: np.where(chosen, 0.0, g), elementwise=True)
derivative(np.nan_to_num, lambda g, z, x, *, nan=0.0, posinf=None, neginf=None:
           np.where(np.isfinite(x), g, 0.0))
# fmt: on


def winner_share(z, ahead, tie):
    """1 where ahead, ½ at a tie, 0 elsewhere; 1 for both where z is NaN, so that NaN is seen."""
    return np.where(np.isnan(z), 1.0, np.where(tie, 0.5, ahead))


@operation
def clip(x, low, high):
    """np.clip with low and high always given; None is no bound."""
    return np.clip(x, low, high)


def regions(x, low, high):
    """Three masks: where min(max(x, low), high) is low, where x, where high; at a bound it is x."""
    low, high = -inf if low is None else low, inf if high is None else high
    is_high = (x > high) | (low > high)
    is_low = (x < low) & ~is_high
    return is_low, ~(is_low | is_high), is_high


# fmt: off
derivative(clip, lambda g, z, x, low, high: np.where(regions(x, low, high)[1], g, 0.0),
                 lambda g, z, x, low, high: np.where(regions(x, low, high)[0], g, 0.0),
                 lambda g, z, x, low, high: np.where(regions(x, low, high)[2], g, 0.0),
           elementwise=True)
# fmt: on

# Reductions


def axes_of(axis, ndim):
    """An axis argument as a tuple of axes, none negative; all for None. NumPy raises AxisError."""
    return normalize_axis_tuple(range(ndim) if axis is None else axis, ndim)


def unreduced(g, axis, keepdims):
    """A reduced array with its reduced axes back, of size 1: it broadcasts to the original."""
    return g if axis is None or keepdims else np.expand_dims(g, axis)


def sum_vjp(g, z, x, axis=None, *, keepdims=False):
    """Every summand receives the gradient of the sum."""
    if g.ndim or not issubclass(type(g), np.ndarray | np.generic):
        return np.broadcast_to(unreduced(g, axis, keepdims), x.shape)
    gradient = np.empty(x.shape, g.dtype)  # for one number this is five times as fast
    gradient.fill(g)
    return gradient


def extreme_vjp(g, z, x, axis=None, *, keepdims=False):
    """The chosen element receives the gradient; elements that tie, or are NaN, share it equally."""
    chosen = (x == unreduced(z, axis, keepdims)) | np.isnan(x)
    ties = chosen.sum(axis=axis, keepdims=True, dtype=np.result_type(g.dtype, np.float32))
    return chosen * (unreduced(g, axis, keepdims) / ties)


def sum_of(x, axis=None, *, keepdims=False):
    """np.sum by the method of arrays, which has a third of the overhead."""
    return x.sum(axis=axis, keepdims=keepdims)


derivative(np.sum, sum_vjp, forward=sum_of, notation="∑ {}", on_numbers=sum_of)
for extreme in (np.max, np.amax, np.min, np.amin):
    derivative(extreme, extreme_vjp)

# Shape and order: the gradient goes the way back

# fmt: off
derivative(np.reshape, lambda g, z, x, shape: g.reshape(x.shape), on_numbers=np.reshape)
derivative(np.ravel, lambda g, z, x: g.reshape(x.shape), on_numbers=np.ravel)
derivative(np.ndarray.flatten, lambda g, z, x: g.reshape(x.shape),
           forward=lambda x: np.ravel(x).copy(), on_numbers=np.ravel)
derivative(np.expand_dims, lambda g, z, x, axis: g.reshape(x.shape), on_numbers=np.expand_dims)
derivative(np.squeeze, lambda g, z, x, axis=None: g.reshape(x.shape), on_numbers=np.squeeze)
derivative(np.swapaxes, lambda g, z, x, axis1, axis2: g.swapaxes(axis1, axis2),
           forward=lambda x, axis1, axis2: x.swapaxes(axis1, axis2), on_numbers=np.swapaxes)
derivative(np.matrix_transpose, lambda g, z, x: g.mT, on_numbers=np.matrix_transpose)
derivative(np.transpose, lambda g, z, x, axes=None: np.transpose(g, way_back(axes)),
           on_numbers=np.transpose)
derivative(np.moveaxis, lambda g, z, x, source, destination:
           np.moveaxis(g, destination, source), on_numbers=np.moveaxis)
derivative(np.broadcast_to, lambda g, z, x, shape: g,                           # the edge sums it
           on_numbers=np.broadcast_to)
derivative(np.ndarray.astype, lambda g, z, x, dtype: g,                         # the edge casts it
           forward=lambda x, dtype: x.astype(dtype))
derivative(np.copy, lambda g, z, x: g, on_numbers=np.copy)
# fmt: on


def way_back(axes):
    """The permutation of axes that undoes this one."""
    if axes is None:
        return None
    axes = np.atleast_1d(axes)
    return [int(axis) for axis in np.argsort(axes % len(axes))]


def axis_slice(axis, ndim, start, stop):
    """The index that takes start to stop along one axis, and all of the others."""
    return (slice(None),) * normalize_axis_index(axis, ndim) + (slice(start, stop),)


def concatenate_vjp(g, z, *arrays, axis=0):
    """Each array receives the slice of g where it went."""
    sizes = [x.shape[axis] for x in arrays]
    stops = list(itertools.accumulate(sizes))
    return lambda n: g[axis_slice(axis, g.ndim, stops[n] - sizes[n], stops[n])]


def stack_vjp(g, z, *arrays, axis=0):
    """Each array receives the layer of g where it went."""
    before = (slice(None),) * normalize_axis_index(axis, g.ndim)
    return lambda number: g[(*before, number)]


@operation
def concatenate(*arrays, axis=0):
    """np.concatenate with the arrays as arguments, not in a list, so that the engine sees them."""
    return np.concatenate(arrays, axis)


@operation
def stack(*arrays, axis=0):
    """np.stack with the arrays as arguments, for the same reason."""
    return np.stack(arrays, axis)


@operation
def scatter(*pieces, indices, shape):
    """Zeros of a shape, with each piece added at its index; a place named twice gets both."""
    if pieces[0].dtype == np.float16:  # a sum of 1s would end at 2048
        wide = [piece.astype(np.float32) for piece in pieces]
        return scatter(*wide, indices=indices, shape=shape).astype(np.float16)
    z = np.empty_like(pieces[0], shape=shape)  # np.zeros_like is three times slower for a scalar
    z[...] = 0
    for piece, index in zip(pieces, indices, strict=True):
        if is_basic(index):
            z[index] += piece
        else:
            np.add.at(z, index, piece)
    return z


def is_basic(index):
    """Whether an index has only numbers, slices, … and None: then it names no place twice."""
    parts = index if isinstance(index, tuple) else (index,)
    return all(isinstance(i, int | slice | type(...) | None) for i in parts)


# fmt: off
derivative(concatenate, each=concatenate_vjp, on_numbers=concatenate)
derivative(stack, each=stack_vjp, on_numbers=stack)
derivative(operator.getitem, lambda g, z, x, index: SparseGradient(scatter, x.shape, [(g, index)]),
           symbol="{}[{}]", on_numbers=operator.getitem)  # transposed: scatter
derivative(scatter, each=lambda g, z, *pieces, indices, shape: lambda n: g[indices[n]])
# fmt: on


def register_rearrangement(function: Callable[..., Any]) -> None:
    """Register a function that moves, repeats or drops elements, or fills in zeros.

    Its derivative runs the function on 1, 2, 3 …: the result says where each element came from, and
    0 marks a filled-in zero. Each gradient is added to the element that it came from.
    """

    @functools.wraps(function)
    def rearrangement_vjp(g, z, x, *args, **options):
        numbers = np.arange(1, x.size + 1).reshape(x.shape)
        origins = function(numbers, *map(plain, args), **options)
        return scatter(g, indices=(origins,), shape=(x.size + 1,))[1:].reshape(x.shape)

    derivative(function, rearrangement_vjp, on_numbers=function)


@operation
def pad(x, width, mode="constant"):
    """np.pad with zeros, or with elements of x: the modes that only move elements."""
    return np.pad(x, width, mode)


# fmt: off
for rearrangement in (np.flip, np.fliplr, np.flipud, np.rot90, np.roll, np.rollaxis, np.repeat,
                      np.tile, np.take, np.take_along_axis, np.diag, np.diagonal, np.tril, np.triu,
                      pad):
    register_rearrangement(rearrangement)
# fmt: on

# Products: Z = X Y


def as_matrices(g, x, y):
    """Make a vector x a row and a vector y a column, and give g the axes to match."""
    if y.ndim == 1:
        y, g = y[:, None], g[..., None]
    if x.ndim == 1:
        x, g = x[None, :], g[..., None, :]
    return g, x, y


def is_transposed(y):
    """Whether y lies in memory column by column, in Fortran's order."""
    flags = getattr(y, "flags", None)  # a Tensor has none
    return flags is not None and flags.f_contiguous and not flags.c_contiguous


def left_factor_vjp(g, z, x, y):
    """∂L/∂X = G Yᵀ"""
    g, _, y = as_matrices(g, x, y)
    return product(g, y.mT)  # a vector X gets one row: the engine sums over the added axis


def right_factor_vjp(g, z, x, y):
    """∂L/∂Y = Xᵀ G, laid out in memory as Y is."""
    g, x, matrix = as_matrices(g, x, y)
    if matrix is not y:  # a vector
        return (x.mT @ g)[..., 0]
    return product(g.mT, x).mT if is_transposed(y) else product(x.mT, g)


def product(x, y):
    """x @ y; for matrices and vectors by ndarray.dot, which has half of the overhead."""
    if type(x) is type(y) is np.ndarray and 0 < x.ndim < 3 and 0 < y.ndim < 3:
        return x.dot(y)
    return x @ y


def inner_products(z, x, *_):
    """Count the multiply-adds of a product: each number of z is a sum of so many products."""
    return z.size * x.shape[-1]


derivative(
    np.matmul,
    left_factor_vjp,
    right_factor_vjp,
    forward=product,
    symbol="{} @ {}",
    on_numbers=product,
    multiply_adds=inner_products,
)

# Steps: the derivative is 0 wherever there is one


def piecewise_constant(*functions: Callable[..., Any]) -> None:
    """Register functions whose derivative is 0 wherever there is one: results have no graph."""

    def on_arrays(function, *args, **options):
        options = {name: plain_parts(x) for name, x in options.items()}
        if not OPTIONS.keys().isdisjoint(options):
            raise unknown_options(function.__name__, options, options.keys() - OPTIONS.keys())
        return function(*map(plain_parts, args), **options)

    for function in functions:
        REGISTRY[function] = functools.partial(on_arrays, function)


# fmt: off
piecewise_constant(np.sign, np.floor, np.ceil, np.rint, np.round, np.trunc, np.floor_divide)
piecewise_constant(np.isnan, np.isinf, np.isfinite, np.signbit, np.isclose, np.allclose)
piecewise_constant(np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal)
piecewise_constant(np.logical_and, np.logical_or, np.logical_not, np.logical_xor, np.any, np.all)
piecewise_constant(np.argmax, np.argmin, np.argsort, np.searchsorted, np.nonzero, np.flatnonzero)
piecewise_constant(np.argwhere, np.count_nonzero, np.shape, np.ndim, np.size, np.array_equal)
piecewise_constant(np.zeros_like, np.ones_like, np.empty_like, np.heaviside)
# fmt: on
