"""The cost of one image, and the average of all
=============================================

What a network that knows nothing pays, and what a trained one does::

    python examples/learning/cost.py

The cost of one image is Σ (a − y)² over the ten outputs: large where the network is wrong. Averaged
over all images it is one number for all 13,002 weights and biases, and training makes it small."""

from __future__ import annotations

from typing import Any

import numpy as np
import study
from matplotlib.figure import Figure
from study import Look

CLAIM = (
    "A network that guesses pays a high cost, a trained one a low cost; the average over all "
    "images says how bad it is."
)


def draw_outputs(axes: Any, look: Look, title: str, a: Any, digit: int) -> None:
    """Ten outputs as bars beside what they should be, each with its part of the cost."""
    wanted = study.one_hot(np.array([digit]))[0]
    axes.barh(
        range(10),
        a,
        color=[look.blue if i == digit else look.orange for i in range(10)],
        height=0.62,
    )
    axes.barh(range(10), wanted, facecolor="none", edgecolor=look.ink, height=0.78, linewidth=1.2)
    for i, part in enumerate(np.square(a - wanted)):
        axes.text(
            1.06, i, f"({a[i]:.2f} − {wanted[i]:.0f})²", va="center", fontsize=8.5, color=look.muted
        )
        axes.text(1.62, i, f"{part:.4f}", va="center", ha="right", fontsize=8.5)
    axes.text(
        1.62, 10, f"{np.square(a - wanted).sum():.4f}", va="center", ha="right", fontweight="bold"
    )
    axes.text(1.06, 10, "cost", va="center", fontweight="bold")
    axes.set(yticks=range(10), ylim=(10.6, -0.7), xlim=(0, 1.65), xticks=[0, 0.5, 1], title=title)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.tick_params(length=0)


def draw_averages(axes: Any, look: Look, averages: dict[str, float]) -> None:
    """The average costs as bars, each with its number."""
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


def main() -> None:
    flags = study.parser(__doc__)
    flags.add_argument("--epochs", type=int, default=20, help="how often every image is seen")
    flags.add_argument(
        "--lr", type=float, default=5.0, help="learning rate at the start; it falls to 0"
    )
    args = study.parse(flags)
    x, y, _, _ = study.mnist(args)
    wanted = study.one_hot(y)
    start, order = np.random.default_rng(args.seed).spawn(2)
    model = study.network(study.VIDEO, start)
    before = study.outputs(model, x)
    study.train(
        model, x, wanted, args, order, epochs=args.epochs, lr=args.lr, decay=5e-5, cosine=True
    )
    after = study.outputs(model, x)

    answers = {
        "random weights": before,
        "trained": after,
        "every output 0.1": np.full_like(after, 0.1),
        "every output 0": np.zeros_like(after),
    }
    costs = {name: study.costs(a, wanted) for name, a in answers.items()}
    averages = {name: float(cost.mean()) for name, cost in costs.items()}
    image = int(np.flatnonzero(y == 3)[0])  # the video's digit is a 3
    threshold, is_right = np.median(costs["trained"]), after.argmax(axis=1) == y
    right, wrong = costs["trained"][is_right].mean(), costs["trained"][~is_right].mean()

    def draw(look: Look) -> Figure:
        drawn = study.figure(
            "The cost is high while the network guesses, and low once it knows",
            13,
            4.6,
            "Outlined: what the outputs should be. Bars: what they are; blue is the digit's own "
            "output.",
        )
        picture, first, second, all_ = drawn.subplots(1, 4, width_ratios=[1, 1.9, 1.9, 1.5])
        picture.imshow(x[image].reshape(28, 28), cmap=look.amount, vmin=0, vmax=1)
        picture.set_title("one image")
        picture.axis("off")
        draw_outputs(first, look, "random weights", before[image], y[image])
        draw_outputs(second, look, "trained", after[image], y[image])
        draw_averages(all_, look, averages)
        return drawn

    study.conclude(
        args,
        draw,
        claim=CLAIM,
        verdict="holds",
        source="3Blue1Brown, Gradient descent, how neural networks learn: cost",
        measured={
            "average cost, random weights": f"{averages['random weights']:.3f}",
            "average cost, trained": f"{averages['trained']:.3f}",
            "average cost if every output is 0.1": f"{averages['every output 0.1']:.3f}",
            "average cost if every output is 0": f"{averages['every output 0']:.3f}",
            "average of rightly and of wrongly classified images": f"{right:.3f} and {wrong:.3f}",
            "half of the images cost less than": f"{threshold:.5f}",
        },
        checks={
            "random weights cost from 1.5 to 4": 1.5 < averages["random weights"] < 4,
            "training makes the average at least eight times smaller": 8 * averages["trained"]
            < averages["random weights"],
            "the trained network costs less than all outputs 0.1, whose cost is 0.90": averages[
                "trained"
            ]
            < averages["every output 0.1"]
            and abs(averages["every output 0.1"] - 0.9) < 1e-4,
            "all outputs 0 cost exactly 1": averages["every output 0"] == 1.0,
            "images that are wrongly classified cost more than ten times as much": wrong
            > 10 * right,
        },
        averages=averages,
    )


if __name__ == "__main__":
    main()
