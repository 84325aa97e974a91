"""Why are activations continuous?
===============================

With neurons that are either on or off the cost has steps, and no slope leads down::

    python examples/learning/smoothness.py

It shows the cost along a line through the 13,002 weights and biases, for binary, sigmoid and ReLU
neurons, and what training makes of each. Continuity does not help everywhere: where sigmoids
saturate, their slope is almost 0 too, and a network whose learning rate is too large for its width
ends with all outputs 0, for good.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import study
from matplotlib.figure import Figure
from study import Array, Look
from tqdm import tqdm

from tinygrad_edu import derivative, nn, operation

CLAIM = (
    "Activations have a continuous range, not only on and off, so that the cost is smooth "
    "and small steps can lead down."
)
STRIDES = 2 ** np.arange(9)
PANELS = [list("AABBCCDD"), list("EEFFGGGG")]


@operation
def fires(x: Array) -> Array:
    """1 where x > 0, else 0. np.heaviside would not be recorded: it is known to be flat."""
    return (x > 0).astype(x.dtype)


derivative(fires, lambda g, z, x: g * 0)  # 0 wherever it has a derivative


class Binary(nn.Module):
    """A neuron that is on or off."""

    def forward(self, x: Any) -> Any:
        return fires(x)


KINDS: dict[str, dict[str, Any]] = {
    "binary": {"activation": Binary, "last": Binary},
    "sigmoid": {"activation": nn.Sigmoid},
    "ReLU": {  # its outputs are sigmoids
        "activation": nn.ReLU,
        "weight": nn.init.kaiming_normal,
        "bias": nn.init.zeros,
    },
}
RATES = {"binary": 1.0, "sigmoid": 1.0, "ReLU": 0.3}
# fmt: off
FLAGS: dict[str, dict[str, Any]] = {
    "--epochs": {"type": int, "default": 8, "help": "how often every image is seen"},
    "--points": {"type": int, "default": 4097, "help": "points of the line"},
}
# fmt: on


def on_line(
    kind: dict[str, Any], rng: np.random.Generator, x: Array, wanted: Array, points: int
) -> Array:
    """Measure the cost at points of the line from one random network to another, in float64."""
    model, target = study.network(study.VIDEO, rng, **kind), study.network(study.VIDEO, rng, **kind)
    ends = [
        (p, p.data.astype(np.float64), q.data.astype(np.float64))
        for p, q in zip(model.parameters(), target.parameters(), strict=True)
    ]
    costs = []
    for t in tqdm(np.linspace(0, 1, points), "along a line", leave=False):
        for p, start, end in ends:
            p.data = (1 - t) * start + t * end
        costs.append(study.costs(study.outputs(model, x), wanted).mean())
    return np.array(costs)


def jumps(cost: Array) -> Array:
    """Find the largest change between neighbours: of all points, of every second, fourth …"""
    return np.array([np.abs(np.diff(cost[::stride])).max() for stride in STRIDES])


def bends(cost: Array) -> Array:
    """Find the largest change of the slope between neighbours, in the same way."""
    changes = [np.abs(np.diff(cost[::stride], 2)).max() / stride for stride in STRIDES]
    return np.array(changes) * (len(cost) - 1)


def trained(name: str, data: tuple[Array, Array, Array, Array], args: Any) -> dict[str, Any]:
    """Train; return each epoch's accuracy, the first gradient's length, whether anything moved."""
    x, y, x_test, y_test = data
    start, order = np.random.default_rng(args.seed).spawn(2)
    model = study.network(study.VIDEO, start, **KINDS[name])
    wanted = study.one_hot(y)
    before, first = model.state_dict(), study.slope(model, x[:1000], wanted[:1000])
    curve = [study.accuracy(model, x_test, y_test)]

    def note(cost: float) -> None:
        curve.append(study.accuracy(model, x_test, y_test))

    kind = {"epochs": args.epochs, "lr": RATES[name], "title": name}
    study.train(model, x, wanted, args, order, after=note, **kind)
    moved = any((before[key] != now).any() for key, now in model.state_dict().items())
    return {"curve": np.array(curve), "slope": first, "moved": moved}


def one_hidden(
    width: int, lr: float, seed: int, x: Array, y: Array, args: Any
) -> tuple[float, float, float]:
    """Train 784-width-10 for an epoch; return cost, largest mean output, and what slope is left."""
    start, order = np.random.default_rng((args.seed, seed)).spawn(2)
    model, wanted = study.network((784, width, 10), start), study.one_hot(y)
    first = study.slope(model, x[:1000], wanted[:1000])
    study.train(model, x, wanted, args, order, epochs=1, lr=lr)
    a = study.outputs(model, x)
    cost = study.costs(a.astype(np.float64), wanted).mean()
    left = study.slope(model, x[:1000], wanted[:1000])
    return float(cost), float(a.mean(axis=0).max()), left / first


def dying(widths: list[int], rates: list[float], runs: int, x: Array, y: Array, args: Any) -> Array:
    """Train for each rate (row) and width (column); keep the run of the highest cost."""
    cells = [(rate, width) for rate in rates for width in widths]
    found = [
        max(one_hidden(width, rate, run, x, y, args) for run in range(runs))
        for rate, width in tqdm(cells, "rates and widths", leave=False)
    ]
    return np.array(found).reshape(len(rates), len(widths), 3)


def draw_line(axes: Any, look: Look, name: str, color: str, cost: Array) -> None:
    axes.plot(np.linspace(0, 1, len(cost)), cost, color=color)
    axes.set(
        title=f"{name} neurons",
        xlabel="along a line through all weights",
        xlim=(0, 1),
        ylim=(cost.mean() - 1.9, cost.mean() + 1.9),
    )


def draw_jumps(axes: Any, look: Look, lines: dict[str, Array], colors: dict[str, str]) -> None:
    for (name, cost), mark in zip(lines.items(), "s^o", strict=True):
        apart, style = STRIDES / (len(cost) - 1), {"color": colors[name], "markersize": 5}
        axes.loglog(apart, jumps(cost), mark + "-", label=name, **style)
    axes.set(
        title="the largest change of the cost", xlabel="for points so far apart", ylim=(3e-5, 30)
    )
    axes.legend(loc="upper left", ncols=3, fontsize=9, columnspacing=1.0, handlelength=1.4)


def draw_neurons(axes: Any, look: Look, colors: dict[str, str]) -> None:
    z = np.linspace(-4, 4, 801)
    for name in KINDS:
        axes.plot(z, KINDS[name]["activation"]()(z), color=colors[name], linewidth=2.4)
    for name, at in (("binary", (3.9, 1.03)), ("sigmoid", (-2.3, 0.12)), ("ReLU", (1.45, 1.6))):
        axes.text(*at, name, color=colors[name], fontweight="bold", ha="right", va="bottom")
    axes.set(
        title="what a neuron answers", xlabel="weighted sum + bias", xlim=(-4, 4), ylim=(-0.08, 2)
    )


def draw_training(
    axes: Any, look: Look, results: dict[str, dict[str, Any]], colors: dict[str, str]
) -> None:
    for (name, result), mark in zip(results.items(), "s^o", strict=True):
        axes.plot(result["curve"], mark + "-", color=colors[name], markersize=4)
    at = {"ha": "right", "transform": axes.get_yaxis_transform()}
    end = results["binary"]["curve"][-1]
    axes.text(0.97, end + 0.04, "binary: nothing moves", color=colors["binary"], **at)
    axes.text(0.97, 0.72, "sigmoid and ReLU", color=look.ink, **at)
    axes.set(
        title="what training makes of it",
        xlabel="epoch",
        ylabel="accuracy, test images",
        ylim=(0, 1),
    )


def draw_dying(axes: Any, look: Look, found: Array, widths: list[int], rates: list[float]) -> None:
    cost = found[..., 0]
    axes.imshow(1 - 2 * cost, cmap=look.diverging, vmin=-1, vmax=1, aspect="auto", origin="lower")
    for (i, j), value in np.ndenumerate(cost):
        color = look.paper if abs(1 - 2 * value) > 0.75 else look.ink
        axes.text(j, i, f"{value:.3f}", ha="center", va="center", color=color)
    across = np.array([-0.5, len(widths) - 0.5])
    steps = [np.log2(all_[-1] / all_[0]) / (len(all_) - 1) for all_ in (widths, rates)]
    border = (np.log2(100 / widths[0] / rates[0]) - steps[0] * across) / steps[1]
    axes.plot(across, border, color=look.paper, linewidth=4)
    axes.plot(across, border, color=look.ink, linestyle="--")
    axes.set(
        title="sigmoids die, cost 1.000, where rate × width is far above 100 (dashed)",
        xticks=range(len(widths)),
        xticklabels=widths,
        yticks=range(len(rates)),
        yticklabels=[f"{r:g}" for r in rates],
        xlabel="width of the hidden layer",
        ylabel="learning rate",
        xlim=across,
        ylim=(-0.5, len(rates) - 0.5),
    )
    axes.tick_params(length=0)


@dataclass
class Found:
    """All that was measured."""

    lines: dict[str, Array]  # the cost along a line, by the kind of neuron
    results: dict[str, dict[str, Any]]  # of training, likewise
    widths: list[int]
    rates: list[float]
    cells: Array  # `(rate, width, 3)`: what dying gives
    images: int  # that the network of each cell has seen
    runs: int  # of each cell

    def __post_init__(self) -> None:
        jump, bend = ({name: of(it) for name, it in self.lines.items()} for of in (jumps, bends))
        # the change between neighbours, over that of points 16 times as far apart
        self.finer = {name: jump[name][0] / jump[name][4] for name in self.lines}
        self.straighter = {name: bend[name][0] / bend[name][4] for name in self.lines}
        self.ends = {name: float(found["curve"][-1]) for name, found in self.results.items()}
        self.products = np.outer(self.rates, self.widths)
        self.alive = self.cells[self.products <= 64]
        self.dead = self.cells[self.products >= 500]


def measure(args: Any) -> Found:
    """Measure costs along lines, the three trainings, and networks of many rates and widths."""
    widths, rates, few, runs = [16, 32, 64, 128, 256], [0.5, 1.0, 2.0, 4.0, 8.0], 10_000, 2
    if args.quick:
        widths, rates, few, runs = [16, 64, 256], [1.0, 4.0, 16.0], 4_000, 1
    data = study.mnist(args)
    x, y = data[:2]
    some = x[:20].astype(np.float64), study.one_hot(y[:20])
    lines = {
        name: on_line(kind, np.random.default_rng(args.seed), *some, args.points)
        for name, kind in KINDS.items()
    }
    results = {name: trained(name, data, args) for name in KINDS}
    cells = dying(widths, rates, runs, x[:few], y[:few], args)
    return Found(lines, results, widths, rates, cells, few, runs)


def draw(look: Look, found: Found) -> Figure:
    drawn = study.figure(
        "Binary neurons make the cost a staircase without a slope; sigmoid and ReLU neurons "
        "make it continuous, and learn",
        14,
        7.6,
        "Above: the cost of 20 images, on scales of the same length. "
        "Below at the right: the cost of 784-width-10, all neurons sigmoid, after an epoch of "
        f"{found.images:,} images{', the worse of two runs' * (found.runs > 1)}.",
    )
    at = drawn.subplot_mosaic(PANELS)
    colors = dict(zip(KINDS, (look.orange, look.blue, look.plum), strict=True))
    for panel, name in zip("ABC", KINDS, strict=True):
        draw_line(at[panel], look, name, colors[name], found.lines[name])
    at["A"].set_ylabel("cost")
    draw_jumps(at["D"], look, found.lines, colors)
    draw_neurons(at["E"], look, colors)
    draw_training(at["F"], look, found.results, colors)
    draw_dying(at["G"], look, found.cells, found.widths, found.rates)
    return drawn


def measured_of(found: Found, args: Any) -> dict[str, str]:
    def each(numbers: dict[str, Any], form: str) -> str:
        return ", ".join(f"{name} {n:{form}}" for name, n in numbers.items())

    values = len(np.unique(found.lines["binary"].round(9)))
    slopes = {name: result["slope"] for name, result in found.results.items()}
    living, dead = found.alive[:, 0], found.dead
    return {
        "different costs on the line, binary": f"{values} at {args.points:,} points",
        "change between neighbours, points 16 times closer": each(found.finer, ".3f"),
        "change of the slope, points 16 times closer": each(found.straighter, ".3f"),
        "‖∇C‖ at the start": each(slopes, ".3g"),
        f"accuracy after {args.epochs} epochs": each(found.ends, ".1%"),
        "784-width-10, rate × width up to 64: cost": f"{living.min():.3f} to {living.max():.3f}",
        "rate × width of 500 and more: cost": f"{dead[:, 0].min():.4f} to {dead[:, 0].max():.4f}",
        "and their largest mean output": f"{dead[:, 1].max():.1e}",
        "and what is left of their slope": f"{dead[:, 2].max():.1e}",
    }


def checks_of(found: Found, points: int) -> dict[str, bool]:
    """Check what has to be true of the numbers, whatever the seed."""
    return checks_of_lines(found, points) | checks_of_training(found)


def checks_of_lines(found: Found, points: int) -> dict[str, bool]:
    binary, finer, straighter = found.lines["binary"], found.finer, found.straighter
    few = len(np.unique(binary.round(9))) < points / 10
    twentieths = float(np.abs(20 * binary % 1 - 0.5).min()) > 0.499
    falls = max(finer["sigmoid"], finer["ReLU"]) < 0.1
    kinks = bool(straighter["sigmoid"] < 0.1 and straighter["ReLU"] > 0.2)
    return {
        "binary: the cost takes few values, all of them twentieths": few and twentieths,
        "binary: the largest change keeps over a quarter for points 16 times as close": (
            finer["binary"] > 0.25
        ),
        "sigmoid and ReLU: it falls below a tenth": falls,
        "the slope's change falls so for sigmoid too, but not below a fifth for ReLU, which "
        "has kinks": kinks,
    }


def checks_of_training(found: Found) -> dict[str, bool]:
    binary, ends = found.results["binary"], found.ends
    flat = binary["slope"] == 0.0 and not binary["moved"]
    learn = min(ends["sigmoid"], ends["ReLU"]) > 0.8 and ends["binary"] < 0.3
    lives = bool((found.alive[:, 0] < 0.9).all())
    dies = bool((np.abs(found.dead - [1, 0, 0]) < [0.005, 0.02, 0.01]).all())
    return {
        "binary: the gradient is exactly zero, and training changes no parameter": flat,
        "sigmoid and ReLU learn: over 80 % are right, of binary under 30 %": learn,
        "one hidden layer lives while rate × width is at most 64: cost below 0.9": lives,
        "and dies where it is 500 and more: cost 1.00, outputs under 0.02, slope under a "
        "hundredth": dies,
    }


def main() -> None:
    args = study.parse(study.parser(__doc__, FLAGS))
    if args.quick:
        args.points = 1025
    found = measure(args)
    study.conclude(
        args,
        lambda look: draw(look, found),
        claim=CLAIM,
        source="3Blue1Brown, Gradient descent, how neural networks learn: continuous activations",
        verdict="holds, but ReLU's kinks do no harm, and where sigmoids saturate the slope is "
        "almost 0 too, and networks die",
        measured=measured_of(found, args),
        checks=checks_of(found, args.points),
        costs=found.cells[..., 0].tolist(),
        rate_times_width=found.products.tolist(),
    )


if __name__ == "__main__":
    main()
