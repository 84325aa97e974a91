"""What is timed: the rows of the table.

All contenders get the same data, the same start weights and the same rates. Weights lie as
`nn.Linear` has them, `(out, in)`; a contender may turn them. Everything is float32, chains are
float64.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_edu import nn

Array = np.ndarray[Any, Any]
DIGITS = Path(__file__).parents[2] / "examples" / "data" / "mnist"
LAYERS = (784, 16, 16, 10)
SLOPE, SHIFT, LITTLE = 1.0001, 0.0001, 0.001  # the constants of the chains
CHAIN = 1000  # operations


@dataclass(frozen=True)
class Work:
    """One row: a contender's function named `kind` makes a step of it.

    The step is called with one batch after the other.
    """

    kind: str
    batches: Sequence[tuple[Array, ...]]
    weights: Sequence[Array] = ()  # W, b of the first layer, W, b of the next …
    lr: float = 0.1
    optimizer: str = "SGD"
    direction: Sequence[Array] = ()  # v of the Hessian-vector product, shaped as the weights
    per: int = 1  # a step's time is divided by this
    afresh: bool = False  # each round begins with the start weights, and sees every batch once
    operations: int = 0  # that a step of the first network records
    flops: int = 0  # of its matrix products

    @property
    def tolerance(self) -> float:
        """How far results may differ, relative to the greatest."""
        return 1e-4 if self.batches[0][0].dtype == np.float32 else 1e-9


def start(*shapes: tuple[int, ...], seed: int = 0) -> list[Array]:
    """W and b for each shape of W, `(out, in, …)`: uniform between ±1/√in, as in `nn`."""
    rng = np.random.default_rng(seed)
    return [
        rng.uniform(-bound, bound, size).astype(np.float32)
        for shape in shapes
        for bound in [1 / math.sqrt(math.prod(shape[1:]))]
        for size in (shape, shape[:1])
    ]


def dense(sizes: Sequence[int]) -> list[tuple[int, ...]]:
    """The shapes of the weights between layers of these sizes."""
    return [(after, before) for before, after in itertools.pairwise(sizes)]


class Digits:
    """MNIST's training images, in batches."""

    def __init__(self) -> None:
        (self.images, self.labels), _ = nn.data.read_mnist(DIGITS)

    def batches(self, size: int, count: int = 8) -> list[tuple[Array, Array]]:
        """Images `(size, 784)` from 0 to 1, and their labels."""
        count = min(count, len(self.images) // size)
        x = self.images[: size * count].reshape(count, size, 784).astype(np.float32) / 255
        y = self.labels[: size * count].reshape(count, size).astype(np.int64)
        return list(zip(x, y, strict=True))

    def one_hot(self, size: int) -> list[tuple[Array, Array]]:
        """The same with 1 for the digit, and 0 elsewhere."""
        return [(x, np.eye(10, dtype=np.float32)[y]) for x, y in self.batches(size)]


def mlp(digits: Digits, size: int, layers: Sequence[int] = LAYERS, kind: str = "mlp") -> Work:
    """Sigmoid everywhere, C = Σ (a − y)² / batch, gradient descent."""
    shapes = dense(layers)
    products = list(map(math.prod, shapes))
    # forward, the weights' gradient, and the inputs' gradient but for the first
    flops = 2 * size * (3 * sum(products) - products[0])
    counts = {"operations": 2 * len(shapes) + 3, "flops": flops}
    return Work(kind, digits.one_hot(size), start(*shapes), **counts)


def classifier(digits: Digits, optimizer: str, lr: float, count: int = 8) -> Work:
    """784-128-64-10, ReLU, cross-entropy."""
    batches, weights = digits.batches(32, count), start(*dense((784, 128, 64, 10)))
    return Work("classifier", batches, weights, lr, optimizer, afresh=optimizer == "Adam")


def cnn(digits: Digits) -> Work:
    """Eight filters 3×3, ReLU, the greatest of each 2×2, ten outputs, cross-entropy."""
    batches = [(x.reshape(-1, 1, 28, 28), y) for x, y in digits.batches(32)]
    return Work("cnn", batches, start((8, 1, 3, 3), (10, 8 * 13 * 13)))


def hvp(digits: Digits) -> Work:
    """The Hessian of the first network's cost times a vector."""
    return replace(mlp(digits, 32, kind="hvp"), direction=start(*dense(LAYERS), seed=1))


def chain(kind: str, x: Any) -> Work:
    return Work(kind, [(np.asarray(x, np.float64),)], per=CHAIN)


def affine(x: Any) -> Any:
    """× and + in turn."""
    for _ in range(CHAIN // 2):
        x = x * SLOPE + SHIFT
    return x


def mix(x: Any, sin: Callable[[Any], Any], tanh: Callable[[Any], Any]) -> Any:
    """sin, tanh, × and +, which x reaches on two ways."""
    for _ in range(CHAIN // 4):
        x = x + tanh(sin(x)) * LITTLE
    return x


def rows(digits: Digits, quick: bool = False) -> dict[str, Callable[[], Work]]:
    """The table's rows by title; each is made when it is its turn, as an epoch is 190 MB."""
    many, epoch = np.linspace(0.5, 1.5, 100), 20 if quick else 1875
    adam = partial(classifier, digits, "Adam", 0.001, epoch)
    sizes = (1, 10, 32, 100, 1000)
    return {f"784-16-16-10, batch {size}": partial(mlp, digits, size) for size in sizes} | {
        "the same written out, batch 32": partial(mlp, digits, 32, kind="written_out"),
        "784-128-64-10 cross-entropy, SGD": partial(classifier, digits, "SGD", 0.01),
        "784-128-64-10 cross-entropy, Adam, an epoch": adam,
        "CNN, batch 32": partial(cnn, digits),
        "Hessian-vector product, batch 32": partial(hvp, digits),
        "chain of × and +, one number, per operation": partial(chain, "affine_chain", 0.5),
        "chain of × and +, 100 numbers, per operation": partial(chain, "affine_chain", many),
        "chain of sin, tanh, ×, +, one number, per operation": partial(chain, "mix_chain", 0.5),
        "chain of sin, tanh, ×, +, 100 numbers, per operation": partial(chain, "mix_chain", many),
    }


def sweeps(digits: Digits, quick: bool = False) -> dict[str, dict[int, Callable[[], Work]]]:
    """The figure's curves: the first network with more and more of one thing."""
    points = slice(None, None, 4) if quick else slice(None)
    batches = (1, 3, 10, 32, 100, 316, 1000)[points]
    widths = (8, 16, 32, 64, 128, 256, 512)[points]
    depths = (1, 2, 4, 8, 16, 32)[points]
    return {
        "batch": {n: partial(mlp, digits, n) for n in batches},
        "width": {n: partial(mlp, digits, 32, (784, n, n, 10)) for n in widths},
        "depth": {n: partial(mlp, digits, 32, (784, *[16] * n, 10)) for n in depths},
    }
