"""PyTorch, eager, as its tutorials write it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from .workloads import Array, Work, affine, mix

NAME = "PyTorch, eager"
Step = Callable[..., Any]
nn = torch.nn


def array(x: Array) -> torch.Tensor:
    return torch.from_numpy(x.copy())


def numpy(x: torch.Tensor) -> Array:
    return x.detach().numpy()


def started(model: nn.Sequential, weights: Sequence[Array]) -> nn.Sequential:
    model.load_state_dict(dict(zip(model.state_dict(), map(array, weights), strict=True)))
    return model


def stack(weights: Sequence[Array], activation: type[nn.Module]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for W in weights[::2]:
        layers += [nn.Linear(W.shape[1], W.shape[0]), activation()]
    return layers


def trained(work: Work, model: nn.Sequential, cost: Callable[[Any, Any], Any]) -> Step:
    started(model, work.weights)
    optimizer = getattr(torch.optim, work.optimizer)(model.parameters(), lr=work.lr)

    def step(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        loss = cost(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step


def squared_error(a: Any, y: Any) -> Any:
    return SUM(a, y) / len(y)


SUM = nn.MSELoss(reduction="sum")


def mlp(work: Work) -> Step:
    return trained(work, nn.Sequential(*stack(work.weights, nn.Sigmoid)), squared_error)


def classifier(work: Work) -> Step:
    return trained(work, nn.Sequential(*stack(work.weights, nn.ReLU)[:-1]), nn.CrossEntropyLoss())


def cnn(work: Work) -> Step:
    convolution = [nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
    model = nn.Sequential(*convolution, nn.Linear(8 * 13 * 13, 10))
    return trained(work, model, nn.CrossEntropyLoss())


def written_out(work: Work) -> Step:
    W1, b1, W2, b2, W3, b3 = parameters = [array(p).requires_grad_() for p in work.weights]

    def step(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        a1 = (x @ W1.T + b1).sigmoid()
        a2 = (a1 @ W2.T + b2).sigmoid()
        a3 = (a2 @ W3.T + b3).sigmoid()
        loss = ((a3 - y) ** 2).sum() / len(x)
        for p in parameters:
            p.grad = None
        loss.backward()
        with torch.no_grad():
            for p in parameters:
                p -= work.lr * p.grad
        return loss

    return step


def hvp(work: Work) -> Step:
    model = started(nn.Sequential(*stack(work.weights, nn.Sigmoid)), work.weights)
    parameters, direction = list(model.parameters()), [array(v) for v in work.direction]

    def step(x: torch.Tensor, y: torch.Tensor) -> Any:
        gradients = torch.autograd.grad(squared_error(model(x), y), parameters, create_graph=True)
        return torch.autograd.grad(gradients, parameters, direction)  # Σ g·v, its gradient

    return step


def chain(f: Callable[[Any], Any]) -> Step:
    def step(x: torch.Tensor) -> tuple[Any, Any]:
        x = x.detach().requires_grad_()
        z = f(x).sum()
        z.backward()
        return z, x.grad

    return step


def affine_chain(work: Work) -> Step:
    return chain(affine)


def mix_chain(work: Work) -> Step:
    return chain(lambda x: mix(x, torch.sin, torch.tanh))
