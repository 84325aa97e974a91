"""Do the steps of gradient descent get smaller towards a minimum?
===============================================================

With one number, with two, and with 13,002::

    python examples/learning/descent.py

Each step is the learning rate times the slope, downhill. First on a curve and on a surface that can
be seen whole; then in the video's network, on 1,000 images that are all used in each step; last
with mini-batches, whose steps shrink much less, and which are used all the same, because they get
further for the same work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import study
from matplotlib.figure import Figure
from study import Array, Look, common
from tqdm import tqdm

from tinygrad_edu import grad, nn

CLAIM = (
    "If each step is in proportion to the slope, the steps get smaller and smaller as the "
    "slope flattens out to a minimum."
)
ONE_LAYER = (784, 10)
TOO_SMALL, RIGHT, TOO_LARGE = 0.03, 1.0, 10.0
W, U = np.linspace(-2.35, 2.35, 400), np.linspace(-1.5, 1.5, 300)


def curve(w: Any) -> Any:
    """One number, two valleys: which of them is reached is a matter of where the descent starts."""
    return 0.25 * w**4 - w**2 + 0.3 * w + 1.6


def surface(p: Any) -> Any:
    """Two numbers (p[0], p[1]): two valleys, and a bent floor between them."""
    return curve(p[0]) + 1.2 * (p[1] - 0.4 * np.sin(2 * p[0])) ** 2


def walk(cost: Callable[[Any], Any], start: Any, lr: float, steps: int) -> Array:
    """The points of a gradient descent, the start first; the slope is the engine's."""
    slope, points = grad(cost), [np.asarray(start, float)]
    for _ in range(steps):
        points.append(points[-1] - lr * np.asarray(slope(points[-1])))
    return np.stack(points)


def lengths(points: Array) -> Array:
    return np.linalg.norm(np.diff(points.reshape(len(points), -1), axis=0), axis=1)


def norm(model: nn.Module) -> float:
    """The length of the last gradient."""
    return study.length(p.grad for p in model.parameters())


def xavier(sizes: tuple[int, ...], args: Any) -> nn.Sequential:
    """A network that starts as every other one with this seed."""
    return study.network(
        sizes, np.random.default_rng(args.seed), weight=nn.init.xavier_uniform, bias=nn.init.zeros
    )


def descend(
    sizes: tuple[int, ...], x: Array, wanted: Array, args: Any, lr: float, steps: int
) -> tuple[Array, Array]:
    """The cost and the length of the gradient at each step, which takes all images."""
    model = xavier(sizes, args)
    step = common.step_of(model, study.squared_cost, nn.optim.SGD(model.parameters(), lr=lr), args)
    title = f"{'-'.join(map(str, sizes))}, rate {lr}"
    return tuple(
        np.transpose(
            [(step(x, wanted).item(), norm(model)) for _ in tqdm(range(steps), title, leave=False)]
        )
    )


def batches(
    x: Array, wanted: Array, args: Any, lr: float, epochs: int
) -> Iterator[tuple[int, nn.Module, float]]:
    """The images seen so far, the model and its last gradient's length, at each step of mini-batch
    descent."""
    model, seen = xavier(study.VIDEO, args), 0
    loader = nn.DataLoader(
        x,
        wanted,
        batch_size=32,
        shuffle=True,
        drop_last=True,
        rng=np.random.default_rng(args.seed + 1),
    )
    step = common.step_of(model, study.squared_cost, nn.optim.SGD(model.parameters(), lr=lr), args)
    for _ in tqdm(range(epochs), "mini-batches", unit="epoch", leave=False):
        for batch in loader:
            step(*batch)
            seen += 32
            yield seen, model, norm(model)


