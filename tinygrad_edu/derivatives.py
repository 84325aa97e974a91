"""The calculus table: what each NumPy function's derivative is. (2 of 4; before: engine.py; next: functional.py)

`g` is the gradient that has arrived, ∂L/∂z; `z` the result, z = f(x, y); a partial gives ∂L/∂x or ∂L/∂y. Broadcasting,
dtypes and adding up are the engine's: in a partial shapes are as if nothing had been broadcast. Every partial is itself made
of functions of this table, so it can be differentiated again. At kinks the values are PyTorch's.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from tinygrad_edu.engine import derivative, operation, piecewise_constant

inf = np.inf
REAL, POSITIVE = (-inf, inf), (0.0, inf)

# Arithmetic

derivative(np.add, lambda g, z, x, y: g, lambda g, z, x, y: g)
derivative(np.subtract, lambda g, z, x, y: g, lambda g, z, x, y: -g)
derivative(np.multiply, lambda g, z, x, y: g * y,  # ∂(x y)/∂x = y
                        lambda g, z, x, y: g * x)  # ∂(x y)/∂y = x
derivative(np.divide, lambda g, z, x, y: g / y,  # ∂(x/y)/∂x = 1/y
                      lambda g, z, x, y: -g * z / y)  # ∂(x/y)/∂y = −x/y²
derivative(np.power, lambda g, z, x, y: g * y * x ** lowered(x, y),  # ∂xʸ/∂x = y xʸ⁻¹
                     lambda g, z, x, y: g * z * np.log(np.where(x == 0, 1.0, x)),  # ∂xʸ/∂y = xʸ ln x, and 0 where x = 0
           domain=(POSITIVE, REAL))


def lowered(x: Any, y: Any) -> Any:
    """y − 1, but 0 where x and y are both 0, so that 0 · 0⁻¹ is 0."""
    return y - 1 if np.all(y) else y - ((x != 0) | (y != 0))


derivative(np.negative, lambda g, z, x: -g)
derivative(np.positive, lambda g, z, x: g)
derivative(np.square, lambda g, z, x: g * 2 * x)  # (x²)′ = 2x
derivative(np.sqrt, lambda g, z, x: g / (2 * z), domain=(POSITIVE,))  # (√x)′ = 1/(2√x), and ∞ at 0
derivative(np.reciprocal, lambda g, z, x: -g * z * z)  # (1/x)′ = −1/x²

# Exponentials and logarithms

derivative(np.exp, lambda g, z, x: g * z)  # (eˣ)′ = eˣ
derivative(np.expm1, lambda g, z, x: g * (z + 1))  # (eˣ − 1)′ = eˣ
derivative(np.log, lambda g, z, x: g / x, domain=(POSITIVE,))  # (ln x)′ = 1/x
derivative(np.logaddexp, lambda g, z, x, y: g * np.exp(x - z), lambda g, z, x, y: g * np.exp(y - z))  # ln(eˣ + eʸ)
derivative(np.log1p, lambda g, z, x: g / (x + 1), domain=((-1.0, inf),))  # (ln(1 + x))′ = 1/(1 + x)

# Trigonometric and hyperbolic functions

derivative(np.sin, lambda g, z, x: g * np.cos(x))  # (sin x)′ = cos x
derivative(np.cos, lambda g, z, x: -g * np.sin(x))  # (cos x)′ = −sin x
derivative(np.tanh, lambda g, z, x: g * (1 - z * z))  # (tanh x)′ = 1 − tanh² x

# Kinks: where two pieces meet, the two slopes' mean

derivative(np.absolute, lambda g, z, x: g * np.sign(x))  # |x|′ = ±1, and 0 at 0
derivative(np.maximum, lambda g, z, x, y: g * wins(x > y, x == y), lambda g, z, x, y: g * wins(y > x, x == y))
derivative(np.minimum, lambda g, z, x, y: g * wins(x < y, x == y), lambda g, z, x, y: g * wins(y < x, x == y))
derivative(np.where, None, lambda g, z, chosen, x, y: np.where(chosen, g, 0.0),  # exactly 0 for the side not taken
                           lambda g, z, chosen, x, y: np.where(chosen, 0.0, g))


def wins(ahead: Any, tie: Any) -> Any:
    """1 where ahead, ½ at a tie, 0 elsewhere."""
    return np.where(tie, 0.5, ahead)


# Reductions

def unreduced(g: Any, axis: Any, keepdims: bool) -> Any:
    """A reduced array with the axes back that were reduced, of size 1, so that it broadcasts against what was reduced."""
    return g if axis is None or keepdims else np.expand_dims(g, axis)


def of_a_sum(g: Any, z: Any, x: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """Every summand receives the gradient of the sum."""
    return np.broadcast_to(unreduced(g, axis, keepdims), x.shape)


def of_an_extreme(g: Any, z: Any, x: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """The gradient goes to the element that was chosen; elements that tie share it equally."""
    chosen = (x == unreduced(z, axis, keepdims)).astype(g.dtype)
    return chosen * (unreduced(g, axis, keepdims) / chosen.sum(axis=axis, keepdims=True))


derivative(np.sum, of_a_sum, forward=lambda x, axis=None, *, keepdims=False: x.sum(axis=axis, keepdims=keepdims))
derivative(np.max, of_an_extreme)
derivative(np.min, of_an_extreme)

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
derivative(np.broadcast_to, lambda g, z, x, shape: g)  # the edge sums what was repeated
derivative(np.ndarray.astype, lambda g, z, x, dtype: g, forward=lambda x, dtype: x.astype(dtype))  # the edge casts back


def way_back(axes: Any) -> Any:
    """The permutation of axes that undoes this one."""
    return None if axes is None else [int(axis) for axis in np.argsort([axis % len(axes) for axis in axes])]


def part(number: int, g: Any, z: Any, *arrays: Any, axis: int = 0) -> Any:
    """The gradient of joined arrays, cut apart again."""
    start = sum(array.shape[axis] for array in arrays[:number])
    return g[(slice(None),) * (axis % g.ndim) + (slice(start, start + arrays[number].shape[axis]),)]


@operation
def join(*arrays: Any, axis: int = 0) -> Any:
    """np.concatenate with the arrays as arguments, not in a list, so that the engine sees the Tensors."""
    return np.concatenate(arrays, axis)


derivative(join, each=part)


@operation
def scatter(g: Any, index: Any, shape: tuple[int, ...]) -> Any:
    """Zeros of a shape with g added at an index, as often as the index names a place: getitem's transpose."""
    z = np.zeros(shape, g.dtype)
    if all(isinstance(i, int | slice | type(...) | None) for i in (index if isinstance(index, tuple) else (index,))):
        z[index] = g  # basic indexing names no place twice
    else:
        np.add.at(z, index, g)
    return z


