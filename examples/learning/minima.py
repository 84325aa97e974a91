"""Do all starts lead to about the same cost? Networks of four widths, trained from 24 random starts each.

    python examples/learning/minima.py

What is compared are costs after a fixed number of epochs, which fall very little in the last ones. That these are minima is
not shown; how far the cost's gradient is from 0 at the end is printed. Each start has its own weights and its own order of images.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import study
from matplotlib.figure import Figure
from study import Array, Look
from tqdm import tqdm

from tinygrad_edu import nn

CLAIM = "The minima that training finds from different starts are of about the same quality."
LOSS = nn.CrossEntropy()


@dataclass
class Runs:
    """All starts of one width."""

    curves: list[list[float]] = field(default_factory=list)  # the mean cost of each epoch
    ends: list[float] = field(default_factory=list)  # test cost
    right: list[float] = field(default_factory=list)  # share of the test images
    flatness: list[float] = field(default_factory=list)  # |∇C| at the end, as part of that at the start

    @property
    def mean(self) -> float: return float(np.mean(self.ends))
    @property
    def spread(self) -> float: return float(np.std(self.ends, ddof=1))


def slope(model: nn.Module, x: Array, y: Array) -> float:
    """The length of the gradient of the cost of all these images."""
    model.zero_grad()
    LOSS(model(x), y).backward()
    length = np.sqrt(sum(float(np.square(p.grad).sum()) for p in model.parameters()))
    model.zero_grad()
    return float(length)


def run(runs: Runs, width: int, seed: np.random.Generator, data: tuple[Array, ...], args: Any) -> None:
    """One start: 784-width-10, ReLU, cross-entropy, a rate that falls to 0."""
    x, y, x_test, y_test = data
    start, order = seed.spawn(2)
    model = study.network((784, width, 10), start, activation=nn.ReLU, weight=nn.init.kaiming_normal, bias=nn.init.zeros, last=None)
    before = slope(model, x[:1000], y[:1000])
    curve: list[float] = []
    study.train(model, x, y, args, order, epochs=args.epochs, lr=args.lr, batch=50, cosine=True, cost=LOSS,
                title=f"{width} neurons", after=curve.append)
    answers = study.outputs(model, x_test)
    runs.curves.append(curve)
    runs.ends.append(LOSS(answers, y_test).item())
    runs.right.append(float((answers.argmax(axis=1) == y_test).mean()))
    runs.flatness.append(slope(model, x[:1000], y[:1000]) / before)
