"""A decision boundary while it is learned
=======================================

Two moons, told apart by a network of 2-16-16-1, and by no straight line::

    python examples/moons.py

With this noise the moons overlap: whoever knows how they are made tells 97.1 % of the points apart,
the best straight line 87.2 %. In playground.html, beside the figure, one looks into the network.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from learning import common
from learning.common import BLUE, INK, MUTED, ORANGE
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from tinygrad_edu import nn, special
from tinygrad_edu.playground import playground

SHADES = ["#f0bd82", "#ffffff", "#8cc2e6"]  # of the probability of the lower moon
PROBABILITY = LinearSegmentedColormap.from_list("probability", SHADES)
WIDE, HIGH = np.linspace(-1.7, 2.7, 221), np.linspace(-1.25, 1.75, 151)
PLANE = np.stack(np.meshgrid(WIDE, HIGH), axis=-1).reshape(-1, 2).astype(np.float32)


def moons(n: int, rng: np.random.Generator) -> tuple[Any, Any]:
    """Draw points `(n, 2)` on two half circles that reach into each other, off by N(0, 0.2²).

    Also returns `(n, 1)`: 1 for the lower moon, 0 for the upper one.
    """
    lower, angle = np.arange(n) % 2, rng.uniform(0, np.pi, n)
    x1, x2 = np.cos(angle), np.sin(angle)
    points = np.where(lower, [1 - x1, 0.5 - x2], [x1, x2]).T + rng.normal(0, 0.2, (n, 2))
    return points.astype(np.float32), lower[:, None].astype(np.float32)


def train(
    model: nn.Sequential,
    lr: float,
    known: Any,
    order: np.random.Generator,
    args: argparse.Namespace,
    name: str = "run",
) -> tuple[list[Any], float]:
    """Train; return the model's states, at the start and after each epoch, and the seconds."""
    states = [model.state_dict()]
    loader = nn.DataLoader(*known, batch_size=50, shuffle=True, rng=order)
    optimizer = nn.optim.Adam(model.parameters(), lr=lr)

    def keep() -> None:
        states.append(model.state_dict())

    _, seconds = common.train(model, nn.BCEWithLogits(), optimizer, loader, args, keep, name)
    return states, seconds


def told_apart(model: nn.Sequential, points: Any, lower: Any) -> float:
    return float(((common.outputs(model, points) > 0) == lower).mean())


def draw_plane(axes: Any, title: str, model: nn.Sequential, points: Any, lower: Any) -> None:
    """Draw the lower moon's probability as a colour, a line where it is ½, and known points."""
    p = special.sigmoid(common.outputs(model, PLANE)).reshape(len(HIGH), len(WIDE))
    frame = (*WIDE[[0, -1]], *HIGH[[0, -1]])
    axes.imshow(p, cmap=PROBABILITY, vmin=0, vmax=1, origin="lower", extent=frame)
    axes.contour(WIDE, HIGH, p, levels=[0.5], colors=INK, linewidths=2)
    for moon, color, mark in ((0, ORANGE, "o"), (1, BLUE, "^")):
        x1, x2 = points[lower[:, 0] == moon].T
        axes.scatter(x1, x2, s=13, color=color, marker=mark, edgecolors="white", linewidths=0.4)
    axes.set_title(title)
    axes.axis("off")


def draw(
    model: nn.Sequential, states: list[Any], line: nn.Sequential, known: Any, fresh: Any
) -> Figure:
    """Draw the network at seven moments, and the straight line at its end."""
    figure = Figure(figsize=(13, 5.6))
    figure.set_layout_engine("constrained", rect=(0.005, 0.01, 0.99, 0.98))
    title = "At first the boundary is almost straight; then it bends between the two moons"
    figure.suptitle(title, x=0.01, **common.HEADING)
    panels = figure.subplots(2, 4).flat
    for part in (0, 0.05, 0.15, 0.2, 0.23, 0.3, 1):
        epoch = round(part * (len(states) - 1))
        model.load_state_dict(states[epoch])
        reached = f"after {10 * epoch} steps: {told_apart(model, *fresh):.1%}"
        draw_plane(next(panels), reached, model, *known)
    draw_plane(next(panels), f"without hidden layers: {told_apart(line, *fresh):.1%}", line, *known)
    note = (
        "Colour: the probability of a moon, white where it is ½. Points: those trained on. "
        f"Per cent: how many of {len(fresh[0]):,} fresh points are on the right side."
    )
    figure.supxlabel(note, fontsize=9, x=0.01, ha="left", color=MUTED)
    return figure


def main() -> None:
    flags = common.parser(__doc__)
    flags.add_argument("--epochs", type=int, default=60, help="how often every point is seen")
    args = common.parse(flags)
    if args.quick:
        args.epochs = 40

    data, start, order = np.random.default_rng(args.seed).spawn(3)
    known, fresh = moons(500, data), moons(10_000, data)
    hidden = [nn.Linear(2, 16, rng=start), nn.Tanh(), nn.Linear(16, 16, rng=start), nn.Tanh()]
    model = nn.Sequential(*hidden, nn.Linear(16, 1, rng=start))
    line = nn.Sequential(nn.Linear(2, 1, rng=start))
    print(model)
    states, seconds = train(model, 0.03, known, order, args)
    train(line, 0.3, known, order, args, "line")  # its weights have further to go

    accuracy, straight = told_apart(model, *fresh), told_apart(line, *fresh)
    goal = 0.93 if args.quick else 0.955
    claim = (
        f"{accuracy:.1%} of new points told apart (goal {goal:.1%}), "
        f"a straight line {straight:.1%}; {seconds:.1f} s"
    )
    metrics = {
        "accuracy": accuracy,
        "line": straight,
        "seconds": seconds,
        "parameters": common.parameters_of(model),
    }
    figure = draw(model, states, line, known, fresh)
    shown, labels = fresh[0][:1000], fresh[1][:1000, 0].astype(int)
    page = playground(model, shown, labels, names=["upper moon", "lower moon"])
    page.save(args.out / "playground.html")
    common.conclude(args, figure, claim, accuracy >= goal, metrics)


if __name__ == "__main__":
    main()
