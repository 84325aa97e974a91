"""What do the 13,002 numbers of a gradient say?
=============================================

How much each weight matters: which nudges give the most for their size::

    python examples/learning/gradient_vector.py

First for one image and a network that knows nothing: most components are exactly 0, and a hundred
of the others outweigh all the rest. Then what each image of a batch asks for, and their average;
and how loud an image asks once the network is trained."""

from __future__ import annotations

from typing import Any

import numpy as np
import study
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from study import Array, Look
from tqdm import tqdm

from tinygrad_edu import nn, replay

CLAIM = (
    "Each component of −∇C says by its sign which way to nudge a weight, and by its size how "
    "much that nudge matters."
)
NUDGE = 1e-4  # of one weight
LENGTHS = np.geomspace(1e-3, 2.0, 40)  # of a step of all weights
PANELS = ["AABBBBCCCCDDDD", "EEEFFFFGGGGHHH"]


def gradients(model: nn.Module, args: Any) -> Any:
    """A function of images and of what is wanted, which gives the gradient of their cost: 13,002
    numbers in a row."""

    def step(x: Any, wanted: Any) -> Any:
        return study.squared_cost(model(x), wanted).gradient(*model.parameters())

    function = replay(step) if args.replay else step
    return lambda x, wanted: np.concatenate([np.asarray(g).ravel() for g in function(x, wanted)])


def untrained(rng: np.random.Generator) -> nn.Sequential:
    """The video's network in float64, in which small differences of the cost are still exact."""
    model = study.network(study.VIDEO, rng)
    for p in model.parameters():
        p.data = p.data.astype(np.float64)
    return model


def changes(model: nn.Module, nudges: Any, x: Array, wanted: Array) -> Array:
    """How the cost changes for each nudge of all parameters, a row of 13,002 numbers; the model
    stays as it was."""
    parameters = list(model.parameters())
    starts, ends = [p.data for p in parameters], np.cumsum([p.size for p in parameters])[:-1]
    costs = []
    for nudge in (np.zeros(sum(p.size for p in parameters)), *nudges):
        for p, start, part in zip(parameters, starts, np.split(nudge, ends), strict=True):
            p.data = start + part.reshape(p.shape)
        costs.append(study.costs(study.outputs(model, x), wanted).mean())
    for p, start in zip(parameters, starts, strict=True):
        p.data = start
    return np.array(costs[1:]) - costs[0]


def single(g: Array, model: nn.Module, x: Array, wanted: Array) -> tuple[Array, Array]:
    """By how much the cost should fall when one weight is nudged against its slope, and by how much
    it does."""
    order = np.argsort(-np.abs(g))[: np.count_nonzero(g)]
    chosen = order[np.geomspace(1, 0.95 * len(order), 80).astype(int) - 1]
    rows = (
        -NUDGE * np.sign(g[i]) * (np.arange(g.size) == i)
        for i in tqdm(chosen, "nudges", leave=False)
    )
    return NUDGE * np.abs(g[chosen]), -changes(model, rows, x, wanted)


def norms(model: nn.Module, x: Array, y: Array, args: Any) -> tuple[Array, Array]:
    """Image by image, how long its gradient is and whether it is classified rightly."""
    gradient, wanted = gradients(model, args), study.one_hot(y)
    lengths = [
        np.linalg.norm(gradient(x[i : i + 1], wanted[i : i + 1]))
        for i in tqdm(range(len(x)), "images", leave=False)
    ]
    return np.array(lengths), study.outputs(model, x).argmax(axis=1) == y


def draw_tiles(axes: Any, look: Look, g: Array) -> None:
    """The first layer's components as sixteen pictures of 28 by 28."""
    tiles = np.full((4, 31, 4, 31), np.nan)
    tiles[:, :28, :, :28] = -g[: 784 * 16].reshape(4, 4, 28, 28).transpose(0, 2, 1, 3)
    most = np.nanmax(np.abs(tiles))
    axes.imshow(
        tiles.reshape(124, 124)[:-3, :-3],
        cmap=look.diverging,
        vmin=-most,
        vmax=most,
        interpolation="nearest",
    )
    axes.set(
        title="−∇C for 784 × 16 first weights",
        xlabel=f"strongest: {most:.4f}",
        xticks=[],
        yticks=[],
    )
    axes.spines[:].set_visible(False)


