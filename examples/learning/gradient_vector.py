"""What do the 13,002 numbers of a gradient say?
=============================================

Which nudges of the weights change the cost most for their size::

    python examples/learning/gradient_vector.py

First it asks for one image and a network that knows nothing: most components are exactly 0, and 130
of the others outweigh all the rest. Then it asks what each of ten images wants, and their average;
and how large an image's gradient is once the network is trained.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import common
import gradient_maps
import numpy as np
import study
from matplotlib.figure import Figure
from study import Array, Look
from tqdm import tqdm

from tinygrad_edu import nn

CLAIM = (
    "Each component of −∇C says by its sign which way to nudge a weight, and by its size how "
    "much that nudge matters."
)
NUDGE = 1e-4  # of one weight
LENGTHS = np.geomspace(1e-3, 2.0, 40)  # of a step of all weights
# fmt: off
FLAGS: dict[str, dict[str, Any]] = {
    "--epochs": {"type": int, "default": 20,
                 "help": "how often every image is seen by the network that is trained"},
}
# fmt: on
PANELS = ["AABBBBCCCCDDDD", "EEEFFFFGGGGHHH"]


def gradients(model: nn.Module, args: Any) -> Any:
    """Make a function of images and of what is wanted that returns 13,002 numbers: ∇C."""

    def step(x: Any, wanted: Any) -> Any:
        return study.squared_cost(model(x), wanted).gradient(*model.parameters())

    function = common.replayed(step, args)
    return lambda x, wanted: np.concatenate([np.asarray(g).ravel() for g in function(x, wanted)])


def untrained(rng: np.random.Generator) -> nn.Sequential:
    """Make the video's network in float64, which resolves small differences of the cost."""
    model = study.network(study.VIDEO, rng)
    for p in model.parameters():
        p.data = p.data.astype(np.float64)
    return model


def changes(model: nn.Module, nudges: Any, x: Array, wanted: Array) -> Array:
    """Measure how the cost changes for each nudge, a row of 13,002 numbers for all parameters.

    The model stays as it was.
    """
    parameters = list(model.parameters())
    starts, ends = [p.data for p in parameters], np.cumsum([p.size for p in parameters])[:-1]
    costs = []
    for nudge in (np.zeros(common.parameters_of(model)), *nudges):
        for p, start, part in zip(parameters, starts, np.split(nudge, ends), strict=True):
            p.data = start + part.reshape(p.shape)
        costs.append(study.costs(study.outputs(model, x), wanted).mean())
    for p, start in zip(parameters, starts, strict=True):
        p.data = start
    return np.array(costs[1:]) - costs[0]


def single(g: Array, model: nn.Module, x: Array, wanted: Array) -> tuple[Array, Array]:
    """Nudge single weights against their slopes; return how far the cost should fall, and does."""
    order = np.argsort(-np.abs(g))[: np.count_nonzero(g)]
    chosen = order[np.geomspace(1, 0.95 * len(order), 80).astype(int) - 1]
    bar, numbers = tqdm(chosen, "nudges", leave=False), np.arange(g.size)
    rows = (-NUDGE * np.sign(g[i]) * (numbers == i) for i in bar)
    return NUDGE * np.abs(g[chosen]), -changes(model, rows, x, wanted)


def norms(model: nn.Module, x: Array, y: Array, args: Any) -> tuple[Array, Array]:
    """Find for each image its gradient's length, and whether it is classified rightly."""
    gradient, wanted = gradients(model, args), study.one_hot(y)
    lengths = [
        np.linalg.norm(gradient(x[i : i + 1], wanted[i : i + 1]))
        for i in tqdm(range(len(x)), "images", leave=False)
    ]
    return np.array(lengths), study.outputs(model, x).argmax(axis=1) == y


def draw_sorted(axes: Any, look: Look, g: Array) -> None:
    size = np.sort(np.abs(g))[::-1]
    some = np.count_nonzero(size)
    axes.semilogy(np.arange(1, some + 1), size[:some], color=look.blue, linewidth=2.4)
    axes.axvspan(some, len(size), color=look.grey, alpha=0.4)
    told, at = f"{len(size) - some:,}\nare exactly 0", axes.get_xaxis_transform()
    axes.text((some + len(size)) / 2, 0.5, told, ha="center", va="center", transform=at)
    told = f"130 hold {np.square(size[:130]).sum() / np.square(size).sum():.0%}\nof ‖∇C‖²"
    line = {"arrowprops": {"arrowstyle": "-", "color": look.muted, "shrinkB": 2}, "fontsize": 9}
    axes.annotate(told, (130, size[129]), (0.27, 0.84), textcoords="axes fraction", **line)
    axes.set(
        title="sorted by size",
        xlabel="13,002 components",
        ylabel="|∂C/∂w|",
        xlim=(0, len(size)),
        xticks=[0, 6000, 12000],
        ylim=(1e-6, 1),
    )


