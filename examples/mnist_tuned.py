"""MNIST above 98 %
================

Two wider hidden layers, ReLU, cross-entropy, momentum and one cycle of the learning rate::

    python examples/mnist_tuned.py             # 784-128-64-10, 10 epochs
    python examples/mnist_tuned.py --shifts    # 784-256-128-10, 20 epochs, on moved images

With --shifts each image is moved anew by up to one pixel.
"""

from __future__ import annotations

import argparse
from itertools import pairwise
from typing import Any

import numpy as np
from learning import common
from matplotlib.figure import Figure

from tinygrad_edu import nn, special


class RandomShift(nn.Module):
    """Move images `(n, 28, 28)` by up to one pixel each way, anew each time.

    In `eval()` they stay where they are.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def forward(self, x: Any) -> Any:
        return nn.transforms.random_shift(x, 1, self.rng) if self.training else x


def network(sizes: list[int], shifts: bool, rng: np.random.Generator) -> nn.Sequential:
    """Make linear layers with ReLU between them, and the start that suits it: N(0, 2/fan_in), 0."""
    layers: list[nn.Module] = [RandomShift(rng), nn.Flatten()] if shifts else [nn.Flatten()]
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.ReLU()]
    model = nn.Sequential(*layers[:-1])
    nn.init.initialize(model, rng, weight=nn.init.kaiming_normal, bias=nn.init.zeros)
    return model


def draw(images: Any, digits: Any, answers: Any, kind: str) -> Figure:
    """Draw the images read wrongly; those first of which the network was surest."""
    sure, read = special.softmax(answers).max(axis=1), answers.argmax(axis=1)
    wrong = np.flatnonzero(read != digits)
    wrong = wrong[np.argsort(-sure[wrong])]
    figure = Figure(figsize=(10, 6.6))
    figure.suptitle(
        f"{len(wrong):,} of {len(digits):,} {kind} are misread; here are those of which the "
        "network was surest",
        x=0.02,
        **common.HEADING,
    )
    figure.subplots_adjust(left=0.02, right=0.98, top=0.88, bottom=0.02, hspace=0.6)
    for axes, i in zip(figure.subplots(5, 10).flat, wrong, strict=False):
        axes.imshow(images[i], cmap="gray_r")
        told = f"a {digits[i]}, read {read[i]}\n{sure[i]:.1%} sure"
        axes.set_title(told, fontsize=8, fontweight="normal", loc="center")
    for axes in figure.axes:
        axes.axis("off")
    return figure


def arguments() -> argparse.Namespace:
    flags = common.parser(__doc__)
    told = "the larger network, trained on images that are shifted anew"
    flags.add_argument("--shifts", action="store_true", help=told)
    common.held_back_flag(flags)
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
    sizes, batch, decay = [784, 128, 64, 10], 64, 0.0
    if args.shifts:
        sizes, batch, decay = [784, 256, 128, 10], 100, 5e-5
    x, digits, x_test, test_digits = common.mnist(held_back=args.held_back, quick=args.quick)
    start, order = np.random.default_rng(args.seed).spawn(2)
    model = network(sizes, args.shifts, start)
    print(model)
    loader = nn.DataLoader(x, digits, batch_size=batch, shuffle=True, rng=order)
    optimizer = nn.optim.SGD(common.groups(model, decay), lr=args.lr, momentum=0.9)
    _, seconds = common.train(model, nn.CrossEntropy(), optimizer, loader, args)

    answers = common.outputs(model, x_test)
    accuracy = float((answers.argmax(axis=1) == test_digits).mean())
    goal = 0.90 if args.quick else 0.989 if args.shifts else 0.98
    kind = "held-back training images" if args.held_back else "test images"
    claim = (
        f"{accuracy:.2%} of {len(test_digits):,} {kind} read rightly (goal {goal:.1%}), "
        f"after {seconds:.1f} s of training"
    )
    figure = draw(x_test, test_digits, answers, kind)
    parameters = common.parameters_of(model)
    metrics = {"accuracy": accuracy, "seconds": seconds, "parameters": parameters}
    common.conclude(args, figure, claim, accuracy >= goal, metrics)


if __name__ == "__main__":
    main()
