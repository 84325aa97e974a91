"""The steps that the page runs, recorded once and written as JavaScript.

Nothing of the network's mathematics is written by hand in the page: what a neuron answers, what the
cost wants and how a weight moves, these functions say, and the engine differentiates.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu import Tensor, nn, replay, special
from tinygrad_edu.playground.network import Network
from tinygrad_edu.playground.points import FIELD, GIVEN, NAMES, features
from tinygrad_edu.programs.program import Program
from tinygrad_edu.programs.refusals import NotReplayable

RATE = "n0"  # the learning rate in a program: the one number that is read anew at every call


def squares(a: Any, y: Any) -> Any:
    """(a − y)² of each output: the cost is their sum."""
    return (a - y) ** 2


def surprises(a: Any, y: Any) -> Any:
    """−ln of the softmax probability of the right class; 0 for the others."""
    return -y * special.log_softmax(a)


COSTS = {"squared": squares, "cross-entropy": surprises}


class Steps:
    """The programs of a network, each for a number of images."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.parts = COSTS[network.cost]
        self.model = network.model
        self.parameters = [*self.model.parameters()]
        self.optimizer = nn.optim.SGD(self.parameters, lr=0.0)  # nothing moves while recording

    def forward(self, x: Any) -> tuple[list[Any], list[Any]]:
        """The weighted sums z and the activations a of each layer."""
        sums, activations, a = [], [], x
        for layer in self.network.layers:
            z, a = layer(a)
            sums.append(z)
            activations.append(a)
        return sums, activations

    def answers(self, a: Any) -> Any:
        """What the outputs say, from 0 to 1: themselves, or the softmax of plain numbers."""
        return a if self.network.cost == "squared" else special.softmax(a)

    def look(self) -> Program:
        """One image, forward and backward, and a step: of length 0 it only looks."""

        def look(x: Any, y: Any) -> dict[str, Any]:
            z, a = self.forward(x)
            answers, parts = self.answers(a[-1]), self.parts(a[-1], y)
            cost = parts.sum() / len(x)
            gradients = cost.gradient(*self.parameters, *a, *z)
            n, layers = len(self.parameters), len(a)
            for p, g in zip(self.parameters, gradients[:n], strict=True):
                p.grad = g.data
            self.optimizer.step()
            da, dz = gradients[n : n + layers], gradients[n + layers :]
            return {
                "cost": cost,
                "parts": parts,
                "answers": answers,
                "z": z,
                "a": a,
                "da": [*da],
                "dz": [*dz],
            }

        return self.recorded(look, "look", *self.examples(1))

    def train(self, images: int) -> Program:
        """A step of gradient descent on a batch; gives its cost, averaged over the images.

        λ/2 Σ w² is added before the gradient is taken: on points, whose readers choose λ.
        """

        def step(x: Any, y: Any, penalty: Any = None) -> Any:
            self.optimizer.zero_grad()
            cost = self.parts(self.forward(x)[1][-1], y).sum() / len(x)
            if penalty is None:
                cost.backward()
            else:
                squares_of_weights = [(p * p).sum() for p in self.parameters[::2]]
                (cost + penalty.sum() * sum(squares_of_weights) * 0.5).backward()
            self.optimizer.step()
            return cost

        penalty = [np.zeros(1)] * self.network.on_points
        return self.recorded(step, f"train_{images}", *self.examples(images), *penalty)

    def told(self, points: int) -> Program:
        """What the network is told of points that are moved by so much noise: their features."""

        def told(points: Any, noise: Any, size: Any, chosen: Any) -> dict[str, Any]:
            moved = points + noise * size
            return {"points": moved, "features": features(moved, chosen)}

        inputs = np.zeros((points, GIVEN)), np.zeros((points, GIVEN))
        return self.recorded(told, f"told_{points}", *inputs, np.zeros(1), np.ones(len(NAMES)))

    def field(self) -> Program:
        """What all neurons answer to a square of points."""
        program = self.read(FIELD**2)
        program.name = "field"
        return program

    def read(self, images: int) -> Program:
        """The activations of each layer, and the answers, for many images at once."""

        def read(x: Any) -> dict[str, Any]:
            activations = self.forward(x)[1]
            return {"a": activations, "answers": self.answers(activations[-1])}

        return self.recorded(read, "read", self.examples(images)[0])

    def bend(self, activation: nn.Module, name: str, points: int) -> Program:
        """An activation and its slope, at many points."""

        def bend(z: Any) -> dict[str, Any]:
            place = Tensor(z, requires_grad=True)
            a = activation(place)
            return {"a": a, "slope": a.sum().gradient(place)}

        return self.recorded(bend, name, np.linspace(-1, 1, points))

    def examples(self, images: int) -> tuple[Any, Any]:
        """Inputs and targets to record with: no program depends on their numbers."""
        rng, classes = np.random.default_rng(0), self.network.classes
        x = rng.random((images, self.network.layers[0].sizes[0]))
        return x, np.eye(classes)[np.arange(images) % classes]

    @staticmethod
    def recorded(step: Callable[..., Any], name: str, *inputs: Any) -> Program:
        recorder = replay(step)
        for _ in range(3):
            recorder(*inputs)
        program: Program | None = recorder.program
        if program is None:
            raise NotReplayable(f"{name} could not be recorded")
        program.name = name
        return program

    def mean_cost(self, x: Any, y: Any) -> float:
        return float(self.parts(self.forward(x)[1][-1], y).sum() / len(x))
