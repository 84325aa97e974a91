"""A replayed step is the step as written: the same numbers, states and errors; what it could not follow it refuses."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from tinygrad_edu import Tensor, hvp, live, nn, no_grad, replay, value_and_grad, whole
from tinygrad_edu.errors import NotReplayable

Array = np.ndarray[Any, Any]
optim = nn.optim
F8: Any = {"dtype": np.float64}


def rng(seed: int = 0) -> np.random.Generator: return np.random.default_rng(seed)
def numbers(*shape: int, seed: int = 0) -> Array: return rng(seed).normal(size=shape)


def same(a: Any, b: Any) -> None:
    """Equal to rounding, and of the same types, shapes and dtypes."""
    assert type(a) is type(b)
    if isinstance(a, tuple | list):
        for x, y in zip(a, b, strict=True): same(x, y)
    elif isinstance(a, Tensor): same(a.data, b.data)
    elif a is not None:
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


class World:
    """A model with all that belongs to it, built twice from the same seeds: one is trained as written, one is replayed."""

    def __init__(self, make: Callable[[], nn.Module], loss: Any = None, optimizer: Any = None) -> None:
        self.model = model = make()
        self.optimizer = (optimizer or (lambda p: optim.SGD(p, lr=0.1)))(model.parameters()) if [*model.parameters()] else None
        optimizer, loss = self.optimizer, loss or (lambda z, y: (z * z).mean())

        def step(x: Any, y: Any = 0.0) -> Any:
            z = model(x)
            cost = loss(z[0] if isinstance(z, tuple) else z, y)
            if optimizer is None: return cost
            optimizer.zero_grad()
            cost.backward()
            optimizer.step()
            return cost
        self.step = step

    def state(self) -> list[Any]:
        return [x for _, t in self.model.named_state() for x in (t.data, t.grad)]


def worlds(*args: Any, **options: Any) -> tuple[World, World]:
    a, b = World(*args, **options), World(*args, **options)
    b.step = replay(b.step)
    return a, b


def together(a: World, b: World, batches: Any, steps: int = 6) -> None:
    for i in range(steps):
        batch = batches(i)
        same(a.step(*batch), b.step(*batch))
        for x, y in zip(a.state(), b.state(), strict=True): same(x, y)
    assert b.step.programs  # type: ignore[attr-defined]


LAYERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "Linear": (lambda: nn.Linear(4, 3, rng=rng(), **F8), (5, 4)),
    "Linear without bias": (lambda: nn.Linear(4, 3, bias=False, rng=rng(), **F8), (5, 4)),
    "Linear on sequences": (lambda: nn.Linear(4, 3, rng=rng(), **F8), (2, 5, 4)),
    "Conv2d": (lambda: nn.Conv2d(2, 4, 3, padding=1, stride=2, groups=2, rng=rng(), **F8), (2, 2, 6, 6)),
    "MaxPool2d": (lambda: nn.Sequential(nn.Conv2d(1, 2, 3, rng=rng(), **F8), nn.MaxPool2d(2)), (2, 1, 6, 6)),
    "AvgPool2d": (lambda: nn.Sequential(nn.Conv2d(1, 2, 3, rng=rng(), **F8), nn.AvgPool2d(3, 1), nn.Flatten()), (2, 1, 6, 6)),
    "BatchNorm1d": (lambda: nn.Sequential(nn.Linear(4, 3, rng=rng(), **F8), nn.BatchNorm1d(3, **F8)), (5, 4)),
    "BatchNorm1d, average": (lambda: nn.Sequential(nn.Linear(4, 3, rng=rng(), **F8), nn.BatchNorm1d(3, momentum=None, **F8)), (5, 4)),
    "BatchNorm2d": (lambda: nn.Sequential(nn.Conv2d(1, 2, 3, rng=rng(), **F8), nn.BatchNorm2d(2, **F8)), (2, 1, 6, 6)),
    "LayerNorm": (lambda: nn.Sequential(nn.Linear(4, 3, rng=rng(), **F8), nn.LayerNorm(3, **F8)), (5, 4)),
    "RMSNorm": (lambda: nn.Sequential(nn.Linear(4, 3, rng=rng(), **F8), nn.RMSNorm(3, **F8)), (5, 4)),
    "Dropout": (lambda: nn.Sequential(nn.Linear(4, 30, rng=rng(), **F8), nn.Dropout(0.5, rng=rng(3))), (5, 4)),
    "RNN": (lambda: nn.RNN(3, 4, rng=rng(), **F8), (2, 5, 3)),
    "LSTM": (lambda: nn.LSTM(3, 4, rng=rng(), **F8), (2, 5, 3)),
    "GRU": (lambda: nn.GRU(3, 4, rng=rng(), **F8), (2, 5, 3)),
    "MultiHeadAttention": (lambda: nn.MultiHeadAttention(8, 2, rng=rng(), **F8), (2, 3, 8)),
    "Residual": (lambda: nn.Residual(nn.Linear(4, 4, rng=rng(), **F8), nn.ReLU()), (5, 4)),
}
ACTIVATIONS = [nn.ReLU, nn.Sigmoid, nn.Tanh, nn.GELU, nn.SiLU, nn.LeakyReLU, nn.ELU, nn.Softplus, nn.Softmax, nn.LogSoftmax]


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_learns_alike(name: str) -> None:
    make, shape = LAYERS[name]
    together(*worlds(make), lambda i: (numbers(*shape, seed=i),))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_learns_alike(activation: Any) -> None:
    together(*worlds(lambda: nn.Sequential(nn.Linear(4, 3, rng=rng(), **F8), activation())), lambda i: (numbers(5, 4, seed=i),))


LOSSES: dict[str, tuple[Any, Callable[[int], Any]]] = {
    **{loss.__name__: (loss, lambda i: numbers(5, 3, seed=i + 50)) for loss in (nn.MSE, nn.L1, nn.Huber)},
    "MSE, sum": (lambda: nn.MSE("sum"), lambda i: numbers(5, 3, seed=i + 50)),
    "BCEWithLogits": (nn.BCEWithLogits, lambda i: rng(i).integers(0, 2, (5, 3))),
    "KLDiv": (nn.KLDiv, lambda i: np.full((5, 3), 1 / 3)),
    "CrossEntropy": (nn.CrossEntropy, lambda i: rng(i).integers(0, 3, 5)),
    "CrossEntropy of probabilities": (lambda: nn.CrossEntropy(label_smoothing=0.1), lambda i: np.full((5, 3), 1 / 3)),
    "NLL": (nn.NLL, lambda i: rng(i).integers(0, 3, 5))}


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_learns_alike(name: str) -> None:
    loss, target = LOSSES[name]
    together(*worlds(lambda: nn.Linear(4, 3, rng=rng(), **F8), loss()), lambda i: (numbers(5, 4, seed=i), target(i)))


OPTIMIZERS: dict[str, Any] = {
    "SGD": lambda p: optim.SGD(p, 0.1), "momentum": lambda p: optim.SGD(p, 0.1, momentum=0.9),
    "nesterov": lambda p: optim.SGD(p, 0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "Adam": optim.Adam, "AdamW": lambda p: optim.AdamW(p, 0.1, weight_decay=0.1), "RMSprop": optim.RMSprop,
    "RMSprop, centered": lambda p: optim.RMSprop(p, momentum=0.5, centered=True), "Adagrad": optim.Adagrad}


def perceptron() -> nn.Module: return nn.Sequential(nn.Linear(4, 8, rng=rng(1), **F8), nn.Tanh(), nn.Linear(8, 3, rng=rng(2), **F8))
def batch(i: int) -> Any: return (numbers(5, 4, seed=i),)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_takes_the_same_steps(name: str) -> None:
    together(*worlds(perceptron, optimizer=OPTIMIZERS[name]), batch, steps=8)
