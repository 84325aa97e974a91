"""A graph of small arrays becomes a graph of numbers: each element is a node.

Each number is a Tensor, and the same operations run again on these numbers: values, gradients and
local derivatives are the engine's. NumPy does the rest: its reshape, matmul and sum work on arrays
of objects too.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tinygrad_edu.core.arraylike import Array
from tinygrad_edu.core.engine import Operation, Tensor
from tinygrad_edu.graph.expression import PLUS, TIMES
from tinygrad_edu.graph.neurons import fold_neurons
from tinygrad_edu.graph.read import Edge, Graph, Node, read, values_behind

MOST_NUMBERS = 200  # more could not be read in a picture
INITIALS = {TIMES: "p", PLUS: "s"}  # of the names of products and sums; of anything else t


def open_arrays(graph: Graph, fold_above: int | None = None) -> Graph:
    """Make the graph of the numbers in a graph of arrays, at most 200.

    An element is named w[0, 1], a value in between p1 (product), s1 (sum) or t1. Of more than
    `fold_above` numbers, those in between are folded into elements. Raises ValueError if there are
    too many, or if an operation does not say how it works number by number.

    >>> from tinygrad_edu.graph.expression import expressions
    >>> x, w = Tensor([2.0, 3.0], name="x"), Tensor([0.5, -1.0], requires_grad=True, name="w")
    >>> list(expressions(open_arrays(read(x @ w))).values())
    ['x[0] × w[0]', 'x[1] × w[1]', 'p1 + p2']
    """
    arrays: dict[str, Array] = {}  # of Tensors, by the id of their node
    owners: dict[int, Node] = {}  # the node that each Tensor is part of, by the Tensor's id
    nodes = {node.id: node for node in graph.nodes}
    for node in graph.nodes:
        if node.value.size > MOST_NUMBERS:
            raise too_many_numbers(f"{node.value.size:,} in {node.name!r:.60} alone")
        edges = [edge for edge in graph.edges if edge.target == node.id]
        arrays[node.id] = operation_numbers(node, edges, nodes, arrays)
        for index, x in np.ndenumerate(arrays[node.id]):
            claim(x, index, node, owners)
    results = arrays[graph.output.id].ravel()
    if not any(isinstance(x, Tensor) for x in results):
        raise ValueError(
            f"scalars draws the numbers of arrays, and {graph.output.name!r:.60} has none that was "
            f"computed: its shape is {graph.output.shape}. Draw it without scalars=True"
        )
    # many numbers were seeded with ones: as if their sum had been taken
    output = results[0] if results.size == 1 else results.sum()
    found = values_behind(output)
    if len(found) > MOST_NUMBERS:
        raise too_many_numbers(f"{len(found):,}")
    parts = [x.operation is not None and not x.name for x in found]
    name_intermediates(found)
    numbers = read(output)
    homes = [owners.get(id(x), graph.output) for x in found]
    placed = [place_number(*pair) for pair in zip(numbers.nodes, homes, strict=True)]
    opened = Graph(tuple(placed), numbers.edges)  # frames would break the order of columns
    asked = {node.id for node, home in zip(placed, homes, strict=True) if wants_gradient(home)}
    if fold_above is not None and len(found) > fold_above:
        inner = {node.id for node, part in zip(placed, parts, strict=True) if part}
        of_arrays = {
            node.id: owners[id(x)] for node, x in zip(placed, found, strict=True) if id(x) in owners
        }
        opened = fold_neurons(opened, inner - {opened.output.id}, of_arrays)
    return with_gradients_of(opened, asked)


def wants_gradient(array: Node) -> bool:
    return array.kind is not None or array.gradient is not None


def with_gradients_of(graph: Graph, asked: set[str]) -> Graph:
    """The graph without the gradients of inputs that require none."""
    nodes = [node if node.id in asked else replace(node, gradient=None) for node in graph.nodes]
    edges = [edge if edge.source in asked else replace(edge, share=None) for edge in graph.edges]
    return replace(graph, nodes=tuple(nodes), edges=tuple(edges))


def operation_numbers(
    node: Node, edges: Sequence[Edge], nodes: dict[str, Node], arrays: dict[str, Array]
) -> Array:
    """The elements of a node's array, computed from its arguments' elements, or a leaf's own."""
    if node.operation is None:
        return leaf_numbers(node)
    given = dict(node.constants)
    for edge in edges:
        if node.operation.elementwise or is_differentiated(node.operation, edge.argument):
            given[edge.argument] = arrays[edge.source].astype(object)
        else:
            given[edge.argument] = nodes[edge.source].value  # an index, for example
    run = number_function(node.operation)
    return object_array(run(*(x for _, x in sorted(given.items())), **dict(node.options)))


