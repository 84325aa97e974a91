"""This engine, every step recorded anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_edu import Tensor, nn, value_and_grad

from .workloads import Array, Work, affine, mix

NAME = "ours, eager"
Step = Callable[..., Any]


def array(x: Array) -> Array:
    return x


def numpy(x: Tensor | Array) -> Array:
    return x.numpy() if isinstance(x, Tensor) else x


def started(model: nn.Sequential, weights: Sequence[Array]) -> nn.Sequential:
    """The model with the start weights that all contenders have."""
    model.load_state_dict(dict(zip(model.state_dict(), weights, strict=True)))
    return model


def stack(weights: Sequence[Array], activation: type[nn.Module]) -> list[nn.Module]:
    """Linear layers of the weights' shapes, the activation behind each."""
    layers: list[nn.Module] = []
    for W in weights[::2]:
        layers += [nn.Linear(W.shape[1], W.shape[0]), activation()]
    return layers


def trained(work: Work, model: nn.Sequential, cost: Callable[[Any, Array], Any]) -> Step:
    """The training step, as in the README."""
    started(model, work.weights)
    optimizer = getattr(nn.optim, work.optimizer)(model.parameters(), lr=work.lr)

    def step(x: Array, y: Array) -> Tensor:
        loss = cost(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step


def squared_error(a: Any, y: Array) -> Any:
    """C = Σ (a − y)² / batch"""
    return SUM(a, y) / len(y)


SUM = nn.MSE(reduction="sum")


def mlp(work: Work) -> Step:
    return trained(work, nn.Sequential(*stack(work.weights, nn.Sigmoid)), squared_error)


def classifier(work: Work) -> Step:
    return trained(work, nn.Sequential(*stack(work.weights, nn.ReLU)[:-1]), nn.CrossEntropy())


def cnn(work: Work) -> Step:
    convolution = [nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
    model = nn.Sequential(*convolution, nn.Linear(8 * 13 * 13, 10))
    return trained(work, model, nn.CrossEntropy())


def written_out(work: Work) -> Step:
    """Without nn: operators of Tensors, and the update by hand."""
    parameters = [Tensor(p.copy(), requires_grad=True) for p in work.weights]
    (W1, b1, W2, b2, W3, b3), lr = parameters, work.lr

    def step(x: Array, y: Array) -> Tensor:
        a1 = (x @ W1.T + b1).sigmoid()
        a2 = (a1 @ W2.T + b2).sigmoid()
        a3 = (a2 @ W3.T + b3).sigmoid()
        loss = ((a3 - y) ** 2).sum() / len(x)
        for p in parameters:
            p.zero_grad()
        loss.backward()
        for p in parameters:
            p.data -= lr * p.grad
        return loss

    return step


def hvp(work: Work) -> Step:
    """The gradient of Σ g·v, g being the gradient of the cost: ∂(g·v)/∂w = H v."""
    model = started(nn.Sequential(*stack(work.weights, nn.Sigmoid)), work.weights)
    parameters = list(model.parameters())

    def step(x: Array, y: Array) -> tuple[Tensor, ...]:
        gradients = squared_error(model(x), y).gradient(*parameters, create_graph=True)
        slope = sum((g * v).sum() for g, v in zip(gradients, work.direction, strict=True))
        return slope.gradient(*parameters)

    return step


def affine_chain(work: Work) -> Step:
    return value_and_grad(lambda x: affine(x).sum())


def mix_chain(work: Work) -> Step:
    return value_and_grad(lambda x: mix(x, np.sin, np.tanh).sum())
