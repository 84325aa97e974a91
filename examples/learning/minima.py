"""Do all starts lead to about the same cost?
==========================================

Networks of four widths, trained from 24 random starts each::

    python examples/learning/minima.py

It compares the costs after a fixed number of epochs, which fall very little in the last ones. That
does not make them minima: there the gradient would be 0, and its length at the end is printed. Each
start has its own weights and its own order of images.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import study
from matplotlib.figure import Figure
from study import Array, Look
from tqdm import tqdm

from tinygrad_edu import nn

CLAIM = "The minima that training finds from different starts are of about the same quality."
LOSS = nn.CrossEntropy()


@dataclass
class Runs:
    """All starts of one width."""

    curves: list[list[float]] = field(default_factory=list)  # the mean cost of each epoch
    ends: list[float] = field(default_factory=list)  # test cost
    right: list[float] = field(default_factory=list)  # the share of test images that are right
    flatness: list[float] = field(default_factory=list)  # |∇C| at the end over |∇C| at the start

    @property
    def mean(self) -> float:
        return float(np.mean(self.ends))

    @property
    def spread(self) -> float:
        return float(np.std(self.ends, ddof=1))


def run(
    runs: Runs, width: int, seed: np.random.Generator, data: tuple[Array, ...], args: Any
) -> None:
    """Train from one start: 784-width-10, ReLU, cross-entropy, a rate that falls to 0."""
    x, y, x_test, y_test = data
    start, order = seed.spawn(2)
    model = study.relu_network((784, width, 10), start)
    before = study.slope(model, x[:1000], y[:1000], LOSS)
    curve: list[float] = []
    kind = {"epochs": args.epochs, "lr": args.lr, "batch": 50, "cosine": True, "cost": LOSS}
    title = f"{width} neurons"
    study.train(model, x, y, args, order, title=title, after=curve.append, **kind)
    answers = study.outputs(model, x_test)
    runs.curves.append(curve)
    runs.ends.append(LOSS(answers, y_test).item())
    runs.right.append(float((answers.argmax(axis=1) == y_test).mean()))
    runs.flatness.append(study.slope(model, x[:1000], y[:1000], LOSS) / before)


def draw_curves(axes: Any, look: Look, found: dict[int, Runs]) -> None:
    """Draw every start as a line: the cost of the training images, epoch by epoch."""
    for axis, (width, runs) in zip(axes, found.items(), strict=True):
        for curve in runs.curves:
            axis.plot(range(1, len(curve) + 1), curve, color=look.blue, linewidth=0.9, alpha=0.6)
            axis.plot(len(curve), curve[-1], ".", color=look.blue, markersize=4)
        axis.set(
            yscale="log",
            xlim=(0.6, len(curve) + 0.4),
            xticks=[1, len(curve)],
            xlabel="epochs",
            title=f"{width} neurons",
        )
        axis.yaxis.set_minor_formatter("{x:g}")
        axis.yaxis.set_major_formatter("{x:g}")
        axis.tick_params(which="both", labelleft=axis is axes[0])
        axis.grid(axis="y", which="both", linewidth=0.5, alpha=0.5)
    axes[0].set_ylabel("cost of the training images (nats, log scale)")


def draw_ends(axes: Any, look: Look, found: dict[int, Runs]) -> None:
    """Draw the test cost of every start, and how far these costs spread."""
    top = max(max(runs.ends) for runs in found.values())
    for i, runs in enumerate(found.values()):
        aside = np.linspace(-0.25, 0.25, len(runs.ends))
        axes.plot([i - 0.36, i + 0.36], [runs.mean] * 2, color=look.ink, linewidth=1)
        dots = {"color": look.orange, "markersize": 4.5, "alpha": 0.75, "markeredgewidth": 0}
        axes.plot(i + aside, runs.ends, "o", **dots)
        told = f"{runs.mean:.3f}\n± {runs.spread:.3f}"
        axes.text(i, 1.09 * top, told, ha="center", va="center", fontweight="bold")
    axes.set(
        xticks=range(len(found)),
        xticklabels=found,
        ylim=(0, 1.16 * top),
        xlim=(-0.55, len(found) - 0.45),
        xlabel="neurons in the hidden layer",
        ylabel="cost of the test images (nats)",
        title="where each start ends",
    )


def draw(look: Look, found: dict[int, Runs]) -> Figure:
    starts = len(next(iter(found.values())).ends)
    drawn = study.figure(
        "The wider the network, the less it matters where it starts",
        13,
        5.2,
        f"{starts} starts of each width, each a line and a dot. Bold: mean ± standard deviation. "
        "Costs after a fixed number of epochs, not proven minima.",
    )
    left, right = drawn.add_gridspec(1, 2, width_ratios=[2.3, 1.5])
    draw_curves(left.subgridspec(1, len(found)).subplots(sharey=True), look, found)
    draw_ends(drawn.add_subplot(right), look, found)
    return drawn


def checks_of(found: dict[int, Runs], quick: bool) -> dict[str, bool]:
    """Check what has to hold; with --quick the limits are wider, as there are few starts."""
    narrow, *_, wide = runs = list(found.values())
    first, last = min(found), max(found)
    differ = {width: (max(r.ends) - min(r.ends)) / r.mean for width, r in found.items()}
    times, relative, apart, near = (4, 2, 0.15, 0.25) if quick else (8, 3, 0.25, 0.15)
    shares = narrow.spread / narrow.mean, wide.spread / wide.mean
    middle = "the spread of 16 neurons is between" + (" or smaller" if quick else "")
    between = narrow.spread > found[16].spread and (quick or found[16].spread > wide.spread)
    falls = all(np.diff([r.mean for r in runs]) < 0)
    flattest = min(min(r.flatness) for r in runs)
    return {
        f"the test costs of {first} neurons spread more than {times} times as much as those of "
        f"{last}": narrow.spread > times * wide.spread,
        f"as a part of their mean they spread more than {relative} times as much": (
            shares[0] > relative * shares[1]
        ),
        middle: between,
        "the mean test cost falls with every width": falls,
        f"{last} neurons: the best and the worst start differ by less than {100 * near:.0f} % of "
        "their mean": differ[last] < near,
        f"{first} neurons: they differ by more than {100 * apart:.0f} %": differ[first] > apart,
        "at no end is the gradient near 0: more than 1 % of its length at the start is left": (
            flattest > 0.01
        ),
    }


def measured_of(found: dict[int, Runs]) -> dict[str, str]:
    def each(told: Callable[[Runs], str]) -> str:
        return ", ".join(told(runs) for runs in found.values())

    flatness = "length of the gradient at the end, of that at the start"
    return {
        "neurons in the hidden layer": ", ".join(map(str, found)),
        "starts of each": str(len(next(iter(found.values())).ends)),
        "mean test cost (nats)": each(lambda r: f"{r.mean:.3f}"),
        "its standard deviation over the starts": each(lambda r: f"{r.spread:.4f}"),
        "the same, as a part of the mean": each(lambda r: f"{r.spread / r.mean:.1%}"),
        "best and worst start": each(lambda r: f"{min(r.ends):.3f} to {max(r.ends):.3f}"),
        "test images right": each(lambda r: f"{np.mean(r.right):.1%}"),
        flatness: each(lambda r: f"{np.mean(r.flatness):.0%}"),
    }


# fmt: off
FLAGS: dict[str, dict[str, Any]] = {
    "--starts": {"type": int, "default": 24,
                 "help": "how many of each width; with --quick a quarter"},
    "--images": {"type": int, "default": 10_000,
                 "help": "how many are learned; with --quick a fifth"},
    "--epochs": {"type": int, "default": 10, "help": "how often every image is seen"},
    "--lr": {"type": float, "default": 0.1, "help": "learning rate at the start; it falls to 0"},
}
# fmt: on


def trained(args: Any) -> dict[int, Runs]:
    """Train from all starts of each width."""
    widths, starts, images = (4, 16, 64, 256), args.starts, args.images
    if args.quick:
        widths, starts, images = (4, 16, 64), args.starts // 4, args.images // 5
    x, y, x_test, y_test = study.mnist(args)
    found = {width: Runs() for width in widths}
    seeds = np.random.default_rng(args.seed).spawn(len(widths) * starts)
    for i, seed in enumerate(tqdm(seeds, desc="starts")):
        width = widths[i // starts]
        run(found[width], width, seed, (x[:images], y[:images], x_test, y_test), args)
    return found


def main() -> None:
    args = study.parse(study.parser(__doc__, FLAGS))
    found = trained(args)
    study.conclude(
        args,
        lambda look: draw(look, found),
        claim=CLAIM,
        verdict="holds, but for wide networks only, and for costs after a fixed number of epochs, "
        "which are not proven minima",
        source="Choromanska et al. 2015, The loss surfaces of multilayer networks",
        measured=measured_of(found),
        checks=checks_of(found, args.quick),
        ends={str(width): runs.ends for width, runs in found.items()},
    )


if __name__ == "__main__":
    main()
