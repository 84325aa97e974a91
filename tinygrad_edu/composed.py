"""NumPy functions that need no derivative of their own: they are built from functions of the table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_edu.derivatives import join
from tinygrad_edu.engine import REGISTRY


def composed(*functions: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let a function of Tensors stand for NumPy's function of the same meaning."""
    def register(composition: Callable[..., Any]) -> Callable[..., Any]:
        for function in functions: REGISTRY[function] = composition
        return composition
    return register


@composed(np.mean)
def mean(x: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    """The sum divided by how many were added."""
    total = np.sum(x, axis=axis, keepdims=keepdims)
    return total / (x.size // max(total.size, 1))


@composed(np.concatenate)
def concatenate(arrays: Sequence[Any], axis: int | None = 0) -> Any:
    """One after the other along an axis; all of them flat if axis is None."""
    if axis is None: return join(*[np.ravel(x) for x in arrays])
    return join(*arrays, axis=axis)


@composed(np.stack)
def stack(arrays: Sequence[Any], axis: int = 0) -> Any:
    """Side by side along a new axis."""
    return join(*[np.expand_dims(x, axis) for x in arrays], axis=axis)
