"""A plane of digits
=================

An autoencoder, 784-64-2-64-784, draws each image from two numbers, and nobody tells it the digits::

    python examples/autoencoder.py

Its error is the squared difference, added up over the 784 pixels. It has to beat the best linear
code of two numbers.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from learning import common
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from tinygrad_edu import nn

# A colour for each digit; colour-blind readers can tell them apart (Petroff 2021, Accessible color
# sequences). Digits that meet on the plane, 3, 5, 8 and 4, 7, 9, have colours far apart.
# fmt: off
COLORS = ["#9a8c45", "#717581", "#bd1f01", "#ffa90e", "#832db6",
          "#a96b59", "#94a4a2", "#e76300", "#3f90da", "#45b5ba"]
# fmt: on


def network(rng: np.random.Generator) -> nn.Sequential:
    """Make the encoder and the decoder; both numbers of a code are from −1 to 1.

    Without BatchNorm, some seeds learn to draw the mean image whatever the code is.
    """
    encoder = nn.Sequential(
        nn.Linear(784, 64, rng=rng),
        nn.Tanh(),
        nn.Linear(64, 2, rng=rng),
        nn.BatchNorm1d(2, affine=False),
        nn.Tanh(),
    )
    decoder = nn.Sequential(
        nn.Linear(2, 64, rng=rng),
        nn.Tanh(),
        nn.Linear(64, 784, rng=rng),
        nn.Sigmoid(),
    )
    return nn.Sequential(encoder, decoder)


def linear(known: Any, images: Any) -> Any:
    """Draw the images from the best linear code of two numbers.

    The two numbers are the coordinates along the known images' first two principal components.
    """
    mean, (_, vectors) = known.mean(axis=0), np.linalg.eigh(np.cov(known.T))
    two = vectors[:, -2:].astype(np.float32)  # (784, 2): those of the greatest variance are last
    return (images - mean) @ two @ two.T + mean


def error(images: Any, drawn: Any) -> float:
    return float(np.square(images - drawn).sum(axis=1).mean())


def tiled(images: Any, columns: int) -> Any:
    """Put images `(n, 784)` in rows to one image `(n/columns · 28, columns · 28)`."""
    return images.reshape(-1, columns, 28, 28).swapaxes(1, 2).reshape(-1, columns * 28)


def draw_codes(axes: Any, codes: Any, digits: Any) -> None:
    """Draw a dot for each image, and each digit in the middle of its dots."""
    axes.scatter(*codes.T, s=5, linewidths=0, clip_on=False, c=np.array(COLORS)[digits])
    label = {"fontsize": 22, "fontweight": "bold", "ha": "center", "va": "center"}
    around = [withStroke(linewidth=6, foreground="white")]
    for digit, color in enumerate(COLORS):
        middle = np.median(codes[digits == digit], axis=0)
        axes.text(*middle, digit, color=color, path_effects=around, **label)
    axes.set_title(f"{len(codes):,} images, each at its two numbers, in the colour of its digit")
    axes.set(aspect="equal", xlim=(-1, 1), ylim=(-1, 1))


def draw_decoded(axes: Any, decoder: nn.Module) -> None:
    """Draw what the decoder makes of 20 × 20 places of the plane."""
    across, down = np.linspace(-0.95, 0.95, 20), np.linspace(0.95, -0.95, 20)
    places = np.stack(np.meshgrid(across, down), axis=-1, dtype=np.float32).reshape(-1, 2)
    axes.imshow(tiled(common.outputs(decoder, places), 20), cmap="gray_r")
    axes.set_title("What is drawn from the two numbers of each place")


def draw_compared(axes: Any, digits: Any, *kinds: Any) -> None:
    """Draw the first image of each digit, and what becomes of it: a column for each kind."""
    first = [np.flatnonzero(digits == digit)[0] for digit in range(10)]
    columns = np.stack([images[first] for images in kinds], axis=1)
    axes.imshow(tiled(columns, len(kinds)), cmap="gray_r", vmin=0, vmax=1)
    axes.set_xticks([14, 42, 70], ["image", "drawn", "linear"])
    axes.tick_params(length=0, labeltop=True, labelbottom=False)


def draw(model: nn.Sequential, images: Any, digits: Any, drawn: Any, linearly: Any) -> Figure:
    """Draw the plane of codes, the plane decoded, and an image of each digit beside its copies."""
    encoder, decoder = model
    figure = Figure(figsize=(14.6, 6.9))
    figure.set_layout_engine("constrained", rect=(0.005, 0.01, 0.99, 0.98))
    title = "Two numbers tell most digits apart, though nobody said what a digit is"
    figure.suptitle(title, x=0.01, **common.HEADING)
    plane, decoded, compared = figure.subplots(1, 3, width_ratios=[10, 10, 3])
    for axes in figure.axes:
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    draw_codes(plane, common.outputs(encoder, images), digits)
    draw_decoded(decoded, decoder)
    draw_compared(compared, digits, images, drawn, linearly)
    return figure


def arguments() -> argparse.Namespace:
    flags = common.parser(__doc__)
    common.held_back_flag(flags)
    flags.add_argument("--lr", type=float, default=0.01, help="the learning rate at its peak")
    flags.add_argument("--epochs", type=int, default=30, help="how often every image is seen")
    args = common.parse(flags)
    if args.quick:
        args.epochs = 20
    return args


def main() -> None:
    args = arguments()
    known, _, images, digits = common.mnist(held_back=args.held_back, quick=args.quick)
    known, images = known.reshape(-1, 784), images.reshape(-1, 784)
    start, order = np.random.default_rng(args.seed).spawn(2)
    model = network(start)
    print(model)
    loader = nn.DataLoader(known, known, batch_size=128, shuffle=True, rng=order)
    optimizer = nn.optim.Adam(model.parameters(), lr=args.lr)
    _, seconds = common.train(model, nn.MSE(), optimizer, loader, args)

    drawn, linearly = common.outputs(model, images), linear(known, images)
    ours, best, goal = error(images, drawn), error(images, linearly), 0.92 if args.quick else 0.78
    kind = "held-back training images" if args.held_back else "test images"
    claim = (
        f"{len(images):,} {kind} drawn from two numbers each: error {ours:.2f}, "
        f"{ours / best:.1%} of {best:.2f}, the best linear code's (goal {goal:.0%}), "
        f"after {seconds:.1f} s of training"
    )
    parameters = common.parameters_of(model)
    metrics = {"error": ours, "linear": best, "seconds": seconds, "parameters": parameters}
    figure = draw(model, images, digits, drawn, linearly)
    common.conclude(args, figure, claim, ours <= goal * best, metrics)


if __name__ == "__main__":
    main()
