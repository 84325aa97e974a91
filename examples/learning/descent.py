"""Do the steps of gradient descent get smaller towards a minimum?
===============================================================

With one number, with two, and with 13,002::

    python examples/learning/descent.py

Each step is the learning rate times the slope, downhill. First it goes down a curve and a surface
that can be seen whole; then the cost of the video's network, on 1,000 images that are all used in
each step; last it takes mini-batches. Their steps shrink much less, but they get further for the
same work.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import common
import numpy as np
import study
import valleys
from matplotlib.figure import Figure
from study import Array, Look
from tqdm import tqdm

from tinygrad_edu import nn

CLAIM = (
    "If each step is in proportion to the slope, the steps get smaller and smaller as the "
    "slope flattens out to a minimum."
)
ONE_LAYER = (784, 10)
TOO_SMALL, RIGHT, TOO_LARGE = 0.03, 1.0, 10.0
# fmt: off
FLAGS: dict[str, dict[str, Any]] = {
    "--steps": {"type": int, "default": 2000, "help": "steps on 1,000 images"},
    "--epochs": {"type": int, "default": 10, "help": "epochs of mini-batches"},
    "--full": {"type": int, "default": 300, "help": "steps on all images"},
}
# fmt: on


def norm(model: nn.Module) -> float:
    """Compute the length of the last gradient."""
    return study.length(p.grad for p in model.parameters())


def xavier(sizes: tuple[int, ...], args: Any) -> nn.Sequential:
    """Make a network; all of the same sizes and seed start alike."""
    return study.network(
        sizes, np.random.default_rng(args.seed), weight=nn.init.xavier_uniform, bias=nn.init.zeros
    )


def step_of(model: nn.Module, lr: float, args: Any) -> Any:
    """Make a step of plain gradient descent on the squared cost."""
    optimizer = nn.optim.SGD(model.parameters(), lr=lr)
    return common.step_of(model, study.squared_cost, optimizer, args)


def descend(
    sizes: tuple[int, ...], x: Array, wanted: Array, args: Any, lr: float, steps: int
) -> tuple[Array, Array]:
    """Descend; return the cost and the gradient's length at each step, which takes all images."""
    model = xavier(sizes, args)
    step, title = step_of(model, lr, args), f"{'-'.join(map(str, sizes))}, rate {lr}"
    each = tqdm(range(steps), title, leave=False)
    costs, slopes = np.transpose([(step(x, wanted).item(), norm(model)) for _ in each])
    return costs, slopes


def batches(
    x: Array, wanted: Array, args: Any, lr: float, epochs: int
) -> Iterator[tuple[int, nn.Module, float]]:
    """Take mini-batch steps; yield the images seen, the model, and its gradient's length."""
    model, seen, order = xavier(study.VIDEO, args), 0, np.random.default_rng(args.seed + 1)
    loader = nn.DataLoader(x, wanted, batch_size=32, shuffle=True, drop_last=True, rng=order)
    step = step_of(model, lr, args)
    for _ in tqdm(range(epochs), "mini-batches", unit="epoch", leave=False):
        for batch in loader:
            step(*batch)
            seen += 32
            yield seen, model, norm(model)


@dataclass
class MiniBatches:
    """What mini-batch descent leaves."""

    noise: Array  # the length of each step's gradient
    full: Array  # (epoch, length of the full gradient), now and then
    cost: Array  # (images seen, cost of all images), in the first epoch
    per_epoch: int


