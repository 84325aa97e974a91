"""Curves: every value that was logged, in at most 1,024 buckets of equally many steps.

A bucket has the least, the mean and the greatest value of its steps, so that no spike is lost. When
there are too many, neighbours become one bucket.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from tinygrad_edu.core.arraylike import Array
from tinygrad_edu.watching.maps import finite_or_text

MOST_BUCKETS = 1024
DRAWN_BUCKETS = 400  # in a file: a curve is drawn 320 points wide
PLACE, COUNT, SUM, LEAST, GREATEST = range(5)  # the columns of a bucket


class Curve:
    """All values of one name over the steps.

    >>> curve = Curve()
    >>> curve.add([1, 2, 3], [0.5, 9.0, 0.25])
    >>> curve.last, float(curve.buckets[:, GREATEST].max())
    (0.25, 9.0)
    """

    def __init__(self) -> None:
        self.width, self.buckets = 1, np.zeros((0, 5))
        self.last: float | None = None
        self.broken: int | None = None  # the first step whose value was not finite
        self.broken_value = ""

    def add(self, steps: Any, values: Any) -> None:
        """Add values at ascending steps; those that are not finite are only counted."""
        steps, values = np.asarray(steps), np.asarray(values, np.float64)
        finite = np.isfinite(values)
        if not finite.all():
            self.note_broken(int(steps[~finite][0]), float(values[~finite][0]))
            steps, values = steps[finite], values[finite]
        if not len(values):
            return
        self.last = float(values[-1])
        new = np.stack([steps // self.width, np.ones(len(steps)), values, values, values], axis=1)
        self.buckets = join_buckets(np.concatenate([self.buckets, new]))
        while len(self.buckets) > MOST_BUCKETS:
            self.halve()

    def note_broken(self, step: int, value: float) -> None:
        if self.broken is None:
            self.broken, self.broken_value = step, "NaN" if value != value else "infinite"

    def copy(self) -> Curve:
        """The curve as it is now; buckets are never changed in place."""
        found = Curve()
        vars(found).update(vars(self))
        return found

    def halve(self) -> None:
        """Make each two neighbours one bucket."""
        self.width *= 2
        halved = self.buckets.copy()
        halved[:, PLACE] //= 2
        self.buckets = join_buckets(halved)

    def data(self, most: int = DRAWN_BUCKETS) -> dict[str, Any]:
        """The curve as lists of numbers, for a page."""
        drawn = self.copy()
        while len(drawn.buckets) > most:
            drawn.halve()
        b = drawn.buckets
        return {
            "width": drawn.width,
            "step": (b[:, PLACE] * drawn.width).astype(int).tolist(),
            "mean": [finite_or_text(x) for x in (b[:, SUM] / b[:, COUNT])],
            "least": [finite_or_text(x) for x in b[:, LEAST]],
            "greatest": [finite_or_text(x) for x in b[:, GREATEST]],
            "broken": self.broken,
        }

    def means(self, parts: int) -> list[float]:
        """The mean of each of so many equal parts of the curve, those without a value left out."""
        b = self.buckets
        cuts = np.linspace(0, len(b), parts + 1).astype(int)
        pairs = itertools.pairwise(cuts)
        return [float(b[i:j, SUM].sum() / b[i:j, COUNT].sum()) for i, j in pairs if j > i]


def join_buckets(buckets: Array) -> Array:
    """Neighbours that have the same place, as one bucket."""
    first = np.flatnonzero(np.diff(buckets[:, PLACE], prepend=-1))
    return np.stack(
        [
            buckets[first, PLACE],
            np.add.reduceat(buckets[:, COUNT], first),
            np.add.reduceat(buckets[:, SUM], first),
            np.minimum.reduceat(buckets[:, LEAST], first),
            np.maximum.reduceat(buckets[:, GREATEST], first),
        ],
        axis=1,
    )