derivative(operator.getitem, lambda g, z, x, index: scatter(g, index, x.shape))
derivative(scatter, lambda g, z, x, index, shape: g[index])

# Products: Z = X Y


def as_matrices(g: Any, x: Any, y: Any) -> tuple[Any, Any, Any]:
    """A vector on the left of a product as a row, on the right as a column, and the gradient of the product to match."""
    if y.ndim == 1: y, g = y[:, None], g[..., None]
    if x.ndim == 1: x, g = x[None, :], g[..., None, :]
    return g, x, y


def left_factor(g: Any, z: Any, x: Any, y: Any) -> Any:
    """∂L/∂X = G Yᵀ"""
    g, _, y = as_matrices(g, x, y)
    return g @ y.mT


def right_factor(g: Any, z: Any, x: Any, y: Any) -> Any:
    """∂L/∂Y = Xᵀ G"""
    g, x, columns = as_matrices(g, x, y)
    return x.mT @ g if columns is y else (x.mT @ g)[..., 0]


derivative(np.matmul, left_factor, right_factor)

# Steps: the derivative is 0 wherever there is one

piecewise_constant(np.sign, np.floor, np.ceil, np.rint, np.round, np.trunc, np.isnan, np.isinf, np.isfinite)
piecewise_constant(np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal, np.array_equal, np.allclose)
piecewise_constant(np.logical_and, np.logical_or, np.logical_not, np.argmax, np.argmin, np.argsort, np.any, np.all)
piecewise_constant(np.shape, np.ndim, np.size, np.zeros_like, np.ones_like, np.count_nonzero)
