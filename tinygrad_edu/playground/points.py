"""Points of the plane with their classes, and the features of them that a network is told."""

from __future__ import annotations

import base64
import dataclasses
from typing import Any

import numpy as np

NAMES = ("x₁", "x₂", "x₁²", "x₂²", "x₁ x₂", "sin πx₁", "sin πx₂")
GIVEN = 2  # of them, the first ones, are the point itself
FARTHEST = 6.0  # from 0; further out squares are too large to learn from
MOST_KINDS = 6  # classes, each with a colour and a mark
FIELD = 50  # rows and columns of the plane as a picture


def features(points: Any, chosen: Any) -> Any:
    """What is told of points `(n, 2)`, as `(n, 7)`: x, x², x₁ x₂, sin πx; 0 where not chosen."""
    product = points[:, :1] * points[:, 1:]
    told = [points, points * points, product, np.sin(points * np.pi)]
    return np.concatenate(told, axis=1) * chosen


@dataclasses.dataclass(frozen=True)
class Points:
    """Points `(n, 2)` and their classes: what Examples are for images."""

    pixels: Any
    labels: Any

    def __getitem__(self, which: Any) -> Points:
        return Points(self.pixels[which], self.labels[which])

    def __len__(self) -> int:
        return len(self.labels)

    def __add__(self, other: Points) -> Points:
        pixels = np.concatenate([self.pixels, other.pixels])
        return Points(pixels, np.concatenate([self.labels, other.labels]))

    @property
    def inputs(self) -> Any:
        """The features that a network is told before a reader chooses others: the point itself."""
        return features(self.pixels, np.arange(len(NAMES)) < GIVEN)

    def packed(self) -> str:
        return base64.b64encode(self.pixels.astype(np.float32).tobytes()).decode()


def points_from(points: Any, labels: Any, classes: int) -> Points:
    """Points with classes from 0 on; ValueError for others, and for points too far away."""
    points, labels = np.asarray(points), np.asarray(labels)
    if points.ndim != 2 or points.shape[1] != GIVEN or points.dtype.kind not in "fiu":
        raise ValueError(f"the model takes points of shape (n, 2); found {points.shape}")
    if not (np.abs(points) <= FARTHEST).all():
        farthest = np.abs(points).max()
        raise ValueError(
            f"points lie between −{FARTHEST:g} and {FARTHEST:g}; found {farthest:.4g}: "
            "scale them, as with (x - x.mean(axis=0)) / x.std(axis=0)"
        )
    check_classes(points, labels, classes, "points")
    return Points(points.astype(np.float32).astype(np.float64), labels.astype(np.int64))


def check_classes(examples: Any, labels: Any, classes: int, kind: str) -> None:
    """Each example has one of the classes."""
    if labels.shape != examples.shape[:1] or labels.dtype.kind not in "biu":
        raise ValueError(
            f"each of the {len(examples)} {kind} needs a class, a whole number; found labels of "
            f"shape {labels.shape} and type {labels.dtype}"
        )
    if labels.size and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(
            f"the model has the classes 0 to {classes - 1}; found {labels.min()} to {labels.max()}"
        )


def plane_around(points: Any) -> tuple[float, float, float]:
    """The square that is shown: its middle, and half its side, with room around the points."""
    low, high = points.min(axis=0), points.max(axis=0)
    middle = np.round((low + high) / 2, 1)
    return float(middle[0]), float(middle[1]), float(np.ceil((high - low).max() * 6) / 10) or 1.0
