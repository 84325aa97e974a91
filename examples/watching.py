"""A training that learns, and three that are broken on purpose
============================================================

Four networks of 784-32-16-10 on MNIST, watched: one learns, one loses its ReLUs to a rate that
grows, one begins where its sigmoids are flat, and one overflows::

    python examples/watching.py

Each leaves a page that shows its graph, weights, gradients and outputs at any step; all.html has
the four beside each other.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np
from learning import common

from tinygrad_edu import nn, watch

SIZES = [784, 32, 16, 10]


class ByHand(nn.Module):
    """−ln of the probability of the right digit, without the precautions of CrossEntropy."""

    def forward(self, z: Any, y: Any) -> Any:
        e = np.exp(z)  # overflows for z > 88 in float32
        p = e / e.sum(axis=1, keepdims=True)
        return -np.log(p[np.arange(len(y)), y]).mean()


def network(rng: np.random.Generator, activation: Any = nn.ReLU, scale: float = 1.0) -> Any:
    """Make a network whose weights are `scale` times as large as they should be."""
    start = {"weight": nn.init.kaiming_normal, "bias": nn.init.zeros}
    model = common.network(SIZES, rng, activation=activation, last=None, **start)
    for p in model.parameters():
        p.data *= scale
    return model


# The four: (model, cost, optimizer, factor by which a step multiplies the rate)


def learning(rng: np.random.Generator) -> tuple[Any, Any, Any, float]:
    model = network(rng)
    return model, nn.CrossEntropy(), nn.optim.SGD(model.parameters(), lr=0.1), 1.0


def dead(rng: np.random.Generator) -> tuple[Any, Any, Any, float]:
    model = network(rng)
    return model, nn.CrossEntropy(), nn.optim.SGD(model.parameters(), 0.02, 0.9), 1.0008


def saturated(rng: np.random.Generator) -> tuple[Any, Any, Any, float]:
    model = network(rng, nn.Sigmoid, scale=12.0)
    return model, nn.CrossEntropy(), nn.optim.SGD(model.parameters(), lr=0.1), 1.0


def exploding(rng: np.random.Generator) -> tuple[Any, Any, Any, float]:
    model = network(rng)
    return model, ByHand(), nn.optim.SGD(model.parameters(), 0.02, 0.9), 1.002


RUNS: list[Callable[..., Any]] = [learning, dead, saturated, exploding]


def train(made: Callable[..., Any], data: Any, steps: int, args: argparse.Namespace) -> Any:
    """Train one of the four, watched, until its steps are over or its loss is no number."""
    x, y, x_test, y_test = data
    start, order = np.random.default_rng(args.seed).spawn(2)
    model, cost, optimizer, factor = made(start)
    factor **= 5_000 / steps
    loader = nn.DataLoader(x, y, batch_size=32, shuffle=True, rng=order)
    step = common.step_of(model, cost, optimizer, args)
    run = watch(
        model,
        lambda: cost(model(x_test[:64]), y_test[:64]),
        optimizer,
        name=made.__name__,
        save=args.out / f"{made.__name__}.html",
        every=0.03,
        share=0.2,  # of the time: these are over in seconds
    )
    while run.steps < steps:
        for batch in loader:
            loss = step(*batch)
            run.log(loss=loss)
            optimizer.param_groups[0]["lr"] *= factor
            if not np.isfinite(loss.item()):
                run.finish()
                return run
        right = common.outputs(model, x_test).argmax(axis=1) == y_test
        run.log(accuracy=right.mean())
    run.finish()
    return run


def main() -> None:
    args = common.parse(common.parser(__doc__))
    x, y, x_test, y_test = common.mnist(quick=args.quick)
    data = x.reshape(-1, 784), y, x_test.reshape(-1, 784), y_test
    steps = 1_500 if args.quick else 5_000
    with np.errstate(all="ignore"):  # NumPy's own warnings: that is what is watched
        runs = [train(made, data, steps, args) for made in RUNS]
    for run in runs:
        print(f"{run.name}, {run.steps:,} steps. {run.report()}\n")
    watch.compare(*runs).save(args.out / "all.html")
    print(f"{args.out}/all.html shows the four beside each other")


if __name__ == "__main__":
    main()
