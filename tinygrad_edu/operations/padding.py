"""np.pad in all of its modes: x stays in the middle, and each mode says what stands around it."""

from __future__ import annotations

import numpy as np

from tinygrad_edu.core.derivatives import axis_slice, pad
from tinygrad_edu.core.engine import Tensor, plain
from tinygrad_edu.operations import errors
from tinygrad_edu.operations.composed import as_arrays, composed

MOVES = ("edge", "reflect", "symmetric", "wrap")  # elements of x come again
STATISTICS = {"maximum": np.max, "minimum": np.min, "mean": np.mean, "median": np.median}
MODES = ("constant", "empty", "linear_ramp", *MOVES, *STATISTICS)


@composed(np.pad)
def pad_with(x, pad_width, mode="constant", **options):
    """x within a frame: of a constant, of elements of x, of a statistic of x, or of a ramp.

    `pad_width` is NumPy's: a number, a pair (before, after), a pair for each axis, or a dict of
    axes. The frame that mode="empty" leaves open is 0.
    """
    (x,) = as_arrays(x)
    if mode not in MODES:
        raise errors.unknown_mode("pad", mode, MODES)
    if mode == "constant":
        return framed_by_constants(x, pad_width, **options)
    if mode in MOVES and options in ({}, {"reflect_type": "even"}):
        return pad(x, pad_width, mode)
    expected = np.pad(plain(x), pad_width, mode, **options)  # NumPy refuses what does not fit
    if mode == "empty" or x.size == 0 or x.ndim == 0:
        return pad(x, pad_width)
    if x.dtype.kind != "f":
        return Tensor(expected)  # NumPy rounds
    for axis, widths in enumerate(pad_widths(pad_width, x.ndim)):
        if mode in STATISTICS:
            x = framed_by_statistic(x, axis, widths, STATISTICS[mode], **options)
        elif mode == "linear_ramp":
            x = framed_by_ramps(x, axis, widths, **options)
        else:
            x = framed_by_odd_reflection(x, axis, widths, mode)
    return x


def pad_widths(pad_width, ndim):
    """(before, after) for each axis: a 1 that is padded with zeros shows where it went."""
    framed = np.pad(np.ones((1,) * ndim), pad_width)
    before = [int(places[0]) for places in np.nonzero(framed)]
    return [(n, size - 1 - n) for n, size in zip(before, framed.shape, strict=True)]


def of_axis(values, axis, ndim):
    """What an option says before and after x along one axis."""
    return np.broadcast_to(np.array(values), (ndim, 2))[axis]


def framed_by_constants(x, pad_width, *, constant_values=0):
    """x within constants."""
    z = pad(x, pad_width)
    if np.array_equal(constant_values, 0):
        return z
    return z + np.pad(np.zeros(x.shape, x.dtype), pad_width, constant_values=constant_values)


def framed_by_statistic(x, axis, widths, statistic, *, stat_length=None):
    """Before x a statistic of its first elements along the axis, after x of its last."""
    n = x.shape[axis]
    first, last = [n if m is None else min(m, n) for m in of_axis(stat_length, axis, x.ndim)]
    ends = [x[axis_slice(axis, x.ndim, *part)] for part in ((0, first), (n - last, n))]
    frame = [statistic(end, axis=axis, keepdims=True) for end in ends]
    frame = [np.repeat(z, width, axis) for z, width in zip(frame, widths, strict=True)]
    return np.concatenate([frame[0], x, frame[1]], axis)


def framed_by_ramps(x, axis, widths, *, end_values=0):
    """From the edges of x down, or up, to the end values in equal steps."""
    edges, ramps = (x[axis_slice(axis, x.ndim, *part)] for part in ((0, 1), (-1, None))), []
    exact = np.result_type(x.dtype, np.float64)
    for edge, end, width in zip(edges, of_axis(end_values, axis, x.ndim), widths, strict=True):
        shares = np.arange(width, dtype=exact) / max(width, 1)  # 0 at the end
        shares = np.expand_dims(shares, tuple(range(1, x.ndim - axis)))
        end = x.dtype.type(end)
        ramps.append((end + (edge.astype(exact) - end) * shares).astype(x.dtype))
    return np.concatenate([ramps[0], x, np.flip(ramps[1], axis)], axis)


def framed_by_odd_reflection(x, axis, widths, mode):
    """2 · edge − what is reflected, which is linear in x: the matrix is that of 1s, so framed."""
    matrix = np.pad(np.eye(x.shape[axis]), (widths, (0, 0)), mode, reflect_type="odd")
    rows = np.where(matrix == 0, 0.0, np.moveaxis(x, axis, -1)[..., None, :])
    return np.moveaxis(np.sum(rows * matrix.astype(x.dtype), axis=-1), -1, axis)
