"""Along an axis: interpolation, numerical derivatives, convolution and correlation."""

from __future__ import annotations

import numpy as np

from tinygrad_edu.core.derivatives import axes_of, clip
from tinygrad_edu.core.engine import derivative, operation, plain
from tinygrad_edu.operations import errors
from tinygrad_edu.operations.composed import as_arrays, composed

# Interpolation


@composed(np.interp)
def interp(x, xp, fp, left=None, right=None, period=None):
    """The value at x of the straight lines through the points (xp, fp), with ascending xp.

    To the left of all points it is `left`, by default the first fp; to the right `right`. With a
    period, xp and x are taken modulo the period.
    """
    x, xp, fp = as_arrays(x, xp, fp)
    np.interp(plain(x), plain(xp), plain(fp), period=period)  # NumPy refuses what does not fit
    x, xp, fp = [v.astype(np.float64) for v in (x, xp, fp)]
    if period is not None:
        x, xp, fp = one_period(x, xp, fp, abs(period))
        left = right = None
    n = xp.shape[0]
    low = np.clip(np.searchsorted(xp, x, side="right") - 1, 0, max(n - 2, 0))
    high = np.minimum(low + 1, n - 1)
    inside = clip(x, xp[0], xp[-1])
    width = xp[high] - xp[low]
    slope = (fp[high] - fp[low]) / np.where(width == 0, 1.0, width)
    z = slope * (inside - xp[low]) + fp[low]
    if not np.isfinite(plain(z)).all():  # as NumPy, from the other end; on a level, it is the level
        z = np.where(np.isnan(z), slope * (inside - xp[high]) + fp[high], z)
        z = np.where(np.isnan(z) & (fp[high] == fp[low]), fp[low], z)
        z = np.where(inside == xp[low], fp[low], np.where(inside == xp[high], fp[high], z))
    if n > 1 and plain(xp)[-1] == plain(xp)[-2]:  # it jumps there
        z = np.where(x >= xp[-1], fp[-1], z)
    z = z if left is None else np.where(x < xp[0], left, z)
    return z if right is None else np.where(x > xp[-1], right, z)


def one_period(x, xp, fp, period):
    """The points in one period, in order, with one more before the first and after the last."""
    xp = xp % period
    order = np.argsort(xp)
    xp, fp = xp[order], fp[order]
    points = np.concatenate([xp[-1:] - period, xp, xp[:1] + period])
    return x % period, points, np.concatenate([fp[-1:], fp, fp[:1]])


# Numerical derivatives


@composed(np.gradient)
def gradient(f, *varargs, axis=None, edge_order=1):
    """∂f/∂x along each axis by differences; `varargs` are the steps h, or the positions x.

    One array for one axis, else a tuple.
    """
    (f,) = as_arrays(f)
    np.gradient(np.zeros(f.shape), *map(plain, varargs), axis=axis, edge_order=edge_order)
    f = f if f.dtype.kind == "f" else f.astype(np.float64)
    axes = axes_of(axis, f.ndim)
    if len(varargs) < 2:
        varargs = (varargs or (1.0,)) * len(axes)
    slopes = [slope_along(f, h, axis, edge_order) for h, axis in zip(varargs, axes, strict=True)]
    return slopes[0] if len(axes) == 1 else tuple(slopes)


def slope_along(f, h, axis, edge_order):
    """Inside, the mean of the slopes s to the left and right, each weighted with the other's h.

    At the edges the nearest slope, or with edge_order=2 what a parabola has there.
    """
    f, (h,) = np.moveaxis(f, axis, -1), as_arrays(h)
    even = h.ndim == 0
    h = (np.broadcast_to(h, f.shape[-1] - 1) if even else np.diff(h)).astype(f.dtype)
    s, both = np.diff(f) / h, h[:-1] + h[1:]
    weighted = s[..., :-1] * h[1:] + s[..., 1:] * h[:-1]
    inside = (f[..., 2:] - f[..., :-2] if even else weighted) / both
    first, last = s[..., :1], s[..., -1:]
    if edge_order == 2:
        first = first + (first - s[..., 1:2]) * (h[:1] / both[:1])
        last = last + (last - s[..., -2:-1]) * (h[-1:] / both[-1:])
    return np.moveaxis(np.concatenate([first, inside, last], axis=-1), -1, axis)


# Convolution


@operation
def convolve(x, y):
    """zₖ = Σᵢ xᵢ yₖ₋ᵢ of two vectors, wherever they overlap."""
    return np.convolve(x, y)


# fmt: off
derivative(convolve, lambda g, z, x, y: np.correlate(g, y, "valid"),  # ∂L/∂xᵢ = Σₖ gₖ yₖ₋ᵢ
                     lambda g, z, x, y: np.correlate(g, x, "valid"))
# fmt: on


@composed(np.convolve)
def convolve_in_mode(a, v, mode="full"):
    """Σᵢ aᵢ vₖ₋ᵢ for all k: "full" wherever they overlap, "same" as many as the longer has, or
    "valid" where the shorter is within the longer.
    """
    a, v = vectors_of("convolve", *np.atleast_1d(*as_arrays(a, v)))
    start, size = overlap(len(a), len(v), mode)
    z = convolve(a, v)
    return z if mode == "full" else z[start : start + size]


@composed(np.correlate)
def correlate(a, v, mode="valid"):
    """Σᵢ aᵢ₊ₖ vᵢ for all k: the convolution with the reversed v; modes as for np.convolve."""
    a, v = vectors_of("correlate", *as_arrays(a, v))
    start, size = overlap(len(a), len(v), mode)
    if len(v) > len(a):  # NumPy exchanges them and reverses the result
        start = len(a) + len(v) - 1 - start - size
    z = convolve(a, np.flip(v))
    return z if mode == "full" else z[start : start + size]


def vectors_of(name, *xs):
    """The arrays, if they are vectors and not empty."""
    if any(x.ndim != 1 or x.size == 0 for x in xs):
        raise errors.not_sequences(name, xs)
    return xs


def overlap(m, n, mode):
    """Where in the full convolution a mode begins, and how long it is."""
    long, short = max(m, n), min(m, n)
    modes = {"full": (0, m + n - 1), "same": ((short - 1) // 2, long)}
    modes["valid"] = (short - 1, long - short + 1)
    if mode not in modes:
        raise errors.unknown_mode("convolve", mode, modes)
    return modes[mode]
