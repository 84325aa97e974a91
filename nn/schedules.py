"""Schedules: how the learning rate changes from step to step. Reachable as nn.optim.Cosine …

A schedule is a `factor` that depends on the step. A schedule that is given another one in place of
the optimizer multiplies both factors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any, Protocol

from tinygrad_edu import at_replay

__all__ = ["Constant", "Cosine", "OneCycle", "Schedule", "Step", "WarmUp"]


class Groups(Protocol):
    """What a schedule needs to know of an optimizer: its groups, each with a learning rate "lr"."""

    param_groups: list[dict[str, Any]]


@dataclass(eq=False)
class Schedule:
    """lr = initial lr · factor(t), for every group, where t counts the calls of `step()` from 0.

    Step it after the optimizer, per batch or per epoch. `WarmUp(Cosine(optimizer, 1000), 100)`
    multiplies both factors; step the outer one. ValueError for an option that is not positive.

    >>> class Inverse(Schedule):  # to write one, give its factor
    ...     def factor(self, t): return 1 / (1 + t)  # Robbins & Monro 1951
    >>> from tinygrad_edu import nn; optimizer = nn.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.5)
    >>> schedule = Inverse(optimizer); schedule.step(); optimizer.param_groups[0]["lr"]
    0.25
    """

    optimizer: Groups

    def __post_init__(self) -> None:
        for name in [field.name for field in fields(self)[1:]]:
            if not getattr(self, name) > 0:
                raise ValueError(f"expected {name} > 0, found {name}={getattr(self, name)}")
        inner, self.t, self.param_groups = self.optimizer, 0, self.optimizer.param_groups
        self.initial: list[float] = (
            inner.initial
            if isinstance(inner, Schedule)
            else [group["lr"] for group in self.param_groups]
        )
        self.set()

    def factor(self, t: int) -> float:
        """What the initial learning rate is multiplied by after t steps."""
        raise NotImplementedError(
            f"{type(self).__name__} has no factor: write def factor(self, t): return …"
        )

    def product(self, t: int) -> float:
        """Its factor, and that of the schedule in the optimizer's place, if there is one."""
        return self.factor(t) * (
            self.optimizer.product(t) if isinstance(self.optimizer, Schedule) else 1.0
        )

    def set(self) -> None:
        """Give every group its learning rate at t."""
        for group, lr in zip(self.param_groups, self.initial, strict=True):
            group["lr"] = lr * self.product(self.t)

    def step(self) -> None:
        """Go on to the next learning rate."""
        at_replay(self.go_on, of=self)

    def go_on(self) -> None:
        self.t += 1
        self.set()


@dataclass(eq=False)
class Constant(Schedule):
    """factor(t) = 1.

    >>> from tinygrad_edu import nn
    >>> schedule = Constant(nn.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1))
    >>> [schedule.factor(t) for t in range(3)]
    [1.0, 1.0, 1.0]
    """

    def factor(self, t: int) -> float:
        return 1.0


@dataclass(eq=False)
class Step(Schedule):
    """factor(t) = γ^⌊t/size⌋: divided by 10 every `size` steps, if γ = 0.1.

    >>> from tinygrad_edu import nn
    >>> schedule = Step(nn.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1), size=2, gamma=0.5)
    >>> [schedule.factor(t) for t in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    size: int
    gamma: float = 0.1

    def factor(self, t: int) -> float:
        return self.gamma ** (t // self.size)


@dataclass(eq=False)
class Cosine(Schedule):
    """factor(t) = (1 + cos(π t/steps)) / 2: from 1 to 0 over `steps`, then 0.

    PyTorch's rises again.

    >>> from tinygrad_edu import nn
    >>> schedule = Cosine(nn.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1), steps=4)
    >>> [round(schedule.factor(t), 3) for t in range(6)]
    [1.0, 0.854, 0.5, 0.146, 0.0, 0.0]
    """

    steps: int

    def factor(self, t: int) -> float:
        return (1 + math.cos(math.pi * min(t / self.steps, 1))) / 2


@dataclass(eq=False)
class WarmUp(Schedule):
    """factor(t) = min((t + 1)/steps, 1): from 1/steps to 1 in `steps` equal strides, then 1.

    >>> from tinygrad_edu import nn
    >>> schedule = WarmUp(nn.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1), steps=4)
    >>> [schedule.factor(t) for t in range(6)]
    [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    """

    steps: int

    def factor(self, t: int) -> float:
        return min((t + 1) / self.steps, 1.0)


@dataclass(eq=False)
class OneCycle(Schedule):
    """Half a cosine up from 1/div_factor to 1, and one down to 1/(div_factor · final_div_factor).

    The peak is at t = pct_start · steps − 1, the end at steps − 1; there the factor stays.
    PyTorch's max_lr is the lr of each group; the momentum is not cycled. ValueError unless all
    options are positive and pct_start < 1. (Smith & Topin 2018)

    >>> from tinygrad_edu import nn; optimizer = nn.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1)
    >>> schedule = OneCycle(optimizer, steps=6, pct_start=0.5)
    >>> [round(schedule.factor(t), 6) for t in range(6)]
    [0.04, 0.52, 1.0, 0.750001, 0.250003, 4e-06]
    """

    steps: int
    pct_start: float = 0.3
    div_factor: float = 25.0
    final_div_factor: float = 1e4

    def __post_init__(self) -> None:
        if self.pct_start >= 1:
            raise ValueError(f"expected pct_start < 1, found pct_start={self.pct_start}")
        super().__post_init__()

    def factor(self, t: int) -> float:
        start, last, peak = 1 / self.div_factor, self.steps - 1, self.pct_start * self.steps - 1
        if t < peak:
            return eased(start, 1.0, t / peak)
        return eased(1.0, start / self.final_div_factor, min((t - peak) / (last - peak), 1.0))


def eased(a: float, b: float, part: float) -> float:
    """From a to b along half a cosine, level at both ends."""
    return b + (a - b) * (1 + math.cos(math.pi * part)) / 2
