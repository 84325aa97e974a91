"""The recorded graph as plain data: what a picture, a stepper or an explanation of it reads.

The engine's graph is made of Tensors. `trace` walks it once and writes down what a reader needs:
every value with its name, its role and its gradient, and every edge with its local derivative. No
`grad` is touched: a graph reads the same before backward() and after it."""

from __future__ import annotations

import functools
import inspect
import itertools
import linecache
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_edu.core.arraylike import REGISTRY
from tinygrad_edu.core.engine import Array, Tensor, chain_rule, fitted
from tinygrad_edu.core.sparse import dense
from tinygrad_edu.core.switches import no_grad
from tinygrad_edu.graph.modules import Call, Module, calls, flat, home, paths, tree


@dataclass(frozen=True, eq=False)
class Node:
    """One value of the graph. Its id comes from the topological order, so it is the same in every
    run."""

    id: str
    name: str
    # input, parameter, constant (a plain array), operation, module (folded to one node, see
    # fold.py) or output
    role: str
    value: Array
    gradient: Array | None  # ∂output/∂value; None where none is required
    module: str | None  # the id of the innermost Module call that it is part of
    operation: str | None = None  # what computed it; None for a leaf
    constants: tuple[
        tuple[int, Any], ...
    ] = ()  # (argument number, number or setting): the arguments without an edge
    options: tuple[tuple[str, Any], ...] = ()
    members: tuple[
        str, ...
    ] = ()  # of a folded Module, whose kind is the operation: the ids of the values computed in it
    parameters: int = 0  # of a folded Module: how many numbers they hold
    series: tuple[
        float, ...
    ] = ()  # of a repeated block: the greatest |gradient| in each, the first block first

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.value.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.value.dtype  # type: ignore[no-any-return]


@dataclass(frozen=True, eq=False)
class Edge:
    """A value that an operation took as an argument: x * x has two edges."""

    source: str
    target: str
    argument: int
    local: (
        float | None
    )  # ∂target/∂source along this edge; between numbers, where the source requires a gradient
    contribution: Array | None = (
        None  # what the source's gradient receives along this edge: they add up to it
    )
    before: tuple[int, ...] | None = (
        None  # the contribution's shape before broadcast axes were summed, if they were
    )
    partial: str | None = None  # the lines of source that computed it
    place: str | None = None  # where they stand: derivatives.py:57

    @property
    def id(self) -> str:
        return f"{self.source}-{self.target}-{self.argument}"


