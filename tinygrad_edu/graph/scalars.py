"""A graph of small arrays as one of numbers: each element a node, each operation what it does to
the elements.

The numbers are Tensors again, on which the same operations run, so that values, gradients and local
derivatives are the engine's. NumPy does the rest: its reshape, matmul and sum work on arrays of
objects too."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from tinygrad_edu.core.arraylike import REGISTRY, apply
from tinygrad_edu.core.engine import Array, Operation, Tensor
from tinygrad_edu.graph.read import Graph, Node, read, values_behind

MOST_NUMBERS = 200  # numbers: with more, nothing can be made out
INDEXED = {"getitem", "take", "nll"}  # their second argument is an index
ELEMENTWISE = {
    "where",
    "clip",
    "sigmoid",
    "relu",
    "normal_cdf",
    "normal_pdf",
}  # as NumPy's ufuncs, of which one is not
WHOLE = (
    INDEXED
    | {  # what the function itself does to an array of Tensors: move them, or add and multiply them
        "reshape",
        "ravel",
        "flatten",
        "expand_dims",
        "squeeze",
        "swapaxes",
        "matrix_transpose",
        "transpose",
        "moveaxis",
        "broadcast_to",
        "copy",
        "join",
        "pile",
        "flip",
        "fliplr",
        "flipud",
        "rot90",
        "roll",
        "rollaxis",
        "repeat",
        "tile",
        "diagonal",
        "trace",
        "sum",
        "prod",
        "matmul",
        "linear",
        "tensordot",
        "squared_error",
    }
)


def open_arrays(graph: Graph) -> Graph:
    """The graph of the numbers in a graph of arrays, at most 200; sums and products become
    additions and multiplications.

    An element is called as its array, w[0, 1]; what is in between p1 (product), s1 (sum) or t1.
    Plain arrays are numbers in the expressions. Raises ValueError for more numbers, and for an
    operation that is not known to work on single numbers.

    >>> from tinygrad_edu.graph.expression import equations
    >>> x, w = Tensor([2.0, 3.0], name="x"), Tensor([0.5, -1.0], requires_grad=True, name="w")
    >>> [equation for equation in equations(open_arrays(read(x @ w))).values() if "=" in equation]
    ['p1 = x[0] × w[0]', 'p2 = x[1] × w[1]', 'z1 = p1 + p2']
    """
    arrays: dict[str, Array] = {}  # of Tensors
    owners: dict[int, Node] = {}  # of which array a Tensor is part
    for node in graph.nodes:
        if node.value.size > MOST_NUMBERS:
            raise too_many_numbers(f"{node.value.size:,} in {node.name!r:.60} alone")
        arrays[node.id] = (
            operation_numbers(node, graph, arrays) if node.operation else leaf_numbers(node)
        )
        for index, x in np.ndenumerate(arrays[node.id]):
            claim(x, index, node, owners)
    results = arrays[graph.output.id].ravel()
    output = (
        results[0] if results.size == 1 else results.sum()
    )  # ones are what an output of many was seeded with
    found = values_behind(output)
    if len(found) > MOST_NUMBERS:
        raise too_many_numbers(f"{len(found):,}")
    name_intermediates(found)
    numbers = read(output)
    nodes = [
        place_number(node, owners.get(id(x), graph.output))
        for node, x in zip(numbers.nodes, found, strict=True)
    ]
    return Graph(tuple(nodes), numbers.edges, graph.modules)


def leaf_numbers(node: Node) -> Array:
    """A leaf's elements as Tensors; those of a constant stay numbers."""
    if node.role == "constant":
        return node.value
    return object_array(
        np.frompyfunc(lambda x: Tensor(np.asarray(x, node.dtype), node.role == "parameter"), 1, 1)(
            node.value
        )
    )


