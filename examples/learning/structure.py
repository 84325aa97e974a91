"""Does structure in the data show in how the cost falls?
======================================================

Two trainings, with true and with shuffled labels, on a common scale::

    python examples/learning/structure.py

Shuffled labels take four times as long, which hides the shape of the curves. So each curve is drawn
from its start to where 99 % of its images are right, on the same scale: epochs from 0 to 1, cost
from 1 to 0. A straight line then says that the cost falls steadily. An exponential decay, which
loses the same share in each step, stands beside them, up to 99 % of its way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import memorise
import numpy as np
import study
from matplotlib.figure import Figure
from memorise import Course
from study import Array, Look

CLAIM = (
    "With shuffled labels the cost falls slowly, almost in a straight line; with true ones "
    "it soon drops fast."
)
WAY = np.linspace(0, 1, 1001)
DECAY = (1 - np.exp(-np.log(100) * WAY)) / 0.99  # e⁻ˡⁿ ¹⁰⁰ = 1 %


def on_scale(course: Course, values: list[float]) -> Array:
    """Find the share of its whole way that a curve has gone at each point of WAY.

    The share is 0 at the start and 1 where 99 % of the images are right.
    """
    end = course.epochs.index(course.until(0.99))
    gone = np.interp(WAY * course.epochs[end], course.epochs, values)
    return (gone - gone[0]) / (gone[-1] - gone[0])


def straightness(gone: Array) -> float:
    """Find R² of the line that fits best: 1 for a straight curve."""
    return float(np.corrcoef(WAY, gone)[0, 1] ** 2)


@dataclass
class Found:
    """Both trainings on the common scale, each number by the kind of labels."""

    courses: dict[str, Course]

    def __post_init__(self) -> None:
        courses = self.courses.items()
        self.cost = {name: on_scale(course, course.costs) for name, course in courses}
        self.right = {name: on_scale(course, course.accuracies) for name, course in courses}
        self.tenth = {name: float(gone[100]) for name, gone in self.cost.items()}
        self.area = {name: float(gone.mean()) for name, gone in self.cost.items()}
        self.straight = {name: straightness(gone) for name, gone in self.cost.items()}


def draw_costs(axes: Any, look: Look, courses: dict[str, Course]) -> None:
    for (name, course), color in zip(courses.items(), (look.blue, look.orange), strict=True):
        axes.plot(course.epochs, course.costs, color=color, linewidth=1.1, label=f"{name} labels")
        end = course.until(0.99)
        axes.plot(end, course.costs[course.epochs.index(end)], "o", color=color)
    axes.set(
        xlabel="epochs",
        ylabel="cost of all images (nats)",
        xlim=(0, None),
        ylim=(0, None),
        title="the cost as it is",
    )
    axes.legend(loc="upper right")


def draw_scaled(
    axes: Any, look: Look, curves: dict[str, Array], *, falls: bool, title: str
) -> None:
    """Draw both curves on the common scale, with the line and the exponential decay."""

    def plot(gone: Array, **style: Any) -> None:
        axes.plot(WAY, 1 - gone if falls else gone, **style)

    thin = {"color": look.muted, "linewidth": 1}
    plot(WAY, linestyle=":", label="a straight line", **thin)
    plot(DECAY, linestyle="--", label="an exponential decay", **thin)
    for (name, gone), color in zip(curves.items(), (look.blue, look.orange), strict=True):
        told = f"{name} labels: R² of a line {straightness(gone):.2f}"
        plot(gone, color=color, linewidth=1.3, label=told)
    axes.set(
        xlim=(0, 1),
        ylim=(-0.03, 1.09),
        xticks=[0, 0.5, 1],
        title=title,
        xlabel="epochs, up to 99 % right",
        ylabel="from its start to its end",
    )
    axes.set_yticks([0, 0.5, 1], ["end", "half", "start"] if falls else ["start", "half", "end"])
    axes.legend(loc="upper right" if falls else "lower right")


def draw(look: Look, found: Found) -> Figure:
    drawn = study.figure(
        "With shuffled labels the cost falls almost in a straight line, with true ones it drops "
        "at once",
        13,
        5,
        "The same network, images and start. Dots: 99 % are right. Middle and right: each curve "
        "from its start to its dot.",
    )
    first, second, third = drawn.subplots(1, 3)
    draw_costs(first, look, found.courses)
    draw_scaled(second, look, found.cost, falls=True, title="the cost on a common scale")
    title = "the share of right answers on the same scale"
    draw_scaled(third, look, found.right, falls=False, title=title)
    return drawn


def measured_of(found: Found) -> dict[str, str]:
    def both(of: dict[str, Any], form: str) -> str:
        return " and ".join(f"{value:{form}}" for value in of.values())

    bent = {name: straightness(gone) for name, gone in found.right.items()}
    ends = {name: course.until(0.99) for name, course in found.courses.items()}
    return {
        "epochs until 99 % are right, true and shuffled": both(ends, ".1f"),
        "part of the drop in the first tenth of the way": both(found.tenth, ".0%"),
        "the same, of a line and of an exponential decay": f"10% and {DECAY[100]:.0%}",
        "R² of a straight line": both(found.straight, ".2f"),
        "R² of a straight line for the exponential decay": f"{straightness(DECAY):.2f}",
        "R² for the share of right answers": both(bent, ".2f"),
        "mean drop; ½ for a line": both(found.area, ".2f"),
        "mean drop of the exponential decay": f"{DECAY.mean():.2f}",
    }


def checks_of(found: Found, quick: bool) -> dict[str, bool]:
    """Check what has to hold; fewer images (--quick) have less structure, and fewer points."""
    early, line, bend, mean = (0.28, 0.86, 0.82, 0.75) if quick else (0.65, 0.94, 0.6, 0.66)
    soon, late = found.tenth.values()
    true, shuffled = found.straight.values()
    first = f"more than {100 * early:.0f} % of the drop in the first tenth of the way"
    return {
        f"true labels: {first}": soon > early,
        "shuffled labels: less than 27 %, and an exponential decay has more": (
            late < 0.27 < DECAY[100]
        ),
        f"a line explains the shuffled cost, R² above {line}": shuffled > line,
        f"a line does not explain the true cost, R² below {bend}": true < bend,
        "the scale does not make it: a line explains an exponential decay less well, by 0.08 at "
        "least": straightness(DECAY) < shuffled - 0.08,
        f"the mean drop with shuffled labels is below {mean}; an exponential decay has 0.79": (
            found.area["shuffled"] < mean
        ),
        "the curve of right answers is less straight than that of the cost": (
            straightness(found.right["shuffled"]) < shuffled
        ),
    }


def main() -> None:
    args = study.parse(study.parser(__doc__, memorise.FLAGS))
    courses = memorise.both(args).courses
    if max(course.until(0.99) for course in courses.values()) == np.inf:
        raise SystemExit(
            f"after {args.epochs} epochs fewer than 99 % are right: give it more --epochs"
        )
    found = Found(courses)
    study.conclude(
        args,
        lambda look: draw(look, found),
        claim=CLAIM,
        verdict="holds, but for the cost: the curve of right answers is more bent",
        source="Arpit et al. 2017, A closer look at memorization in deep networks",
        measured=measured_of(found),
        checks=checks_of(found, args.quick),
        tenth=found.tenth,
        straight=found.straight,
        area=found.area,
        decay=straightness(DECAY),
    )


if __name__ == "__main__":
    main()