def mini(x: Array, wanted: Array, args: Any, epochs: int) -> MiniBatches:
    per_epoch, noise, full, cost = len(x) // 32, [], [], []
    marks = {int(n) for n in np.geomspace(1, per_epoch, 24)}
    for i, (seen, model, length) in enumerate(batches(x, wanted, args, 3.0, epochs), 1):
        noise.append(length)
        if i in marks:
            cost.append((seen, study.costs(study.outputs(model, x), wanted).mean()))
        if i % max(per_epoch // 2, 1) == 0:
            full.append((i / per_epoch, study.slope(model, x, wanted)))
    return MiniBatches(np.array(noise), np.array(full), np.array(cost), per_epoch)


@dataclass
class Found:
    """All that was measured."""

    on_curve: dict[str, Array]
    on_surface: list[Array]
    runs: dict[float, tuple[Array, Array]]  # costs and lengths of a few images' descent, by rate
    one_layer: Array  # lengths without a hidden layer, at the right rate
    all_images: Array  # costs
    mini: MiniBatches
    few: int  # images
    images: int

    def __post_init__(self) -> None:
        self.cost, self.length = self.runs[RIGHT]
        # after the first fall: the shortest step of the beginning, and the longest one after it
        self.low = 5 + int(self.length[5:100].argmin())
        self.top = self.low + int(self.length[self.low :].argmax())
        self.shrinks = float(self.length.max() / self.length[-1])
        self.escape = float(self.length[self.top] / self.length[self.low])
        self.rises = {rate: int((np.diff(run[0]) > 1e-5).sum()) for rate, run in self.runs.items()}
        epochs = np.split(self.mini.noise, len(self.mini.noise) // self.mini.per_epoch)
        self.first, self.last = float(np.median(epochs[0])), float(np.median(epochs[-1]))
        self.last_full = float(np.median(self.mini.full[-6:, 1]))


def measure(args: Any) -> Found:
    few = 200 if args.quick else 1000
    x, y, _, _ = study.mnist(args)
    wanted = study.one_hot(y)
    some = x[:few], wanted[:few], args
    rates = (TOO_SMALL, RIGHT, TOO_LARGE)
    return Found(
        *valleys.hand_made(),
        {rate: descend(study.VIDEO, *some, rate, args.steps) for rate in rates},
        descend(ONE_LAYER, *some, RIGHT, args.steps)[1],
        descend(study.VIDEO, x, wanted, args, 3.0, args.full + 1)[0],
        mini(x, wanted, args, args.epochs),
        few,
        len(x),
    )


def draw_steps(axes: Any, look: Look, found: Found, *, compare: bool = True) -> None:
    steps, length, low, top = len(found.length), RIGHT * found.length, found.low, found.top
    at, label = np.arange(1, steps + 1), "784-10: no hidden layer"
    if compare:
        axes.loglog(at, RIGHT * found.one_layer, color=look.plum, linewidth=1.2, label=label)
    axes.loglog(at, length, color=look.blue, linewidth=2.4, label="784-16-16-10")
    line = {"arrowprops": {"arrowstyle": "-", "color": look.muted, "shrinkB": 4}}
    plateau = (low, "the plateau:\nall outputs 0.1", (0.03, 0.07))
    for i, text, place in (plateau, (top, "it escapes", (0.72, 0.75))):
        axes.plot(at[i], length[i], "o", color=look.blue)
        axes.annotate(text, (at[i], length[i]), place, textcoords="axes fraction", **line)
    axes.set(
        title="13,002 numbers: the steps' lengths",
        xlabel="step, of all images each",
        ylabel="rate · ‖∇C‖",
    )
    if compare:
        axes.legend(loc="upper right")


def draw_rates(axes: Any, look: Look, runs: dict[float, Any]) -> None:
    for rate, color, width, name in (
        (TOO_LARGE, look.orange, 1.0, "too large"),
        (RIGHT, look.blue, 2.4, "right"),
        (TOO_SMALL, look.plum, 2.4, "too small"),
    ):
        cost = runs[rate][0]
        style = {"color": color, "linewidth": width, "label": f"{name}: {rate:g}"}
        axes.loglog(np.arange(1, len(cost) + 1), cost, **style)
    axes.set(title="13,002 numbers: three rates", xlabel="step, of all images each", ylabel="cost")
    axes.legend(loc="lower left")


def draw_noise(axes: Any, look: Look, mini: MiniBatches) -> None:
    at = np.arange(1, len(mini.noise) + 1) / mini.per_epoch
    some = slice(None, None, max(len(mini.noise) // 3000, 1))
    dots = {"color": look.orange, "markersize": 2, "alpha": 0.6, "rasterized": True}
    axes.semilogy(at[some], mini.noise[some], ".", **dots)
    axes.semilogy(*mini.full.T, "o-", color=look.blue, markersize=4)
    axes.set(
        title="mini-batches: the slope stays noisy", xlabel="epoch", ylabel="‖∇C‖", xlim=(0, at[-1])
    )
    ends = [
        axes.plot([], [], "o", color=look.orange)[0],
        axes.plot([], [], "o-", color=look.blue)[0],
    ]
    axes.legend(ends, ["of a batch of 32", "of all images"], loc="lower left")


def draw_work(axes: Any, look: Look, found: Found) -> None:
    mini, full, n = found.mini, found.all_images, found.images
    steps = len(full) - 1
    axes.loglog(n * np.arange(1, len(full)), full[1:], color=look.blue)  # the cost after each step
    axes.loglog(*mini.cost.T, color=look.orange)
    one_epoch = ("one epoch of\nmini-batches", mini.cost[-1], look.orange, (0.10, 0.12))
    whole = (f"{steps} steps\nof all images", (n * steps, full[-1]), look.blue, (0.66, 0.12))
    line = {"arrowprops": {"arrowstyle": "-", "color": look.muted, "shrinkB": 5}}
    for text, point, color, place in (one_epoch, whole):
        axes.plot(*point, "o", color=color)
        told, at = f"{text}: {point[1]:.2f}", {"textcoords": "axes fraction"}
        axes.annotate(told, point, place, color=color, **at, **line)
    axes.set(
        title="mini-batches get further for the same work",
        xlabel="images seen",
        ylabel="cost of all training images",
        ylim=(0.5 * min(full.min(), mini.cost[:, 1].min()), None),
    )


def draw(look: Look, found: Found) -> Figure:
    drawn = study.figure(
        "Towards a minimum the steps shrink, though not steadily; with mini-batches they stay "
        "noisy",
        13,
        7.6,
        f"Each step is rate × slope. Steps of all images: {found.few:,} of them, at the right only "
        f"{found.images:,}, rate 3 like the mini-batches. Stars: where a descent ends.",
    )
    panels = drawn.subplots(2, 3).flat
    valleys.draw_curve(next(panels), look, found.on_curve)
    valleys.draw_surface(next(panels), look, found.on_surface)
    draw_steps(next(panels), look, found)
    draw_rates(next(panels), look, found.runs)
    draw_noise(next(panels), look, found.mini)
    draw_work(next(panels), look, found)
    return drawn


def measured_of(found: Found) -> dict[str, str]:
    cost, low, steps = found.cost, found.low, RIGHT * found.length
    full, goal = found.all_images[-1], len(found.all_images) - 1
    escape = f"{found.escape:.1f} times, step {found.top + 1}"
    rises = [f"{rate:g}: {count}" for rate, count in found.rises.items()]
    ends = [f"{rate:g}: {run[0][-1]:.3f}" for rate, run in found.runs.items()]
    return {
        "longest and last step, all images": f"{steps.max():.2f} and {steps[-1]:.4f}",
        "longest step over the last one": f"{found.shrinks:.0f}",
        "cost at the plateau's shortest step, and which": f"{cost[low]:.3f}, step {low + 1}",
        "how much longer the steps are when it escapes": escape,
        "steps that raise the cost, by rate": ", ".join(rises),
        "cost at the end, by rate": ", ".join(ends),
        "‖∇C‖ of a mini-batch, first and last epoch": f"{found.first:.3f} and {found.last:.3f}",
        "‖∇C‖ of all images, last three epochs": f"{found.last_full:.3f}",
        "cost after an epoch of mini-batches": f"{found.mini.cost[-1, 1]:.3f}",
        f"cost after {goal} steps of all images": f"{full:.3f}, for {goal} times the images",
    }


def checks_of(found: Found, quick: bool) -> dict[str, bool]:
    """Check what has to be true of the numbers, whatever the seed.

    A quick descent ends long before the minimum, so its limits are wider.
    """
    goal, noisier = (30, 1.2) if quick else (100, 2)
    by_hand = valleys.checks_of(found.on_curve, found.on_surface)
    return by_hand | checks_of_network(found, goal) | checks_of_mini(found, noisier)


def checks_of_network(found: Found, goal: int) -> dict[str, bool]:
    late = np.diff(found.one_layer[len(found.one_layer) * 9 // 10 :])
    others = min(found.runs[rate][0][-1] for rate in (TOO_SMALL, TOO_LARGE))
    rises = found.rises[RIGHT] == 0 and found.rises[TOO_LARGE] > 3
    return {
        f"in the network the last step is under 1/{goal} of the longest": found.shrinks > goal,
        "before that it sits where all outputs are 0.1, whose cost is 0.90": (
            abs(float(found.cost[found.low]) - 0.9) < 0.03
        ),
        "and its steps get more than twice as long as it escapes": found.escape > 2,
        "without hidden layers the last tenth of the steps shrink one by one": (
            float((late < 0).mean()) > 0.99
        ),
        "the right rate never raises the cost, one that is too large does again and again": rises,
        "rates that are too small or too large end at more than twice the right one's cost": bool(
            others > 2 * found.cost[-1]
        ),
    }


def checks_of_mini(found: Found, noisier: float) -> dict[str, bool]:
    steps, full = len(found.all_images) - 1, found.all_images[-1]
    keeps = found.last > found.first / 3 and found.last > noisier * found.last_full
    return {
        f"a mini-batch's slope keeps over a third of its length, and is over {noisier} times "
        "that of all images": keeps,
        f"an epoch of mini-batches costs less than {steps} steps of all images": bool(
            found.mini.cost[-1, 1] < full
        ),
    }


def main() -> None:
    args = study.parse(study.parser(__doc__, FLAGS))
    if args.quick:
        args.steps, args.epochs, args.full = 800, 6, 40
    found = measure(args)
    steps = [found.length[i] for i in (0, found.low, found.top, -1)]
    study.conclude(
        args,
        lambda look: draw(look, found),
        claim=CLAIM,
        source="3Blue1Brown, Gradient descent, how neural networks learn: gradient descent",
        verdict="holds, but not steadily: a plateau far from any minimum is flat too, and with "
        "mini-batches noise remains",
        measured=measured_of(found),
        checks=checks_of(found, args.quick),
        panels={
            "curve": lambda axes, look: valleys.draw_curve(axes, look, found.on_curve),
            "steps": lambda axes, look: draw_steps(axes, look, found, compare=False),
            "work": lambda axes, look: draw_work(axes, look, found),
        },
        steps_lengths=[float(RIGHT * length) for length in steps],
    )


if __name__ == "__main__":
    main()