def operation_numbers(node: Node, graph: Graph, arrays: dict[str, Array]) -> Array:
    """What an operation makes of the elements of its arguments."""
    sources = {edge.argument: edge.source for edge in graph.edges if edge.target == node.id}
    given = dict(node.constants) | {
        number: arrays[source].astype(object) for number, source in sources.items()
    }
    if node.operation in INDEXED and 1 in sources:
        given[1] = next(x.value for x in graph.nodes if x.id == sources[1])
    f = number_function(str(node.operation))
    return object_array(f(*(x for _, x in sorted(given.items())), **dict(node.options)))


def number_function(name: str) -> Callable[..., Any]:
    """The function of an operation, for arrays of Tensors."""
    if name in COMPOSED:
        return COMPOSED[name]
    for function, known in REGISTRY.items():
        if not isinstance(known, Operation) or known.name != name:
            continue
        if name in WHOLE:
            return known.forward
        if name in ELEMENTWISE or isinstance(function, np.ufunc):
            return map_numbers(function)
    raise ValueError(
        f"{name} is not known to work number by number: draw the graph without scalars=True, or "
        f"write {name} with "
        "NumPy's functions of single numbers, with sums and with products"
    )


def map_numbers(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of numbers, for arrays of Tensors."""

    def mapped(*args: Any, **options: Any) -> Any:
        each = np.frompyfunc(lambda *numbers: apply(function, *numbers, **options), len(args), 1)
        return each(*(object_array(x) if isinstance(x, Tensor) else x for x in args))

    return mapped


def normalized(x: Array, axis: Any = -1) -> Any:
    """softmax: eˣ / Σeˣ"""
    powers = object_array(map_numbers(np.exp)(x))
    return powers / powers.sum(axis=axis, keepdims=True)


def logarithm_of_sum(x: Array, axis: Any = None, keepdims: Any = False) -> Any:
    """logsumexp: ln Σeˣ"""
    return map_numbers(np.log)(
        object_array(map_numbers(np.exp)(x)).sum(axis=axis, keepdims=keepdims)
    )


COMPOSED: dict[
    str, Callable[..., Any]
] = {  # without the precautions against overflow: the numbers are to be looked at
    "softmax": normalized,
    "logsumexp": logarithm_of_sum,
    "log_softmax": lambda x, axis=-1: x - logarithm_of_sum(x, axis, keepdims=True),
}


def object_array(x: Any) -> Array:
    """An array of objects, if it is not one already."""
    if isinstance(x, np.ndarray):
        return x
    array = np.empty((), object)
    array[()] = x
    return array


def claim(x: Any, index: tuple[int, ...], node: Node, owners: dict[int, Node]) -> None:
    """Write down that a number and all that it was computed from are part of a node, but for what
    is part of another."""
    if isinstance(x, Tensor) and id(x) not in owners:
        x.name = node.name + (f"[{', '.join(map(str, index))}]" if index else "")
    pending = [x] if isinstance(x, Tensor) else []
    while pending:
        if id(y := pending.pop()) in owners:
            continue
        owners[id(y)] = node
        pending.extend(inner for _, inner in y.inputs)


def name_intermediates(values: list[Any]) -> None:
    """p1, p2 … for products in between, s1, s2 … for sums, t1, t2 … for anything else."""
    taken, numbers = {x.name for x in values}, {letter: itertools.count(1) for letter in "pst"}
    for x in values:
        if x.name or not x.operation:
            continue
        letter = {"multiply": "p", "add": "s"}.get(x.operation.name, "t")
        x.name = next(
            name for number in numbers[letter] if (name := f"{letter}{number}") not in taken
        )


def place_number(node: Node, owner: Node) -> Node:
    """A number in the Module, and in the role, of the array that it is part of."""
    return replace(node, module=owner.module, role=node.role if node.operation else owner.role)


def too_many_numbers(count: str) -> ValueError:
    return ValueError(
        f"scalars draws at most {MOST_NUMBERS} numbers, and here there are {count}: draw a smaller case "
        "(fewer examples, "
        "fewer features), or without scalars=True"
    )
