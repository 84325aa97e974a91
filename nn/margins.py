"""Losses of similarity and rank: they ask for a margin, and beyond it for nothing more.

Each is max(0, …) of one example; `reduction` is that of losses.py. Targets y are 1 and −1, but for
MultiMargin, whose targets are classes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_edu import Tensor, special

from .losses import Loss, as_floats, buffer, class_indices
from .module import array_or_tensor

__all__ = ["CosineEmbedding", "HingeEmbedding", "MarginRanking", "MultiMargin", "TripletMargin"]

TINY = 1e-12  # beside squared lengths that may be 0, as in PyTorch


class MarginLoss(Loss):
    """What they share: the margin, and arrays that fit."""

    def __init__(self, reduction: str = "mean", margin: float = 0.0) -> None:
        super().__init__(reduction)
        self.margin = float(margin)

    def checked(self, target: Any, like: Any, shape: tuple[int, ...], *others: Any) -> Any:
        """The target as floats, if it has this shape, and the others the shape of `like`."""
        target = array_or_tensor(target)
        found = [x.shape for x in (like, *others)]
        if target.shape != shape or len({*found}) != 1:
            raise ValueError(
                f"{type(self).__name__} takes inputs of one shape and a target {shape} of 1 and "
                f"−1, found inputs {found} and target {target.shape}"
            )
        return as_floats(target, like)


class MarginRanking(MarginLoss):
    """max(0, margin − y (a − b)), averaged: y = 1 asks that a be greater than b, y = −1 less.

    `loss(a, b, y)`, all of one shape; ValueError for others.

    >>> MarginRanking(margin=1.0)(np.array([3.0, 0.5]), np.array([1.0, 0.0]), [1, 1]) * 2
    np.float64(0.5)
    """

    def forward(self, a: Any, b: Any, target: Tensor | ArrayLike) -> Any:
        y = self.checked(target, a, a.shape, b)
        return self.reduce(special.relu(self.margin - y * (a - b)))


class HingeEmbedding(MarginLoss):
    """x where y = 1, max(0, margin − x) where y = −1, averaged: x is a distance.

    `loss(x, y)`, both of one shape; ValueError for others.

    >>> HingeEmbedding()(np.array([0.25, 0.25]), [1, -1]) * 2
    np.float64(1.0)
    """

    def __init__(self, reduction: str = "mean", margin: float = 1.0) -> None:
        super().__init__(reduction, margin)

    def forward(self, x: Any, target: Tensor | ArrayLike) -> Any:
        y = self.checked(target, x, x.shape)
        near, far = np.where(y == 1, x, 0.0), special.relu(self.margin - x)
        return self.reduce(near + np.where(y == -1, far, 0.0))


class CosineEmbedding(MarginLoss):
    """1 − cos(a, b) where y = 1, max(0, cos(a, b) − margin) where y = −1, averaged.

    cos is a·b / (‖a‖ ‖b‖). `loss(a, b, y)` takes `(batch, features)` twice and `(batch,)`, or all
    without the batch; ValueError for others.

    >>> CosineEmbedding()(np.array([[1.0, 0.0]]), np.array([[3.0, 4.0]]), [1]).round(9)  # 1 − 3/5
    np.float64(0.4)
    """

    def forward(self, a: Any, b: Any, target: Tensor | ArrayLike) -> Any:
        if a.dtype == b.dtype == np.float16:  # as for MSE
            a, b = a.astype(np.float32), b.astype(np.float32)
            return self.forward(a, b, target).astype(np.float16)
        y = self.checked(target, a, a.shape[:-1], b)
        lengths = (np.sqrt(np.square(x).sum(axis=-1) + TINY) for x in (a, b))
        cosine = (a * b).sum(axis=-1) / next(lengths) / next(lengths)
        near, far = 1 - cosine, special.relu(cosine - self.margin)
        return self.reduce(np.where(y == 1, near, 0.0) + np.where(y == -1, far, 0.0))


class TripletMargin(MarginLoss):
    """max(0, margin + ‖a − p‖ − ‖a − n‖), averaged: a is nearer to p than to n.

    `loss(anchor, positive, negative)`, each `(…, features)`; ValueError for other shapes. As in
    PyTorch, 1e-6 is added to each difference. (Schroff et al. 2015, FaceNet, equation 2)

    >>> a, p, n = np.zeros((1, 2)), np.array([[0.0, 1.0]]), np.array([[3.0, 4.0]])
    >>> TripletMargin(margin=5.0)(a, p, n).round(4)  # 5 + 1 − 5
    np.float64(1.0)
    """

    def __init__(self, reduction: str = "mean", margin: float = 1.0) -> None:
        super().__init__(reduction, margin)

    def forward(self, anchor: Any, positive: Any, negative: Any) -> Any:
        found = [x.shape for x in (anchor, positive, negative)]
        if len({*found}) != 1:
            raise ValueError(f"TripletMargin takes three arrays of one shape, found {found}")
        near, far = (
            np.linalg.norm(anchor - other + 1e-6, axis=-1) for other in (positive, negative)
        )
        return self.reduce(special.relu(near - far + self.margin))


class MultiMargin(MarginLoss):
    """Σ w max(0, margin − x[t] + x[j])ᵖ / classes over all j but the class t, averaged.

    The score x[t] is to be greater than all others by the margin; p is 1 or 2. `loss(x, t)` takes
    `(batch, classes)` and `(batch,)`. `weight` has a w for each class t. ValueError for other
    shapes and classes. (Crammer & Singer 2001)

    >>> MultiMargin()(np.array([[0.0, 0.75, -2.0]]), [1]) * 3  # max(0, 1 − 0.75 + 0) + 0
    np.float64(0.25)
    """

    def __init__(
        self,
        reduction: str = "mean",
        margin: float = 1.0,
        *,
        p: int = 1,
        weight: ArrayLike | None = None,
    ) -> None:
        super().__init__(reduction, margin)
        if p not in (1, 2):
            raise ValueError(f"expected p of 1 or 2, found {p}")
        self.p, self.weight = p, buffer(weight)

    def forward(self, x: Any, target: Tensor | ArrayLike) -> Any:
        given = target.numpy() if isinstance(target, Tensor) else target
        labels: Any = given if isinstance(given, np.ndarray) else np.asarray(given)
        if x.ndim != 2 or labels.shape != x.shape[:1]:
            raise ValueError(
                "MultiMargin takes scores (batch, classes) and class indices (batch,), found "
                f"{x.shape} and {labels.shape}"
            )
        if self.weight is not None and self.weight.shape != x.shape[1:]:
            raise ValueError(
                f"MultiMargin takes a weight for each of {x.shape[1]} classes, found "
                f"{self.weight.shape}"
            )
        rows = np.arange(x.shape[0]), class_indices(labels, x.shape[1], None)
        losses = special.relu(self.margin - x[rows][:, None] + x) ** self.p
        if self.weight is not None:
            losses = losses * self.weight.numpy()[labels, None].astype(x.dtype)
        is_label = rows[1][:, None] == np.arange(x.shape[1])
        losses = np.where(is_label, 0.0, losses)
        return self.reduce(losses.sum(axis=1) / x.shape[1])