def mini(x: Array, wanted: Array, args: Any, epochs: int) -> dict[str, Array]:
    """Mini-batch descent: the lengths of its gradients, the full gradient's now and then, the cost
    in the first epoch."""
    per_epoch, noise, full, cost = len(x) // 32, [], [], []
    marks = {int(n) for n in np.geomspace(1, per_epoch, 24)}
    for i, (seen, model, length) in enumerate(batches(x, wanted, args, 3.0, epochs), 1):
        noise.append(length)
        if i in marks:
            cost.append((seen, study.costs(study.outputs(model, x), wanted).mean()))
        if i % max(per_epoch // 2, 1) == 0:
            full.append((i / per_epoch, study.slope(model, x, wanted)))
    return {
        "noise": np.array(noise),
        "full": np.array(full),
        "cost": np.array(cost),
        "per_epoch": np.array(per_epoch),
    }


def hand_made() -> tuple[dict[str, Array], list[Array]]:
    """Descents on the curve, by three rates, and on the surface from three starts."""
    on_curve = {
        "right: 0.04": walk(curve, -2.32, 0.04, 20),
        "too small: 0.005": walk(curve, 2.3, 0.005, 3),
        "too large: 0.75": walk(curve, 0.85, 0.75, 20),
    }
    return on_curve, [
        walk(surface, start, 0.06, 60) for start in ((-2.1, 1.2), (2.1, -0.9), (0.35, 1.35))
    ]


def draw_curve(axes: Any, look: Look, walks: dict[str, Array]) -> None:
    axes.plot(W, curve(W), color=look.grey, linewidth=3)
    for (name, points), color, mark in zip(
        walks.items(), (look.blue, look.plum, look.orange), "o^s", strict=True
    ):
        axes.plot(
            points, curve(points), color=color, marker=mark, markersize=5, linewidth=1, label=name
        )
    axes.set(title="one number: a curve", xlabel="w", ylabel="cost", xlim=W[[0, -1]], ylim=(0, 4.4))
    axes.legend(loc="upper center", fontsize=9)


def draw_surface(axes: Any, look: Look, walks: list[Array]) -> None:
    plane, levels = surface(np.stack(np.meshgrid(W, U))), np.geomspace(0.2, 9, 15)
    axes.contourf(W, U, plane, levels=levels, cmap=look.amount, alpha=0.3, extend="both")
    axes.contour(W, U, plane, levels=levels, colors=look.muted, linewidths=0.5)
    for points, color, mark in zip(walks, (look.blue, look.plum, look.orange), "o^s", strict=True):
        axes.plot(*points.T, color=color, marker=mark, markersize=4, linewidth=1)
        axes.plot(*points[-1], marker="*", markersize=13, color=color, markeredgecolor=look.paper)
    axes.set(
        title="two numbers: a surface from above",
        xlabel="w₁",
        ylabel="w₂",
        xlim=W[[0, -1]],
        ylim=U[[0, -1]],
    )


def draw_steps(axes: Any, look: Look, length: Array, one: Array, low: int, top: int) -> None:
    steps = np.arange(1, len(length) + 1)
    axes.loglog(steps, RIGHT * one, color=look.plum, linewidth=1.2, label="784-10: no hidden layer")
    axes.loglog(steps, RIGHT * length, color=look.blue, linewidth=2.4, label="784-16-16-10")
    for i, text, place in (
        (low, "the plateau:\nall outputs 0.1", (0.03, 0.07)),
        (top, "it escapes", (0.72, 0.75)),
    ):
        axes.plot(steps[i], RIGHT * length[i], "o", color=look.blue)
        axes.annotate(
            text,
            (steps[i], RIGHT * length[i]),
            place,
            textcoords="axes fraction",
            fontsize=9,
            arrowprops={"arrowstyle": "-", "color": look.muted, "shrinkB": 4},
        )
    axes.set(
        title="13,002 numbers: the steps' lengths",
        xlabel="step, of all images each",
        ylabel="rate · ‖∇C‖",
    )
    axes.legend(loc="upper right", fontsize=9)


def draw_rates(axes: Any, look: Look, runs: dict[float, Any]) -> None:
    names = {
        TOO_SMALL: (look.plum, "too small"),
        RIGHT: (look.blue, "right"),
        TOO_LARGE: (look.orange, "too large"),
    }
    for rate, (color, name) in reversed(names.items()):
        cost = runs[rate][0]
        axes.loglog(
            np.arange(1, len(cost) + 1),
            cost,
            color=color,
            linewidth=1.0 if rate == TOO_LARGE else 2.4,
            label=f"{name}: {rate:g}",
        )
    axes.set(title="13,002 numbers: three rates", xlabel="step, of all images each", ylabel="cost")
    axes.legend(loc="lower left", fontsize=9)


def draw_noise(axes: Any, look: Look, found: dict[str, Array]) -> None:
    at, every = (
        np.arange(1, len(found["noise"]) + 1) / found["per_epoch"],
        max(len(found["noise"]) // 3000, 1),
    )
    axes.semilogy(
        at[::every],
        found["noise"][::every],
        ".",
        color=look.orange,
        markersize=2,
        alpha=0.6,
        rasterized=True,
    )
    axes.semilogy(*found["full"].T, "o-", color=look.blue, markersize=4)
    axes.set(
        title="mini-batches: the slope stays noisy", xlabel="epoch", ylabel="‖∇C‖", xlim=(0, at[-1])
    )
    ends = [
        axes.plot([], [], mark, color=color)[0]
        for mark, color in (("o", look.orange), ("o-", look.blue))
    ]
    axes.legend(ends, ["of a batch of 32", "of all images"], loc="lower left", fontsize=9)


def draw_work(axes: Any, look: Look, found: dict[str, Array], full: Array, n: int) -> None:
    axes.loglog(n * np.arange(1, len(full)), full[1:], color=look.blue)  # the cost after each step
    axes.loglog(*found["cost"].T, color=look.orange)
    ends = (
        ("one epoch of\nmini-batches", found["cost"][-1], look.orange, (0.10, 0.12)),
        (
            f"{len(full) - 1} steps\nof all images",
            (n * (len(full) - 1), full[-1]),
            look.blue,
            (0.66, 0.12),
        ),
    )
    for text, point, color, place in ends:
        axes.plot(*point, "o", color=color)
        axes.annotate(
            f"{text}: {point[1]:.2f}",
            point,
            place,
            textcoords="axes fraction",
            fontsize=9,
            color=color,
            arrowprops={"arrowstyle": "-", "color": look.muted, "shrinkB": 5},
        )
    axes.set(
        title="mini-batches get further for the same work",
        xlabel="images seen",
        ylabel="cost of all training images",
        ylim=(0.5 * min(full.min(), found["cost"][:, 1].min()), None),
    )


def main() -> None:
    flags = study.parser(__doc__)
    flags.add_argument("--steps", type=int, default=2000, help="steps on 1,000 images")
    flags.add_argument("--epochs", type=int, default=10, help="epochs of mini-batches")
    flags.add_argument("--full", type=int, default=300, help="steps on all images")
    args = study.parse(flags)
    if args.quick:
        args.steps, args.epochs, args.full = 800, 6, 40
    few = 200 if args.quick else 1000
    x, y, _, _ = study.mnist(args)
    wanted = study.one_hot(y)
    on_curve, on_surface = hand_made()
    runs = {
        rate: descend(study.VIDEO, x[:few], wanted[:few], args, rate, args.steps)
        for rate in (TOO_SMALL, RIGHT, TOO_LARGE)
    }
    one = descend(ONE_LAYER, x[:few], wanted[:few], args, RIGHT, args.steps)[1]
    full = descend(study.VIDEO, x, wanted, args, 3.0, args.full + 1)[0]
    found = mini(x, wanted, args, args.epochs)

    length = runs[RIGHT][1]
    low = 5 + int(
        length[5:100].argmin()
    )  # past the first fall, the shortest steps of the beginning
    top = low + int(length[low:].argmax())

    def draw(look: Look) -> Figure:
        drawn = study.figure(
            "Towards a minimum the steps shrink, though not steadily; with mini-batches they "
            "stay noisy",
            13,
            7.6,
            f"Each step is rate × slope. Steps of all images: {few:,} of them, at the right only "
            f"{len(x):,}, rate 3 like the mini-batches. Stars: where a descent ends.",
        )
        panels = drawn.subplots(2, 3).flat
        draw_curve(next(panels), look, on_curve)
        draw_surface(next(panels), look, on_surface)
        draw_steps(next(panels), look, length, one, low, top)
        draw_rates(next(panels), look, runs)
        draw_noise(next(panels), look, found)
        draw_work(next(panels), look, found, full, len(x))
        return drawn

    report(args, draw, runs, one, full, found, low, top, (on_curve, on_surface))


def report(
    args: Any,
    draw: Any,
    runs: Any,
    one: Array,
    full: Array,
    found: dict[str, Array],
    low: int,
    top: int,
    walks: tuple[dict[str, Array], list[Array]],
) -> None:
    """The numbers and what has to be true of them, whatever the seed."""
    (cost, length), late = runs[RIGHT], len(one) * 9 // 10
    right, _, large = walks[0].values()
    rises = {rate: int((np.diff(run[0]) > 1e-5).sum()) for rate, run in runs.items()}
    shrinks, escape = float(length.max() / length[-1]), float(length[top] / length[low])
    first, last = (
        float(np.median(part)) for part in np.split(found["noise"], args.epochs)[:: args.epochs - 1]
    )
    last_full, epoch = float(np.median(found["full"][-6:, 1])), float(found["cost"][-1, 1])
    goal, noisier = (
        (30, 1.2) if args.quick else (100, 2)
    )  # a quick descent ends long before the minimum
    study.conclude(
        args,
        draw,
        claim=CLAIM,
        source="3Blue1Brown, Gradient descent, how neural networks learn: gradient descent",
        verdict="holds, but not steadily: a plateau far from any minimum is flat too, and with "
        "mini-batches noise remains",
        measured={
            "longest and last step, all images": f"{RIGHT * length.max():.2f} and "
            f"{RIGHT * length[-1]:.4f}",
            "longest step over the last one": f"{shrinks:.0f}",
            "cost at the plateau's shortest step, and which": f"{cost[low]:.3f}, step {low + 1}",
            "how much longer the steps are when it escapes": f"{escape:.1f} times, step {top + 1}",
            "steps that raise the cost, by rate": ", ".join(
                f"{rate:g}: {n}" for rate, n in rises.items()
            ),
            "cost at the end, by rate": ", ".join(
                f"{rate:g}: {run[0][-1]:.3f}" for rate, run in runs.items()
            ),
            "‖∇C‖ of a mini-batch, first and last epoch": f"{first:.3f} and {last:.3f}",
            "‖∇C‖ of all images, last three epochs": f"{last_full:.3f}",
            "cost after an epoch of mini-batches": f"{epoch:.3f}",
            f"cost after {args.full} steps of all images": f"{full[-1]:.3f}, for {args.full} "
            "times the images",
        },
        checks={
            "on the curve each step is shorter than the one before": bool(
                (np.diff(lengths(right)) < 0).all()
            ),
            "on the curve a rate that is too large jumps to and fro over the minimum, up to the "
            "end": bool((np.diff(large)[-4:] * np.diff(large)[-5:-1] < -1e-3).all()),
            "on the surface the last step is under a hundredth of the longest": all(
                lengths(points)[-1] < lengths(points).max() / 100 for points in walks[1]
            ),
            f"in the network the last step is under 1/{goal} of the longest": shrinks > goal,
            "before that it sits where all outputs are 0.1, whose cost is 0.90": abs(
                float(cost[low]) - 0.9
            )
            < 0.03,
            "and its steps get more than twice as long as it escapes": escape > 2,
            "without hidden layers the last tenth of the steps shrink one by one": float(
                (np.diff(one[late:]) < 0).mean()
            )
            > 0.99,
            "the right rate never raises the cost, one that is too large does again and again": rises[
                RIGHT
            ]
            == 0
            and rises[TOO_LARGE] > 3,
            "rates that are too small or too large end at more than twice the right one's cost": bool(
                min(runs[TOO_SMALL][0][-1], runs[TOO_LARGE][0][-1]) > 2 * cost[-1]
            ),
            f"a mini-batch's slope keeps over a third of its length, and is over {noisier} times "
            "that of all images": last > first / 3 and last > noisier * last_full,
            f"an epoch of mini-batches costs less than {args.full} steps of all images": epoch
            < full[-1],
        },
        steps_lengths=[float(RIGHT * length[i]) for i in (0, low, top, -1)],
    )


if __name__ == "__main__":
    main()
