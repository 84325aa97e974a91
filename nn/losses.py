"""Losses: how far predictions are from targets, as one number to descend.

Each is an equation for one number, or for one example; `reduction` averages what it gives, adds it
up, or leaves it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_edu import Tensor, opaque, special

from .module import Array, Module, array_or_tensor

__all__ = [
    "BCE",
    "L1",
    "MSE",
    "NLL",
    "BCEWithLogits",
    "CrossEntropy",
    "GaussianNLL",
    "Huber",
    "KLDiv",
    "SmoothL1",
]

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
        target = self.target_like(prediction, target)
        return self.reduced(as_floats(prediction, prediction), target)

    def target_like(self, prediction: Tensor | Array, target: Tensor | ArrayLike) -> Any:
        """The target, if it has the prediction's shape; as floats."""
        target = array_or_tensor(target)
        if prediction.shape != target.shape:
            raise ValueError(
                f"{type(self).__name__} takes equal shapes, found prediction {prediction.shape} "
                f"and target {target.shape}: reshape one of them, for example prediction[:, 0] or "
                "target[:, None]"
            )
        return as_floats(target, prediction)

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
        if x.dtype == np.float16:  # the sum might overflow where the mean does not
            return self.reduced(x.astype(np.float32), y.astype(np.float32)).astype(np.float16)
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

    The slope never exceeds δ, so an outlier pulls no harder. Raises ValueError for δ ≤ 0, and if
    the shapes differ. (Huber 1964, Robust estimation of a location parameter)

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


class SmoothL1(Elementwise):
    """½ d²/β where |d| < β, else |d| − ½ β, with d = x − y: Huber's loss with δ = β, divided by β.

    Averaged over all numbers. Raises ValueError for β ≤ 0, and if the shapes differ. (Girshick
    2015, equation 3)

    >>> SmoothL1(beta=2.0)(np.array([0.0, 0.0]), [1.0, 10.0]) * 2  # ½ · 1² / 2 + (10 − 1)
    np.float64(9.25)
    """

    def __init__(self, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction)
        self.beta, self.huber = float(beta), Huber(delta=beta)

    def each(self, x: Any, y: Any) -> Any:
        return self.huber.each(x, y) / self.beta


class BCEWithLogits(Elementwise):
    """−w (p y ln σ(x) + (1 − y) ln(1 − σ(x))), in nats, averaged over all numbers.

    x is the logit of the probability of a yes; the target y is 0 or 1, or a probability between. w
    is `weight` and p is `pos_weight`, by default 1: they broadcast to x. It is exact even where
    σ(x) rounds to 0 or 1: use it in place of a Sigmoid and BCE. ValueError if the shapes differ.

    >>> BCEWithLogits()(np.array([0.0, 1000.0]), [0, 0])  # ½ (ln 2 + 1000)
    np.float64(500.3465735902...)
    """

    def __init__(
        self,
        reduction: str = "mean",
        *,
        weight: ArrayLike | None = None,
        pos_weight: ArrayLike | None = None,
    ) -> None:
        super().__init__(reduction)
        self.weight, self.pos_weight = buffer(weight), buffer(pos_weight)

    def each(self, x: Any, y: Any) -> Any:
        yes, no = special.softplus(-x), special.softplus(x)  # −ln σ(x), −ln σ(−x)
        yes = times(y, times_weight(yes, self.pos_weight))
        return times_weight(yes + times(1 - y, no), self.weight)


class BCE(Elementwise):
    """−w (y ln x + (1 − y) ln(1 − x)), in nats, averaged over all numbers.

    x is the probability of a yes, from 0 to 1, and y as for BCEWithLogits, which is exact where x
    rounds to 0 or 1; here a logarithm is −100 at least, as in PyTorch. w is `weight`, by default 1.
    ValueError if the shapes differ, or for an x that is no probability.

    >>> BCE()(np.array([0.5, 0.0]), [1, 1]) * 2  # ln 2 + 100
    np.float64(100.6931471805...)
    """

    def __init__(self, reduction: str = "mean", *, weight: ArrayLike | None = None) -> None:
        super().__init__(reduction)
        self.weight = buffer(weight)

    def each(self, x: Any, y: Any) -> Any:
        check_probabilities(x.numpy() if isinstance(x, Tensor) else x)
        return times_weight(-(y * clamped_log(x) + (1 - y) * clamped_log(1 - x)), self.weight)


