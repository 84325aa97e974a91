"""Means, variances, quantiles and covariances; with `where`, or without what is not a number."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu.core.arraylike import REGISTRY
from tinygrad_edu.core.derivatives import axes_of
from tinygrad_edu.core.engine import Tensor, plain
from tinygrad_edu.operations import errors
from tinygrad_edu.operations.composed import as_arrays, as_mask, composed
from tinygrad_edu.operations.lengths import norm, wide
from tinygrad_edu.operations.options import summand_count


def summed_wide(function: Callable[..., Any]) -> Callable[..., Any]:
    """Sums as NumPy's mean takes them: of float16 in float32, of integers and bools in float64.

    The result of float16 is float16 again. NumPy itself lets the squares of float16 overflow. If
    dtype is given, sums are taken in it.
    """

    @functools.wraps(function)
    def run(x: Any, *args: Any, dtype: Any = None, **options: Any) -> Any:
        (x,) = as_arrays(x)
        z = function(wide(x) if dtype is None else x.astype(dtype), *args, **options)
        if dtype is None and x.dtype != np.float16:
            return z
        return z.astype(x.dtype if dtype is None else dtype)

    signature = inspect.signature(function)
    option = inspect.Parameter("dtype", inspect.Parameter.KEYWORD_ONLY, default=None)
    run.__signature__ = signature.replace(parameters=[*signature.parameters.values(), option])  # type: ignore[attr-defined]
    return run


def selected(x, where):
    """x with 0 in place of what `where` leaves out."""
    return x if where is True else np.where(as_mask(where), x, 0)


def selected_count(x, axis, keepdims, where):
    """How many elements are added for each result: a number, or if `where` is given an array."""
    if where is True:
        return summand_count(x, axis)
    chosen = np.broadcast_to(as_mask(where), x.shape)
    return np.sum(chosen, axis=axis, keepdims=keepdims).astype(x.dtype)


# Means


@composed(np.mean)
@summed_wide
def mean(x, axis=None, *, keepdims=False, where=True):
    """The sum, divided by the number of summands."""
    total = np.sum(selected(x, where), axis=axis, keepdims=keepdims)
    return total / selected_count(x, axis, keepdims, where)


@composed(np.average)
def average(x, axis=None, weights=None, returned=False, *, keepdims=False):
    """Σ w x / Σ w; the weights w have x's shape, or the shape of the averaged axes."""
    (x,) = as_arrays(x)
    if weights is None:
        value = mean(x, axis, keepdims=keepdims)
        total = np.full_like(value, summand_count(x, axis))
    else:
        w = weights_like(x, axis, weights)
        total = np.sum(w, axis=axis, keepdims=keepdims)
        if np.any(total == 0):
            raise errors.no_weight(w)
        value = np.sum(x * w, axis=axis, keepdims=keepdims) / total
    return (value, total) if returned else value


def weights_like(x, axis, weights):
    """Weights in x's shape, in a type in which products with x don't overflow."""
    axes, (w,) = axes_of(axis, x.ndim), as_arrays(weights)
    if w.shape != x.shape:
        if axis is None or w.shape != tuple(x.shape[a] for a in axes):
            raise errors.weights_do_not_fit(x, w, axis)
        sizes = [size if a in axes else 1 for a, size in enumerate(x.shape)]
        w = np.broadcast_to(np.transpose(w, np.argsort(axes)).reshape(sizes), x.shape)
    return w.astype(
        np.result_type(x.dtype, w.dtype, np.float64 if x.dtype.kind != "f" else w.dtype)
    )


# Variances


def degrees_of_freedom(x, axis, keepdims, where, ddof, correction):
    """n − ddof, or n − correction, which is another name for it; not below 0."""
    if ddof and correction is not None:
        raise errors.two_corrections(ddof, correction)
    n = selected_count(x, axis, keepdims, where) - (ddof if correction is None else correction)
    return max(n, 0) if where is True else np.maximum(n, 0)


