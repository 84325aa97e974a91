"""Does structure in the data show in how the cost falls?
======================================================

Two trainings, with true and with shuffled labels, on a common scale::

    python examples/learning/structure.py

Shuffled labels take four times as long, which hides the shape of the curves. So each is drawn from
its start to where 99 % of its images are right, both ways: epochs from 0 to 1, cost from 1 to 0. A
straight line then says that the cost falls steadily. For comparison, an exponential decay that has
done 99 % of its way: what a cost does that loses the same share in each step."""

from __future__ import annotations

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
    """The share of its whole way that a curve has gone at WAY, from 0 at the start to 1 where 99 %
    of the images are right."""
    end = course.epochs.index(course.until(0.99))
    gone = np.interp(WAY * course.epochs[end], course.epochs, values)
    return (gone - gone[0]) / (gone[-1] - gone[0])


def straightness(gone: Array) -> float:
    """R² of the line that fits best: 1 for a straight curve."""
    return float(np.corrcoef(WAY, gone)[0, 1] ** 2)


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
    """Both curves on the common scale, with the line and the exponential decay."""

    def shown(gone: Array) -> Array:
        return 1 - gone if falls else gone

    axes.plot(
        WAY, shown(WAY), color=look.muted, linewidth=1, linestyle=":", label="a straight line"
    )
    axes.plot(
        WAY,
        shown(DECAY),
        color=look.muted,
        linewidth=1,
        linestyle="--",
        label="an exponential decay",
    )
    for (name, gone), color in zip(curves.items(), (look.blue, look.orange), strict=True):
        axes.plot(
            WAY,
            shown(gone),
            color=color,
            linewidth=1.3,
            label=f"{name} labels: R² of a line {straightness(gone):.2f}",
        )
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


def drawing(
    look: Look, courses: dict[str, Course], cost: dict[str, Array], right: dict[str, Array]
) -> Figure:
    drawn = study.figure(
        "With shuffled labels the cost falls almost in a straight line, with true ones it drops "
        "at once",
        13,
        5,
        "The same network, images and start. Dots: 99 % are right. Middle and right: each curve "
        "from its start to its dot.",
    )
    first, second, third = drawn.subplots(1, 3)
    draw_costs(first, look, courses)
    draw_scaled(second, look, cost, falls=True, title="the cost on a common scale")
    draw_scaled(
        third, look, right, falls=False, title="the share of right answers on the same scale"
    )
    return drawn


def checks(
    quick: bool,
    tenth: dict[str, float],
    straight: dict[str, float],
    area: dict[str, float],
    right: dict[str, Array],
) -> dict[str, bool]:
    """What must hold; fewer images (--quick) have less of a structure, and their curves fewer
    points."""
    early, line, bend, mean = (0.28, 0.86, 0.82, 0.75) if quick else (0.65, 0.94, 0.6, 0.66)
    return {
        f"true labels: more than {100 * early:.0f} % of the drop in the first tenth of the way": tenth[
            "true"
        ]
        > early,
        "shuffled labels: less than 27 %, and an exponential decay has more": tenth["shuffled"]
        < 0.27
        < DECAY[100],
        f"a line explains the shuffled cost, R² above {line}": straight["shuffled"] > line,
        f"a line does not explain the true cost, R² below {bend}": straight["true"] < bend,
        "the scale does not make it: a line explains an exponential decay less well, by 0.08 at "
        "least": straightness(DECAY) < straight["shuffled"] - 0.08,
        f"the mean drop with shuffled labels is below {mean}; an exponential decay has 0.79": area[
            "shuffled"
        ]
        < mean,
        "the curve of right answers is less straight than that of the cost": straightness(
            right["shuffled"]
        )
        < straight["shuffled"],
    }


def main() -> None:
    args = study.parse(memorise.flags(__doc__))
    courses = memorise.both(args).courses
    if max(course.until(0.99) for course in courses.values()) == np.inf:
        raise SystemExit(
            f"after {args.epochs} epochs fewer than 99 % are right: give it more --epochs"
        )
    cost = {name: on_scale(course, course.costs) for name, course in courses.items()}
    right = {name: on_scale(course, course.accuracies) for name, course in courses.items()}
    tenth = {name: float(gone[100]) for name, gone in cost.items()}
    area = {name: float(gone.mean()) for name, gone in cost.items()}
    straight = {name: straightness(gone) for name, gone in cost.items()}
    bent = straightness(DECAY)

    study.conclude(
        args,
        lambda look: drawing(look, courses, cost, right),
        claim=CLAIM,
        verdict="holds, but for the cost: the curve of right answers is more bent",
        source="Arpit et al. 2017, A closer look at memorization in deep networks",
        measured={
            "epochs until 99 % are right, true and shuffled": f"{courses['true'].until(0.99):.1f} and {courses['shuffled'].until(0.99):.1f}",
            "part of the drop in the first tenth of the way": f"{tenth['true']:.0%} and "
            f"{tenth['shuffled']:.0%}",
            "the same, of a line and of an exponential decay": f"10% and {DECAY[100]:.0%}",
            "R² of a straight line": f"{straight['true']:.2f} and {straight['shuffled']:.2f}",
            "R² of a straight line for the exponential decay": f"{bent:.2f}",
            "R² for the share of right answers": " and ".join(
                f"{straightness(gone):.2f}" for gone in right.values()
            ),
            "mean drop; ½ for a line": f"{area['true']:.2f} and {area['shuffled']:.2f}",
            "mean drop of the exponential decay": f"{DECAY.mean():.2f}",
        },
        checks=checks(args.quick, tenth, straight, area, right),
        tenth=tenth,
        straight=straight,
        area=area,
        decay=bent,
    )


if __name__ == "__main__":
    main()