def draw_layers(axes: Any, look: Look, g: Array, digit: int) -> None:
    """The weights of the second and third layer as lines, as wide as their components."""
    at = [np.linspace(0, 1, n + 2)[1:-1] for n in (16, 16, 10)]
    second, third = (
        g[12560:12816].reshape(16, 16),
        g[12832:12992].reshape(10, 16),
    )  # 12,560 = 784·16 + 16
    for column, weights in enumerate((second, third)):
        to, of = np.unravel_index(
            np.argsort(np.abs(weights), axis=None), weights.shape
        )  # the strongest are drawn last
        share = -weights[to, of] / np.abs(weights).max()
        ends = [
            ((column, at[column][j]), (column + 1, at[column + 1][i]))
            for i, j in zip(to, of, strict=True)
        ]
        axes.add_collection(
            LineCollection(
                ends, colors=look.diverging(0.5 + 0.5 * share), linewidths=0.3 + 4 * np.abs(share)
            )
        )
        axes.text(
            column + 0.5,
            0.0,
            f"strongest: {np.abs(weights).max():.4f}",
            ha="center",
            fontsize=9,
            color=look.muted,
        )
    for column, places in enumerate(at):
        axes.scatter(
            np.full(len(places), column),
            places,
            s=38,
            color=look.paper,
            edgecolors=look.ink,
            zorder=3,
        )
    for i, place in enumerate(at[2]):
        axes.text(
            2.1,
            place,
            str(i),
            va="center",
            fontweight="bold" if i == digit else "normal",
            color=look.ink if i == digit else look.muted,
        )
    axes.set(title="for 16 × 16 and 16 × 10 weights", xlim=(-0.1, 2.25), ylim=(1.0, -0.03))
    axes.axis("off")


def draw_wishes(axes: Any, look: Look, images: Array, wishes: Array) -> None:
    """What each image wants for the ten output biases, and the average."""
    rows = np.vstack([wishes, np.full((1, 10), np.nan), wishes.mean(axis=0)])
    most = np.abs(wishes).max()
    axes.imshow(
        rows,
        cmap=look.diverging,
        vmin=-most,
        vmax=most,
        extent=(-0.5, 9.5, 11.5, -0.5),
        aspect="auto",
    )
    for i, image in enumerate(images):
        axes.imshow(
            image.reshape(28, 28),
            cmap=look.amount,
            extent=(-1.65, -0.65, i + 0.5, i - 0.5),
            aspect="auto",
        )
    for j, value in enumerate(rows[-1]):
        axes.text(
            j,
            11,
            f"{value:.2f}".replace("-0.", "−."),
            ha="center",
            va="center",
            fontsize=8.5,
            color=look.paper if abs(value) > 0.6 * most else look.ink,
        )
    axes.text(-0.65, 11, "mean", ha="right", va="center", fontweight="bold")
    axes.set(
        title="ten images, and their average",
        xlim=(-1.7, 9.5),
        ylim=(11.5, -0.5),
        xticks=range(10),
        yticks=[],
        xlabel="−∇C for the biases of the ten outputs",
    )
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def draw_sorted(axes: Any, look: Look, g: Array) -> None:
    size = np.sort(np.abs(g))[::-1]
    some = np.count_nonzero(size)
    axes.semilogy(np.arange(1, some + 1), size[:some], color=look.blue, linewidth=2.4)
    axes.axvspan(some, len(size), color=look.grey, alpha=0.4)
    axes.text(
        (some + len(size)) / 2,
        0.5,
        f"{len(size) - some:,}\nare exactly 0",
        ha="center",
        va="center",
        transform=axes.get_xaxis_transform(),
    )
    axes.annotate(
        f"130 hold {np.square(size[:130]).sum() / np.square(size).sum():.0%}\nof ‖∇C‖²",
        (130, size[129]),
        (0.27, 0.84),
        textcoords="axes fraction",
        fontsize=9,
        arrowprops={"arrowstyle": "-", "color": look.muted, "shrinkB": 2},
    )
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
    ends = [
        axes.plot([], [], color=color, linestyle=line)[0]
        for color, line in ((look.muted, "-"), (look.orange, "--"), (look.blue, "-"))
    ]
    axes.legend(
        ends,
        ["random directions", "as the slope foretells", "along −∇C"],
        loc="lower left",
        fontsize=9,
    )


