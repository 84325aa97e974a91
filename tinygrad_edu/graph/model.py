"""The recorded graph as plain data: what a picture, a stepper or an explanation of it reads.

The engine's graph is made of Tensors. `trace` walks it once and writes down what a reader needs: every value with its
name, its role and its gradient, and every edge with its local derivative. No `grad` is touched: a graph reads the same
before backward() and after it.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_edu.engine import Array, Tensor, chain_rule, no_grad

LETTERS = {"operation": "z", "output": "z", "constant": "c"}  # unnamed values are z1, z2 …; leaves x1, x2 …


@dataclass(frozen=True, eq=False)
class Node:
    """One value of the graph. Its id comes from the topological order, so it is the same in every run."""

    id: str
    name: str
    role: str  # input, parameter, constant (a plain array), operation or output
    value: Array
    gradient: Array | None  # ∂output/∂value; None where none is required
    operation: str | None = None  # what computed it; None for a leaf
    constants: tuple[tuple[int, Any], ...] = ()  # (argument number, number or setting): the arguments without an edge
    options: tuple[tuple[str, Any], ...] = ()

    @property
    def shape(self) -> tuple[int, ...]: return tuple(self.value.shape)
    @property
    def dtype(self) -> np.dtype[Any]: return self.value.dtype  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Edge:
    """A value that an operation took as an argument: x * x has two edges."""

    source: str
    target: str
    argument: int
    local: float | None  # ∂target/∂source along this edge; between numbers, where the source requires a gradient

    @property
    def id(self) -> str: return f"{self.source}-{self.target}-{self.argument}"


@dataclass(frozen=True, eq=False)
class Graph:
    """Nodes in topological order, the output last; edges in the order of their targets and of the arguments."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]

    @property
    def output(self) -> Node: return self.nodes[-1]


def trace(output: Tensor) -> Graph:
    """All that output was computed from, as data, each value with its gradient ∂output/∂value.

    An output of more than one number is seeded with ones, as if its sum had been taken. Where nothing requires a
    gradient nothing was recorded: the graph is then the output alone.

    >>> x = Tensor(3.0, requires_grad=True, name="x")
    >>> graph = trace(x * x)
    >>> [(node.name, node.gradient.item()) for node in graph.nodes], [edge.local for edge in graph.edges]
    ([('x', 6.0), ('z1', 1.0)], [3.0, 3.0])
    """
    values, edges = members(output), []
    with np.errstate(all="ignore"), no_grad():  # a picture of an infinite gradient is wanted, not a warning or an error
        gradients = dict(chain_rule(output, np.ones(output.shape, output.dtype))) if output.requires_grad else {}
        ids = {id(x): f"n{number}" for number, x in enumerate(values)}
        for z in values:
            for number, x in arguments(z): edges.append(Edge(ids[id(x)], ids[id(z)], number, local(z, number, x)))
    names, recorded = named(values, output), as_recorded(values)
    nodes = [Node(ids[id(x)], names[id(x)], role(x, output), recorded[id(x)],
                  None if isinstance(x, np.ndarray) or x not in gradients else np.asarray(gradients[x]),
                  *computed_by(x)) for x in values]
    return Graph(tuple(nodes), tuple(edges))


def members(output: Tensor) -> list[Any]:
    """The Tensors that output was computed from, oldest first, each plain array just before its first use."""
    found, pending = {output}, [output]
    while pending:
        new = {x for _, x in pending.pop().inputs} - found
        found |= new
        pending.extend(new)
    ordered = [x for z in sorted(found, key=lambda x: x.order) for x in (*[a for _, a in arguments(z)], z)]
    return list({id(x): x for x in ordered}.values())


def arguments(z: Any) -> list[tuple[int, Any]]:
    """What has an edge to z: Tensors, and plain arrays that are more than a number."""
    if not isinstance(z, Tensor): return []
    plain = [(number, x) for number, x in enumerate(z.values[1:]) if isinstance(x, np.ndarray) and x.ndim]
    return sorted((dict(plain) | dict(z.inputs)).items())


def local(z: Tensor, number: int, x: Any) -> float | None:
    """The partial derivative of z for one argument, both being numbers, with 1 arriving."""
    if z.operation is None or np.ndim(z.values[0]) or np.ndim(z.values[number + 1]): return None
    if not isinstance(x, Tensor) or not x.requires_grad: return None
    return float(z.operation.partial(number)(np.ones((), z.dtype)[()], *z.values, **z.options))


def as_recorded(values: list[Any]) -> dict[int, Array]:
    """Each value as it was when it was first used: its data may have been replaced since."""
    recorded = {id(x): (x.values[0] if x.values else x.data) if isinstance(x, Tensor) else x for x in values}
    for z in reversed(values):
        for number, x in arguments(z): recorded[id(x)] = z.values[number + 1]
    return {key: np.asarray(value) for key, value in recorded.items()}


def role(x: Any, output: Tensor) -> str:
    if not isinstance(x, Tensor): return "constant"
    if x is output: return "output"
    return "operation" if x.operation else "parameter" if x.requires_grad else "input"


def named(values: list[Any], output: Tensor) -> dict[int, str]:
    """The names that were given, and for the rest the first that are free: z1, z2 … for what was computed."""
    names = {id(x): str(x.name) for x in values if getattr(x, "name", None)}
    taken = set(names.values())
    numbers = {letter: itertools.count(1) for letter in "zcx"}
    for x in values:
        if id(x) in names: continue
        letter = LETTERS.get(role(x, output), "x")
        names[id(x)] = next(name for number in numbers[letter] if (name := f"{letter}{number}") not in taken)
    return names


def computed_by(z: Any) -> tuple[Any, ...]:
    """The operation, its arguments without an edge, and its options; None and False are what they are without mention."""
    if not isinstance(z, Tensor) or z.operation is None: return ()
    drawn = dict(arguments(z))
    constants = [(number, x) for number, x in enumerate(z.values[1:]) if number not in drawn]
    options = [(key, x) for key, x in z.options.items() if x is not None and x is not False]
    return z.operation.name, tuple(constants), tuple(options)
