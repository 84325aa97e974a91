"""MNIST above 98 %
================

Two wider hidden layers, ReLU, cross-entropy, momentum and one cycle of the learning rate::

    python examples/mnist_tuned.py             # 784-128-64-10, 10 epochs python
    examples/mnist_tuned.py --shifts    # 784-256-128-10, 20 epochs; each image moved anew by up to
    one pixel"""

from __future__ import annotations

import argparse
import time
from itertools import pairwise
from typing import Any

import common
import numpy as np
from matplotlib.figure import Figure
from tqdm import tqdm

from tinygrad_edu import nn, special


class RandomShift(nn.Module):
    """Images `(n, 28, 28)` moved by up to one pixel each way, anew each time; in `eval()` as they
    are."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def forward(self, x: Any) -> Any:
        return nn.transforms.random_shift(x, 1, self.rng) if self.training else x


def network(sizes: list[int], shifts: bool, rng: np.random.Generator) -> nn.Sequential:
    """Linear layers with ReLU between them, started as suits ReLU: N(0, 2/fan_in) and 0."""
    layers: list[nn.Module] = [RandomShift(rng), nn.Flatten()] if shifts else [nn.Flatten()]
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.ReLU()]
    model = nn.Sequential(*layers[:-1])
    nn.init.initialize(model, rng, weight=nn.init.kaiming_normal, bias=nn.init.zeros)
    return model


def draw(images: Any, digits: Any, answers: Any, kind: str) -> Figure:
    """The wrongly read images, those first of which the network was surest."""
    sure, read = special.softmax(answers).max(axis=1), answers.argmax(axis=1)
    wrong = np.flatnonzero(read != digits)
    wrong = wrong[np.argsort(-sure[wrong])]
    figure = Figure(figsize=(10, 6.6))
    figure.suptitle(
        f"{len(wrong):,} of {len(digits):,} {kind} are misread; here are those of which the "
        "network was surest",
        fontsize=13,
        fontweight="bold",
        x=0.02,
        ha="left",
    )
    for axes, i in zip(
        figure.subplots(
            5,
            10,
            gridspec_kw={"hspace": 0.6, "top": 0.88, "bottom": 0.02, "left": 0.02, "right": 0.98},
        ).flat,
        wrong,
        strict=False,
    ):
        axes.imshow(images[i], cmap="gray_r")
        axes.set_title(
            f"a {digits[i]}, read {read[i]}\n{sure[i]:.1%} sure",
            fontsize=8,
            fontweight="normal",
            loc="center",
        )
    for axes in figure.axes:
        axes.axis("off")
    return figure


def arguments() -> argparse.Namespace:
    flags = common.parser(__doc__)
    flags.add_argument(
        "--shifts",
        action="store_true",
        help="the larger network, trained on images that are shifted anew",
    )
    flags.add_argument(
        "--held-back",
        action="store_true",
        help="train on 55,000 images, and measure on the other 5,000",
    )
    flags.add_argument("--lr", type=float, help="the learning rate at its peak")
    flags.add_argument("--epochs", type=int, help="how often every image is seen")
    flags.set_defaults(lr=0.05, epochs=10)
    if flags.parse_known_args()[0].shifts:
        flags.set_defaults(lr=0.1, epochs=20)
    args = common.parse(flags)
    if args.quick:
        args.epochs = 3
    return args


def main() -> None:
    args = arguments()
    sizes, batch, decay = (
        ([784, 256, 128, 10], 100, 5e-5) if args.shifts else ([784, 128, 64, 10], 64, 0.0)
    )

    images, digits, test_images, test_digits = common.mnist(
        held_back=args.held_back, quick=args.quick
    )
    start, order = np.random.default_rng(args.seed).spawn(2)
    model, cost = network(sizes, args.shifts, start), nn.CrossEntropy()
    loader = nn.DataLoader(images, digits, batch_size=batch, shuffle=True, rng=order)
    optimizer = nn.optim.SGD(common.groups(model, decay), lr=args.lr, momentum=0.9)
    schedule = nn.optim.OneCycle(optimizer, args.epochs * len(loader))
    step = common.step_of(model, cost, optimizer, args)
    print(model)

    began = time.perf_counter()
    with tqdm(total=args.epochs * len(loader), unit="step") as bar:
        for _ in range(args.epochs):
            for x, y in loader:
                step(x, y)
                schedule.step()
                bar.update()
    seconds = time.perf_counter() - began

    answers = common.outputs(model, test_images)
    accuracy = float((answers.argmax(axis=1) == test_digits).mean())
    kind = "held-back training images" if args.held_back else "test images"
    goal = 0.90 if args.quick else 0.989 if args.shifts else 0.98
    claim = (
        f"{accuracy:.2%} of {len(test_digits):,} {kind} read rightly (goal {goal:.1%}), "
        f"after {seconds:.1f} s of training"
    )
    common.conclude(
        args,
        draw(test_images, test_digits, answers, kind),
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
