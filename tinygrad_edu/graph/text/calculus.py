"""What a graph computes, and what its edges pass back, as formulas.

No derivative is written down here a second time. Each is read off the engine's own: the partial
that ran is called once more, with formulas in place of arrays, and what it returns is the formula.
An operation of your own has one in the same way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygrad_edu.core.arraylike import REGISTRY
from tinygrad_edu.core.engine import Array, Operation, unbroadcast
from tinygrad_edu.core.switches import no_grad
from tinygrad_edu.graph.expression import indices, setting, shortened
from tinygrad_edu.graph.read import Edge, Graph, Node, source
from tinygrad_edu.graph.text.formula import (
    DOTS,
    LEAVES,
    NOTATIONS,
    Formula,
    formula,
    is_factor,
    is_number,
)

Names = Mapping[
    str, Formula
]  # what stands for each value, by the node's id: its name, or what it was computed from


def names_of(graph: Graph) -> dict[str, Formula]:
    return {node.id: Formula("name", (node.name, node.id), node.value) for node in graph.nodes}


def computed(graph: Graph, node: Node, names: Names) -> Formula:
    """The right side of a value's equation: w x + b."""
    if node.operation is None:
        return DOTS if node.shape else formula(node.value[()])
    index = node.operation == "getitem"
    constants = {
        number: text(shortened(indices(x), 24)) if index else constant(x)
        for number, x in node.constants
    }
    parts = [part for _, part in sorted((constants | operands(graph, node, names)).items())]
    options = [text(f"{key}={setting(x)}") for key, x in node.options]
    return Formula(node.operation, (*parts, *options), node.value)


def derivative_formula(graph: Graph, edge: Edge, names: Names | None = None) -> Formula | None:
    """∂target/∂source along an edge, of an operation on numbers, or on arrays element by element;
    None if it has no formula.

    >>> from tinygrad_edu import Tensor
    >>> from tinygrad_edu.graph import trace
    >>> graph = trace(np.tanh(Tensor(3.0, requires_grad=True, name="s")))
    >>> derivative_formula(graph, graph.edges[0]).latex
    '1 - z_{1}^{2}'
    """
    names, target = names or names_of(graph), by_id(graph, edge.target)
    g = upstream_formula(graph, target)
    passed = contribution_formula(graph, edge, g, names)
    if passed is not None and passed.kind == "sum" and edge.before is not None:
        passed = passed.parts[0]  # it was broadcast
    if passed is None or not (is_factor(g, passed) or is_number(passed, 0)):
        return None
    return applied(
        graph, edge, Formula("number", (1.0,), np.ones(target.shape, target.dtype)), names
    )


def contribution_formula(
    graph: Graph, edge: Edge, g: Formula, names: Names | None = None
) -> Formula | None:
    """What an edge passes back of g: g · (1 − t²), or for Z = X Y the product of g and Yᵀ; None if
    it has no formula.

    It has one only if that computes what the engine did.
    """
    passed = applied(graph, edge, g, names or names_of(graph))
    if passed is None or edge.contribution is None or not fits(passed.value, edge.contribution):
        return None
    return passed if edge.before is None else Formula("sum", (passed,), edge.contribution)


def fits(found: Array, contribution: Array) -> bool:
    """Whether they are the same, once broadcasting is undone."""
    with np.errstate(all="ignore"):
        try:
            return np.allclose(unbroadcast(found, contribution.shape), contribution, equal_nan=True)
        except ValueError:
            return False


def upstream_formula(graph: Graph, node: Node) -> Formula:
    """∂C/∂node, C being the output, or the sum of its elements if they are many."""
    names = names_of(graph)
    output = names[graph.output.id]
    gradient = np.zeros(node.shape) if node.gradient is None else node.gradient
    return Formula(
        "derivative", (output.sum() if output.ndim else output, names[node.id]), gradient
    )


def applied(graph: Graph, edge: Edge, g: Formula, names: Names) -> Formula | None:
    """The partial of an edge, of formulas: what arrives is g."""
    target = by_id(graph, edge.target)
    partial = partial_of(target, edge)
    if partial is None:
        return None
    arguments = [
        x for _, x in sorted((dict(target.constants) | operands(graph, target, names)).items())
    ]
    try:
        with np.errstate(all="ignore"), no_grad():
            found = formula(partial(g, names[target.id], *arguments, **dict(target.options)))
    except Exception:
        # it may do anything with its arguments, and not all of it can be done with formulas
        return None
    return found if is_readable(found) else None


def partial_of(target: Node, edge: Edge) -> Any:
    """The registered partial that computed what the edge passes back, known by its source."""
    for run in REGISTRY.values():
        if not isinstance(run, Operation) or run.name != target.operation:
            continue
        if run.each is None and edge.argument not in run.partials:
            continue
        if source(partial := run.partial(edge.argument)) == (edge.partial, edge.place):
            return partial
    return None


def is_readable(f: Formula) -> bool:
    """Whether truth values in it are comparisons, which have a notation."""
    if f.kind in LEAVES:
        return True
    return (f.value.dtype.kind != "b" or f.kind in NOTATIONS) and all(map(is_readable, f.parts))


def by_id(graph: Graph, node: str) -> Node:
    return next(found for found in graph.nodes if found.id == node)


def operands(graph: Graph, node: Node, names: Names) -> dict[int, Formula]:
    """The arguments that have an edge, by their numbers."""
    return {edge.argument: names[edge.source] for edge in graph.edges if edge.target == node.id}


def text(words: str) -> Formula:
    return Formula("text", (words,), np.empty(()))


def constant(x: Any) -> Formula:
    """An argument without an edge."""
    return formula(x) if np.ndim(x) == 0 and np.asarray(x).dtype.kind in "iuf" else text(setting(x))
