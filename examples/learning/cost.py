"""The cost of one image, and the average of all
=============================================

What a network that knows nothing pays, and what a trained one does::

    python examples/learning/cost.py

The cost of one image is Σ (a − y)² over the ten outputs: large where the network is wrong. Averaged
over all images it is one number for all 13,002 weights and biases, and training makes it small.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import study
from matplotlib.figure import Figure
from study import Array, Look

CLAIM = (
    "A network that guesses pays a high cost, a trained one a low cost; the average over all "
    "images says how bad it is."
)
# fmt: off
FLAGS: dict[str, dict[str, Any]] = {
    "--epochs": {"type": int, "default": 20, "help": "how often every image is seen"},
    "--lr": {"type": float, "default": 5.0, "help": "learning rate at the start; it falls to 0"},
}
# fmt: on


@dataclass
class Found:
    """What the network answers to every image, and what it should."""

    x: Array
    y: Array
    answers: dict[str, Array]

    def __post_init__(self) -> None:
        wanted, trained = study.one_hot(self.y), self.answers["trained"]
        self.costs = {name: study.costs(a, wanted) for name, a in self.answers.items()}
        self.averages = {name: float(cost.mean()) for name, cost in self.costs.items()}
        is_right = trained.argmax(axis=1) == self.y
        self.right = self.costs["trained"][is_right].mean()
        self.wrong = self.costs["trained"][~is_right].mean()


def draw_outputs(axes: Any, look: Look, title: str, a: Any, digit: int) -> None:
    """Draw ten outputs as bars beside what they should be, each with its part of the cost."""
    wanted = study.one_hot(np.array([digit]))[0]
    colors = [look.blue if i == digit else look.orange for i in range(10)]
    axes.barh(range(10), a, color=colors, height=0.62)
    axes.barh(range(10), wanted, facecolor="none", edgecolor=look.ink, height=0.78, linewidth=1.2)
    for i, part in enumerate(np.square(a - wanted)):
        made_of, at = f"({a[i]:.2f} − {wanted[i]:.0f})²", {"va": "center", "fontsize": 8.5}
        axes.text(1.06, i, made_of, color=look.muted, **at)
        axes.text(1.62, i, f"{part:.4f}", ha="right", **at)
    total = f"{np.square(a - wanted).sum():.4f}"
    axes.text(1.62, 10, total, va="center", ha="right", fontweight="bold")
    axes.text(1.06, 10, "cost", va="center", fontweight="bold")
    axes.set(yticks=range(10), ylim=(10.6, -0.7), xlim=(0, 1.65), xticks=[0, 0.5, 1], title=title)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.tick_params(length=0)


def draw_averages(axes: Any, look: Look, averages: dict[str, float]) -> None:
    """Draw the average costs as bars, each with its number."""
    axes.barh(range(len(averages)), averages.values(), color=look.plum, height=0.6)
    for i, value in enumerate(averages.values()):
        axes.text(value + 0.04, i, f"{value:.3f}", va="center", fontweight="bold")
    axes.set(
        yticks=range(len(averages)),
        yticklabels=averages,
        ylim=(len(averages) - 0.4, -0.6),
        title="the average over all images",
        xlim=(0, 1.15 * max(averages.values())),
        xlabel="Σ (a − y)², averaged over the training images",
    )
    axes.tick_params(axis="y", length=0)


def draw(look: Look, found: Found) -> Figure:
    drawn = study.figure(
        "The cost is high while the network guesses, and low once it knows",
        13,
        4.6,
        "Outlined: what the outputs should be. Bars: what they are; blue is the digit's own "
        "output.",
    )
    picture, first, second, all_ = drawn.subplots(1, 4, width_ratios=[1, 1.9, 1.9, 1.5])
    image = int(np.flatnonzero(found.y == 3)[0])  # the video's digit is a 3
    picture.imshow(found.x[image].reshape(28, 28), cmap=look.amount, vmin=0, vmax=1)
    picture.set_title("one image")
    picture.axis("off")
    for axes, name in ((first, "random weights"), (second, "trained")):
        draw_outputs(axes, look, name, found.answers[name][image], found.y[image])
    draw_averages(all_, look, found.averages)
    return drawn


def measured_of(found: Found) -> dict[str, str]:
    guessed, trained, tenths, zeros = found.averages.values()
    return {
        "average cost, random weights": f"{guessed:.3f}",
        "average cost, trained": f"{trained:.3f}",
        "average cost if every output is 0.1": f"{tenths:.3f}",
        "average cost if every output is 0": f"{zeros:.3f}",
        "average of rightly and of wrongly classified images": f"{found.right:.3f} and "
        f"{found.wrong:.3f}",
        "half of the images cost less than": f"{np.median(found.costs['trained']):.5f}",
    }


def checks_of(found: Found) -> dict[str, bool]:
    """Check what has to be true of the numbers, whatever the seed."""
    guessed, trained, tenths, zeros = found.averages.values()
    beats_tenths = trained < tenths and abs(tenths - 0.9) < 1e-4
    return {
        "random weights cost from 1.5 to 4": 1.5 < guessed < 4,
        "training makes the average at least eight times smaller": 8 * trained < guessed,
        "the trained network costs less than all outputs 0.1, whose cost is 0.90": beats_tenths,
        "all outputs 0 cost exactly 1": zeros == 1.0,
        "images that are wrongly classified cost more than ten times as much": (
            found.wrong > 10 * found.right
        ),
    }


def answers_of(x: Array, y: Array, args: Any) -> dict[str, Array]:
    """Compute the outputs before and after training, and two that are always the same."""
    start, order = np.random.default_rng(args.seed).spawn(2)
    model = study.network(study.VIDEO, start)
    before, kind = study.outputs(model, x), {"decay": 5e-5, "cosine": True}
    study.train(model, x, study.one_hot(y), args, order, epochs=args.epochs, lr=args.lr, **kind)
    after = study.outputs(model, x)
    return {
        "random weights": before,
        "trained": after,
        "every output 0.1": np.full_like(after, 0.1),
        "every output 0": np.zeros_like(after),
    }


def main() -> None:
    args = study.parse(study.parser(__doc__, FLAGS))
    x, y, _, _ = study.mnist(args)
    found = Found(x, y, answers_of(x, y, args))
    study.conclude(
        args,
        lambda look: draw(look, found),
        claim=CLAIM,
        verdict="holds",
        source="3Blue1Brown, Gradient descent, how neural networks learn: cost",
        measured=measured_of(found),
        checks=checks_of(found),
        averages=found.averages,
    )


if __name__ == "__main__":
    main()
