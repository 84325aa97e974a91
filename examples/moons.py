"""A decision boundary while it is learned
=======================================

Two moons, told apart by a network of 2-16-16-1, and by no straight line::

    python examples/moons.py

With this noise the moons overlap: who knows how they are made tells 97.1 % apart, and the best
straight line 87.2 %."""

from __future__ import annotations

import argparse
import time
from typing import Any

import common
import numpy as np
from common import BLUE, INK, MUTED, ORANGE
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from tqdm import tqdm

from tinygrad_edu import nn, special

PROBABILITY = LinearSegmentedColormap.from_list(
    "probability", ["#f0bd82", "#ffffff", "#8cc2e6"]
)  # of the lower moon
WIDE, HIGH = np.linspace(-1.7, 2.7, 221), np.linspace(-1.25, 1.75, 151)
PLANE = np.stack(np.meshgrid(WIDE, HIGH), axis=-1).reshape(-1, 2).astype(np.float32)


def moons(n: int, rng: np.random.Generator) -> tuple[Any, Any]:
    """Points `(n, 2)` on two half circles that reach into each other, off by N(0, 0.2²); and `(n,
    1)`, 1 for the lower moon."""
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
) -> list[Any]:
    """The model's states: as it started, and after each epoch of ten steps."""
    cost, states = nn.BCEWithLogits(), [model.state_dict()]
    loader = nn.DataLoader(*known, batch_size=50, shuffle=True, rng=order)
    optimizer = nn.optim.Adam(model.parameters(), lr=lr)
    schedule = nn.optim.OneCycle(optimizer, args.epochs * len(loader))
    step = common.step_of(model, cost, optimizer, args)
    with tqdm(total=args.epochs * len(loader), unit="step") as bar:
        for _ in range(args.epochs):
            for x, y in loader:
                step(x, y)
                schedule.step()
                bar.update()
            states.append(model.state_dict())
    return states


def told_apart(model: nn.Sequential, points: Any, lower: Any) -> float:
    return float(((common.outputs(model, points) > 0) == lower).mean())


def draw_plane(axes: Any, title: str, model: nn.Sequential, points: Any, lower: Any) -> None:
    """The probability of the lower moon as a colour, bold where it is ½, and the points that were
    trained on."""
    p = special.sigmoid(common.outputs(model, PLANE)).reshape(len(HIGH), len(WIDE))
    axes.imshow(
        p, cmap=PROBABILITY, vmin=0, vmax=1, origin="lower", extent=(*WIDE[[0, -1]], *HIGH[[0, -1]])
    )
    axes.contour(WIDE, HIGH, p, levels=[0.5], colors=INK, linewidths=2)
    for moon, color, mark in ((0, ORANGE, "o"), (1, BLUE, "^")):
        axes.scatter(
            *points[lower[:, 0] == moon].T,
            s=13,
            color=color,
            marker=mark,
            edgecolors="white",
            linewidths=0.4,
        )
    axes.set_title(title)
    axes.axis("off")


def draw(
    model: nn.Sequential, states: list[Any], line: nn.Sequential, known: Any, fresh: Any
) -> Figure:
    """The network at seven moments, and the straight line at its end."""
    figure = Figure(figsize=(13, 5.6))
    figure.set_layout_engine("constrained", rect=(0.005, 0.01, 0.99, 0.98))
    figure.suptitle(
        "At first the boundary is almost straight; then it bends between the two moons",
        fontsize=13,
        fontweight="bold",
        x=0.01,
        ha="left",
    )
    panels = figure.subplots(2, 4).flat
    for part in (0, 0.05, 0.15, 0.2, 0.23, 0.3, 1):
        epoch = round(part * (len(states) - 1))
        model.load_state_dict(states[epoch])
        draw_plane(
            next(panels),
            f"after {10 * epoch} steps: {told_apart(model, *fresh):.1%}",
            model,
            *known,
        )
    draw_plane(next(panels), f"without hidden layers: {told_apart(line, *fresh):.1%}", line, *known)
    figure.supxlabel(
        "Colour: the probability of a moon, white where it is ½. Points: those trained on. Per "
        "cent: how many of "
        f"{len(fresh[0]):,} fresh points are on the right side.",
        fontsize=9,
        x=0.01,
        ha="left",
        color=MUTED,
    )
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
    model, line = (
        nn.Sequential(*hidden, nn.Linear(16, 1, rng=start)),
        nn.Sequential(nn.Linear(2, 1, rng=start)),
    )
    print(model)
    began = time.perf_counter()
    states = train(model, 0.03, known, order, args)
    seconds = time.perf_counter() - began
    train(line, 0.3, known, order, args)  # its weights have further to go

    accuracy, straight, goal = (
        told_apart(model, *fresh),
        told_apart(line, *fresh),
        0.93 if args.quick else 0.955,
    )
    claim = (
        f"{accuracy:.1%} of new points told apart (goal {goal:.1%}), a straight line "
        f"{straight:.1%}; {seconds:.1f} s"
    )
    facts = {
        "accuracy": accuracy,
        "line": straight,
        "seconds": seconds,
        "parameters": sum(p.size for p in model.parameters()),
    }
    common.conclude(args, draw(model, states, line, known, fresh), claim, accuracy >= goal, facts)


if __name__ == "__main__":
    main()
