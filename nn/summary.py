"""summary: a model as a table of its layers, from one run of the model."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_edu import Tensor

from .module import Module, count_of_parameters, depth, held, module_title, plain_array

__all__ = ["summary"]


class SummaryText(str):
    """Text that shows itself as it is, at the prompt and in a notebook."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class WatchedForward:
    """A Module's forward that remembers its output's shape, and what its calls recorded."""

    def __init__(self, module: Module) -> None:
        self.forward, self.shape = module.forward, ""
        self.recorded: list[Tensor] = []

    def __call__(self, *args: Any, **options: Any) -> Any:
        before, result = Tensor(0.0), self.forward(*args, **options)
        outputs = [x for _, x in held(result, "") if isinstance(x, Tensor)]
        self.shape = ", ".join(str(x.shape) for x in outputs)
        self.recorded += younger(outputs, before)
        return result


def summary(model: Module, *inputs: Any, dtype: DTypeLike = np.float32) -> str:
    """Write a table of layers: output shape, parameters, recorded operations, multiply-adds.

    A copy runs once on the inputs: examples, or their shapes with the batch, for zeros of `dtype`.

    >>> from tinygrad_edu import nn
    >>> summary(nn.Sequential(nn.Linear(784, 16), nn.Tanh()), (32, 784))
    layer        output    parameters  operations  multiply-adds
    Sequential   (32, 16)      12,560           2        401,408
      0: Linear  (32, 16)      12,560           1        401,408
      1: Tanh    (32, 16)                       1
    """
    modules = dict(copy.deepcopy(model).named_modules())
    watched = {path: WatchedForward(module) for path, module in modules.items()}
    for path, module in modules.items():
        vars(module)["forward"] = watched[path]  # found before the class's own
    with np.errstate(all="ignore"):
        modules[""](*[as_example(x, dtype) for x in inputs])  # may divide by zeros
    recorded = {path: recorded_within(path, watched) for path in modules}
    rows = [
        (
            "  " * depth(path, modules) + module_title(path, module),
            watched[path].shape,
            count_of_parameters(module),
            with_commas(len(recorded[path])),
            with_commas(sum(map(multiply_adds, recorded[path]))),
        )
        for path, module in modules.items()
    ]
    return SummaryText(
        "\n".join(
            text_columns([("layer", "output", "parameters", "operations", "multiply-adds"), *rows])
        )
    )


def recorded_within(path: str, watched: dict[str, WatchedForward]) -> set[Tensor]:
    """What a Module recorded, and the Modules in it, also if its output needs it not."""
    start = f"{path}." if path else ""
    inside = [x.recorded for name, x in watched.items() if name == path or name.startswith(start)]
    return set[Tensor]().union(*inside)


def as_example(x: Any, dtype: DTypeLike) -> Any:
    """A shape as zeros, anything else as an array; floats as a Tensor, so that all is recorded."""
    is_shape = isinstance(x, tuple) and all(isinstance(n, int | np.integer) for n in x)
    array = np.zeros(x, dtype) if is_shape else plain_array(x)
    floats = isinstance(array, np.ndarray) and array.dtype.kind == "f"
    return Tensor(array, requires_grad=True) if floats else array


def younger(outputs: list[Tensor], start: Tensor) -> set[Tensor]:
    """The Tensors that the outputs were computed from, and that were recorded since start."""
    found: set[Tensor] = set()
    pending = list(outputs)
    while pending:
        z = pending.pop()
        if z.operation is None or z.order < start.order or z in found:
            continue
        found.add(z)
        pending += [x for _, x in z.inputs]
    return found


def multiply_adds(z: Tensor) -> int:
    """How many multiply-adds an operation says it has: matrix products and convolutions say so."""
    count = z.operation.facts.get("multiply_adds") if z.operation else None
    return count(*z.values) if count else 0


def with_commas(n: int) -> str:
    return f"{n:,}" if n else ""


def text_columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Lines of columns: the first two to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            f"{cell:{'<' if i < 2 else '>'}{widths[i]}}" for i, cell in enumerate(row)
        ).rstrip()
        for row in rows
    ]