def is_differentiated(operation: Operation, number: int) -> bool:
    """Whether an operation has a partial for the argument of this number."""
    return operation.each is not None or number in operation.partials


def leaf_numbers(node: Node) -> Array:
    """A leaf's elements as Tensors; those of a constant stay numbers.

    Inputs are variables too, so that the edges from them have local derivatives.
    """
    if node.role == "constant":
        return node.value

    def as_number(x: Any) -> Tensor:
        return Tensor(np.asarray(x, node.dtype), node.dtype.kind == "f")

    return object_array(np.frompyfunc(as_number, 1, 1)(node.value))


def number_function(operation: Operation) -> Callable[..., Any]:
    """The function that does to arrays of Tensors what an operation does to arrays."""
    if "on_numbers" in operation.facts:
        return operation.facts["on_numbers"]  # type: ignore[no-any-return]
    if operation.elementwise:
        return map_numbers(operation)
    raise ValueError(
        f"{operation.name} is not known to work number by number: draw the graph without "
        f"scalars=True, or write {operation.name} with NumPy's functions of single numbers, with "
        "sums and with products"
    )


def map_numbers(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that applies a function of numbers to each element of arrays of Tensors."""

    def mapped(*args: Any, **options: Any) -> Any:
        each = np.frompyfunc(lambda *numbers: function(*numbers, **options), len(args), 1)
        return each(*(object_array(x) if isinstance(x, Tensor) else x for x in args))

    return mapped


def object_array(x: Any) -> Array:
    """x itself if it is an array, else an array of shape () that holds x."""
    if isinstance(x, np.ndarray):
        return x
    array = np.empty((), object)
    array[()] = x
    return array


def claim(x: Any, index: tuple[int, ...], node: Node, owners: dict[int, Node]) -> None:
    """Write down that a number, and what it was computed from, are part of a node.

    What is part of another node already stays that node's.
    """
    if isinstance(x, Tensor) and id(x) not in owners:
        x.name = node.name + (f"[{', '.join(map(str, index))}]" if index else "")
    pending = [x] if isinstance(x, Tensor) else []
    while pending:
        if id(y := pending.pop()) in owners:
            continue
        owners[id(y)] = node
        pending.extend(inner for _, inner in y.inputs)


def name_intermediates(values: list[Any]) -> None:
    """Name the values in between: products p1, p2 …, sums s1, s2 …, anything else t1, t2 …"""
    taken = {x.name for x in values}
    numbers = {letter: itertools.count(1) for letter in "pst"}
    for x in values:
        if x.name or not x.operation:
            continue
        letter = INITIALS.get(x.operation.facts.get("symbol", ""), "t")
        names = (f"{letter}{number}" for number in numbers[letter])
        x.name = next(name for name in names if name not in taken)


def place_number(node: Node, owner: Node) -> Node:
    """Give a number's node the role of the array that it is part of."""
    return replace(node, module=None, role=node.role if node.kind else owner.role)


def too_many_numbers(count: str) -> ValueError:
    return ValueError(
        f"scalars draws at most {MOST_NUMBERS} numbers, and here there are {count}: draw a smaller "
        "case (fewer examples, fewer features), or without scalars=True"
    )
