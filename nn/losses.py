"""Losses: how far predictions are from targets, as one number to descend.

Each is an equation for one number, or for one example; `reduction` averages what it gives, adds it
up, or leaves it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_edu import Tensor, opaque, special

from .module import Array, Module, array_or_tensor

__all__ = ["L1", "MSE", "NLL", "BCEWithLogits", "CrossEntropy", "Huber", "KLDiv"]

REDUCTIONS: dict[str, Callable[[Any], Any]] = {
    "mean": np.mean,
    "sum": np.sum,
    "none": lambda losses: losses,
}


class Loss(Module):
    """What losses share: `reduction` takes the "mean" or "sum" of many numbers, or "none"."""

    reductions = REDUCTIONS

    def __init__(self, reduction: str = "mean") -> None:
        if reduction not in self.reductions:
            raise ValueError(
                f"expected a reduction among {[*self.reductions]}, found {reduction!r}"
            )
        self.reduction = reduction

    def reduce(self, losses: Any) -> Any:
        return self.reductions[self.reduction](losses)

    def of_sum(self, total: Any, n: int) -> Any:
        return total / n if self.reduction == "mean" else total


# Number by number


class Elementwise(Loss):
    """A loss of each number by itself: prediction x and target y have the same shape.

    Nothing is broadcast. Raises ValueError if the shapes differ: `(n, 1)` against `(n,)` would
    compare everything with everything.
    """

    def each(self, x: Any, y: Any) -> Any:
        """The loss of each number of x, before the reduction."""
        raise NotImplementedError(
            f"{type(self).__name__} has no equation: write def each(self, x, y): return …"
        )

    def forward(self, prediction: Tensor | Array, target: Tensor | ArrayLike) -> Any:
        target = array_or_tensor(target)
        if prediction.shape != target.shape:
            raise ValueError(
                f"{type(self).__name__} takes equal shapes, found prediction {prediction.shape} "
                "and target "
                f"{target.shape}: reshape one of them, for example prediction[:, 0] or target[:, "
                "None]"
            )
        return self.reduced(prediction, as_floats(target, prediction))

    def reduced(self, x: Any, y: Any) -> Any:
        """The losses of all numbers as one. A loss whose sum is one operation overrides it."""
        return self.reduce(self.each(x, y))


class MSE(Elementwise):
    """(x − y)², averaged over all numbers. Raises ValueError if the shapes differ.

    >>> MSE()(np.array([1.0, 2.0]), [1.0, 4.0])
    np.float64(2.0)
    """

    def each(self, x: Any, y: Any) -> Any:
        return np.square(x - y)

    def reduced(self, x: Any, y: Any) -> Any:
        if self.reduction == "none":
            return self.each(x, y)
        return self.of_sum(special.squared_error(x, y), x.size)


class L1(Elementwise):
    """|x − y|, averaged over all numbers; slope 0 where x = y. ValueError if the shapes differ.

    >>> L1()(np.array([1.0, 2.0]), [1.0, 4.0])
    np.float64(1.0)
    """

    def each(self, x: Any, y: Any) -> Any:
        return abs(x - y)


class Huber(Elementwise):
    """½ d² where |d| ≤ δ, else δ (|d| − ½ δ), with d = x − y, averaged over all numbers.

    No slope is beyond δ, so that outliers pull no harder. Raises ValueError for δ ≤ 0, and if the
    shapes differ. (Huber 1964, Robust estimation of a location parameter)

    >>> Huber(delta=1.0)(np.array([0.0, 0.0]), [0.5, 10.0]) * 2  # ½ · 0.5² + 1 · (10 − ½)
    np.float64(9.625)
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction)
        if not delta > 0:
            raise ValueError(f"expected delta > 0, found delta={delta}")
        self.delta = float(delta)

    def each(self, x: Any, y: Any) -> Any:
        d = x - y
        clipped = np.clip(
            d, -self.delta, self.delta
        )  # d, or ±δ: both cases are one product, in which d² never overflows
        return clipped * (d - clipped * 0.5)


class BCEWithLogits(Elementwise):
    """−y ln σ(x) − (1 − y) ln(1 − σ(x)), in nats, averaged over all numbers.

    x is the logit of the probability of a yes; the target y is 0 or 1, or a probability between.
    It is exact even where σ(x) rounds to 0 or 1: use it in place of a Sigmoid and a loss behind it.
    Raises ValueError if the shapes differ.

    >>> BCEWithLogits()(np.array([0.0, 1000.0]), [0, 0])  # ½ (ln 2 + 1000)
    np.float64(500.3465735902...)
    """

    def each(self, x: Any, y: Any) -> Any:
        no = 1 - y  # 1 − σ(x) = σ(−x)
        return weighted(y, special.softplus(-x)) + weighted(no, special.softplus(x))


