"""Schedules: how the learning rate changes from step to step. Reachable as nn.optim.Cosine …

A schedule is a `factor` that depends on the step. Several work together: one in the optimizer's
place of another multiplies, `SequentialSchedule` takes one after the other, and two beside each
other multiply as well, since each keeps what has changed the rate besides.
"""

from __future__ import annotations

import bisect
import math
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Protocol

from tinygrad_edu import at_replay

from .group import checked_count, checked_number

__all__ = [
    "Constant",
    "Cosine",
    "CosineRestarts",
    "OneCycle",
    "ReduceOnPlateau",
    "Schedule",
    "SequentialSchedule",
    "Step",
    "WarmUp",
]


class Groups(Protocol):
    """What a schedule needs to know of an optimizer: its groups, each with a learning rate "lr"."""

    @property
    def param_groups(self) -> list[dict[str, Any]]: ...


@dataclass(eq=False)
class Schedule:
    """lr = initial lr · factor(t), for every group, where t counts the calls of `step()` from 0.

    `WarmUp(Cosine(optimizer, 1000), 100)` multiplies both factors: step the outer one. It starts
    from the group's rate, or its first one if an earlier schedule ended at 0. ValueError if ≤ 0.

    >>> class Inverse(Schedule):  # to write one, give its factor
    ...     def factor(self, t): return 1 / (1 + t)  # Robbins & Monro 1951
    >>> from tinygrad_edu import nn; optimizer = nn.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.5)
    >>> schedule = Inverse(optimizer); schedule.step(); optimizer.param_groups[0]["lr"]
    0.25
    """

    optimizer: Groups
    counts: ClassVar[tuple[str, ...]] = ("t",)  # what changes from step to step

    def __post_init__(self) -> None:
        for name in [field.name for field in fields(self)[1:]]:
            value = getattr(self, name)
            if not isinstance(value, Sequence) and not value > 0:
                raise ValueError(f"expected {name} > 0, found {name}={value}")
        self.begin()

    def begin(self) -> None:
        """Stand at step 0."""
        self.t, self.groups = 0, [*self.param_groups]
        self.initial = self.initial_rates()
        self.last = [0.0] * len(self.groups)  # the rates that it has set
        self.set()

    def initial_rates(self) -> list[float]:
        """Each group's rate, or its first one where an earlier schedule has ended at 0."""
        if isinstance(self.optimizer, Schedule):
            return [*self.optimizer.initial]
        first = [group.setdefault("initial_lr", group["lr"]) for group in self.groups]
        return [group["lr"] or lr for group, lr in zip(self.groups, first, strict=True)]

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        return self.optimizer.param_groups

    def factor(self, t: int) -> float:
        """What the initial learning rate is multiplied by after t steps."""
        raise NotImplementedError(
            f"{type(self).__name__} has no factor: write def factor(self, t): return …"
        )

    def product(self, t: int) -> float:
        """Its factor, and that of the schedule in the optimizer's place, if there is one."""
        inner = self.optimizer
        return self.factor(t) * (inner.product(t) if isinstance(inner, Schedule) else 1.0)

    def step(self) -> None:
        """Go on to the next learning rate."""
        at_replay(self.follow, of=self.initial)
        at_replay(self.go_on, of=self)
        at_replay(self.set, of=self.last)

    def follow(self) -> None:
        """Take what has changed the rates since the last step into the initial ones."""
        factor, groups = self.product(self.t), self.param_groups
        if len(groups) != len(self.groups) or not all(map(operator.is_, groups, self.groups)):
            self.follow_groups(factor)
        for i, group in enumerate(groups):
            if (lr := group["lr"]) != self.last[i]:
                self.initial[i] = lr / factor if factor else lr

    def follow_groups(self, factor: float) -> None:
        """Forget groups that are gone; take up new ones, whose rate is their initial one."""
        known = {id(group): i for i, group in enumerate(self.groups)}
        places = [known.get(id(group)) for group in self.param_groups]
        rates = [group["lr"] for group in self.param_groups]
        for own, new in ((self.initial, rates), (self.last, [lr * factor for lr in rates])):
            own[:] = [lr if i is None else own[i] for i, lr in zip(places, new, strict=True)]
        for i, group in enumerate(self.param_groups):
            group["lr"] = self.last[i] if places[i] is None else group["lr"]
        self.groups = [*self.param_groups]

    def go_on(self) -> None:
        self.t += 1

    def set(self) -> None:
        """Give every group its learning rate at t."""
        factor = self.product(self.t)
        for i, group in enumerate(self.groups):
            group["lr"] = self.last[i] = self.initial[i] * factor

    def state_dict(self) -> dict[str, Any]:
        """Where it is, as numbers: what has to be loaded into a schedule that was made alike."""
        self.follow()
        return {name: getattr(self, name) for name in self.counts} | {"initial": [*self.initial]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go to where another schedule was, and set the learning rates."""
        self.restore(self.checked(state))

    def checked(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """The state, if it is one of such a schedule; ValueError if not."""
        odd = sorted(state.keys() ^ {*self.counts, "initial"})
        if odd:
            raise ValueError(f"found a state with, or without, {odd} of a schedule")
        initial = [checked_number("lr", lr) for lr in state["initial"]]
        if len(initial) != len(self.initial):
            raise ValueError(
                f"the schedule has {len(self.initial)} parameter groups, the file {len(initial)}"
            )
        return {name: checked_count(name, state[name]) for name in self.counts} | {
            "initial": initial
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go to a place that has been checked."""
        vars(self).update(state)
        for group, lr in zip(self.groups, self.initial, strict=True):
            group["initial_lr"] = lr
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

    PyTorch's rises again; CosineRestarts does.

    >>> from tinygrad_edu import nn
    >>> schedule = Cosine(nn.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1), steps=4)
    >>> [round(schedule.factor(t), 3) for t in range(6)]
    [1.0, 0.854, 0.5, 0.146, 0.0, 0.0]
    """

    steps: int

    def factor(self, t: int) -> float:
        return eased(1.0, 0.0, min(t / self.steps, 1.0))


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


@dataclass(eq=False)
class CosineRestarts(Schedule):
    """Cosine again and again: from 1 to 0 over `steps`, then over growth · steps, growth² · steps …

    A restart leaves a minimum that is too narrow. PyTorch calls it CosineAnnealingWarmRestarts, and
    its options T_0 and T_mult. (Loshchilov & Hutter 2017, SGDR)

    >>> from tinygrad_edu import nn; optimizer = nn.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1)
    >>> schedule = CosineRestarts(optimizer, steps=2, growth=2)
    >>> [round(schedule.factor(t), 3) for t in range(8)]
    [1.0, 0.5, 1.0, 0.854, 0.5, 0.146, 1.0, 0.962]
    """

    steps: int
    growth: int = 1

    def factor(self, t: int) -> float:
        steps = self.steps
        while t >= steps:
            t, steps = t - steps, steps * self.growth
        return eased(1.0, 0.0, t / steps)


@dataclass(eq=False)
class SequentialSchedule(Schedule):
    """One schedule after the other: the i-th ends, and the next one begins, at step milestones[i].

    Each counts from 0 when its turn comes. Step this one only. PyTorch calls it SequentialLR.
    ValueError unless the milestones rise, and are one fewer than the schedules.

    >>> from tinygrad_edu import nn; optimizer = nn.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1)
    >>> parts = [WarmUp(optimizer, steps=4), Cosine(optimizer, steps=2)]
    >>> schedule = SequentialSchedule(optimizer, parts, milestones=[3])
    >>> [round(schedule.factor(t), 6) for t in range(6)]
    [0.25, 0.5, 0.75, 1.0, 0.5, 0.0]
    """

    schedules: Sequence[Schedule]
    milestones: Sequence[int]

    def __post_init__(self) -> None:
        starts = [0, *self.milestones]
        if len(starts) != len(self.schedules) or sorted({*starts}) != starts:
            raise ValueError(
                "expected milestones > 0 that rise, one fewer than schedules, found "
                f"{len(self.schedules)} schedules and milestones {[*self.milestones]}"
            )
        super().__post_init__()

    def initial_rates(self) -> list[float]:
        return [*self.schedules[0].initial]  # the others have found what it has set already

    def factor(self, t: int) -> float:
        i = bisect.bisect_right(self.milestones, t)
        return self.schedules[i].product(t - [0, *self.milestones][i])


@dataclass(eq=False)
class ReduceOnPlateau(Schedule):
    """lr ← γ · lr, once a cost has not improved for more than `patience` calls of `step(cost)`.

    To improve is to fall below (1 − threshold) times the least cost, or with mode="max" to rise
    above (1 + threshold) times the greatest. For `cooldown` steps after a cut none is counted.

    >>> from tinygrad_edu import nn; optimizer = nn.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1)
    >>> schedule = ReduceOnPlateau(optimizer, gamma=0.5, patience=1)
    >>> for cost in [3.0, 2.0, 2.0, 2.0]: schedule.step(cost)
    >>> optimizer.param_groups[0]["lr"]
    0.05
    """

    gamma: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    cooldown: int = 0
    mode: str = "min"
    counts: ClassVar[tuple[str, ...]] = ("t", "waited", "cooling", "cuts", "best")

    def __post_init__(self) -> None:
        if self.mode not in ("min", "max"):
            raise ValueError(f'expected mode "min" or "max", found {self.mode!r}')
        for name in ("patience", "threshold", "cooldown"):
            checked_number(name, getattr(self, name))
        if not 0 < self.gamma < 1:
            raise ValueError(f"expected 0 < gamma < 1, found gamma={self.gamma}")
        self.waited = self.cooling = self.cuts = 0
        self.best = math.inf if self.mode == "min" else -math.inf
        self.begin()

    def factor(self, t: int) -> float:
        return self.gamma**self.cuts

    def step(self, cost: Any) -> None:  # type: ignore[override]
        """Compare the cost with the best so far; lower the learning rate if that was long ago."""
        self.follow()
        self.t, cost = self.t + 1, float(cost)
        sign = 1 if self.mode == "min" else -1
        if sign * cost < sign * self.best * (1 - sign * self.threshold):
            self.best, self.waited = cost, 0
        else:
            self.waited += 1
        if self.cooling:
            self.cooling, self.waited = self.cooling - 1, 0
        if self.waited > self.patience:
            self.cuts, self.cooling, self.waited = self.cuts + 1, self.cooldown, 0
        self.set()

    def checked(self, state: Mapping[str, Any]) -> dict[str, Any]:
        best = state.get("best", 0.0)
        if not isinstance(best, int | float):
            raise ValueError(f"expected best to be a number, found {best!r}")
        return super().checked({**state, "best": 0}) | {"best": float(best)}


def eased(a: float, b: float, part: float) -> float:
    """From a to b along half a cosine, level at both ends."""
    return b + (a - b) * (1 + math.cos(math.pi * part)) / 2
