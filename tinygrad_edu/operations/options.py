"""What NumPy's options mean, of all ufuncs, sums, products and extremes: one place for all of them.

A call without options does not come here.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from tinygrad_edu.core.arraylike import REGISTRY, WITH_OPTIONS
from tinygrad_edu.core.derivatives import axes_of, scatter
from tinygrad_edu.core.engine import Tensor, plain
from tinygrad_edu.core.errors import unknown_options
from tinygrad_edu.operations import errors
from tinygrad_edu.operations.composed import as_arrays, as_mask, check_cast, in_type


def summand_count(x, axis):
    """How many elements are added for each result."""
    return math.prod(x.shape[a] for a in axes_of(axis, x.ndim))


# Ufuncs


def ufunc_with_options(
    ufunc, run, *args, dtype=None, casting="same_kind", where=True, out=None, order=None, **others
):
    """z where `where` is True, elsewhere `out`, or 0; dtype is the type to compute in.

    The function runs only where `where` is True: no gradient comes from elsewhere, and 1/0 is not
    met there. `out` is not written to: the result is new. `order` is about memory, not values.
    """
    if isinstance(run, functools.partial):  # piecewise constant: NumPy's own function
        given = {"dtype": dtype, "casting": casting, "where": where, "out": out, **others}
        return run(*args, **given)
    if ufunc.nout > 1:
        raise unknown_options(ufunc.__name__, ["dtype", "where", *others], ())
    args = as_arrays(*args)
    if dtype is not None:
        args = in_loop_types(ufunc, args, dtype, casting)
    if where is True:
        return run(*args, **others)
    (rest,) = out or (None,)
    shape = np.broadcast_shapes(*map(np.shape, [*args, where, *(out or ())]))
    chosen = np.broadcast_to(as_mask(where), shape)
    z = run(*[np.broadcast_to(x, shape)[chosen] for x in args], **others)
    z = scatter(z, indices=(chosen,), shape=shape)
    return z if rest is None else np.where(chosen, in_type(z, rest.dtype, casting), rest)


def in_loop_types(ufunc, args, dtype, casting):
    """The arguments in the types that NumPy computes in if it is asked for dtype."""
    results = (np.dtype(dtype),) + (None,) * (ufunc.nout - 1)
    types = ufunc.resolve_dtypes(
        (*[x.dtype for x in args], *(None,) * ufunc.nout),
        signature=(*(None,) * ufunc.nin, *results),
        casting=casting,
    )
    return [in_type(x, type_) for x, type_ in zip(args, types, strict=False)]


WITH_OPTIONS[np.ufunc] = ufunc_with_options

# Sums, products and extremes: what `where` leaves out is replaced by what changes nothing

NEUTRAL = {np.sum: 0, np.prod: 1}  # of an extreme it is `initial`
JOINS: dict[Any, np.ufunc] = {np.sum: np.add, np.prod: np.multiply}
JOINS |= dict.fromkeys((np.max, np.amax), np.maximum) | dict.fromkeys((np.min, np.amin), np.minimum)


def reduction_with_options(
    function, run, x, axis=None, dtype=None, *, keepdims=False, initial=None, where=True, **others
):
    """f of `initial` and of those elements for which `where` is True, computed in type dtype."""
    x = in_type(as_arrays(x)[0], dtype)
    if initial is not None and not isinstance(initial, Tensor):
        initial = np.array(initial, x.dtype)
    if where is not True:
        neutral = NEUTRAL.get(function, initial)
        if neutral is None:
            raise errors.no_identity(function)
        chosen = np.broadcast_to(as_mask(where), x.shape)
        x = np.where(chosen, x, in_type(as_arrays(neutral)[0], x.dtype))
    if initial is None:
        return run(x, axis=axis, keepdims=keepdims, **others)
    if summand_count(x, axis) == 0:
        return np.full_like(np.sum(x, axis=axis, keepdims=keepdims), initial)
    z = run(x, axis=axis, keepdims=keepdims, **others)
    return JOINS[function](z, in_type(initial, z.dtype))


WITH_OPTIONS |= dict.fromkeys(JOINS, reduction_with_options)

# Types and the order of elements


def with_order(function, run, x, *args, order="C", copy=None, **options):
    """A reshape in another order: run on 0, 1, 2 … it says where each element comes from."""
    if copy is False:
        function(plain(x), *args, order=order, copy=False, **options)  # NumPy refuses to copy
    if order == "C":
        z = run(x, *args, **options)
    else:
        numbers = np.empty_like(plain(x), int)  # which lies in memory as x does
        numbers[...] = np.arange(x.size).reshape(x.shape)
        z = np.take(np.ravel(x), function(numbers, *args, order=order, **options))
    return np.copy(z) if copy else z


def astype_with_options(function, run, x, dtype, *, casting="unsafe", **memory):
    """x in another type, if NumPy's rule of casting allows it; `order`, `copy` change no value."""
    check_cast(x.dtype, dtype, casting)
    return run(x, dtype)


def einsum_with_options(function, run, *args, dtype=None, casting="safe", order="K", **options):
    """einsum of the operands in another type; `order` is about memory."""
    if dtype is None:
        return run(*args, **options)
    places = range(1, len(args)) if isinstance(args[0], str) else range(0, len(args) // 2 * 2, 2)
    wider = list(args)
    for place in places:
        wider[place] = in_type(as_arrays(args[place])[0], dtype, casting)
    return run(*wider, **options)


def of_memory(function, run, *args, order=None, subok=None, overwrite_input=None, **options):
    """Options that say where numbers lie, or which class holds them: they change no value."""
    return run(*args, **options)


QUANTILES = (np.median, np.quantile, np.percentile, np.nanmedian, np.nanquantile, np.nanpercentile)
WITH_OPTIONS |= dict.fromkeys((np.copy, np.broadcast_to, *QUANTILES), of_memory)
WITH_OPTIONS |= dict.fromkeys((np.reshape, np.ravel, np.ndarray.flatten), with_order)
WITH_OPTIONS |= {np.ndarray.astype: astype_with_options, np.einsum: einsum_with_options}
if hasattr(np, "astype"):  # since NumPy 2.1
    REGISTRY[np.astype] = REGISTRY[np.ndarray.astype]
    WITH_OPTIONS[np.astype] = astype_with_options