def deviation(x, axis, where, mean):
    """x − mean; 0 where `where` leaves an element out."""
    if mean is None:
        options = {} if where is True else {"where": where}
        mean = np.mean(x, axis=axis, keepdims=True, **options)
    return selected(x - mean, where)


@composed(np.var)
@summed_wide
def var(x, axis=None, *, ddof=0, correction=None, keepdims=False, where=True, mean=None):
    """Σ (x − mean)² / (n − ddof): the variance, unbiased with ddof=1, or correction=1."""
    squares = np.square(deviation(x, axis, where, mean))
    freedom = degrees_of_freedom(x, axis, keepdims, where, ddof, correction)
    return np.sum(squares, axis=axis, keepdims=keepdims) / freedom


@composed(np.std)
@summed_wide
def std(x, axis=None, *, ddof=0, correction=None, keepdims=False, where=True, mean=None):
    """√var, by the norm of x − mean, so that the gradient is 0 where all elements are equal."""
    length = norm(deviation(x, axis, where, mean), axis=axis, keepdims=keepdims)
    freedom = degrees_of_freedom(x, axis, keepdims, where, ddof, correction)
    return length / np.sqrt(freedom * length.dtype.type(1))  # with the digits of x


@composed(np.cov)
def cov(m, y=None, rowvar=True, bias=False, ddof=None, fweights=None, aweights=None, *, dtype=None):
    """Σ w (x − mean) (x − mean)ᵀ / n for variables x in the rows of m and y, with weights w.

    n is Σ w − ddof Σ w a / Σ w for weights a of the precision, and ddof is 1 unless bias is True.
    """
    x = variables(m, y, rowvar, dtype)
    check_cov(x.shape[-1], bias, ddof, fweights, aweights)
    ddof = (0 if bias else 1) if ddof is None else ddof
    counts, precision = [None if w is None else as_arrays(w)[0] for w in (fweights, aweights)]
    weights = counts if precision is None else precision if counts is None else counts * precision
    if weights is None:
        freedom, weighted = max(x.shape[-1] - ddof, 0), x - np.mean(x, axis=1, keepdims=True)
        z = weighted @ weighted.mT / freedom
    else:
        total = np.sum(weights)
        lost = ddof if precision is None else ddof * np.sum(weights * precision) / total
        centred = x - (np.sum(x * weights, axis=1) / total)[:, None]
        z = (centred * weights) @ centred.mT / np.maximum(total - lost, 0.0)
    return np.squeeze(z)


def variables(m, y, rowvar, dtype):
    """The variables of m, and below them those of y, in rows, in a type for sums."""
    given = as_arrays(*([m] if y is None else [m, y]))
    if dtype is None:
        dtype = np.result_type(*[x.dtype for x in given], np.float64)
    x, *more = [np.atleast_2d(x) for x in given]
    if not rowvar and given[0].ndim != 1:
        x = x.mT
    more = [x if rowvar or len(x) == 1 else x.mT for x in more]
    return (np.concatenate([x, *more]) if more else x).astype(dtype)


def check_cov(n, *options):
    """Let NumPy refuse what it does not take: with no variables it computes nothing."""
    np.cov(np.zeros((1, n)), None, True, *map(plain, options))


@composed(np.corrcoef)
def corrcoef(x, y=None, rowvar=True, *, dtype=None):
    """The covariances, each divided by both standard deviations; between −1 and 1."""
    c = np.cov(x, y, rowvar, dtype=dtype)
    if c.ndim == 0:
        return c / c
    deviations = np.sqrt(np.diag(c))
    z = c / deviations[:, None] / deviations
    beyond = np.clip(plain(z), -1.0, 1.0) - plain(z)  # a rounding: z's derivatives stay
    return z + beyond


# Quantiles


