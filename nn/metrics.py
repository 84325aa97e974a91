"""Metrics: how good predictions are, as a person asks. They are plain numbers, without a gradient.

Predictions come first and targets second, as in the losses: Tensors, arrays, lists or Series.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_edu import Tensor

from .module import Array, plain_array

__all__ = ["accuracy", "confusion_matrix", "r2", "roc_auc", "roc_curve", "top_k_accuracy"]

Numbers = Tensor | ArrayLike


def accuracy(prediction: Numbers, target: Numbers) -> float:
    """The part of the examples whose class is right: (Σ [prediction = target]) / n.

    Predictions are classes `(n,)`, or scores `(n, classes)`, of which the greatest counts. Raises
    ValueError for other shapes, and for no examples.

    >>> accuracy([[0.1, 0.9], [0.8, 0.2]], [1, 1])
    0.5
    """
    predicted, true = both_classes(prediction, target)
    return float(np.mean(predicted == true))


def confusion_matrix(prediction: Numbers, target: Numbers, classes: int | None = None) -> Array:
    """z[i, j]: how many examples of class i were taken for class j, `(classes, classes)`.

    The diagonal is what was right. Predictions are classes `(n,)` or scores `(n, classes)`. Without
    `classes`, there are as many as the scores have, or as the greatest label needs. Raises
    ValueError for a label outside of 0 to classes − 1.

    >>> confusion_matrix([0, 1, 1, 0], [0, 1, 1, 1])
    array([[1, 0],
           [1, 2]])
    """
    scores = number_array(prediction)
    predicted, true = both_classes(scores, target)
    found = [*predicted, *true]
    if classes is None:
        classes = scores.shape[1] if scores.ndim == 2 else int(max(found)) + 1
    if not 0 <= min(found) <= max(found) < classes:
        raise ValueError(
            f"expected classes from 0 to {classes - 1}, found {min(found)} to {max(found)}"
        )
    z = np.zeros((classes, classes), np.int64)
    np.add.at(z, (true, predicted), 1)
    return z


def r2(prediction: Numbers, target: Numbers) -> float:
    """R² = 1 − Σ (y − x)² / Σ (y − mean y)²: 1 is perfect, 0 as good as the targets' mean.

    It is negative for what is worse. Of `(n, outputs)` it is the mean over the outputs, as in
    scikit-learn. Raises ValueError if the shapes differ, or if all targets of an output are equal.

    >>> r2([2.5, 0.0, 2.0, 8.0], [3.0, -0.5, 2.0, 7.0])
    0.948608...
    """
    x, y = number_array(prediction).astype(float), number_array(target).astype(float)
    if x.shape != y.shape or not x.size:
        raise ValueError(
            f"r2 takes equal shapes, found prediction {x.shape} and target {y.shape}: reshape one "
            "of them, for example prediction[:, 0] or target[:, None]"
        )
    spread = np.square(y - y.mean(axis=0)).sum(axis=0)
    if not np.all(spread > 0):
        raise ValueError("all targets are equal, so there is no variance that could be explained")
    return float(np.mean(1 - np.square(y - x).sum(axis=0) / spread))


def top_k_accuracy(scores: Numbers, target: Numbers, k: int = 5) -> float:
    """The part of the examples whose class is among the k of the greatest scores `(n, classes)`.

    Where scores tie, the class counts if fewer than k are greater; it doesn't if its score is NaN.
    Raises ValueError for other shapes, and unless 1 ≤ k ≤ classes.

    >>> top_k_accuracy([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]], [1, 0], k=2)
    0.5
    """
    x = number_array(scores)
    if x.ndim != 2 or not 1 <= k <= x.shape[1]:
        raise ValueError(
            f"expected scores (n, classes) and 1 ≤ k ≤ classes, found {x.shape} and k={k}"
        )
    _, true = both_classes(x, target)
    own = np.take_along_axis(x, true[:, None], axis=1)
    return float(np.mean(((x > own).sum(axis=1) < k) & ~np.isnan(own[:, 0])))


def roc_curve(scores: Numbers, target: Numbers) -> tuple[Array, Array, Array]:
    """Rates of false and of true alarms for every threshold: (false, true, thresholds).

    An example counts as a yes if its score is at least the threshold; false = FP / (all of class
    0), true = TP / (all of class 1). Both rise from 0, at threshold ∞, to 1. Scores and targets, 0
    or 1, are `(n,)`. Raises ValueError for other targets, for NaN, and if a class is missing.

    >>> roc_curve([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])[:2]
    (array([0. , 0. , 0.5, 0.5, 1. ]), array([0. , 0.5, 0.5, 1. , 1. ]))
    """
    x, y = number_array(scores), number_array(target)
    if x.ndim != 1 or x.shape != y.shape or {*y.tolist()} != {0, 1}:
        raise ValueError(
            "expected scores (n,) and targets (n,) of both classes, 0 and 1, found "
            f"{x.shape} and {y.shape} with {sorted({*y.ravel().tolist()})[:3]}"
        )
    if np.isnan(x).any():
        raise ValueError(f"scores are put in order, and {np.isnan(x).sum()} of {len(x)} are NaN")
    order = np.argsort(-x, kind="stable")
    x, y = x[order], y[order].astype(float)
    last = np.append(np.flatnonzero(np.diff(x)), len(x) - 1)  # of those with the same score
    hits, alarms = np.cumsum(y)[last], last + 1
    false, true = (alarms - hits) / (len(y) - y.sum()), hits / y.sum()
    return np.append(0.0, false), np.append(0.0, true), np.append(np.inf, x[last])


def roc_auc(scores: Numbers, target: Numbers) -> float:
    """The area below the ROC curve: P(score of a 1 > score of a 0) + ½ P(they are equal).

    ½ is chance, 1 perfect order. Raises ValueError as `roc_curve` does. (Hanley & McNeil 1982)

    >>> roc_auc([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
    0.75
    """
    false, true, _ = roc_curve(scores, target)
    return float(np.trapezoid(true, false))


def number_array(values: Any) -> Array:
    """The numbers as an array, in whatever they came."""
    return np.asarray(plain_array(values))


def both_classes(prediction: Any, target: Any) -> tuple[Array, Array]:
    """Predicted and true classes, both `(n,)` integers."""
    predicted, true = number_array(prediction), number_array(target)
    if true.ndim != 1 or predicted.shape[:1] != true.shape or predicted.ndim not in (1, 2):
        raise ValueError(
            "expected predictions (n,) or (n, classes) and targets (n,), found "
            f"{predicted.shape} and {true.shape}" + column_hint(true, predicted)
        )
    if not len(true):
        raise ValueError("no example came, and of none there is no part")
    if predicted.ndim == 2:
        if predicted.shape[1] == 1:
            raise ValueError(
                f"found scores of one class, {predicted.shape}: for yes or no write "
                "prediction[:, 0] > 0, as a logit of 0 is a probability of ½"
            )
        predicted = predicted.argmax(axis=1)
    return as_classes(predicted), as_classes(true)


def column_hint(*arrays: Array) -> str:
    """What to write if one of the arrays is a column `(n, 1)`."""
    columns = any(array.ndim == 2 and array.shape[1] == 1 for array in arrays)
    return ": write array[:, 0] for a column (n, 1)" if columns else ""


def as_classes(labels: Array) -> Array:
    """Labels as integers; whole floats and bools will do."""
    if labels.dtype.kind not in "biuf" or np.any(labels % 1):
        raise ValueError(
            f"classes are whole numbers, found {labels.dtype}: for probabilities of a yes write "
            "p > 0.5, for texts [names.index(text) for text in texts], one list of names for both"
        )
    return labels.astype(np.int64)
