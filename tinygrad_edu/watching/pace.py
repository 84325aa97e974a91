"""When a frame is due, and which frames stay.

Frames are due at step 0 and at the steps 1, 2, 4 … 4,096, when most is learned; else not before
`every` seconds have passed, and not before all frames together have cost less than `share` of the
time. If there are too many, the one that lies closest between its neighbours goes.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Sequence
from time import perf_counter

FREE = 14  # frames that the budget does not count, the first look and those up to step 4,096,
FREE_SECONDS = 1.0  # as long as all of them together take no longer
LAST_EARLY = 4096
USUAL = 9  # frames from which the usual cost is taken
STALL = 3  # a frame is charged at most so many times the usual cost
NEVER = 1 << 62


class Pace:
    """The budget of a run: after how many steps to look at the clock, and when a frame is due."""

    def __init__(self, every: float, share: float) -> None:
        self.every, self.share = every, share
        self.start = self.since = perf_counter()
        self.due = self.charged = self.cost = 0.0
        self.costs: list[float] = []
        self.doubled = 1

    def seconds(self) -> float:
        return perf_counter() - self.start

    def overhead(self) -> dict[str, float]:
        """How many frames were taken, the usual one's milliseconds, their share of the time."""
        usual = statistics.median(self.costs) if self.costs else 0.0
        spent = self.cost / max(self.seconds(), 1e-9)
        return {"frames": len(self.costs), "ms": round(1e3 * usual, 3), "share": round(spent, 5)}

    def early(self, steps: int) -> int:
        """After how many steps a frame begins that ends at the next power of two."""
        while self.doubled <= steps:
            self.doubled *= 2
        is_early = self.doubled <= LAST_EARLY and self.cost <= FREE_SECONDS
        return self.doubled - 1 - steps if is_early else NEVER

    def wait(self, ticks: int, early: int) -> int:
        """0 if a frame is due, `ticks` steps after the last; else at which tick to ask again."""
        now = perf_counter()
        if now >= self.due or ticks >= early:
            return 0
        half = (self.due - now) / 2 * ticks / max(now - self.since, 1e-9)  # of the steps until then
        return min(ticks + max(min(int(half), ticks), 1), early)  # as steps may become slower

    def spent(self, seconds: float) -> None:
        """Charge a frame: a stall of the machine is not the frame's fault."""
        self.cost += seconds
        self.costs.append(seconds)
        if len(self.costs) > FREE or self.cost > FREE_SECONDS:
            self.charged += min(seconds, STALL * statistics.median(self.costs[-USUAL:]))
        self.since = perf_counter()
        self.due = max(self.since + self.every, self.start + self.charged / self.share)


def superfluous(steps: Sequence[int], events: Collection[int]) -> int:
    """The number of the frame to leave out: on a scale of √step, its neighbours are closest.

    The first and the last two stay, and so do frames with an event while there are others.

    >>> superfluous([0, 100, 400, 410, 420, 1600, 2500], events={})
    3
    """
    places = [math.sqrt(step + 1) for step in steps]
    inner = range(1, len(steps) - 2)
    return min(inner, key=lambda i: (steps[i] in events, places[i + 1] - places[i - 1]))