def reduced_last(x, axis):
    """x with all axes that are reduced made one, the last: (…, n)."""
    axes = axes_of(axis, x.ndim)
    kept = [a for a in range(x.ndim) if a not in axes]
    moved = np.transpose(x, [*kept, *axes]) if kept else x
    return moved.reshape((*[x.shape[a] for a in kept], summand_count(x, axis)))


def quantile_like(numpys, x, q, axis, keepdims, weights=None, **method):
    """Σ of two neighbours among the sorted elements, with weights that add up to 1.

    NumPy's quantile of 0, 1, 2 … n − 1 says where it is: 3.25 is ¾ of element 3 and ¼ of element 4.
    """
    (x,), moving_q = as_arrays(x), q
    q, dtype = plain(q), numpys(np.ones(1, x.dtype), plain(q), **method).dtype
    rows = np.sort(reduced_last(wide(x), axis))
    if weights is None:
        places = quantile_places(numpys, plain(rows), q, method)  # (…, q), NaN where there is none
    else:
        weights = reduced_last(weights_like(x, axis, plain(weights)), axis)
        places = weighted_places(numpys, reduced_last(plain(x), axis), weights, q, method)
    none = np.isnan(places)
    below = np.where(none, 0, np.floor(places)).astype(int)
    share = np.where(none, math.nan, places - below).astype(rows.dtype)
    if rows.shape[-1] == 0:
        rows = np.zeros((*rows.shape[:-1], 1))
    above = np.take_along_axis(rows, below + (share > 0), -1)
    above = np.where(share == 0, 0.0, above)
    if isinstance(moving_q, Tensor):
        share = share + np.where(share == 0, 0.0, steps_per_q(numpys, rows, **method)) * (
            np.ravel(moving_q) - np.ravel(q)
        )
    z = (np.take_along_axis(rows, below, -1) * (1 - share) + above * share).astype(dtype)
    z = np.moveaxis(z, -1, 0).reshape((*np.shape(q), *rows.shape[:-1]))
    if not keepdims:
        return z
    return np.expand_dims(z, tuple(np.ndim(q) + a for a in axes_of(axis, x.ndim)))


# By so many places more than there are elements a quantile moves as q goes from 0 to 1; of the
# other methods it jumps
MOVES = {"linear": -1.0, "hazen": 0.0, "interpolated_inverted_cdf": 0.0, "normal_unbiased": 1 / 4}
MOVES |= {"median_unbiased": 1 / 3, "weibull": 1.0}


def steps_per_q(numpys, rows, method="linear"):
    """∂place/∂q between two elements, for each row."""
    if method not in MOVES:
        return 0.0
    n = np.sum(~np.isnan(plain(rows)), axis=-1, keepdims=True)
    return (n + MOVES[method]) / (100 if numpys in (np.percentile, np.nanpercentile) else 1)


def quantile_places(numpys, rows, q, method):
    """Where the quantiles are among the sorted elements of each row; one row for each row."""
    n, missing = rows.shape[-1], np.isnan(rows)  # NaN is sorted to the end
    if numpys in PASS_OVER_NAN and missing.any():
        places = numpys(np.where(missing, math.nan, np.arange(n)), np.ravel(q), axis=-1, **method)
        return np.moveaxis(np.reshape(places, (-1, *rows.shape[:-1])), 0, -1)
    places = np.broadcast_to(
        np.ravel(numpys(np.arange(n), q, **method)), (*rows.shape[:-1], np.size(q))
    )
    return np.where(missing[..., -1:], math.nan, places) if n else places


def weighted_places(numpys, rows, weights, q, method):
    """The same with weights, by NumPy's own quantile of the ranks: it is one of them."""
    ranks = np.where(np.isnan(rows), math.nan, np.argsort(np.argsort(rows)))
    places = numpys(ranks, np.ravel(q), axis=-1, weights=weights, **method)
    return np.moveaxis(places, 0, -1)


@composed(np.quantile)
def quantile(x, q, axis=None, *, method="linear", keepdims=False, weights=None):
    """The number below which the share q of the elements lies; q may be a variable."""
    return quantile_like(np.quantile, x, q, axis, keepdims, weights, method=method)


