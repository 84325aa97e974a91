"""np.prod, np.cumsum, np.cumprod and their kind: products, running sums and running products.

No partial divides by a factor, so any number of factors may be zero.
"""

from __future__ import annotations

import math

import numpy as np

from tinygrad_edu.core.arraylike import WITH_OPTIONS
from tinygrad_edu.core.derivatives import axes_of, axis_slice, concatenate, unreduced, way_back
from tinygrad_edu.core.engine import derivative
from tinygrad_edu.operations import errors
from tinygrad_edu.operations.composed import as_arrays, composed, in_type


def prod_vjp(g, z, x, axis=None, *, keepdims=False):
    """Each factor receives the product of those before it, times the product of those after it."""
    reduced = axes_of(axis, x.ndim)
    kept = [a for a in range(x.ndim) if a not in reduced]
    moved = np.transpose(x, [*kept, *reduced])
    rows = moved.reshape(*moved.shape[: len(kept)], math.prod(x.shape[a] for a in reduced))
    before = products_before(np.cumprod(rows, -1), -1)
    after = np.flip(products_before(np.cumprod(np.flip(rows, -1), -1), -1), -1)
    others = (before * after).reshape(moved.shape)
    return unreduced(g, axis, keepdims) * np.transpose(others, way_back([*kept, *reduced]))


def shifted(x, axis, fill, steps=1):
    """Move x by `steps` places along an axis, zᵢ = xᵢ₋₁ for one step; `fill` comes in."""
    head = x[axis_slice(axis, x.ndim, None, steps)]  # of the shape of what comes in
    kept = x[axis_slice(axis, x.ndim, None, max(x.shape[axis] - steps, 0))]
    return concatenate(np.full_like(head, fill), kept, axis=axis)


def products_before(running, axis):
    """For each factor the product of all before it, given the running product that includes it."""
    return shifted(running, axis, 1.0)


def recurrence(g, a, axis):
    """Solve rᵢ = gᵢ + aᵢ rᵢ₋₁ along an axis in log₂ n steps: each reaches back twice as far."""
    steps = 1
    while steps < g.shape[axis]:
        g, a = g + a * shifted(g, axis, 0.0, steps), a * shifted(a, axis, 0.0, steps)
        steps *= 2
    return g


def cumsum_vjp(g, z, x, axis=None):
    """xⱼ is in the sums j, j + 1, …, so it receives the running sum of g from the other end."""
    along = 0 if axis is None else axis
    return np.flip(np.cumsum(np.flip(g, along), along), along).reshape(x.shape)


def cumprod_vjp(g, z, x, axis=None):
    """∂L/∂xⱼ = (x₀ ⋯ xⱼ₋₁) rⱼ, where rⱼ = gⱼ + xⱼ₊₁ rⱼ₊₁.

    For i ≥ j, zᵢ = (x₀ ⋯ xⱼ₋₁) xⱼ (xⱼ₊₁ ⋯ xᵢ). So rⱼ = Σᵢ gᵢ (xⱼ₊₁ ⋯ xᵢ), found from the end.
    """
    along = 0 if axis is None else axis
    factors = shifted(np.flip(x.reshape(z.shape), along), along, 0.0)
    r = np.flip(recurrence(np.flip(g, along), factors, along), along)
    return (products_before(z, along) * r).reshape(x.shape)


derivative(np.prod, prod_vjp, on_numbers=np.prod)
derivative(np.cumsum, cumsum_vjp)
derivative(np.cumprod, cumprod_vjp)


# Options and further names


def in_given_type(function, run, x, *args, dtype=None, **options):
    """The sum or product, computed in type dtype."""
    return run(in_type(as_arrays(x)[0], dtype), *args, **options)


WITH_OPTIONS |= dict.fromkeys((np.cumsum, np.cumprod, np.trace), in_given_type)


def cumulative(running, neutral):
    """A running sum or product by NumPy's newer name."""

    def along(x, /, *, axis=None, dtype=None, include_initial=False):
        (x,) = as_arrays(x)
        if axis is None and x.ndim > 1:
            raise errors.no_axis(running, x)
        x, axis = np.atleast_1d(x), 0 if axis is None else axis
        z = running(x, axis=axis, dtype=dtype)
        if not include_initial:
            return z
        head = np.full_like(z.sum(axis=axis, keepdims=True), neutral)
        return np.concatenate([head, z], axis=axis)

    return along


def of_numbers(running, neutral):
    """A running sum or product in which NaN counts as 0 or 1."""

    def along(a, axis=None, dtype=None):
        (a,) = as_arrays(a)
        return running(np.where(np.isnan(a), neutral, a), axis=axis, dtype=dtype)

    return along


if hasattr(np, "cumulative_sum"):  # since NumPy 2.1
    composed(np.cumulative_sum)(cumulative(np.cumsum, 0))
    composed(np.cumulative_prod)(cumulative(np.cumprod, 1))
composed(np.nancumsum)(of_numbers(np.cumsum, 0))
composed(np.nancumprod)(of_numbers(np.cumprod, 1))
