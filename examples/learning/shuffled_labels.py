"""Can a network learn labels that mean nothing?
=============================================

The same images are learned twice, the second time with shuffled labels::

    python examples/learning/shuffled_labels.py

The labels of 2,000 images are permuted: a 3 may now have to be called a 7. Nothing about the digits
is left to be understood: a network with more weights than images can only learn them by heart. Test
images keep their true labels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import memorise
import numpy as np
import study
from matplotlib.figure import Figure
from memorise import Course, Pair
from study import Look

CLAIM = (
    "With shuffled labels a network learns its images as perfectly as with true ones, and "
    "tests no better than chance."
)


def draw_images(axes: Any, look: Look, pair: Pair) -> None:
    """Draw images that got another label, with what the network answers after training."""
    given, answers = pair.labels["shuffled"], pair.courses["shuffled"].answers
    changed = np.flatnonzero((given != pair.labels["true"]) & (given == answers))
    for place, i in enumerate(changed[:18]):
        row, column = divmod(place, 3)
        left, top = 2 * column, 1.2 * row
        at = {"extent": (left, left + 1, top + 1, top)}
        axes.imshow(pair.x[i].reshape(28, 28), cmap=look.amount, vmin=0, vmax=1, **at)
        told, font = f"“{answers[i]}”", {"fontsize": 13, "fontweight": "bold"}
        axes.text(left + 1.08, top + 0.5, told, va="center", color=look.orange, **font)
    axes.set(xlim=(0, 5.8), ylim=(7.1, 0), title="after shuffled labels it answers")
    axes.axis("off")


def draw_courses(axes: Any, look: Look, courses: dict[str, Course]) -> None:
    """Draw the share of right answers while it learns, on its own images and on test images."""
    for (name, course), color in zip(courses.items(), (look.blue, look.orange), strict=True):
        own, test = (np.multiply(shares, 100) for shares in (course.accuracies, course.test))
        told, dashed = f"{name} labels, the images it learns", (0, (3, 1.5))
        axes.plot(course.epochs, own, color=color, linewidth=1.1, label=told)
        told = f"{name} labels, test images"
        axes.plot(range(1, len(test) + 1), test, color=color, linestyle=dashed, label=told)
        axes.plot(course.epochs[-1], 100 * course.accuracies[-1], "o", color=color)
    axes.legend(loc="center right", bbox_to_anchor=(1, 0.36))
    axes.axhline(10, color=look.muted, linewidth=0.8, linestyle=":", zorder=0)
    axes.set(
        xlabel="epochs",
        ylabel="right answers (%)",
        ylim=(0, 106),
        xlim=(0, None),
        yticks=range(0, 101, 20),
        title="while it learns",
    )


def draw_ends(axes: Any, look: Look, courses: dict[str, Course]) -> None:
    """Draw the end of both trainings as bars."""
    looks = ((look.blue, -0.19), (look.orange, 0.19))
    for course, (color, shift) in zip(courses.values(), looks, strict=True):
        for i, share in enumerate((100 * course.accuracies[-1], 100 * course.test[-1])):
            axes.bar(i + shift, share, 0.34, color=color)
            at = {"ha": "center", "fontweight": "bold", "color": color}
            axes.text(i + shift, share + 1.5, f"{share:.1f}", **at)
    axes.axhline(10, color=look.muted, linewidth=0.8, linestyle=":", zorder=0)
    axes.text(1.55, 10, "chance", color=look.muted, va="center")
    axes.set(
        xticks=[0, 1],
        xticklabels=["the images it learns", "test images"],
        ylim=(0, 106),
        yticks=[],
        xlim=(-0.5, 1.5),
        title="at the end (%)",
    )
    axes.spines["left"].set_visible(False)
    axes.tick_params(length=0)


def draw(look: Look, pair: Pair) -> Figure:
    drawn = study.figure(
        "Shuffled labels are learned as perfectly as true ones, only later; they are of no use "
        "for new images",
        13,
        5.2,
        f"The same network learns the same {len(pair.x):,} images, from the same start. Test "
        "images have true labels.",
    )
    images, courses, ends = drawn.subplots(1, 3, width_ratios=[1.1, 1.75, 1.05])
    draw_images(images, look, pair)
    draw_courses(courses, look, pair.courses)
    draw_ends(ends, look, pair.courses)
    return drawn


def measured_of(pair: Pair) -> dict[str, str]:
    def both(told: Callable[[Course], str]) -> str:
        return " and ".join(told(course) for course in pair.courses.values())

    return {
        "images, and weights and biases to learn them with": f"{len(pair.x):,} and "
        f"{memorise.SIZE:,}",
        "own images right at the end, true and shuffled labels": both(
            lambda course: f"{course.accuracies[-1]:.2%}"
        ),
        "test images right at the end, true and shuffled labels": both(
            lambda course: f"{course.test[-1]:.1%}"
        ),
        "epochs until 50 % of its own are right, true and shuffled": both(
            lambda course: f"{course.until(0.5):.1f}"
        ),
        "epochs until 90 %": both(lambda course: f"{course.until(0.9):.1f}"),
        "epochs until 99 %": both(lambda course: f"{course.until(0.99):.1f}"),
        "labels that shuffling left the same": f"{pair.kept:.1%}",
    }


def checks_of(pair: Pair, quick: bool) -> dict[str, bool]:
    """Check what has to hold; fewer images (--quick) are learned sooner, and teach less."""
    factor, few = (2.5, 0.75) if quick else (8, 0.88)
    true, shuffled = pair.courses.values()
    learned = min(true.accuracies[-1], shuffled.accuracies[-1])
    seen, by_chance = true.test[-1], shuffled.test[-1]
    return {
        "both labelings are learned: at least 99.9 % of its own images": learned >= 0.999,
        f"with true labels more than {100 * few:.0f} % of the test images are right": seen > few,
        "with shuffled ones it is chance: from 5 % to 15 %": 0.05 < by_chance < 0.15,
        f"until 90 % of its own are right, shuffled labels take more than {factor} times as "
        "long": pair.slower(0.9) > factor,
        "shuffling left fewer than a sixth of the labels the same": pair.kept < 1 / 6,
    }


def main() -> None:
    args = study.parse(study.parser(__doc__, memorise.FLAGS))
    pair = memorise.both(args)
    study.conclude(
        args,
        lambda look: draw(look, pair),
        claim=CLAIM,
        verdict=f"holds, but shuffled labels take {pair.slower(0.9):.0f} times as long until 90 % "
        "are learned",
        source="Zhang et al. 2017, Understanding deep learning requires rethinking generalization",
        measured=measured_of(pair),
        checks=checks_of(pair, args.quick),
        slower={f"{share:.0%}": pair.slower(share) for share in (0.5, 0.9, 0.99)},
        kept=pair.kept,
    )


if __name__ == "__main__":
    main()