class KLDiv(Elementwise):
    """y (ln y − x), in nats, and 0 where y = 0: x are log-probabilities, y probabilities.

    Their sum over the classes is the Kullback-Leibler divergence D(y ‖ eˣ) of one example;
    PyTorch's order of arguments is the reverse of D's. "mean" divides by all numbers, as PyTorch's
    does; "batchmean" by the number of examples, the length of the first axis, and so gives the
    divergence. Raises ValueError if the shapes differ.

    >>> KLDiv("batchmean")(np.log([[0.5, 0.5]]), [[1.0, 0.0]]) == np.log(2)
    np.True_
    """

    reductions = REDUCTIONS | {"batchmean": lambda losses: np.sum(losses) / len(losses)}

    def each(self, x: Any, y: Any) -> Any:
        return weighted(y, np.log(np.where(y == 0, 1.0, y)) - x)


# Class by class


class ClassLoss(Loss):
    """A loss of each example's own class."""

    def of_classes(self, log_p: Any, target: Tensor | Array) -> Any:
        """−ln p of each example's own class, reduced."""
        if self.reduction == "none":
            return surprise(log_p, target)
        return self.of_sum(special.nll(log_p, class_indices(target, log_p.shape[1])), len(target))


class CrossEntropy(ClassLoss):
    """−Σ p ln softmax(logits) per example, in nats, averaged over the batch.

    Logits are `(batch, classes)`. The target is class indices `(batch,)`, integers from 0 to
    classes − 1, or probabilities p `(batch, classes)`. label_smoothing ε puts (1 − ε) p + ε/classes
    in p's place (Szegedy et al. 2016, §7). Raises ValueError for other shapes, indices and ε,
    TypeError for indices that are not integers.

    >>> CrossEntropy()(np.zeros((2, 4)), [3, 0]) == np.log(4)
    np.True_
    """

    def __init__(self, reduction: str = "mean", label_smoothing: float = 0.0) -> None:
        super().__init__(reduction)
        if not 0 <= label_smoothing <= 1:
            raise ValueError(f"expected 0 ≤ label_smoothing ≤ 1, found {label_smoothing}")
        self.label_smoothing = float(label_smoothing)

    def forward(self, logits: Tensor | Array, target: Tensor | ArrayLike) -> Any:
        target = array_or_tensor(target)
        if logits.ndim != 2 or target.shape not in (logits.shape, logits.shape[:1]):
            raise ValueError(
                "CrossEntropy takes logits (batch, classes) and class indices (batch,) or "
                "probabilities "
                f"(batch, classes), found logits {logits.shape} and target {target.shape}"
            )
        log_p = special.log_softmax(logits)
        if target.ndim == 1 and not self.label_smoothing:
            return self.of_classes(log_p, target)
        losses = (
            -weighted(as_floats(target, logits), log_p).sum(axis=-1)
            if target.ndim == 2
            else surprise(log_p, target)
        )
        if not self.label_smoothing:
            return self.reduce(losses)
        return self.reduce(
            (1 - self.label_smoothing) * losses - self.label_smoothing * log_p.mean(axis=-1)
        )


class NLL(ClassLoss):
    """−log_p[i, target[i]] per example, in nats, averaged over the batch.

    log_p are log-probabilities `(batch, classes)`, as LogSoftmax gives them; the target is class
    indices `(batch,)`, from 0 to classes − 1. Raises ValueError for other shapes and indices,
    TypeError for indices that are not integers.

    >>> NLL()(np.log([[0.5, 0.5], [0.5, 0.5]]), [1, 0]) == np.log(2)
    np.True_
    """

    def forward(self, log_p: Tensor | Array, target: Tensor | ArrayLike) -> Any:
        target = array_or_tensor(target)
        if log_p.ndim != 2 or target.shape != log_p.shape[:1]:
            raise ValueError(
                "NLL takes log-probabilities (batch, classes) and class indices (batch,), "
                f"found log-probabilities {log_p.shape} and target {target.shape}"
            )
        return self.of_classes(log_p, target)


def weighted(p: Any, x: Any) -> Any:
    """p x, and 0 where p is 0 and x is ±∞: what never happens costs nothing."""
    return p * np.where((p == 0) & np.isinf(x), 0.0, x)


def surprise(log_p: Any, target: Tensor | Array) -> Any:
    """−ln p of each example's own class: `(batch, classes)`, `(batch,)` ↦ `(batch,)`."""
    return -log_p[np.arange(len(target)), class_indices(target, log_p.shape[-1])]


def class_indices(target: Tensor | Array, classes: int) -> Array:
    """The target's array; an error unless all of it are integers from 0 to classes − 1."""
    indices = target.numpy() if isinstance(target, Tensor) else target
    if indices.dtype.kind not in "iu":
        raise TypeError(f"class indices are integers, found dtype {indices.dtype}")
    return checked_classes(indices, classes)


@opaque
def checked_classes(indices: Array, classes: int) -> Array:
    """Return the indices; ValueError if one is no class."""
    if indices.size and not 0 <= indices.min() <= indices.max() < classes:
        outside = indices[(indices < 0) | (indices >= classes)]
        raise ValueError(f"expected class indices from 0 to {classes - 1}, found {outside[0]}")
    return indices


def as_floats(target: Tensor | Array, prediction: Tensor | Array) -> Any:
    """The target; integers and bools become the prediction's dtype, so that float32 stays."""
    return (
        target.astype(np.result_type(prediction.dtype, 0.0))
        if target.dtype.kind in "biu"
        else target
    )
