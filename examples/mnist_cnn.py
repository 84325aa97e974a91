"""MNIST above 99 % with 20,522 parameters
=======================================

Two convolutions, and the pictures that they make of a digit::

    python examples/mnist_cnn.py
"""

from __future__ import annotations

import time
from typing import Any

import common
import numpy as np
from matplotlib.figure import Figure
from tqdm import tqdm

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


def draw(model: nn.Sequential, image: Any, wrong: int, kind: str) -> Figure:
    """A digit, and what every stage of the network makes of it."""
    filters = next(model.parameters()).data[:, 0]
    stages = [image]
    for layer in list(model)[:6]:
        stages.append(common.outputs(layer, stages[-1]))
    first, pooled, second = stages[2][0], stages[3][0], stages[6][0]
    figure = Figure(figsize=(10, 7.4))
    figure.suptitle(
        f"{wrong} of {kind} are misread. What the network makes of one digit",
        fontsize=13,
        fontweight="bold",
        x=0.02,
        ha="left",
    )
    grid = figure.subplots(
        5,
        9,
        gridspec_kw={
            "hspace": 0.28,
            "wspace": 0.12,
            "left": 0.02,
            "right": 0.98,
            "top": 0.87,
            "bottom": 0.02,
        },
    )
    rows = [
        ("8 filters of 5×5: blue positive, orange negative", filters, common.DIVERGING),
        ("each slid over the digit, then ReLU: 24×24", first, "gray_r"),
        ("the greatest of each 2×2: 12×12", pooled, "gray_r"),
        ("16 pictures of the second convolution, ReLU and pool: 4×4", second[:8], "gray_r"),
        ("", second[8:], "gray_r"),
    ]
    for axes in grid.flat:
        axes.axis("off")
    grid[1, 0].imshow(image[0, 0], cmap="gray_r")
    for line, (title, pictures, colours) in zip(grid, rows, strict=True):
        scale = np.abs(pictures).max()
        for axes, picture in zip(line[1:], pictures, strict=True):
            axes.imshow(
                picture, cmap=colours, vmin=-scale if colours is common.DIVERGING else 0, vmax=scale
            )
        line[1].set_title(title, pad=6)
    return figure


def main() -> None:
    flags = common.parser(__doc__)
    flags.add_argument(
        "--held-back",
        action="store_true",
        help="train on 55,000 images, and measure on the other 5,000",
    )
    flags.add_argument("--epochs", type=int, default=8, help="how often every image is seen")
    args = common.parse(flags)
    if args.quick:
        args.epochs = 2

    images, digits, test_images, test_digits = common.mnist(
        held_back=args.held_back, quick=args.quick
    )
    start, order = np.random.default_rng(args.seed).spawn(2)
    model, cost = network(start), nn.CrossEntropy()
    loader = nn.DataLoader(images[:, None], digits, batch_size=50, shuffle=True, rng=order)
    optimizer = nn.optim.Adam(model.parameters(), lr=0.004)
    schedule = nn.optim.OneCycle(optimizer, args.epochs * len(loader))
    step = common.step_of(model, cost, optimizer, args)
    print(nn.summary(model, (1, 1, 28, 28)))

    began = time.perf_counter()
    with tqdm(total=args.epochs * len(loader), unit="step") as bar:
        for _ in range(args.epochs):
            for x, y in loader:
                step(x, y)
                schedule.step()
                bar.update()
    seconds = time.perf_counter() - began

    right = common.outputs(model, test_images[:, None]).argmax(axis=1) == test_digits
    accuracy, goal = float(right.mean()), 0.90 if args.quick else 0.99
    kind = f"{len(right):,} {'held-back training' if args.held_back else 'test'} images"
    claim = (
        f"{accuracy:.2%} of {kind} read rightly (goal {goal:.0%}), after {seconds:.0f} s of "
        "training"
    )
    common.conclude(
        args,
        draw(model, test_images[:1, None], int((~right).sum()), kind),
        claim,
        accuracy >= goal,
        {
            "accuracy": accuracy,
            "seconds": seconds,
            "parameters": sum(p.size for p in model.parameters()),
        },
    )


if __name__ == "__main__":
    main()