def draw_norms(axes: Any, look: Look, lengths: Array, right: Array) -> None:
    bins = np.geomspace(max(lengths.min(), 1e-7), lengths.max(), 30)
    for part, color, name in ((right, look.blue, "right"), (~right, look.orange, "wrong")):
        axes.hist(
            lengths[part],
            bins,
            weights=np.full(part.sum(), 1 / part.sum()),
            color=color,
            alpha=0.75,
            label=name,
        )
    axes.set(
        title="trained: images that are …", xscale="log", xlabel="‖∇C‖ of one image", ylabel="share"
    )
    axes.legend(loc="upper left", fontsize=9)


def main() -> None:
    flags = study.parser(__doc__)
    flags.add_argument(
        "--epochs",
        type=int,
        default=20,
        help="how often every image is seen by the network that is trained",
    )
    args = study.parse(flags)
    start, order, other = np.random.default_rng(args.seed).spawn(3)
    x, y, x_test, y_test = study.mnist(args)
    wanted, model = study.one_hot(y), untrained(start)
    gradient = gradients(model, args)
    g = gradient(x[:1].astype(np.float64), wanted[:1])
    predicted, found = single(g, model, x[:1], wanted[:1])
    directions = np.vstack([-g, other.normal(size=(20, g.size))])
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    moved = np.stack(
        [
            changes(model, LENGTHS[:, None] * direction, x[:1], wanted[:1])
            for direction in directions
        ]
    )
    ten = [int(np.flatnonzero(y == digit)[0]) for digit in range(10)]
    each = np.stack([gradient(x[i : i + 1].astype(np.float64), wanted[i : i + 1]) for i in ten])
    together = gradient(x[ten].astype(np.float64), wanted[ten])
    parts = (
        gradient(x[i : i + 6000].astype(np.float64), wanted[i : i + 6000])
        for i in range(0, len(x), 6000)
    )
    dead = np.count_nonzero(sum(parts)[: 784 * 16] == 0)

    trained = study.network(study.VIDEO, start)
    study.train(trained, x, wanted, args, order, epochs=args.epochs, lr=3.0, title="training")
    lengths, right = norms(trained, x_test[:4000], y_test[:4000], args)

    def draw(look: Look) -> Figure:
        drawn = study.figure(
            "A gradient says which way to nudge each weight, and which nudges matter: here 130 "
            "of 13,002",
            14,
            8,
            "Blue: nudge up, orange: nudge down, each map and layer on its own scale. Network with "
            "random weights but for the last panel; shares are of the right ones and of the "
            "wrong ones.",
        )
        at = drawn.subplot_mosaic([list(row) for row in PANELS])
        at["A"].imshow(x[0].reshape(28, 28), cmap=look.amount)
        at["A"].set_title("one image")
        at["A"].set_anchor("N")
        at["A"].axis("off")
        draw_tiles(at["B"], look, g)
        draw_layers(at["C"], look, g, y[0])
        draw_wishes(at["D"], look, x[ten], -each[:, -10:])
        draw_sorted(at["E"], look, g)
        draw_single(at["F"], look, predicted, found)
        draw_steps(at["G"], look, moved[0], moved[1:], float(np.linalg.norm(g)))
        draw_norms(at["H"], look, lengths, right)
        return drawn

    report(args, draw, x, g, predicted, found, moved, each, together, dead, lengths, right)


