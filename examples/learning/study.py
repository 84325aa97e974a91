"""What the studies share: MNIST as rows, the video's network and its training, and how each ends.

A study ends with a figure, light and dark, and with metrics.json: a claim, what was measured, and
checks that can fail.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import common
import matplotlib
import numpy as np
from common import network, outputs, parse, squared_cost
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure
from tqdm import tqdm

from tinygrad_edu import nn

__all__ = [
    "DARK",
    "LIGHT",
    "VIDEO",
    "Array",
    "Look",
    "accuracy",
    "conclude",
    "costs",
    "figure",
    "length",
    "mnist",
    "network",
    "one_hot",
    "outputs",
    "parse",
    "parser",
    "relu_network",
    "slope",
    "squared_cost",
    "train",
]

Array = np.ndarray[Any, Any]
VIDEO = (784, 16, 16, 10)
STARTED = time.perf_counter()


@dataclass(frozen=True)
class Look:
    """The colours of a figure.

    On its paper, colour-blind readers too can tell blue, orange and plum apart.
    """

    name: str
    paper: str
    ink: str
    muted: str
    grey: str
    blue: str
    orange: str
    plum: str
    signed: list[str]  # below zero, at zero, above

    @property
    def diverging(self) -> Colormap:
        """The colours from orange to blue, for numbers with a sign: use them with vmin = −vmax."""
        return LinearSegmentedColormap.from_list("signed", self.signed)

    @property
    def amount(self) -> Colormap:
        """The colours from paper to ink, for pixels and for numbers from 0 up."""
        return LinearSegmentedColormap.from_list("amount", [self.paper, self.ink])


LIGHT = Look(
    name="light",
    paper="#ffffff",
    ink=common.INK,
    muted=common.MUTED,
    grey=common.GREY,
    blue=common.BLUE,
    orange=common.ORANGE,
    plum=common.PLUM,
    signed=common.SIGNED,
)
DARK = Look(
    name="dark",
    paper="#12181f",
    ink="#e6edf3",
    muted="#9fb0c0",
    grey="#3c4855",
    blue="#56b4e9",
    orange="#e69f00",
    plum="#cc79a7",
    signed=["#f0a94a", "#1b232c", "#6cb6f5"],
)


def parser(doc: str | None, own: dict[str, dict[str, Any]]) -> argparse.ArgumentParser:
    """Make a parser of the other examples' flags and a study's own; results: build/learning/."""
    flags = common.with_flags(doc, common.FLAGS | own)
    flags.set_defaults(out=Path("build") / "learning" / Path(sys.argv[0]).stem)
    return flags


def relu_network(sizes: Sequence[int], rng: np.random.Generator) -> nn.Sequential:
    """Make a network with ReLU between its layers, and the start for it: N(0, 2/fan_in) and 0."""
    start = {"weight": nn.init.kaiming_normal, "bias": nn.init.zeros}
    return network(sizes, rng, activation=nn.ReLU, last=None, **start)


def mnist(args: Any) -> tuple[Array, Array, Array, Array]:
    """Read `x, y, x_test, y_test`: images as rows `(n, 784)` from 0 to 1, and their digits.

    With --quick it is a tenth of them.
    """
    x, y, x_test, y_test = common.mnist(quick=args.quick)
    return x.reshape(-1, 784), y, x_test.reshape(-1, 784), y_test


def one_hot(y: Array) -> Array:
    """Make what the ten outputs should be: 1 for the digit, 0 elsewhere."""
    return nn.data.one_hot(y, 10)


def costs(a: Any, wanted: Any) -> Any:
    """Compute Σ (a − y)² over the ten outputs, image by image."""
    return np.square(a - wanted).sum(axis=1)


def length(gradients: Iterable[Any]) -> float:
    """Compute ‖∇C‖, all parameters in one row."""
    return float(np.sqrt(sum(np.vdot(g, g) for g in map(np.asarray, gradients))))


def slope(model: nn.Module, x: Array, wanted: Array, cost: Any = squared_cost) -> float:
    """Compute ‖∇C‖ for these images with the engine."""
    return length(cost(model(x), wanted).gradient(*model.parameters()))


def train(
    model: nn.Module,
    x: Array,
    wanted: Array,
    args: Any,
    rng: np.random.Generator,
    *,
    epochs: int,
    lr: float,
    batch: int = 32,
    decay: float = 0.0,
    cosine: bool = False,
    cost: Any = squared_cost,
    title: str = "",
    after: Callable[[float], Any] = lambda cost: None,
) -> None:
    """Train by mini-batch gradient descent, shuffled in each epoch.

    `wanted` is what the cost takes: one_hot(y) for the squared cost. `cosine` lets the rate fall
    to 0, `decay` is the penalty on the weights. `after` is called with each epoch's mean cost.
    """
    loader = nn.DataLoader(x, wanted, batch_size=batch, shuffle=True, rng=rng)
    optimizer = nn.optim.SGD(common.groups(model, decay), lr=lr)
    schedule = nn.optim.Constant(optimizer)
    if cosine:
        schedule = nn.optim.Cosine(optimizer, max(epochs * len(loader), 1))
    step = common.step_of(model, cost, optimizer, args)
    with tqdm(range(epochs), desc=title, unit="epoch", leave=False) as bar:
        for _ in bar:
            total = 0.0
            for batch_x, batch_wanted in loader:
                total += step(batch_x, batch_wanted).item() * len(batch_x)
                schedule.step()
            bar.set_postfix(cost=f"{total / len(x):.4f}")
            after(total / len(x))


def accuracy(model: nn.Module, x: Array, y: Array) -> float:
    """Find the share of images whose brightest output is their digit."""
    return float((outputs(model, x).argmax(axis=1) == y).mean())


LARGER = {"font.size": 12, "axes.titlesize": 13, "svg.hashsalt": "study"}


def save_figures(
    out: Path, draw: Callable[[Look], Figure], panels: dict[str, Callable[[Any, Look], None]]
) -> None:
    """Write the figure and its panels, light and dark."""
    for look in (LIGHT, DARK):
        with matplotlib.rc_context(style(look)):
            draw(look).savefig(out / f"figure_{look.name}.png", dpi=144)
        with matplotlib.rc_context(style(look) | LARGER):
            for name, draw_panel in panels.items():
                drawn = Figure(figsize=(7.4, 3.8), layout="constrained")
                draw_panel(drawn.subplots(), look)
                drawn.savefig(out / f"{name}_{look.name}.svg", metadata={"Date": None})


def conclude(
    args: Any,
    draw: Callable[[Look], Figure],
    *,
    claim: str,
    verdict: str,
    measured: dict[str, str],
    checks: dict[str, bool],
    source: str,
    panels: dict[str, Callable[[Any, Look], None]] | None = None,
    **numbers: Any,
) -> None:
    """Write both figures and the metrics, print what was measured; fail if a check fails.

    `panels` draw parts of the figure, each on axes of its own, for a page: SVG, and larger type.
    `claim` is one sentence of the source. `verdict` is "holds", "holds, but …" or "does not hold:
    …". `measured` has the numbers as text, by what they are. `checks` are sentences that a program
    can decide, and whether each holds.
    """
    args.out.mkdir(parents=True, exist_ok=True)
    save_figures(args.out, draw, panels or {})
    seconds = round(time.perf_counter() - STARTED, 1)
    missed = [f"missed: {sentence}" for sentence, holds in checks.items() if not holds]
    known = {
        "claim": claim,
        "verdict": verdict,
        "source": source,
        "measured": measured,
        "checks": {sentence: bool(holds) for sentence, holds in checks.items()},
        "holds": not missed,
        **numbers,
        "seconds": seconds,
        "settings": common.settings(args),
    }
    (args.out / "metrics.json").write_text(
        json.dumps(known, indent=1, ensure_ascii=False), encoding="utf-8"
    )
    for what, value in measured.items():
        print(f"{what:60} {value}")
    found, seen = f"{verdict[:1].upper()}{verdict[1:]}", f"{args.out}/figure_light.png"
    print(f"{claim} {found}. {seconds:.0f} s; see {seen}", flush=True)
    if missed:
        sys.exit("\n".join(missed))


def style(look: Look) -> dict[str, Any]:
    """Matplotlib's settings for a figure on light or on dark paper."""
    return {
        "figure.facecolor": look.paper,
        "savefig.facecolor": look.paper,
        "axes.facecolor": look.paper,
        "text.color": look.ink,
        "axes.titlecolor": look.ink,
        "axes.labelcolor": look.muted,
        "axes.edgecolor": look.grey,
        "xtick.color": look.muted,
        "ytick.color": look.muted,
        "grid.color": look.grey,
        "legend.labelcolor": look.ink,
        "lines.linewidth": 1.8,
        "axes.prop_cycle": matplotlib.cycler(color=[look.blue, look.orange, look.plum]),
    }


def figure(title: str, width: float = 11.0, height: float = 5.5, note: str = "") -> Figure:
    """Make an empty figure with a title that says what is seen, and a note on how to read it."""
    drawn = Figure(figsize=(width, height))
    drawn.set_layout_engine("constrained", rect=(0.005, 0.01, 0.99, 0.98))
    drawn.suptitle(title, x=0.01, **common.HEADING)
    if note:
        muted = matplotlib.rcParams["axes.labelcolor"]
        drawn.supxlabel(note, fontsize=9, x=0.01, ha="left", color=muted)
    return drawn
