"""Losses: how far predictions are from targets, as one number to descend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_edu import Tensor, special

from .module import Array, Module

__all__ = ["MSE", "CrossEntropy"]

REDUCTIONS: dict[str, Callable[[Any], Any]] = {"mean": np.mean, "sum": np.sum, "none": lambda losses: losses}


class Loss(Module):
    """What losses share: `reduction` makes one number of many, "mean" or "sum", or leaves them, "none"."""

    def __init__(self, reduction: str = "mean") -> None:
        if reduction not in REDUCTIONS:
            raise ValueError(f"expected a reduction among {[*REDUCTIONS]}, found {reduction!r}")
        self.reduction = reduction

    def reduce(self, losses: Any) -> Any: return REDUCTIONS[self.reduction](losses)


class MSE(Loss):
    """(prediction − target)², averaged over all numbers. Both have the same shape, any one; nothing is broadcast.

    Raises ValueError if the shapes differ: `(n, 1)` against `(n,)` would compare everything with everything.

    >>> MSE()(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    np.float64(2.0)
    """

    def forward(self, prediction: Tensor | Array, target: Tensor | ArrayLike) -> Any:
        target = target if isinstance(target, Tensor) else np.asarray(target)
        if prediction.shape != target.shape:
            raise ValueError(f"MSE takes equal shapes, found prediction {prediction.shape} and target {target.shape}: "
                             "reshape one of them, for example prediction[:, 0] or target[:, None]")
        return self.reduce(np.square(prediction - target))


class CrossEntropy(Loss):
    """−Σ p ln softmax(logits) per example, in nats, averaged over the batch. Logits are `(batch, classes)`.

    The target is class indices `(batch,)`, integers from 0 to classes − 1, or probabilities p `(batch, classes)`.
    Raises ValueError for other shapes and indices, TypeError for indices that are not integers.

    >>> CrossEntropy()(np.zeros((2, 4)), [3, 0]) == np.log(4)
    np.True_
    """

    def forward(self, logits: Tensor | Array, target: Tensor | ArrayLike) -> Any:
        target = target if isinstance(target, Tensor) else np.asarray(target)
        if logits.ndim != 2 or target.shape not in (logits.shape, logits.shape[:1]):
            raise ValueError("CrossEntropy takes logits (batch, classes) and class indices (batch,) or probabilities "
                             f"(batch, classes), found logits {logits.shape} and target {target.shape}")
        log_p = special.log_softmax(logits)
        if target.ndim == 2: return self.reduce(-(target * log_p).sum(axis=-1))
        return self.reduce(-log_p[np.arange(len(target)), class_indices(target, logits.shape[-1])])


def class_indices(target: Tensor | Array, classes: int) -> Array:
    """The target's array, if all of it are integers from 0 to classes − 1."""
    indices = target.numpy() if isinstance(target, Tensor) else target
    if indices.dtype.kind not in "iu": raise TypeError(f"class indices are integers, found dtype {indices.dtype}")
    outside = indices[(indices < 0) | (indices >= classes)]
    if outside.size: raise ValueError(f"expected class indices from 0 to {classes - 1}, found {outside[0]}")
    return indices
