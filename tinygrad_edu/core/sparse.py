"""Gradients in pieces: what flows back through z = x[index] is zero but at the index."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Placed:
    """A gradient that is zero but for some pieces, each at an index: the zeros are written out
    once, after all were added.

    So `for row in x`, or `x[t]` in a loop, costs the backward pass no more than the forward pass,
    and not its square."""

    def __init__(
        self, place: Callable[..., Any], shape: tuple[int, ...], pieces: list[tuple[Any, Any]]
    ) -> None:
        self.place, self.shape, self.pieces, self.dtype = place, shape, pieces, pieces[0][0].dtype

    def written_out(self) -> Any:
        """place(*pieces, indices=…, shape=…), an operation"""
        pieces, indices = zip(*self.pieces, strict=True)
        return self.place(*pieces, indices=indices, shape=self.shape)

    def astype(self, dtype: Any) -> Any:
        return self.written_out().astype(dtype)


def added(total: Any, g: Any) -> Any:
    """total + g; what is in pieces stays in pieces, which are the walk's own."""
    if isinstance(g, Placed) and not isinstance(total, Placed):
        total, g = g, total
    if not isinstance(total, Placed):
        return total + g
    total.pieces += g.pieces if isinstance(g, Placed) else [(g, ...)]
    return total
