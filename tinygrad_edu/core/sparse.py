"""What flows back through z = x[index]: a gradient that is zero but at the index."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class SparseGradient:
    """A gradient that is zero but for some pieces, each at an index of its own.

    The zeros are written once, after all pieces have come. So `for row in x`, or `x[t]` in a loop,
    costs the backward pass no more than the forward pass, and not its square.
    """

    def __init__(
        self, scatter: Callable[..., Any], shape: tuple[int, ...], pieces: list[tuple[Any, Any]]
    ) -> None:
        self.scatter, self.shape, self.pieces = scatter, shape, pieces  # pieces: (array, index)
        self.dtype = pieces[0][0].dtype

    def astype(self, dtype: Any) -> Any:
        return dense(self).astype(dtype)


def dense(g: Any) -> Any:
    """A sparse gradient with its zeros, by the operation scatter; anything else as it is."""
    if not isinstance(g, SparseGradient):
        return g
    pieces, indices = zip(*g.pieces, strict=True)
    return g.scatter(*pieces, indices=indices, shape=g.shape)


def add(total: Any, g: Any) -> Any:
    """total + g. A sparse total only takes the pieces of g in: they are the walk's own."""
    if isinstance(g, SparseGradient) and not isinstance(total, SparseGradient):
        total, g = g, total
    if not isinstance(total, SparseGradient):
        return total + g
    total.pieces += g.pieces if isinstance(g, SparseGradient) else [(g, ...)]
    return total
