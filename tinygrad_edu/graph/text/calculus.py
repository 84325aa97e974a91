"""What a graph computes, and what its edges pass back, as formulas.

No derivative is written down here a second time. Each is read off the engine's own: the partial
that ran is called once more, with formulas in place of arrays, and what it returns is the formula.
An operation of your own has one in the same way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygrad_edu.core.arraylike import REGISTRY
from tinygrad_edu.core.engine import Array, Operation, no_grad, unbroadcast
from tinygrad_edu.graph.expression import index_text, setting_text, shorten
from tinygrad_edu.graph.read import Edge, Graph, Node, source_of_partial
from tinygrad_edu.graph.text.formula import (
    DOTS_FORMULA,
    LEAF_KINDS,
    NOTATIONS,
    Formula,
    as_formula,
    is_factor,
    is_the_number,
)

Symbols = Mapping[
    str, Formula
]  # what stands for each value, by the node's id: its name, or what it was computed from


def name_formulas(graph: Graph) -> dict[str, Formula]:
    return {node.id: Formula("name", (node.name, node.id), node.value) for node in graph.nodes}


def right_side(graph: Graph, node: Node, names: Symbols) -> Formula:
    """The right side of a value's equation: w x + b."""
    if node.operation is None:
        return DOTS_FORMULA if node.shape else as_formula(node.value[()])
    index = node.operation == "getitem"
    constants = {
        number: text_formula(shorten(index_text(x), 24)) if index else constant_formula(x)
        for number, x in node.constants
    }
    parts = [part for _, part in sorted((constants | operand_formulas(graph, node, names)).items())]
    options = [text_formula(f"{key}={setting_text(x)}") for key, x in node.options]
    return Formula(node.operation, (*parts, *options), node.value)


def derivative_formula(graph: Graph, edge: Edge, names: Symbols | None = None) -> Formula | None:
    """∂target/∂source along an edge, of an operation on numbers, or on arrays element by element;
    None if it has no formula.

    >>> from tinygrad_edu import Tensor
    >>> from tinygrad_edu.graph import read
    >>> graph = read(np.tanh(Tensor(3.0, requires_grad=True, name="s")))
    >>> derivative_formula(graph, graph.edges[0]).latex
    '1 - z_{1}^{2}'
    """
    names, target = names or name_formulas(graph), node_by_id(graph, edge.target)
    g = upstream_formula(graph, target)
    passed = contribution_formula(graph, edge, g, names)
    if passed is not None and passed.kind == "sum" and edge.before is not None:
        passed = passed.parts[0]  # it was broadcast
    if passed is None or not (is_factor(g, passed) or is_the_number(passed, 0)):
        return None
    return apply_partial(
        graph, edge, Formula("number", (1.0,), np.ones(target.shape, target.dtype)), names
    )


def contribution_formula(
    graph: Graph, edge: Edge, g: Formula, names: Symbols | None = None
) -> Formula | None:
    """What an edge passes back of g: g · (1 − t²), or for Z = X Y the product of g and Yᵀ; None if
    it has no formula.

    It has one only if that computes what the engine did.
    """
    passed = apply_partial(graph, edge, g, names or name_formulas(graph))
    if passed is None or edge.contribution is None or not comes_to(passed.value, edge.contribution):
        return None
    return passed if edge.before is None else Formula("sum", (passed,), edge.contribution)


def comes_to(found: Array, contribution: Array) -> bool:
    """Whether they are the same, once broadcasting is undone."""
    with np.errstate(all="ignore"):
        try:
            return np.allclose(unbroadcast(found, contribution.shape), contribution, equal_nan=True)
        except ValueError:
            return False


def upstream_formula(graph: Graph, node: Node) -> Formula:
    """∂C/∂node, C being the output, or the sum of its elements if they are many."""
    names = name_formulas(graph)
    output = names[graph.output.id]
    gradient = np.zeros(node.shape) if node.gradient is None else node.gradient
    return Formula(
        "derivative", (output.sum() if output.ndim else output, names[node.id]), gradient
    )


def apply_partial(graph: Graph, edge: Edge, g: Formula, names: Symbols) -> Formula | None:
    """The partial of an edge, of formulas: what arrives is g."""
    target = node_by_id(graph, edge.target)
    partial = partial_of(target, edge)
    if partial is None:
        return None
    arguments = [
        x
        for _, x in sorted(
            (dict(target.constants) | operand_formulas(graph, target, names)).items()
        )
    ]
    try:
        with np.errstate(all="ignore"), no_grad():
            found = as_formula(partial(g, names[target.id], *arguments, **dict(target.options)))
    except Exception:
        # it may do anything with its arguments, and not all of it can be done with formulas
        return None
    return found if has_notation(found) else None


def partial_of(target: Node, edge: Edge) -> Any:
    """The registered partial that computed what the edge passes back, known by its source."""
    for run in REGISTRY.values():
        if not isinstance(run, Operation) or run.name != target.operation:
            continue
        if run.partials.each is None and edge.argument not in run.partials:
            continue
        if source_of_partial(partial := run.partials[edge.argument]) == (edge.partial, edge.place):
            return partial
    return None


def has_notation(f: Formula) -> bool:
    """Whether truth values in it are comparisons, which have a notation."""
    if f.kind in LEAF_KINDS:
        return True
    return (f.value.dtype.kind != "b" or f.kind in NOTATIONS) and all(map(has_notation, f.parts))


def node_by_id(graph: Graph, node: str) -> Node:
    return next(found for found in graph.nodes if found.id == node)


def operand_formulas(graph: Graph, node: Node, names: Symbols) -> dict[int, Formula]:
    """The arguments that have an edge, by their numbers."""
    return {edge.argument: names[edge.source] for edge in graph.edges if edge.target == node.id}


def text_formula(words: str) -> Formula:
    return Formula("text", (words,), np.empty(()))


def constant_formula(x: Any) -> Formula:
    """An argument without an edge."""
    return (
        as_formula(x)
        if np.ndim(x) == 0 and np.asarray(x).dtype.kind in "iuf"
        else text_formula(setting_text(x))
    )
