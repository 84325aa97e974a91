"""Lengths: |x|, √(x² + y²), √Σx². At 0 each has a corner, and there its gradient is 0.

What is made of a length may be smooth at 0 all the same, as its square is: the second derivative is
right there, or refused. It is how the gradient g that arrives changes with the length z, where both
are 0.
"""

from __future__ import annotations

from contextvars import ContextVar

import numpy as np

from tinygrad_edu.core.arraylike import REGISTRY
from tinygrad_edu.core.derivatives import ratio, unreduced
from tinygrad_edu.core.engine import Tensor, chain_rule, derivative, operation, plain
from tinygrad_edu.operations import errors


def wide(x):
    """x in the type in which sums are taken: float32 for float16, float64 for integers, bools."""
    if x.dtype == np.float16:
        return x.astype(np.float32)
    return x if x.dtype.kind == "f" else x.astype(np.float64)


def narrow(z, x):
    """What was computed from wide(x), in x's own type if that is float16."""
    return z.astype(x.dtype) if x.dtype == np.float16 else z


@operation
def norm(x, axis=None, *, keepdims=False):
    """√Σx² over the axis or axes: an operation of its own, so that its derivatives at 0 are 0."""
    return narrow(np.sqrt(np.sum(np.square(wide(x)), axis=axis, keepdims=keepdims)), x)


@operation
def root(x, *, p):
    """The norm x^(1/p) of a sum x of powers |xᵢ|ᵖ, for any p but 0."""
    with np.errstate(divide="ignore"):  # of a 0 for p < 0 it is ∞
        return x ** (x.dtype.type(1) / p)  # with the digits of x; 1 / p has those of float64


# Partials


def absolute_vjp(g, z, x):
    """|x|′ = ±1, and 0 at 0"""
    flat = both_zero(g, z)
    return np.where(flat, change(g, z, flat) * x, g * np.sign(x)) if flat.any() else g * np.sign(x)


def leg_vjp(g, z, x):
    """∂√(x² + y²)/∂x = x/z, and 0 at 0"""
    flat, share = both_zero(g, z), g * ratio(x, z)
    return np.where(flat, change(g, z, flat) * x, share) if flat.any() else share


def norm_vjp(g, z, x, axis=None, *, keepdims=False):
    """∂|x|/∂x = x/|x|, and 0 at 0"""
    flat, per_length = both_zero(g, z), ratio(wide(g), wide(z))
    if flat.any():
        per_length = np.where(flat, change(g, z, flat), per_length)
    return unreduced(per_length, axis, keepdims) * x


def root_vjp(g, z, x, *, p):
    """(x^(1/p))′ = x^(1/p − 1)/p, and 0 where the norm is 0 or ∞"""
    flat, none = both_zero(g, z), (plain(x) == 0) | np.isinf(plain(x))
    if flat.any() and np.any(plain(change(g, z, flat))):
        raise errors.no_curvature(z, z)
    return g * np.where(none, 0.0, np.where(none, 1.0, x) ** (1.0 / p - 1.0) / p)


# fmt: off
for absolute in (np.absolute, np.fabs):
    derivative(absolute, absolute_vjp, symbol="|{}|")
derivative(np.hypot, lambda g, z, x, y: leg_vjp(g, z, x),
                     lambda g, z, x, y: leg_vjp(g, z, y))
derivative(norm, norm_vjp)
derivative(root, root_vjp, elementwise=True)
# fmt: on
LENGTHS = {REGISTRY[f] for f in (np.absolute, np.fabs, np.hypot, norm, root)}

# Where a length z and the gradient g that arrives are both 0

ASKING = ContextVar("ASKING", default=False)  # whether g's change is looked for: not that of others


def both_zero(g, z):
    """Where z and g are 0, if it matters: if g is recorded."""
    recorded = isinstance(g, Tensor) and g.requires_grad and not ASKING.get()
    return (plain(z) == 0) & (plain(g) == 0) if recorded else np.False_


def change(g, z, flat):
    """∂gᵢ/∂zᵢ where `flat` is True; ValueError if gᵢ changes with another length that is 0 too.

    |x| |y| has no second derivative at 0, and of |x| |2x| nobody can tell here that it has one.
    """
    lengths = lengths_behind(g)
    weights = np.sqrt(np.arange(2.0, z.size + 2)).reshape(z.shape)  # they tell the elements apart
    plainly, weighted = (slopes_of(g * (flat * w), lengths) for w in (1.0, weights))
    rate = 0.0
    for y in lengths:
        zero, own = y.data == 0, weights if (twin := one_variable(y, z)) else 0.0
        if not np.allclose(zero * weighted[y].data, zero * own * plainly[y].data, 1e-3, 0.0, True):
            raise errors.no_curvature(z, y)
        rate = rate + plainly[y] if twin else rate
    return rate if bends_finitely(rate, flat, lengths) else np.nan_to_num(plain(rate))


def bends_finitely(rate, flat, lengths):
    """Whether ∂g/∂z and its slopes are finite: of |x|ᵖ it is ∞ at 0 if p < 2, they are if p < 3.

    If not, the rate is taken as a constant, and as finite: the slope at 0 is 0, and not 0 · ∞.
    """
    slopes = [rate]
    if isinstance(rate, Tensor) and rate.requires_grad:
        slopes += slopes_of(rate * flat, lengths).values()
    return all(np.isfinite(plain(x)).all() for x in slopes)


def lengths_behind(g):
    """All lengths from which g is computed that are 0 somewhere."""
    met, seen = [g], {g}
    for x in met:  # which grows meanwhile
        new = {y for _, y in x.inputs if y.requires_grad} - seen
        met.extend(new)
        seen |= new
    return [x for x in met if x.operation in LENGTHS and not x.data.all()]


def slopes_of(g, lengths):
    """∂ Σg/∂y for each length y."""
    found = {y: Tensor(np.zeros(y.shape)) for y in lengths}
    oldest = min([y.order for y in lengths], default=g.order)
    token = ASKING.set(True)
    try:
        with np.errstate(all="ignore"):  # a slope that is ∞ is met below
            for x, slope in chain_rule(g.sum(), create_graph=True):
                if x in found:
                    found[x] = slope
                if x.order <= oldest:
                    break
    finally:
        ASKING.reset(token)
    return found


def one_variable(x, y):
    """Whether two Tensors come from the same by the same calls: then they are one variable."""
    pairs, seen = [(x, y)], set()
    while pairs:
        a, b = pairs.pop()
        if a is b or (id(a), id(b)) in seen:
            continue
        seen.add((id(a), id(b)))
        if isinstance(a, Tensor) and isinstance(b, Tensor):
            if a.operation is None or a.operation is not b.operation:
                return False
            pairs += [(a.args, b.args), (tuple(a.options.items()), tuple(b.options.items()))]
        elif isinstance(a, tuple) and isinstance(b, tuple) and len(a) == len(b):
            pairs += zip(a, b, strict=True)
        elif not (type(a) is type(b) and isinstance(a, int | float | str) and a == b):
            return False
    return True
