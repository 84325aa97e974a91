"""What a page tells of each value, each Module and each edge, as data."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_edu.core.arraylike import Array
from tinygrad_edu.graph.expression import (
    count_text,
    equations,
    name_text,
    number_text,
    range_text,
    shape_text,
    true_minus,
)
from tinygrad_edu.graph.fold import enclosing
from tinygrad_edu.graph.page.levels import Level
from tinygrad_edu.graph.pictures.render import spoken_descriptions
from tinygrad_edu.graph.read import Edge, Graph, Node
from tinygrad_edu.graph.text.calculus import derivative_formula, name_formulas, right_side

MOST_SHOWN = 64  # numbers of an array; of a larger one the range
MOST_SET = 400  # nodes: in a larger graph formulas stand as text
Data = dict[str, Any]


def page_details(whole: Graph, levels: list[Level]) -> Data:
    """All values and Modules by their ids, and each level; partials are told once."""
    edges = EdgeDetails(whole)
    things = node_details(whole)
    homes = {module.id: module for module in whole.modules}
    for node in whole.nodes:
        things[node.id]["within"] = [*enclosing(node.module, homes)]
    modules = {m.id: m for graph in (whole, *[x.graph for x in levels]) for m in graph.modules}
    told = []
    for level in levels:
        found = {} if level.graph is whole else node_details(level.graph)
        told.append(
            {
                "title": level.title,
                "nodes": [node.id for node in level.graph.nodes],
                "edges": [edges.data(edge) for edge in level.graph.edges],
                "own": {i: x for i, x in found.items() if not same_thing(x, things.get(i))},
            }
        )
    return {
        "things": things,
        "modules": {
            m.id: {"name": m.path, "kind": m.kind, "within": m.parent, "count": m.parameters}
            for m in modules.values()
        },
        "levels": told,
        "second": whole.second,
        "partials": [list(partial) for partial in edges.partials],
    }


def same_thing(x: Data, y: Data | None) -> bool:
    """Whether a level tells of a value what the whole graph tells."""
    return y is not None and all(x.get(key) == y.get(key) for key in ("kind", "name", "spoken"))


def node_details(graph: Graph) -> Data:
    """What is told of each value of a graph, by its id; in a large graph, equations are text."""
    is_set = len(graph.nodes) <= MOST_SET
    written, spoken = equations(graph), spoken_descriptions(graph)
    symbols = name_formulas(graph) if is_set else {}
    things = {}
    for node in graph.nodes:
        thing = things[node.id] = value_data(node) | {"spoken": spoken[node.id]}
        if node.kind and is_set:
            right = right_side(graph, node, symbols).mathml
            thing["formula"] = f"{symbols[node.id].mathml}<mo>=</mo>{right}"
        elif node.kind:
            thing["text"] = written[node.id]
    return things


def value_data(node: Node) -> Data:
    """A value: its name, role, shape and numbers; of a Module how much it holds."""
    found = {
        "name": node.name if node.name.isprintable() else name_text(node.name),
        "role": node.role,
        "kind": node.kind,
        "shape": shape_text(node.shape),
        "type": str(node.dtype),
        "value": numbers_text(node.value),
    }
    if node.line:
        found["line"] = node.line
    if node.gradient is not None:
        found["gradient"] = numbers_text(node.gradient)
    if node.members:
        operations = count_text(len(node.members), "operation")
        found["holds"] = f"{operations}, {count_text(node.parameters, 'parameter')}"
    return found


def numbers_text(x: Array) -> str:
    """All numbers of an array if they are few, row by row; else the least and the greatest."""
    if x.size == 0 or x.size > MOST_SHOWN or x.dtype.kind not in "fiub":
        return true_minus(range_text(x)) if x.size else "empty"
    if not x.ndim:
        return true_minus(number_text(x[()], 6))
    rows = x.reshape(-1, x.shape[-1])
    return true_minus("\n".join("  ".join(map(number_text, row)) for row in rows))


class EdgeDetails:
    """What is told of edges; each edge is looked at once, in however many levels it is."""

    def __init__(self, whole: Graph) -> None:
        self.whole, self.nodes = whole, {node.id for node in whole.nodes}
        self.symbols = name_formulas(whole)
        self.partials: dict[tuple[str, str], int] = {}
        self.known: dict[tuple[str, str, int], list[Any]] = {}

    def data(self, edge: Edge) -> list[Any]:
        """Its ends, its local derivative, its partial's number, its derivative's formula."""
        key = edge.source, edge.target, edge.argument
        if key not in self.known or edge.partial is None:
            self.known[key] = [edge.id, edge.source, edge.target, *self.derivative(edge)]
        return self.known[key]

    def derivative(self, edge: Edge) -> list[Any]:
        number = formula = None
        if edge.partial_text and edge.place:
            partial = edge.partial_text, edge.place
            number = self.partials.setdefault(partial, len(self.partials))
            if len(self.nodes) <= MOST_SET and edge.target in self.nodes:
                found = derivative_formula(self.whole, edge, self.symbols)
                formula = found.mathml if found is not None else None
        local = None if edge.local is None or not np.isfinite(edge.local) else edge.local
        return [local, number, formula, int(edge.recorded)]