def draw_single(axes: Any, look: Look, predicted: Array, found: Array) -> None:
    axes.loglog(predicted, predicted, color=look.grey, linewidth=4)
    axes.loglog(predicted, found, "o", color=look.orange, markersize=4)
    axes.set(
        title="one weight nudged by 0.0001",
        xlabel="0.0001 · |∂C/∂w|",
        ylabel="how much the cost falls",
    )


def draw_steps(axes: Any, look: Look, along: Array, others: Array, slope: float) -> None:
    for row in others:
        axes.plot(LENGTHS, row, color=look.muted, linewidth=0.6, alpha=0.7)
    axes.plot(LENGTHS, -slope * LENGTHS, color=look.orange, linestyle="--")
    axes.plot(LENGTHS, along, color=look.blue, linewidth=2.4)
    axes.set(
        title="all weights nudged",
        xlabel="length of the step",
        ylabel="change of the cost",
        ylim=(1.15 * along.min(), -0.3 * along.min()),
    )
    looks = ((look.muted, "-"), (look.orange, "--"), (look.blue, "-"))
    ends = [axes.plot([], [], color=color, linestyle=line)[0] for color, line in looks]
    names = ["random directions", "as the slope foretells", "along −∇C"]
    axes.legend(ends, names, loc="lower left", fontsize=9)


def draw_norms(axes: Any, look: Look, lengths: Array, right: Array) -> None:
    bins = np.geomspace(max(lengths.min(), 1e-7), lengths.max(), 30)
    for part, color, name in ((right, look.blue, "right"), (~right, look.orange, "wrong")):
        each = np.full(part.sum(), 1 / part.sum())
        axes.hist(lengths[part], bins, weights=each, color=color, alpha=0.75, label=name)
    axes.set(
        title="trained: images that are …", xscale="log", xlabel="‖∇C‖ of one image", ylabel="share"
    )
    axes.legend(loc="upper left", fontsize=9)


@dataclass
class Found:
    """All that was measured: the gradient g of one image, and what nudges against it give."""

    image: Array
    digit: int
    g: Array
    singly: tuple[Array, Array]  # one weight nudged: the fall foretold, and found
    moved: Array  # all nudged, `(direction, length)`: along −g, and in 20 other directions
    ten: Array  # images, one of each digit
    each: Array  # their gradients, `(10, 13002)`
    together: Array  # the gradient of their average cost
    dead: int  # first weights that no image moves
    never: int  # pixels that are off in all images
    lengths: Array  # of the gradient of each image, once the network is trained
    right: Array  # whether it is classified rightly

    def __post_init__(self) -> None:
        self.size = np.sort(np.abs(self.g))[::-1]
        self.some = self.size[self.size > 0]
        self.zeros = int((self.size == 0).sum())
        squares = np.square(self.size)
        self.top = self.size[:130].sum() / self.size.sum(), squares[:130].sum() / squares.sum()
        wrong, right = self.lengths[~self.right], self.lengths[self.right]
        self.medians = np.median(right), np.median(wrong)
        self.loud = float(np.median(wrong) / np.median(right))


def measure(args: Any) -> Found:
    start, order, other = np.random.default_rng(args.seed).spawn(3)
    x, y, x_test, y_test = study.mnist(args)
    wanted, model = study.one_hot(y), untrained(start)
    function = gradients(model, args)

    def gradient(chosen: Any) -> Array:
        return function(x[chosen].astype(np.float64), wanted[chosen])

    g, one = gradient(slice(1)), (x[:1], wanted[:1])
    singly = single(g, model, *one)
    directions = np.vstack([-g, other.normal(size=(20, g.size))])
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    steps = LENGTHS[:, None]
    moved = np.stack([changes(model, steps * direction, *one) for direction in directions])
    ten = [int(np.flatnonzero(y == digit)[0]) for digit in range(10)]
    each, together = np.stack([gradient(slice(i, i + 1)) for i in ten]), gradient(ten)
    parts = (gradient(slice(i, i + 6000)) for i in range(0, len(x), 6000))
    dead = np.count_nonzero(sum(parts)[: 784 * 16] == 0)
    never = int((x == 0).all(axis=0).sum())

    trained = study.network(study.VIDEO, start)
    study.train(trained, x, wanted, args, order, epochs=args.epochs, lr=3.0, title="training")
    known = norms(trained, x_test[:4000], y_test[:4000], args)
    return Found(x[0], y[0], g, singly, moved, x[ten], each, together, dead, never, *known)


