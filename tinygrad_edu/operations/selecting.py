"""Choosing, inserting and spreading elements: grids, blocks, and a function along an axis."""

from __future__ import annotations

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from tinygrad_edu.core.derivatives import register_rearrangement, scatter
from tinygrad_edu.core.engine import plain
from tinygrad_edu.operations import errors
from tinygrad_edu.operations.composed import as_arrays, composed

# fmt: off
for rearrangement in (np.delete, np.diagflat, np.resize):
    register_rearrangement(rearrangement)
# fmt: on


@composed(np.compress)
def compress(condition, a, axis=None):
    """The slices of a along an axis for which the condition is True."""
    (a,) = as_arrays(a)
    a, along = (np.atleast_1d(a), axis) if axis is not None else (np.ravel(a), 0)
    return np.take(a, np.compress(plain(condition), np.arange(a.shape[along])), along)


@composed(np.extract)
def extract(condition, arr):
    """The elements of arr, flat, for which the condition is True."""
    return compress(np.ravel(condition), np.ravel(arr))


@composed(np.trim_zeros)
def trim_zeros(filt, trim="fb", **options):
    """x without the zeros at its front, "f", and back, "b"; of matrices, without such rows too."""
    (x,) = as_arrays(filt)
    if x.ndim == 0:
        return x
    sizes = np.trim_zeros(plain(x), trim, **options).shape
    first = [places.min(initial=n) for places, n in zip(np.nonzero(x), x.shape, strict=True)]
    starts = [
        int(start) if size < n and "f" in trim.lower() else 0
        for start, size, n in zip(first, sizes, x.shape, strict=True)
    ]
    return x[tuple([slice(a, a + size) for a, size in zip(starts, sizes, strict=True)])]


@composed(np.insert)
def insert(arr, obj, values, axis=None):
    """arr with the values before the places obj, along an axis or flat."""
    arr, values = as_arrays(arr, values)
    values = values.astype(arr.dtype)
    numbers = [np.arange(arr.size).reshape(arr.shape), np.arange(values.size) + arr.size]
    origins = np.insert(numbers[0], plain(obj), numbers[1].reshape(values.shape), axis)
    return np.concatenate([np.ravel(arr), np.ravel(values)])[origins]


@composed(np.block)
def block(arrays):
    """One array of nested lists of arrays: the innermost are joined along the last axis."""
    depth = depth_of(arrays)
    np.block(nested(np.zeros_like, arrays))  # NumPy refuses what does not fit
    z = joined_blocks(arrays, depth, max(depth, *[x.ndim for x in flat_blocks(arrays)]))
    return np.copy(z) if depth == 0 else z


def nested(function, arrays):
    """The function of each array in nested lists."""
    if isinstance(arrays, list):
        return [nested(function, x) for x in arrays]
    return function(plain(*as_arrays(arrays)))


def depth_of(arrays):
    """How many lists are one within the other."""
    return 1 + depth_of(arrays[0]) if isinstance(arrays, list) and arrays else 0


def flat_blocks(arrays):
    """The arrays in nested lists, one after the other."""
    if isinstance(arrays, list):
        return [y for x in arrays for y in flat_blocks(x)]
    return as_arrays(arrays)


def joined_blocks(arrays, depth, ndim):
    """The blocks along axis −depth, and within them those of deeper lists."""
    if not isinstance(arrays, list):
        (x,) = as_arrays(arrays)
        return np.reshape(x, (1,) * (ndim - x.ndim) + x.shape)
    return np.concatenate([joined_blocks(x, depth - 1, ndim) for x in arrays], -depth)


# Grids


@composed(np.broadcast_arrays)
def broadcast_arrays(*args, subok=False):
    """The arrays, each in the shape to which all of them broadcast."""
    xs = as_arrays(*args)
    shape = np.broadcast_shapes(*[x.shape for x in xs])
    return tuple([np.broadcast_to(x, shape) for x in xs])


@composed(np.meshgrid)
def meshgrid(*xi, copy=True, sparse=False, indexing="xy"):
    """The coordinates of a grid: each vector along an axis of its own; "xy" swaps the first two."""
    if indexing not in ("xy", "ij"):
        raise errors.unknown_mode("meshgrid", indexing, ("xy", "ij"))
    n, axes = len(xi), list(range(len(xi)))
    if indexing == "xy" and n > 1:
        axes[:2] = 1, 0
    shapes = [[-1 if b == a else 1 for b in range(n)] for a in axes]
    grids = tuple([np.reshape(x, shape) for x, shape in zip(as_arrays(*xi), shapes, strict=True)])
    grids = grids if sparse else broadcast_arrays(*grids)
    return tuple([np.copy(x) for x in grids]) if copy else grids


# Counts and functions of parts


@composed(np.bincount)
def bincount(x, weights=None, minlength=0):
    """How often each whole number is in x; with weights, the sum of the weights of each."""
    (x,) = [plain(v) for v in as_arrays(x)]
    counts = np.bincount(x, minlength=minlength)  # NumPy refuses what does not fit
    if weights is None or x.size == 0:
        return counts
    (weights,) = as_arrays(weights)
    np.bincount(x, plain(weights))
    return scatter(weights.astype(np.float64), indices=(x.astype(int),), shape=counts.shape)


@composed(np.piecewise)
def piecewise(x, condlist, funclist, *args, **options):
    """In each place the function of the last condition that holds there; one more is for the rest.

    A number in place of a function stands for itself.
    """
    (x,) = as_arrays(x)
    conditions = [plain(c) for c in condlist] if isinstance(condlist, list | tuple) else condlist
    if np.ndim(conditions[0]) == 0 and x.ndim:
        conditions = [conditions]  # a single one
    conditions = [np.asarray(plain(c), bool) for c in conditions]
    functions = list(funclist)
    if len(functions) == len(conditions) + 1:
        functions = [functions[-1], *functions[:-1]]
        conditions = [~np.any(conditions, axis=0), *conditions]
    if len(functions) != len(conditions):
        raise errors.pieces_do_not_fit(len(conditions), len(functions))
    z = np.where(False, x, np.zeros(x.shape, x.dtype))  # with x in its graph, if all is left out
    for chosen, function in zip(conditions, functions, strict=True):
        mask = np.zeros(x.shape, bool)
        mask[chosen] = True
        part = function
        if callable(function) and mask.any():
            part = scatter(function(x[mask], *args, **options), indices=(mask,), shape=x.shape)
        z = np.where(mask, part, z).astype(x.dtype) if mask.any() else z
    return z


@composed(np.apply_along_axis)
def apply_along_axis(func1d, axis, arr, *args, **options):
    """The function of each vector along an axis, whose place its results take."""
    (arr,) = as_arrays(arr)
    axis = normalize_axis_index(axis, arr.ndim)
    moved = np.moveaxis(arr, axis, -1)
    places = list(np.ndindex(moved.shape[:-1]))
    if not places:
        raise errors.no_vectors_to_apply(arr, axis)
    rows = as_arrays(*[func1d(moved[place], *args, **options) for place in places])
    z = np.stack(rows).reshape(moved.shape[:-1] + rows[0].shape)
    more, before = rows[0].ndim, arr.ndim - 1
    return np.moveaxis(z, range(before, before + more), range(axis, axis + more))


@composed(np.apply_over_axes)
def apply_over_axes(func, a, axes):
    """The function over one axis after the other; a reduced axis stays, of size 1."""
    (a,) = as_arrays(a)
    for axis in np.atleast_1d(axes).tolist():
        z = func(a, axis)
        a = z if z.ndim == a.ndim else np.expand_dims(z, axis)
    return a
