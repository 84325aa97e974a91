"""A plane of digits
=================

An autoencoder, 784-64-2-64-784, draws each image from two numbers, and nobody tells it the digits::

    python examples/autoencoder.py

Its error is the squared difference, added up over the 784 pixels; to beat is the best linear code
of two numbers."""

from __future__ import annotations

import argparse
import time
from typing import Any

import common
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from tqdm import tqdm

from tinygrad_edu import nn

COLORS = [
    "#9a8c45",
    "#717581",
    "#bd1f01",
    "#ffa90e",
    "#832db6",
    "#a96b59",
    "#94a4a2",
    "#e76300",
    "#3f90da",
    "#45b5ba",
]
# of 0 to 9, told apart by the colour-blind too: after Petroff 2021, Accessible color sequences; 3,
# 5, 8 and 4, 7, 9 meet


def network(rng: np.random.Generator) -> nn.Sequential:
    """Encoder and decoder; both numbers are from −1 to 1. Without BatchNorm, some seeds draw the
    mean image of every code."""
    encoder = nn.Sequential(
        nn.Linear(784, 64, rng=rng),
        nn.Tanh(),
        nn.Linear(64, 2, rng=rng),
        nn.BatchNorm1d(2, affine=False),
        nn.Tanh(),
    )
    decoder = nn.Sequential(
        nn.Linear(2, 64, rng=rng), nn.Tanh(), nn.Linear(64, 784, rng=rng), nn.Sigmoid()
    )
    return nn.Sequential(encoder, decoder)


def linear(known: Any, images: Any) -> Any:
    """The images, drawn from the two numbers that lose least among linear ones: the known images'
    principal components."""
    mean, (_, vectors) = known.mean(axis=0), np.linalg.eigh(np.cov(known.T))
    two = vectors[:, -2:].astype(np.float32)  # (784, 2): those of the greatest variance are last
    return (images - mean) @ two @ two.T + mean


def error(images: Any, drawn: Any) -> float:
    return float(np.square(images - drawn).sum(axis=1).mean())


def tiled(images: Any, columns: int) -> Any:
    """Images `(n, 784)` in rows, as one: `(n/columns · 28, columns · 28)`."""
    return images.reshape(-1, columns, 28, 28).swapaxes(1, 2).reshape(-1, columns * 28)


def draw_codes(axes: Any, codes: Any, digits: Any) -> None:
    """A dot for each image, and each digit where the middle of its dots is."""
    axes.scatter(*codes.T, s=5, linewidths=0, clip_on=False, c=np.array(COLORS)[digits])
    for digit, color in enumerate(COLORS):
        axes.text(
            *np.median(codes[digits == digit], axis=0),
            digit,
            color=color,
            fontsize=22,
            fontweight="bold",
            ha="center",
            va="center",
            path_effects=[withStroke(linewidth=6, foreground="white")],
        )
    axes.set_title(f"{len(codes):,} images, each at its two numbers, in the colour of its digit")
    axes.set(aspect="equal", xlim=(-1, 1), ylim=(-1, 1))


def draw(model: nn.Sequential, images: Any, digits: Any, drawn: Any, linearly: Any) -> Figure:
    """The plane of codes, the plane decoded, and one image of each digit with what is drawn of
    it."""
    encoder, decoder = model
    figure = Figure(figsize=(14.6, 6.9))
    figure.set_layout_engine("constrained", rect=(0.005, 0.01, 0.99, 0.98))
    figure.suptitle(
        "Two numbers tell most digits apart, though nobody said what a digit is",
        fontsize=13,
        fontweight="bold",
        x=0.01,
        ha="left",
    )
    plane, decoded, compared = figure.subplots(1, 3, width_ratios=[10, 10, 3])
    for axes in figure.axes:
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    draw_codes(plane, common.outputs(encoder, images), digits)
    grid = np.stack(
        np.meshgrid(np.linspace(-0.95, 0.95, 20), np.linspace(0.95, -0.95, 20)),
        axis=-1,
        dtype=np.float32,
    )
    decoded.imshow(tiled(common.outputs(decoder, grid.reshape(-1, 2)), 20), cmap="gray_r")
    decoded.set_title("What is drawn from the two numbers of each place")
    first = [np.flatnonzero(digits == digit)[0] for digit in range(10)]
    compared.imshow(
        tiled(np.stack([images[first], drawn[first], linearly[first]], axis=1), 3),
        cmap="gray_r",
        vmin=0,
        vmax=1,
    )
    compared.set_xticks([14, 42, 70], ["image", "drawn", "linear"])
    compared.tick_params(length=0, labeltop=True, labelbottom=False)
    return figure


def train(
    model: nn.Sequential, known: Any, order: np.random.Generator, args: argparse.Namespace
) -> None:
    cost, loader = nn.MSE(), nn.DataLoader(known, known, batch_size=128, shuffle=True, rng=order)
    optimizer = nn.optim.Adam(model.parameters(), lr=args.lr)
    schedule = nn.optim.OneCycle(optimizer, args.epochs * len(loader))
    step = common.step_of(model, cost, optimizer, args)
    with tqdm(total=args.epochs * len(loader), unit="step") as bar:
        for _ in range(args.epochs):
            for x, y in loader:
                step(x, y)
                schedule.step()
                bar.update()


def main() -> None:
    flags = common.parser(__doc__)
    flags.add_argument(
        "--held-back",
        action="store_true",
        help="train on 55,000 images, and measure on the other 5,000",
    )
    flags.add_argument("--lr", type=float, default=0.01, help="the learning rate at its peak")
    flags.add_argument("--epochs", type=int, default=30, help="how often every image is seen")
    args = common.parse(flags)
    if args.quick:
        args.epochs = 20

    known, _, images, digits = common.mnist(held_back=args.held_back, quick=args.quick)
    known, images = known.reshape(-1, 784), images.reshape(-1, 784)
    start, order = np.random.default_rng(args.seed).spawn(2)
    model = network(start)
    print(model)
    began = time.perf_counter()
    train(model, known, order, args)
    seconds = time.perf_counter() - began

    drawn, linearly = common.outputs(model, images), linear(known, images)
    ours, best, goal = error(images, drawn), error(images, linearly), 0.92 if args.quick else 0.78
    kind = "held-back training images" if args.held_back else "test images"
    claim = (
        f"{len(images):,} {kind} drawn from two numbers each: error {ours:.2f}, "
        f"{ours / best:.1%} of {best:.2f}, the best "
        f"linear code's (goal {goal:.0%}), after {seconds:.1f} s of training"
    )
    metrics = {
        "error": ours,
        "linear": best,
        "seconds": seconds,
        "parameters": sum(p.size for p in model.parameters()),
    }
    common.conclude(
        args, draw(model, images, digits, drawn, linearly), claim, ours <= goal * best, metrics
    )


if __name__ == "__main__":
    main()
