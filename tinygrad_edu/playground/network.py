"""What of a model the page can show: Linear layers with activations, read or refused."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import numpy as np

from tinygrad_edu import nn
from tinygrad_edu.playground.points import GIVEN, MOST_KINDS, NAMES

MOST_HIDDEN, MOST_CLASSES, MOST_SIDE, MOST_PARAMETERS = 3, 12, 32, 60_000
MOST_DRAWN = 32  # neurons of a layer; of a wider one the strongest are drawn
RANGES: dict[
    type[nn.Module], str
] = {  # what an activation can give: it decides how a neuron is inked
    nn.Sigmoid: "unit",
    nn.Tanh: "signed",
    **dict.fromkeys((nn.ReLU, nn.ReLU6, nn.Softplus), "positive"),
    **dict.fromkeys((nn.LeakyReLU, nn.ELU, nn.SELU, nn.SiLU, nn.GELU, nn.Mish), "signed"),
    **dict.fromkeys((nn.Hardswish, nn.Hardtanh, nn.Softsign, nn.LogSigmoid), "signed"),
}
SHOWN = (
    f"a Sequential of Linear layers with {', '.join(kind.__name__ for kind in RANGES)} between "
    f"them: at most {MOST_HIDDEN} hidden layers and {MOST_PARAMETERS:,} parameters, on square "
    f"images up to {MOST_SIDE} × {MOST_SIDE}, with 2 to {MOST_CLASSES} classes, or "
    f"on points (n, 2) with 2 to {MOST_KINDS}"
)


@dataclasses.dataclass(frozen=True)
class Layer:
    """A Linear and the activation behind it; `place` is the Linear's in the Sequential."""

    place: int
    linear: nn.Linear
    activation: nn.Module | None

    def __call__(self, a: Any) -> tuple[Any, Any]:
        """z = x wᵀ + b, and the activation of it."""
        z = self.linear(a)
        return z, z if self.activation is None else self.activation(z)

    @property
    def kind(self) -> str:
        return "" if self.activation is None else type(self.activation).__name__

    @property
    def range(self) -> str:
        return "signed" if self.activation is None else RANGES[type(self.activation)]

    @property
    def sizes(self) -> tuple[int, int]:
        outputs, inputs = self.linear.weight.shape
        return inputs, outputs


class Network:
    """A model as the page runs it: its layers in float64, and the cost that suits the last one.

    If the last layer is an activation, it is C = Σ (a − y)², the video's cost; else cross-entropy.
    On points it is told of seven features, the first two of which are the point.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = in_float64(model)
        self.layers = layers_of(self.model)
        self.on_points = self.layers[0].sizes[0] == GIVEN
        if self.on_points:
            self.take_features()
        self.cost = "squared" if self.layers[-1].activation else "cross-entropy"
        inputs, self.classes = self.layers[0].sizes[0], self.layers[-1].sizes[1]
        self.side = round(inputs**0.5)
        hidden = len(self.layers) - 1
        count = sum(p.size for p in self.model.parameters())
        fits = self.side**2 == inputs and self.side <= MOST_SIDE
        if not (fits or self.on_points):
            raise cannot_show(f"a first layer of {inputs} inputs")
        if not 2 <= self.classes <= (MOST_KINDS if self.on_points else MOST_CLASSES):
            raise cannot_show(f"{self.classes} outputs")
        if hidden > MOST_HIDDEN:
            raise cannot_show(f"{hidden} hidden layers")
        if count > MOST_PARAMETERS:
            raise cannot_show(f"{count:,} parameters")

    def take_features(self) -> None:
        """Weights of 0 for the features beside x₁ and x₂; of one output, the share of class 1.

        The softmax of 0 and z is the sigmoid of z: a row of zeros for class 0 changes no answer.
        """
        first, last = self.layers[0].linear, self.layers[-1]
        first.weight.data = np.pad(first.weight.data, [(0, 0), (0, len(NAMES) - GIVEN)])
        if last.sizes[1] == 1 and last.activation is None:
            last.linear.weight.data = np.pad(last.linear.weight.data, [(1, 0), (0, 0)])
            bias: Any = last.linear.bias
            bias.data = np.pad(bias.data, (1, 0))

    def drawn(self, at: int) -> list[int]:
        """Which neurons of a layer are drawn: of many those with the largest weights onward."""
        outputs = self.layers[at].sizes[1]
        if outputs <= MOST_DRAWN:
            return [*range(outputs)]
        onward = np.linalg.norm(np.asarray(self.layers[at + 1].linear.weight.data), axis=0)
        return sorted(np.argsort(-onward, kind="stable")[:MOST_DRAWN].tolist())


def layers_of(model: nn.Sequential) -> list[Layer]:
    """The Linear layers with their activations; what is anything else is refused by name."""
    layers: list[Layer] = []
    modules = [*enumerate(model)]
    for place, module in modules:
        follows = modules[place + 1][1] if place + 1 < len(modules) else None
        if place == 0 and isinstance(module, nn.Flatten):
            continue
        if isinstance(module, nn.Linear):
            if module.bias is None:
                raise cannot_show(f"a Linear without bias at position {place}")
            activation = None if isinstance(follows, nn.Linear) else follows
            layers.append(Layer(place, module, activation))
        elif not layers or layers[-1].activation is not module or type(module) not in RANGES:
            raise cannot_show(f"{type(module).__name__} at position {place}", TypeError)
    if not layers:
        raise cannot_show("no Linear")
    return layers


def in_float64(model: nn.Module) -> nn.Sequential:
    """A copy, whose numbers are of the one type that JavaScript computes with."""
    if not isinstance(model, nn.Sequential):
        raise cannot_show(type(model).__name__, TypeError)
    copied = copy.deepcopy(model)
    for p in copied.parameters():
        p.data, p.grad = np.asarray(p.data, np.float64), None
    return copied


def cannot_show(found: str, kind: type[Exception] = ValueError) -> Exception:
    return kind(f"the playground shows {SHOWN}; found {found}")
