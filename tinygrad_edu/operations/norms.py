"""Lengths of vectors and matrices, through NumPy's names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu.core.derivatives import axes_of
from tinygrad_edu.core.engine import plain
from tinygrad_edu.operations import errors
from tinygrad_edu.operations.composed import as_arrays, composed
from tinygrad_edu.operations.lengths import norm, root
from tinygrad_edu.operations.linalg import move_axes
from tinygrad_edu.operations.statistics import reduced_last, summed_wide


def greatest(x, axis, *, keepdims=False):
    """The greatest of positive numbers, 0 of none."""
    extreme = np.max if x.shape[axis] else np.sum
    return extreme(x, axis=axis, keepdims=keepdims)


# fmt: off
MATRIX_NORMS: dict[Any, Callable[[Any], Any]] = {  # of the last two axes
    "fro":   lambda x: norm(x, axis=(-2, -1)),
    "nuc":   lambda x: np.linalg.svdvals(x).sum(axis=-1),
    2:       lambda x: greatest(np.linalg.svdvals(x), -1),
    -2:      lambda x: np.linalg.svdvals(x).min(axis=-1),
    1:       lambda x: greatest(np.abs(x).sum(axis=-2), -1),  # of the sums of columns
    -1:      lambda x: np.abs(x).sum(axis=-2).min(axis=-1),
    np.inf:  lambda x: greatest(np.abs(x).sum(axis=-1), -1),  # of the sums of rows
    -np.inf: lambda x: np.abs(x).sum(axis=-1).min(axis=-1),
}
# fmt: on


@composed(np.linalg.norm)
@summed_wide
def any_norm(x, ord=None, axis=None, keepdims=False):
    """√Σx², unless ord names another norm: of vectors along one axis, of matrices along two."""
    axes = axes_of(axis, x.ndim)
    if ord is None and (axis is None or len(axes) < 3):
        return norm(x, axis=axis, keepdims=keepdims)
    if len(axes) == 1 and not isinstance(ord, str):
        return vector_norm(x, ord, axes[0], keepdims)
    if len(axes) != 2 or ord not in MATRIX_NORMS:
        raise errors.no_such_norm(ord, axes, MATRIX_NORMS)
    z = MATRIX_NORMS[ord](move_axes(x, axes, (-2, -1)))
    return np.expand_dims(z, axes) if keepdims else z


def vector_norm(x, p, axis, keepdims):
    """(Σ|x|ᵖ)^(1/p), with gradient 0 where the norm is 0.

    For p = ±∞ it is the greatest or smallest |x|, for p = 0 how many are not 0. For p < 1 an
    element that is 0 receives 0, as in PyTorch; for p < 0 the norm of nothing is ∞, as in NumPy.
    """
    options = {"axis": axis, "keepdims": keepdims}
    if p == 2:
        return norm(x, **options)
    if p == 0:
        return (x != 0).astype(x.dtype).sum(**options)
    if np.isinf(p):
        return (greatest if p > 0 else np.min)(np.abs(x), **options)
    if p == 1:
        return np.abs(x).sum(**options)
    if p > 1:
        return root(np.sum(np.abs(x) ** p, **options), p=p)
    zero = x == 0
    powers = np.where(zero, 0.0 if p > 0 else np.inf, np.abs(np.where(zero, 1.0, x)) ** p)
    return root(np.sum(powers, **options), p=p)


@composed(np.linalg.vector_norm)
@summed_wide
def norm_of_vectors(x, *, axis=None, keepdims=False, ord=2):
    """(Σ|x|ᵖ)^(1/p) of all elements, or along the axis or axes."""
    z = vector_norm(reduced_last(x, axis), ord, -1, False)
    return np.expand_dims(z, axes_of(axis, x.ndim)) if keepdims else z


@composed(np.linalg.matrix_norm)
def norm_of_matrices(x, *, keepdims=False, ord="fro"):
    """A norm of each matrix, of those that np.linalg.norm has."""
    return np.linalg.norm(x, ord, (-2, -1), keepdims)


@composed(np.linalg.cond)
def condition_number(x, p=None):
    """|X| |X⁻¹|, by the singular values if p is None, 2 or −2; ∞ for a singular matrix."""
    (x,) = as_arrays(x)
    known = np.linalg.cond(plain(x), p)  # NumPy refuses what does not fit
    singular = ~np.isfinite(known)
    regular = np.where(singular[..., None, None], np.eye(*x.shape[-2:]), x) if singular.any() else x
    if p is None or p in (2, -2):
        s = np.linalg.svdvals(regular)
        z = s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    else:
        z = norm_of_matrices(regular, ord=p) * norm_of_matrices(np.linalg.inv(regular), ord=p)
    return np.where(singular, known, z).astype(known.dtype)