@dataclass(frozen=True, eq=False)
class Graph:
    """Nodes in topological order, the output last; edges in the order of their targets and of the
    arguments."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    modules: tuple[Module, ...] = ()  # inner ones before those that contain them

    @property
    def output(self) -> Node:
        return self.nodes[-1]


def trace(output: Tensor, variables: Mapping[str, Any] | None = None) -> Graph:
    """All that output was computed from, as data, each value with its gradient ∂output/∂value.

    An output of more than one number is seeded with ones, as if its sum had been taken. Where
    nothing requires a gradient nothing was recorded: the graph is then the output alone.
    `variables`, such as `locals()`, name what has no name.

    >>> x = Tensor(3.0, requires_grad=True, name="x")
    >>> graph = trace(x * x)
    >>> [(node.name, node.gradient.item()) for node in graph.nodes], [edge.local for edge in graph.edges]
    ([('x', 6.0), ('z1', 1.0)], [3.0, 3.0])
    """
    values, edges = members(output), []
    with (
        np.errstate(all="ignore"),
        no_grad(),
    ):  # a picture of an infinite gradient is wanted, not a warning or an error
        gradients = (
            dict(chain_rule(output, np.ones(output.shape, output.dtype)))
            if output.requires_grad
            else {}
        )
        ids = {id(x): f"n{number}" for number, x in enumerate(values)}
        for z in values:
            for number, x in arguments(z):
                passed = passes(z, number, x, gradients)
                edges.append(Edge(ids[id(x)], ids[id(z)], number, local(z, number, x), *passed))
    found, held = calls(values, arguments), unambiguous(variables or {})
    located, given = paths(found, held), {id(x) for call in found for x in flat(call.arguments)}
    names, recorded, homes = (
        named(values, located, held, given),
        as_recorded(values),
        places(values, found),
    )
    nodes = [
        Node(
            ids[id(x)],
            names[id(x)],
            role(x, output, given),
            recorded[id(x)],
            None if isinstance(x, np.ndarray) or x not in gradients else np.asarray(gradients[x]),
            homes[id(x)],
            *computed_by(x),
        )
        for x in values
    ]
    return Graph(tuple(nodes), tuple(edges), tuple(tree(found, located)))


def members(output: Tensor) -> list[Any]:
    """The Tensors that output was computed from, oldest first, each plain array just before its
    first use."""
    found, pending = {output}, [output]
    while pending:
        new = {x for _, x in pending.pop().inputs} - found
        found |= new
        pending.extend(new)
    ordered = [
        x for z in sorted(found, key=lambda x: x.order) for x in (*[a for _, a in arguments(z)], z)
    ]
    return list({id(x): x for x in ordered}.values())


def arguments(z: Any) -> list[tuple[int, Any]]:
    """What has an edge to z: Tensors, and plain arrays that are more than a number."""
    if not isinstance(z, Tensor):
        return []
    plain = [
        (number, x) for number, x in enumerate(z.values[1:]) if isinstance(x, np.ndarray) and x.ndim
    ]
    return sorted((dict(plain) | dict(z.inputs)).items())


def local(z: Tensor, number: int, x: Any) -> float | None:
    """The partial derivative of z for one argument, both being numbers, with 1 arriving."""
    if z.operation is None or np.ndim(z.values[0]) or np.ndim(z.values[number + 1]):
        return None
    if not isinstance(x, Tensor) or not x.requires_grad:
        return None
    return float(z.operation.partial(number)(np.ones((), z.dtype)[()], *z.values, **z.options))


def passes(z: Tensor, number: int, x: Any, gradients: Mapping[Tensor, Any]) -> tuple[Any, ...]:
    """What z passes on to one argument: the contribution, its shape if it was summed, the partial's
    source and place."""
    if z.operation is None or not isinstance(x, Tensor) or x not in gradients:
        return ()
    partial = z.operation.partial(number)
    whole = partial(gradients[z], *z.values, **z.options)
    contribution = fitted(whole, z.values[number + 1], z, number)
    contribution = dense(contribution)
    return (
        np.asarray(contribution),
        None if whole.shape == contribution.shape else tuple(whole.shape),
        *source(partial),
    )


def source(partial: Any) -> tuple[str, str]:
    """The lines of a partial, and file:line; one that is named after the function that it belongs
    to is not that function."""
    while isinstance(partial, functools.partial):
        partial = partial.func
    code = inspect.unwrap(partial, stop=lambda f: vars(f)["__wrapped__"] in REGISTRY).__code__
    lines = [line for *_, line in code.co_lines() if line]
    text = "".join(
        linecache.getline(code.co_filename, line) for line in range(min(lines), max(lines) + 1)
    )
    return textwrap.dedent(text).strip().rstrip(","), f"{Path(code.co_filename).name}:{min(lines)}"


def as_recorded(values: list[Any]) -> dict[int, Array]:
    """Each value as it was when it was first used: its data may have been replaced since."""
    recorded = {
        id(x): (x.values[0] if x.values else x.data) if isinstance(x, Tensor) else x for x in values
    }
    for z in reversed(values):
        for number, x in arguments(z):
            recorded[id(x)] = z.values[number + 1]
    return {key: np.asarray(value) for key, value in recorded.items()}


def role(x: Any, output: Tensor, given: set[int]) -> str:
    """An array that a Module was called with is an input; any other is a constant."""
    if not isinstance(x, Tensor):
        return "input" if id(x) in given else "constant"
    if x is output:
        return "output"
    return "operation" if x.operation else "parameter" if x.requires_grad else "input"


def places(values: list[Any], found: Sequence[Call]) -> dict[int, str | None]:
    """The Module that each value is part of, by the value's id."""
    takers: dict[int, set[int]] = {id(x): set() for x in values}
    for z in values:
        for _, x in arguments(z):
            takers[id(x)].add(id(z))
    return {id(x): home(id(x), set() if arguments(x) else takers[id(x)], found) for x in values}


def unambiguous(variables: Mapping[str, Any]) -> dict[int, str]:
    """Names of variables by the id of what they hold, where one has it to itself; those that begin
    with _ are not meant."""
    named = [
        (name, x)
        for name, x in variables.items()
        if name.isidentifier() and name[0] != "_" and is_value(x)
    ]
    holders = Counter(id(x) for _, x in named)
    return {id(x): name for name, x in named if holders[id(x)] == 1}


def is_value(x: Any) -> bool:
    """A Tensor, an array, or a Module."""
    return isinstance(x, Tensor | np.ndarray) or hasattr(x, "named_modules")


def named(
    values: list[Any], paths: Mapping[int, str], held: Mapping[int, str], given: set[int]
) -> dict[int, str]:
    """Its own name if no other has it, its path in a Module, the variable's that holds it, or the
    first free z1, z2 …"""
    own = Counter(x.name for x in values if getattr(x, "name", None))
    names = {}
    for x in values:
        name = getattr(x, "name", None)
        if name and own[name] > 1:
            name = paths.get(id(x), name)
        if name := name or paths.get(id(x)) or held.get(id(x)):
            names[id(x)] = str(name)
    taken = set(names.values())
    numbers = {letter: itertools.count(1) for letter in "zcx"}
    for x in values:
        if id(x) in names:
            continue
        letter = (
            "z"
            if getattr(x, "operation", None)
            else "x"
            if isinstance(x, Tensor) or id(x) in given
            else "c"
        )
        names[id(x)] = next(
            name for number in numbers[letter] if (name := f"{letter}{number}") not in taken
        )
    return names


def computed_by(z: Any) -> tuple[Any, ...]:
    """The operation, its arguments without an edge, and its options; None and False are what they
    are without mention."""
    if not isinstance(z, Tensor) or z.operation is None:
        return ()
    drawn = dict(arguments(z))
    constants = [(number, x) for number, x in enumerate(z.values[1:]) if number not in drawn]
    options = [(key, x) for key, x in z.options.items() if x is not None and x is not False]
    return z.operation.name, tuple(constants), tuple(options)