@composed(np.percentile)
def percentile(x, q, axis=None, *, method="linear", keepdims=False, weights=None):
    """The number below which q percent of the elements lie."""
    return quantile_like(np.percentile, x, q, axis, keepdims, weights, method=method)


@composed(np.nanquantile)
def nanquantile(x, q, axis=None, *, method="linear", keepdims=False, weights=None):
    """The quantile of those elements that are numbers."""
    return quantile_like(np.nanquantile, x, q, axis, keepdims, weights, method=method)


@composed(np.nanpercentile)
def nanpercentile(x, q, axis=None, *, method="linear", keepdims=False, weights=None):
    """The percentile of those elements that are numbers."""
    return quantile_like(np.nanpercentile, x, q, axis, keepdims, weights, method=method)


def middle(x, q, axis=None):
    return np.median(x, axis=axis)


def middle_of_numbers(x, q, axis=None):
    return np.nanmedian(x, axis=axis)


@composed(np.median)
def median(x, axis=None, *, keepdims=False):
    """The middle of the sorted elements, or the mean of the middle two; NaN if there is a NaN."""
    return quantile_like(middle, x, 0.5, axis, keepdims)


@composed(np.nanmedian)
def nanmedian(x, axis=None, *, keepdims=False):
    """The median of those elements that are numbers."""
    return quantile_like(middle_of_numbers, x, 0.5, axis, keepdims)


PASS_OVER_NAN = {np.nanquantile, np.nanpercentile, middle_of_numbers}


@composed(np.ptp)
def ptp(x, axis=None, *, keepdims=False):
    """Peak to peak: the greatest minus the least."""
    return np.max(x, axis=axis, keepdims=keepdims) - np.min(x, axis=axis, keepdims=keepdims)


# Without what is not a number


def without_nan(function):
    """The function of those elements that are numbers: NaN is left out by `where`."""

    def run(x, axis=None, *, where=True, **options):
        (x,) = as_arrays(x)
        return function(x, axis=axis, where=~np.isnan(x) & as_mask(where), **options)

    return run


for of_numbers, of_all in (
    (np.nansum, np.sum),
    (np.nanprod, np.prod),
    (np.nanmean, np.mean),
):
    REGISTRY[of_numbers] = without_nan(of_all)  # which refuses options that it does not know


def spread_of_numbers(function):
    """The variance or deviation of those elements that are numbers, NaN if they are too few."""

    def run(x, axis=None, *, ddof=0, correction=None, keepdims=False, where=True, **options):
        (x,) = as_arrays(x)
        options |= {"axis": axis, "ddof": ddof, "correction": correction, "keepdims": keepdims}
        numbers = ~np.isnan(x) & as_mask(where)
        z = function(x, where=numbers, **options)
        few = degrees_of_freedom(x, axis, keepdims, numbers, ddof, correction) == 0
        return np.where(few, np.nan, z) if np.any(few) else z

    return run


REGISTRY[np.nanvar] = spread_of_numbers(np.var)
REGISTRY[np.nanstd] = spread_of_numbers(np.std)


def nan_extreme(function, neutral):
    """The extreme of those elements that are numbers, NaN if there is none."""

    def run(x, axis=None, *, keepdims=False, where=True, initial=None):
        (x,) = as_arrays(x)
        missing = np.isnan(x)
        if not missing.any():
            return function(x, axis=axis, keepdims=keepdims, where=where, initial=initial)
        x = np.where(missing, neutral, x)
        z = function(x, axis=axis, keepdims=keepdims, where=where, initial=initial)
        if initial is not None:
            return z
        return np.where(missing.all(axis=axis, keepdims=keepdims), math.nan, z)

    return run


composed(np.nanmax)(nan_extreme(np.max, -math.inf))
composed(np.nanmin)(nan_extreme(np.min, math.inf))
