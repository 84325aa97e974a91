"""What flows back through z = x[index]: a gradient that is zero except at the index."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class SparseGradient:
    """A gradient that is zero except for some pieces, each at an index of its own.

    The zeros are written once, when all pieces have come. So the backward pass of `for row in x`
    writes x.size numbers, and not x.size for each row.
    """

    def __init__(
        self, scatter: Callable[..., Any], shape: tuple[int, ...], pieces: list[tuple[Any, Any]]
    ) -> None:
        self.scatter, self.shape, self.pieces = scatter, shape, pieces  # pieces: (array, index)
        self.dtype = pieces[0][0].dtype

    def astype(self, dtype: Any) -> Any:
        return dense(self).astype(dtype)


def dense(g: Any) -> Any:
    """Write out the zeros of a sparse gradient, by `scatter`; return anything else as it is."""
    if not isinstance(g, SparseGradient):
        return g
    pieces, indices = zip(*g.pieces, strict=True)
    return g.scatter(*pieces, indices=indices, shape=g.shape)


def add(total: Any, g: Any) -> Any:
    """total + g. If one of them is sparse, it takes in the other: only the walk holds it."""
    if isinstance(g, SparseGradient) and not isinstance(total, SparseGradient):
        total, g = g, total
    if not isinstance(total, SparseGradient):
        return total + g
    total.pieces += g.pieces if isinstance(g, SparseGradient) else [(g, ...)]
    return total
