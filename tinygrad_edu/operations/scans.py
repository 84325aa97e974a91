"""Running sums and products, and the product, whose factors each receive the product of the others.

No partial divides by a factor, so any number of zeros is fine.
"""

import math

import numpy as np

from tinygrad_edu.core.derivatives import axes_of, axis_slice, concatenate, unreduced, way_back
from tinygrad_edu.core.engine import derivative


def prod_vjp(g, z, x, axis=None, *, keepdims=False):
    """Each factor receives those before it times those after it: no division, so zeros are fine."""
    reduced = axes_of(axis, x.ndim)
    kept = [a for a in range(x.ndim) if a not in reduced]
    moved = np.transpose(x, [*kept, *reduced])
    rows = moved.reshape(*moved.shape[: len(kept)], math.prod(x.shape[a] for a in reduced))
    before = products_before(np.cumprod(rows, -1), -1)
    after = np.flip(products_before(np.cumprod(np.flip(rows, -1), -1), -1), -1)
    others = (before * after).reshape(moved.shape)
    return unreduced(g, axis, keepdims) * np.transpose(others, way_back([*kept, *reduced]))


def shifted(x, axis, fill, steps=1):
    """x moved `steps` places along an axis, `fill` coming in: xᵢ becomes xᵢ₋₁."""
    head = x[axis_slice(axis, x.ndim, None, steps)]  # of the shape of what comes in
    kept = x[axis_slice(axis, x.ndim, None, max(x.shape[axis] - steps, 0))]
    return concatenate(np.full_like(head, fill), kept, axis=axis)


def products_before(running, axis):
    """The product of all factors before each, from the running product that includes it."""
    return shifted(running, axis, 1.0)


def recurrence(g, a, axis):
    """r with rᵢ = gᵢ + aᵢ rᵢ₋₁ along an axis: log₂ n steps, each reaches back twice as far."""
    steps = 1
    while steps < g.shape[axis]:
        g, a = g + a * shifted(g, axis, 0.0, steps), a * shifted(a, axis, 0.0, steps)
        steps *= 2
    return g


def cumsum_vjp(g, z, x, axis=None):
    """An element is in all sums from its own on: the running sum from the other end."""
    along = 0 if axis is None else axis
    return np.flip(np.cumsum(np.flip(g, along), along), along).reshape(x.shape)


def cumprod_vjp(g, z, x, axis=None):
    """xⱼ receives Σᵢ gᵢ ∏ₖ xₖ over i ≥ j and k ≤ i without j: what is before it, times rⱼ.

    rⱼ = gⱼ + xⱼ₊₁ rⱼ₊₁ is a recurrence from the other end.
    """
    along = 0 if axis is None else axis
    factors = shifted(np.flip(x.reshape(z.shape), along), along, 0.0)
    r = np.flip(recurrence(np.flip(g, along), factors, along), along)
    return (products_before(z, along) * r).reshape(x.shape)


derivative(np.prod, prod_vjp, on_numbers=np.prod)
derivative(np.cumsum, cumsum_vjp)
derivative(np.cumprod, cumprod_vjp)
