"""What a graph computes, and what its edges pass back, as formulas.

No derivative is written down here a second time. The engine's own partial, the one that ran, is
called once more, with formulas in place of arrays: what it returns is the formula. So an operation
of your own has a formula too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygrad_edu.core.arraylike import Array
from tinygrad_edu.core.engine import unbroadcast
from tinygrad_edu.core.switches import no_grad
from tinygrad_edu.graph.expression import (
    IN_BRACKETS,
    LONGEST_INDEX,
    in_order_of_arguments,
    index_text,
    setting_text,
    shorten,
)
from tinygrad_edu.graph.read import Edge, Graph, Node
from tinygrad_edu.graph.text.formula import (
    DOTS_FORMULA,
    Formula,
    call_template,
    has_notation,
    is_factor,
    is_the_number,
    operation_template,
    to_formula,
)
from tinygrad_edu.graph.text.typeset import DERIVATIVE, SUMMED

# what stands for each value, by the node's id: its name, or what it was computed from
Symbols = Mapping[str, Formula]


def name_formulas(graph: Graph) -> dict[str, Formula]:
    """The name of each value, by the node's id."""
    return {node.id: Formula("name", (node.name, node.id), node.value) for node in graph.nodes}


def right_side(graph: Graph, node: Node, symbols: Symbols) -> Formula:
    """The right side of a value's equation: w x + b."""
    if node.kind is None:
        return DOTS_FORMULA if node.shape else to_formula(node.value[()])
    is_index = IN_BRACKETS in node.symbol
    constants = {
        number: index_formula(x) if is_index else constant_formula(x)
        for number, x in node.constants
    }
    arguments = in_order_of_arguments(operand_formulas(graph, node, symbols), constants)
    options = [text_formula(f"{key}={setting_text(x)}") for key, x in node.options]
    parts = (*arguments, *options)
    if node.operation is None:
        return Formula(call_template(node.kind, len(parts)), parts, node.value)
    return Formula(operation_template(node.operation, len(parts)), parts, node.value)


def operand_formulas(graph: Graph, node: Node, symbols: Symbols) -> dict[int, Formula]:
    """The arguments that have an edge, by their numbers."""
    return {edge.argument: symbols[edge.source] for edge in graph.edges if edge.target == node.id}


def constant_formula(x: Any) -> Formula:
    """An argument without an edge, as a formula."""
    is_number = np.ndim(x) == 0 and np.asarray(x).dtype.kind in "iuf"
    return to_formula(x) if is_number else text_formula(setting_text(x))


def index_formula(x: Any) -> Formula:
    return text_formula(shorten(index_text(x), LONGEST_INDEX))


def text_formula(words: str) -> Formula:
    return Formula("text", (words,), np.empty(()))


# What edges pass back


def derivative_formula(graph: Graph, edge: Edge, symbols: Symbols | None = None) -> Formula | None:
    """Write ∂target/∂source along an edge; of arrays, for each element.

    None if the partial has no formula.

    >>> from tinygrad_edu import Tensor
    >>> from tinygrad_edu.graph import read
    >>> graph = read(np.tanh(Tensor(3.0, requires_grad=True, name="s")))
    >>> derivative_formula(graph, graph.edges[0]).latex
    '1 - z_{1}^{2}'
    """
    symbols, target = symbols or name_formulas(graph), node_by_id(graph, edge.target)
    g = upstream_formula(graph, target)
    passed = share_formula(graph, edge, g, symbols)
    if passed is None:
        return None
    if passed.kind == SUMMED and edge.before is not None:
        passed = passed.parts[0]  # without the sum that undoes broadcasting
    if not (is_factor(g, passed) or is_the_number(passed, 0)):
        return None
    one = Formula("number", (1.0,), np.ones(target.shape, target.dtype))
    return apply_partial(graph, edge, one, symbols)


def share_formula(
    graph: Graph, edge: Edge, g: Formula, symbols: Symbols | None = None
) -> Formula | None:
    """Write what an edge passes back when g arrives: g · (1 − t²); for Z = X Y, g Yᵀ.

    None if the partial has no formula, or if its value is not what the engine computed.
    """
    passed = apply_partial(graph, edge, g, symbols or name_formulas(graph))
    if passed is None or edge.share is None:
        return None
    if not comes_to(passed.value, edge.share):
        return None
    is_summed = edge.before is not None and math.prod(edge.before) > edge.share.size
    return Formula(SUMMED, (passed,), edge.share) if is_summed else passed


def comes_to(found: Array, share: Array) -> bool:
    """Whether a formula's value is the share, once broadcasting is undone."""
    with np.errstate(all="ignore"):
        try:
            return np.allclose(unbroadcast(found, share.shape), share, equal_nan=True)
        except ValueError:
            return False


def upstream_formula(graph: Graph, node: Node) -> Formula:
    """The derivative ∂C/∂node, where C is the output, or the sum of its elements."""
    symbols = name_formulas(graph)
    output = symbols[graph.output.id]
    cost = output.sum() if output.ndim else output
    gradient = np.zeros(node.shape) if node.gradient is None else node.gradient
    return Formula(DERIVATIVE, (cost, symbols[node.id]), gradient)


def apply_partial(graph: Graph, edge: Edge, g: Formula, symbols: Symbols) -> Formula | None:
    """Call the partial of an edge on formulas, with g arriving; None if it takes no formulas."""
    if edge.partial is None:
        return None
    target = node_by_id(graph, edge.target)
    operands = operand_formulas(graph, target, symbols)
    arguments = in_order_of_arguments(operands, dict(target.constants))
    try:
        with np.errstate(all="ignore"), no_grad():
            found = edge.partial(g, symbols[target.id], *arguments, **dict(target.options))
            passed = to_formula(found)
    except Exception:
        # a partial may do what cannot be done with formulas
        return None
    return passed if has_notation(passed) else None


def node_by_id(graph: Graph, node: str) -> Node:
    return next(found for found in graph.nodes if found.id == node)