def report(
    args: Any,
    draw: Any,
    x: Array,
    g: Array,
    predicted: Array,
    found: Array,
    moved: Array,
    each: Array,
    together: Array,
    dead: int,
    lengths: Array,
    right: Array,
) -> None:
    """The numbers and what has to be true of them, whatever the seed."""
    size = np.sort(np.abs(g))[::-1]
    some, zeros, ratio = size[size > 0], int((size == 0).sum()), found / predicted
    l1, l2 = size[:130].sum() / size.sum(), np.square(size[:130]).sum() / np.square(size).sum()
    off, never = int((x[0] == 0).sum()), int((x == 0).all(axis=0).sum())
    foretold, best = -float(np.linalg.norm(g)) * LENGTHS[0], moved[1:, 0].min()
    against = float((np.sign(each) != np.sign(together))[each != 0].mean())
    loud = float(np.median(lengths[~right]) / np.median(lengths[right]))
    far = (
        5 if args.quick else 100
    )  # after a tenth of the steps the network is less sure of what it gets right
    study.conclude(
        args,
        draw,
        claim=CLAIM,
        source="3Blue1Brown, Gradient descent, how neural networks learn: the gradient's "
        "components",
        verdict="holds, but only for small nudges, and one image leaves three quarters of the "
        "components at exactly 0",
        measured={
            "exactly 0 for one image": f"{zeros:,} of {size.size:,}, {zeros / size.size:.1%}",
            "of the others, the largest over the median": f"{some[0] / np.median(some):.0f}",
            "the top 130 hold of Σ|g|, and of Σg²": f"{l1:.0%}, {l2:.0%}",
            "pairs of others that differ more than 32 times": f"{apart(some):.0%}",
            "first weights that no image moves": f"{dead:,}",
            "one weight nudged: found over foretold": f"{ratio.min():.4f} to {ratio.max():.4f}",
            "a step along −∇C over the best of 20 others": f"{moved[0, 0] / best:.0f} times the "
            "fall",
            "an image's components whose sign the average turns": f"{against:.0%}",
            "median ‖∇C‖ of images, right and wrong": f"{np.median(lengths[right]):.1e} and "
            f"{np.median(lengths[~right]):.1e}, {loud:,.0f} times",
        },
        checks={
            "exactly 0 are the weights of the pixels that are off, 16 for each": zeros == 16 * off,
            "no image moves the weights of pixels that are off in all": dead == 16 * never,
            "the largest component is over 40 times the median of those that are not 0": some[0]
            > 40 * np.median(some),
            "1 % of the components hold a third of Σ|g| and four fifths of Σg²": bool(
                l1 > 1 / 3 and l2 > 0.8
            ),
            "one weight nudged lowers the cost by nudge times component, within 5 %": bool(
                (np.abs(ratio - 1) < 0.05).all()
            ),
            "a small step along −∇C lowers the cost as the slope foretells, within 2 %": bool(
                abs(moved[0, 0] / foretold - 1) < 0.02
            ),
            "and over five times as much as the best of 20 random directions": bool(
                moved[0, 0] < 5 * min(best, 0)
            ),
            "the average of ten images' gradients is the gradient of their average cost": float(
                np.abs(each.mean(axis=0) - together).max()
            )
            < 1e-9 * size[0],
            f"wrongly classified images have over {far} times the gradient": loud > far,
        },
        top_share=[float(l1), float(l2)],
        loud=loud,
    )


def apart(some: Array) -> float:
    """The share of pairs of these numbers, sorted from large to small, of which one is more than 32
    times the other."""
    return float(
        (len(some) - np.searchsorted(-some, -some / 32)).sum() / (len(some) * (len(some) - 1) / 2)
    )


if __name__ == "__main__":
    main()
