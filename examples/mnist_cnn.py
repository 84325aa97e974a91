"""MNIST above 99 % with 20,522 parameters
=======================================

Two convolutions, and the pictures that they make of a digit::

    python examples/mnist_cnn.py
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from learning import common
from matplotlib.figure import Figure

from tinygrad_edu import nn


def network(rng: np.random.Generator) -> nn.Sequential:
    """(n, 1, 28, 28) → (n, 8, 12, 12) → (n, 16, 4, 4) → 64 → 10."""
    return nn.Sequential(
        nn.Conv2d(1, 8, kernel_size=5, rng=rng),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, kernel_size=5, rng=rng),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(256, 64, rng=rng),
        nn.ReLU(),
        nn.Linear(64, 10, rng=rng),
    )


def stages_of(model: nn.Sequential, image: Any) -> list[tuple[str, Any, Any]]:
    """Return five rows of eight pictures, each row with its title and its colours."""
    filters = next(model.parameters()).data[:, 0]
    stages = [image]
    for layer in list(model)[:6]:
        stages.append(common.outputs(layer, stages[-1]))
    first, pooled, second = stages[2][0], stages[3][0], stages[6][0]
    return [
        ("8 filters of 5×5: blue positive, orange negative", filters, common.DIVERGING),
        ("each slid over the digit, then ReLU: 24×24", first, "gray_r"),
        ("the greatest of each 2×2: 12×12", pooled, "gray_r"),
        ("16 pictures of the second convolution, ReLU and pool: 4×4", second[:8], "gray_r"),
        ("", second[8:], "gray_r"),
    ]


def draw(model: nn.Sequential, image: Any, title: str) -> Figure:
    """Draw a digit, and what every stage of the network makes of it."""
    figure = Figure(figsize=(10, 7.4))
    figure.suptitle(title, x=0.02, **common.HEADING)
    figure.subplots_adjust(left=0.02, right=0.98, top=0.87, bottom=0.02, hspace=0.28, wspace=0.12)
    grid = figure.subplots(5, 9)
    for axes in grid.flat:
        axes.axis("off")
    grid[1, 0].imshow(image[0, 0], cmap="gray_r")
    for line, (name, pictures, colours) in zip(grid, stages_of(model, image), strict=True):
        most = np.abs(pictures).max()
        least = -most if colours is common.DIVERGING else 0
        for axes, picture in zip(line[1:], pictures, strict=True):
            axes.imshow(picture, cmap=colours, vmin=least, vmax=most)
        line[1].set_title(name, pad=6)
    return figure


def arguments() -> argparse.Namespace:
    flags = common.parser(__doc__)
    common.held_back_flag(flags)
    flags.add_argument("--epochs", type=int, default=8, help="how often every image is seen")
    args = common.parse(flags)
    if args.quick:
        args.epochs = 2
    return args


def main() -> None:
    args = arguments()
    x, digits, x_test, test_digits = common.mnist(held_back=args.held_back, quick=args.quick)
    start, order = np.random.default_rng(args.seed).spawn(2)
    model = network(start)
    print(nn.summary(model, (1, 1, 28, 28)))
    loader = nn.DataLoader(x[:, None], digits, batch_size=50, shuffle=True, rng=order)
    optimizer = nn.optim.Adam(model.parameters(), lr=0.004)
    _, seconds = common.train(model, nn.CrossEntropy(), optimizer, loader, args)

    right = common.outputs(model, x_test[:, None]).argmax(axis=1) == test_digits
    accuracy, goal = float(right.mean()), 0.90 if args.quick else 0.99
    kind = f"{len(right):,} {'held-back training' if args.held_back else 'test'} images"
    claim = (
        f"{accuracy:.2%} of {kind} read rightly (goal {goal:.0%}), "
        f"after {seconds:.0f} s of training"
    )
    title = f"{(~right).sum()} of {kind} are misread. What the network makes of one digit"
    figure = draw(model, x_test[:1, None], title)
    parameters = common.parameters_of(model)
    metrics = {"accuracy": accuracy, "seconds": seconds, "parameters": parameters}
    common.conclude(args, figure, claim, accuracy >= goal, metrics)


if __name__ == "__main__":
    main()