def draw(look: Look, found: Found) -> Figure:
    drawn = study.figure(
        "A gradient says which way to nudge each weight, and which nudges matter: here 130 of "
        "13,002",
        14,
        8,
        "Blue: nudge up, orange: nudge down, each map and layer on its own scale. Network with "
        "random weights but for the last panel; shares are of the right ones and of the wrong "
        "ones.",
    )
    at = drawn.subplot_mosaic([list(row) for row in PANELS])
    at["A"].imshow(found.image.reshape(28, 28), cmap=look.amount)
    at["A"].set_title("one image")
    at["A"].set_anchor("N")
    at["A"].axis("off")
    gradient_maps.draw_tiles(at["B"], look, found.g)
    gradient_maps.draw_layers(at["C"], look, found.g, found.digit)
    gradient_maps.draw_wishes(at["D"], look, found.ten, -found.each[:, -10:])
    draw_sorted(at["E"], look, found.g)
    draw_single(at["F"], look, *found.singly)
    draw_steps(at["G"], look, found.moved[0], found.moved[1:], float(np.linalg.norm(found.g)))
    draw_norms(at["H"], look, found.lengths, found.right)
    return drawn


def measured_of(found: Found) -> dict[str, str]:
    size, some, zeros = found.size, found.some, found.zeros
    (l1, l2), (right, wrong) = found.top, found.medians
    ratio = found.singly[1] / found.singly[0]
    further = found.moved[0, 0] / found.moved[1:, 0].min()
    turned = (np.sign(found.each) != np.sign(found.together))[found.each != 0].mean()
    return {
        "exactly 0 for one image": f"{zeros:,} of {size.size:,}, {zeros / size.size:.1%}",
        "of the others, the largest over the median": f"{some[0] / np.median(some):.0f}",
        "the top 130 hold of Σ|g|, and of Σg²": f"{l1:.0%}, {l2:.0%}",
        "pairs of others that differ more than 32 times": f"{apart(some):.0%}",
        "first weights that no image moves": f"{found.dead:,}",
        "one weight nudged: found over foretold": f"{ratio.min():.4f} to {ratio.max():.4f}",
        "a step along −∇C over the best of 20 others": f"{further:.0f} times the fall",
        "an image's components whose sign the average turns": f"{turned:.0%}",
        "median ‖∇C‖ of images, right and wrong": f"{right:.1e} and {wrong:.1e}, "
        f"{found.loud:,.0f} times",
    }


def checks_of(found: Found, quick: bool) -> dict[str, bool]:
    """Check what has to be true of the numbers, whatever the seed.

    With --quick the network takes a tenth of the steps, and is less sure of what it gets right.
    """
    l1, l2 = found.top
    some, fall, best = found.some, found.moved[0, 0], found.moved[1:, 0].min()
    off, far = int((found.image == 0).sum()), 5 if quick else 100
    as_foretold = np.abs(found.singly[1] / found.singly[0] - 1) < 0.05
    foretold = -float(np.linalg.norm(found.g)) * LENGTHS[0]
    differs = np.abs(found.each.mean(axis=0) - found.together).max()
    return {
        "exactly 0 are the weights of the pixels that are off, 16 for each": (
            found.zeros == 16 * off
        ),
        "no image moves the weights of pixels that are off in all": found.dead == 16 * found.never,
        "the largest component is over 40 times the median of those that are not 0": (
            some[0] > 40 * np.median(some)
        ),
        "1 % of the components hold a third of Σ|g| and four fifths of Σg²": l1 > 1 / 3
        and l2 > 0.8,
        "one weight nudged lowers the cost by nudge times component, within 5 %": as_foretold.all(),
        "a small step along −∇C lowers the cost as the slope foretells, within 2 %": (
            abs(fall / foretold - 1) < 0.02
        ),
        "and over five times as much as the best of 20 random directions": fall < 5 * min(best, 0),
        "the average of ten images' gradients is the gradient of their average cost": (
            float(differs) < 1e-9 * found.size[0]
        ),
        f"wrongly classified images have over {far} times the gradient": found.loud > far,
    }


def apart(some: Array) -> float:
    """Find the share of pairs in which one number is more than 32 times the other.

    The numbers are sorted from large to small.
    """
    pairs = len(some) * (len(some) - 1) / 2
    return float((len(some) - np.searchsorted(-some, -some / 32)).sum() / pairs)


def main() -> None:
    args = study.parse(study.parser(__doc__, FLAGS))
    found = measure(args)
    study.conclude(
        args,
        lambda look: draw(look, found),
        claim=CLAIM,
        source="3Blue1Brown, Gradient descent, how neural networks learn: the gradient's "
        "components",
        verdict="holds, but only for small nudges, and one image leaves three quarters of the "
        "components at exactly 0",
        measured=measured_of(found),
        checks=checks_of(found, args.quick),
        top_share=list(map(float, found.top)),
        loud=found.loud,
    )


if __name__ == "__main__":
    main()