class KLDiv(Elementwise):
    """y (ln y − x), in nats, and 0 where y = 0: x are log-probabilities, y probabilities.

    With log_target=True y are log-probabilities too. The sum over the classes is the
    Kullback-Leibler divergence D(y ‖ eˣ) of one example; PyTorch's order of arguments is the
    reverse of D's. "mean" divides by all numbers, as PyTorch's does; "batchmean" by the number of
    examples, and so gives the divergence. ValueError if the shapes differ.

    >>> KLDiv("batchmean")(np.log([[0.5, 0.5]]), [[1.0, 0.0]]) == np.log(2)
    np.True_
    """

    reductions = REDUCTIONS | {
        "batchmean": lambda losses: np.sum(losses) / (len(losses) if losses.ndim else 1)
    }

    def __init__(self, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__(reduction)
        self.log_target = log_target

    def each(self, x: Any, y: Any) -> Any:
        if self.log_target:
            return times(np.exp(y), y - x)
        return times(y, np.log(np.where(y == 0, 1.0, y)) - x)


class GaussianNLL(Elementwise):
    """½ (ln v + (x − y)²/v), averaged over all numbers: y is drawn from N(x, v).

    `loss(x, y, v)`; the variance v has x's shape, or lacks its last axis, or has sizes of 1.
    It is eps at least, with the slope that it has there. full=True adds ½ ln 2π. ValueError for
    other shapes and negative variances. (Nix & Weigend 1994)

    >>> GaussianNLL()(np.zeros((1, 2)), [[2.0, 0.0]], np.ones((1, 1)))  # ½ · ½ (2² + 0²)
    np.float64(1.0)
    """

    def __init__(self, reduction: str = "mean", *, full: bool = False, eps: float = 1e-6) -> None:
        super().__init__(reduction)
        self.full, self.eps = full, float(eps)

    def forward(self, prediction: Any, target: Any, variance: Any) -> Any:  # type: ignore[override]
        target, variance = self.target_like(prediction, target), array_or_tensor(variance)
        if variance.shape == prediction.shape[:-1] != prediction.shape:
            variance = variance[..., None]
        if variance.ndim not in (0, prediction.ndim) or not all(
            n in (1, whole) for n, whole in zip(variance.shape, prediction.shape, strict=False)
        ):
            raise ValueError(
                f"GaussianNLL takes a variance of shape {prediction.shape}, any size of it 1, or "
                f"{prediction.shape[:-1]}, found {variance.shape}"
            )
        variance = as_floats(variance, prediction)
        numbers = variance.numpy() if isinstance(variance, Tensor) else variance
        lift = np.maximum(self.eps - check_variances(numbers), 0.0)
        variance = variance + lift  # a constant: what is below eps keeps its slope, and can grow
        losses = (np.log(variance) + np.square(prediction - target) / variance) * 0.5
        return self.reduce(losses + 0.5 * math.log(2 * math.pi) if self.full else losses)


# Class by class


class ClassLoss(Loss):
    """What losses of classes share: how they are weighted, and what is left out.

    Scores are `(batch, classes)`, `(batch, classes, …)` or `(classes,)`; the target has the same
    shape without the classes.
    """

    takes: ClassVar[str]  # what the scores are called

    def __init__(
        self,
        reduction: str = "mean",
        *,
        weight: ArrayLike | None = None,
        ignore_index: int | None = None,
    ) -> None:
        super().__init__(reduction)
        self.weight, self.ignore_index = buffer(weight), ignore_index

    def check(self, scores: Any, target: Any, *others: tuple[int, ...]) -> None:
        """Refuse a target that has neither the scores' shape without classes, nor another one."""
        name, axis = type(self).__name__, min(scores.ndim - 1, 1)
        if scores.ndim and target.shape in (without_axis(scores.shape, axis), *others):
            classes = scores.shape[axis]
            if self.weight is None or self.weight.shape == (classes,):
                return
            raise ValueError(
                f"{name} takes a weight for each of {classes} classes, found {self.weight.shape}"
            )
        raise ValueError(
            f"{name} takes {self.takes} (batch, classes, …) and class indices (batch, …)"
            f"{' or probabilities (batch, classes, …)' if others else ''}, "
            f"found {self.takes} {scores.shape} and target {target.shape}"
            + usual_mistake(self.takes, scores.shape, target.shape)
        )

    def of_indices(self, log_p: Any, target: Any, smoothing: float = 0.0) -> Any:
        """−w ln p of each example's own class, reduced; "mean" divides by the sum of the w."""
        if log_p.dtype == np.float16:  # as for MSE
            return self.of_indices(log_p.astype(np.float32), target, smoothing).astype(np.float16)
        simple = self.weight is None and self.ignore_index is None and not smoothing
        if simple and log_p.ndim == 2 and self.reduction != "none":
            return self.of_sum(special.nll(log_p, target), len(target))
        rows = by_class(log_p)
        indices = target.numpy() if isinstance(target, Tensor) else target
        labels = class_indices(indices.reshape(-1), rows.shape[1], self.ignore_index)
        kept = those_kept(indices.reshape(-1), self.ignore_index, rows.dtype)
        weights = kept
        if self.weight is not None:
            weights = kept * self.weight.numpy()[labels].astype(rows.dtype)
        losses = -times(weights, rows[np.arange(rows.shape[0]), labels])
        if smoothing:
            losses = self.smoothed(losses, rows, smoothing, kept)
        if self.reduction == "mean" and (self.weight is not None or self.ignore_index is not None):
            total = weights.sum()  # 0 if all are left out: NaN, which moves no parameter
            mean = losses.sum() / np.where(total == 0, 1, total)
            return np.where(total == 0, np.nan, mean)
        return self.reduce(losses.reshape(target.shape))

    def of_probabilities(self, log_p: Any, p: Any, smoothing: float) -> Any:
        """−Σ w p ln p̂ of each example, reduced; "mean" divides by the number of examples."""
        rows, shape = by_class(log_p), without_axis(log_p.shape, min(log_p.ndim - 1, 1))
        losses = -times_weight(times(by_class(as_floats(p, log_p)), rows), self.weight).sum(axis=1)
        return self.reduce(self.smoothed(losses, rows, smoothing, 1.0).reshape(shape))

    def smoothed(self, losses: Any, rows: Any, smoothing: float, kept: Any) -> Any:
        """(1 − ε) loss − ε times the mean of w ln p over the classes."""
        if not smoothing:
            return losses
        every = times_weight(rows, self.weight).mean(axis=1) * kept
        return (1 - smoothing) * losses - smoothing * every


class CrossEntropy(ClassLoss):
    """−Σ p ln softmax(logits) per example, in nats, averaged over the batch.

    Logits are `(batch, classes, …)`; the target is class indices `(batch, …)`, from 0 to
    classes − 1, or probabilities p like the logits. `weight` has a factor for each class: "mean"
    divides by their sum. Examples of class `ignore_index` are left out. label_smoothing ε puts
    (1 − ε) p + ε/classes in p's place (Szegedy et al. 2016, §7). ValueError for other shapes,
    indices and ε, TypeError for indices that are not integers.

    >>> CrossEntropy()(np.zeros((2, 4)), [3, 0]) == np.log(4)
    np.True_
    """

    takes = "logits"

    def __init__(
        self,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
        *,
        weight: ArrayLike | None = None,
        ignore_index: int | None = None,
    ) -> None:
        super().__init__(reduction, weight=weight, ignore_index=ignore_index)
        if not 0 <= label_smoothing <= 1:
            raise ValueError(f"expected 0 ≤ label_smoothing ≤ 1, found {label_smoothing}")
        self.label_smoothing = float(label_smoothing)

    def forward(self, logits: Tensor | Array, target: Tensor | ArrayLike) -> Any:
        target = array_or_tensor(target)
        self.check(logits, target, logits.shape)
        log_p = special.log_softmax(logits, axis=min(logits.ndim - 1, 1))
        if target.shape == logits.shape:
            return self.of_probabilities(log_p, target, self.label_smoothing)
        return self.of_indices(log_p, target, self.label_smoothing)


class NLL(ClassLoss):
    """−log_p[i, target[i]] per example, in nats, averaged over the batch.

    log_p are log-probabilities `(batch, classes, …)`, as LogSoftmax gives them; target, `weight`
    and `ignore_index` are those of CrossEntropy. Raises ValueError for other shapes and indices,
    TypeError for indices that are not integers.

    >>> NLL()(np.log([[0.5, 0.5], [0.5, 0.5]]), [1, 0]) == np.log(2)
    np.True_
    """

    takes = "log-probabilities"

    def forward(self, log_p: Tensor | Array, target: Tensor | ArrayLike) -> Any:
        target = array_or_tensor(target)
        self.check(log_p, target)
        return self.of_indices(log_p, target)


def usual_mistake(takes: str, scores: tuple[int, ...], target: tuple[int, ...]) -> str:
    """What to write for scores and a target of these shapes, if that is a usual mistake."""
    if target == (*scores[:1], 1):
        return ": write target[:, 0]"
    if target == scores[:-1]:
        return ": write np.moveaxis(x, -1, 1), as classes are the second axis"
    return f": write {takes} first, then the target" if scores == target[:-1] else ""


def without_axis(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return (*shape[:axis], *shape[axis + 1 :])


def by_class(x: Any) -> Any:
    """Scores with an example a row: `(batch, classes, …)` becomes `(batch · …, classes)`."""
    if x.ndim > 2:
        x = np.moveaxis(x, 1, -1)
    return x if x.ndim == 2 else x.reshape(-1, x.shape[-1])


def class_indices(indices: Array, classes: int, ignore_index: int | None) -> Array:
    """Class indices, 0 in place of those to be left out; an error unless all are classes."""
    if indices.dtype.kind not in "iu":
        number = ": write target.astype(int)" * (indices.dtype.kind in "bf")
        raise TypeError(f"class indices are integers, found dtype {indices.dtype}{number}")
    return checked_classes(indices, classes, ignore_index)


@opaque
def checked_classes(indices: Array, classes: int, ignore_index: int | None) -> Array:
    """Return the indices; ValueError if one is no class."""
    if ignore_index is not None:
        indices = np.where(indices == ignore_index, 0, indices)
    if indices.size and not 0 <= indices.min() <= indices.max() < classes:
        outside = indices[(indices < 0) | (indices >= classes)]
        hint = ": write ignore_index=-100" if outside[0] == -100 else ""
        raise ValueError(
            f"expected class indices from 0 to {classes - 1}, found {outside[0]}{hint}"
        )
    return indices


@opaque
def those_kept(indices: Array, ignore_index: int | None, dtype: Any) -> Array:
    """1 for each example, 0 for those to be left out."""
    kept = np.ones(len(indices), bool) if ignore_index is None else indices != ignore_index
    return kept.astype(dtype)


# What both kinds lean on


def buffer(array: ArrayLike | None) -> Tensor | None:
    """A Tensor that no optimizer changes, as PyTorch keeps a loss's weights; None stays None."""
    return None if array is None else Tensor(np.array(array))


def times_weight(losses: Any, weight: Tensor | None) -> Any:
    return losses if weight is None else losses * weight.numpy().astype(losses.dtype)


def times(p: Any, losses: Any) -> Any:
    """p times the losses, and 0 where p is 0 and a loss is ±∞: what never happens costs nothing."""
    return p * np.where((p == 0) & np.isinf(losses), 0.0, losses)


def clamped_log(x: Any) -> Any:
    """max(ln x, −100), whose slope is 0 below."""
    positive = np.where(x > 0, x, 1.0)
    return np.where(x > 0, np.maximum(np.log(positive), -100.0), -100.0)


@opaque
def check_probabilities(x: Array) -> Array:
    if not ((x >= 0) & (x <= 1)).all():
        raise ValueError(
            f"BCE takes probabilities from 0 to 1, found {x.min()} to {x.max()}: put a Sigmoid "
            "before it, or take BCEWithLogits for logits"
        )
    return x


@opaque
def check_variances(x: Array) -> Array:
    if (x < 0).any():
        raise ValueError(f"a variance is not negative, found {x.min()}: write np.exp(…) of it")
    return x


def as_floats(target: Tensor | Array, prediction: Tensor | Array) -> Any:
    """The target; integers and bools become the prediction's dtype, so that float32 stays."""
    return (
        target.astype(np.result_type(prediction.dtype, 0.0))
        if target.dtype.kind in "biu"
        else target
    )
