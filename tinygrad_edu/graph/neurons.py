"""A graph of numbers made readable: each element of an array one box, in columns as in textbooks.

The products and sums that a weighted sum consists of, and its weights, go into the element that
they add up to. The local derivative on an edge is then the weight itself.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np

from tinygrad_edu.graph.expression import PLUS, TIMES
from tinygrad_edu.graph.read import Edge, Graph, Node
from tinygrad_edu.graph.steps import incoming


def fold_neurons(numbers: Graph, parts: Collection[str], owners: Mapping[str, Node]) -> Graph:
    """Fold each part, and each parameter of one element only, into the element that it leads to.

    `parts` are the ids of products, sums and other values in between; `owners` says of which array
    each number is an element.
    """
    home = homes_of_parts(numbers, parts)
    shown = [node for node in numbers.nodes if home[node.id] == node.id]
    inside = {home[i] for i in home if home[i] != i}
    nodes = [
        replace(node, kind=owners[node.id].kind, operation=None, constants=(), options=())
        if node.id in inside and node.id in owners
        else node
        for node in shown
    ]
    edges = edges_of_elements(numbers, home, {node.id: node for node in numbers.nodes})
    columns: dict[str, list[str]] = {}
    for node in shown:
        columns.setdefault(owners[node.id].id if node.id in owners else node.id, []).append(node.id)
    several = tuple(map(tuple, columns.values()))
    return replace(numbers, nodes=tuple(nodes), edges=tuple(edges), columns=several)


def fold_numbers(graph: Graph) -> Graph:
    """Fold products and sums without a name into the value that they add up to.

    Of a network that was written number by number, neurons remain, in columns by their depth.
    """
    parts = {node.id for node in graph.nodes if node.symbol in (PLUS, TIMES) and not node.named}
    parts -= {graph.output.id}
    folded = fold_neurons(graph, parts, {node.id: node for node in graph.nodes})
    return replace(folded, columns=columns_by_depth(folded))


def columns_by_depth(graph: Graph) -> tuple[tuple[str, ...], ...]:
    """The values that are as far from the inputs, of one kind; a leaf stands before its users."""
    into, depths = incoming(graph), dict.fromkeys((node.id for node in graph.nodes), 0)
    users: dict[str, list[int]] = {}
    for node in graph.nodes:
        if into[node.id]:
            depths[node.id] = 1 + max(depths[edge.source] for edge in into[node.id])
        for edge in into[node.id]:
            users.setdefault(edge.source, []).append(depths[node.id])
    columns: dict[tuple[int, str], list[str]] = {}
    for node in graph.nodes:
        depth = depths[node.id] if node.kind else min(users.get(node.id, [1])) - 1
        columns.setdefault((depth, node.kind or ""), []).append(node.id)
    return tuple(map(tuple, columns.values()))


def homes_of_parts(numbers: Graph, parts: Collection[str]) -> dict[str, str]:
    """The element that each number is folded into, or its own id."""
    users: dict[str, set[str]] = {node.id: set() for node in numbers.nodes}
    home: dict[str, str] = {}
    for edge in numbers.edges:
        users[edge.source].add(edge.target)
    for node in reversed(numbers.nodes):
        led_to = {home[user] for user in users[node.id]}
        may_fold = node.id in parts or node.role == "parameter"
        home[node.id] = led_to.pop() if may_fold and len(led_to) == 1 else node.id
    return home


def edges_of_elements(
    numbers: Graph, home: Mapping[str, str], nodes: Mapping[str, Node]
) -> list[Edge]:
    """One edge from each element to each that was computed from it: the sum over all ways."""
    slopes: dict[str, float] = {}  # ∂element/∂part, within each element
    into, found = incoming(numbers), []
    joined: dict[tuple[str, str], float | None] = {}
    for node in reversed(numbers.nodes):
        if home[node.id] == node.id:
            slopes[node.id] = 1.0
        for edge in into[node.id]:
            known = edge.local is not None and node.id in slopes
            slope = float(edge.local or 0.0) * slopes.get(node.id, 0.0) if known else None
            if home[edge.source] == home[node.id]:
                slopes[edge.source] = slopes.get(edge.source, 0.0) + (slope or 0.0)
                continue
            key = edge.source, home[node.id]
            before = joined.get(key, 0.0)
            joined[key] = None if slope is None or before is None else before + slope
    order = {node.id: number for number, node in enumerate(numbers.nodes)}
    arguments: dict[str, int] = {}
    for source, target in sorted(joined, key=lambda ends: (order[ends[1]], order[ends[0]])):
        number = arguments[target] = arguments.get(target, -1) + 1
        slope, arrived = joined[source, target], nodes[target].gradient
        passed = nodes[source].gradient is not None and slope is not None and arrived is not None
        share = np.asarray(arrived * slope) if passed else None  # type: ignore[operator]
        found.append(Edge(source, target, number, slope, share))
    return found
