"""A layer as one box, an unrolled recurrent net as its cell: what a picture shows unless asked.

Both steps take a Graph and return a smaller one, as those of fold.py do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

import numpy as np

from tinygrad_edu.graph.fold import (
    Owners,
    acyclic_owners,
    collapse_repeats,
    enclosing,
    group_edges,
    last_leaving,
)
from tinygrad_edu.graph.modules import ModuleCall
from tinygrad_edu.graph.read import Edge, Graph, Node
from tinygrad_edu.graph.steps import incoming

FEWEST_STEPS, FEWEST_OPERATIONS = 3, 2  # of what counts as an unrolled net, and of each step in it
STATE_ROLES = ("parameter", "buffer")
Period = tuple[int, int, int]  # the first value, how many values a step has, how many steps


def layers_as_boxes(graph: Graph) -> Graph:
    """Make one operation of all that a layer computes; its parameters stay beside it.

    A layer is a Module that says `one_box = True`: Conv2d, LayerNorm, MultiHeadAttention …

    >>> from tinygrad_edu import graph, nn
    >>> import numpy as np
    >>> output = nn.Conv2d(1, 2, 3)(np.ones((1, 1, 5, 5), np.float32))
    >>> [node.name for node in layers_as_boxes(graph.read(output)).nodes]
    ['weight', 'bias', 'x1', 'z5']
    """
    modules = {module.id: module for module in graph.modules}
    layers = {module.id for module in graph.modules if module.one_box}
    layers = {m for m in layers if not layers & {*enclosing(modules[m].parent, modules)}}
    computing = {node.module for node in graph.nodes if node.operation}
    if not layers & {m for inner in computing for m in enclosing(inner, modules)}:
        return graph
    owner, order = acyclic_owners(graph, layers, modules, without=STATE_ROLES)
    shown, counts = last_leaving(graph, owner), operations_of_groups(graph, owner)
    nodes, names = [], {}
    for group in order:
        node = shown[group]
        if group in layers:
            names[group] = node.id
            if counts[group] > 1:
                node = layer_node(node, modules[group])
            node = replace(node, module=group)
        elif (
            around := [m for m in enclosing(node.module, modules) if m in layers]
        ) and node.module:
            node = replace(node, module=around[0])  # a parameter of a Module within the layer
        nodes.append(node)
    edges = group_edges(graph, owner, shown, order)
    edges = number_data_first([rename_ends(edge, names) for edge in edges], nodes)
    inside = {m.id for m in graph.modules if layers & {*enclosing(m.parent, modules)}}
    kept = tuple(m for m in graph.modules if m.id not in inside)
    return replace(graph, nodes=tuple(nodes), edges=tuple(edges), modules=kept)


def operations_of_groups(graph: Graph, owner: Owners) -> dict[str, int]:
    """How many values each group has that an operation computed."""
    counts = dict.fromkeys(owner.values(), 0)
    for node in graph.nodes:
        counts[owner[node.id]] += node.kind is not None
    return counts


def layer_node(node: Node, module: ModuleCall) -> Node:
    """The value that leaves a layer, computed by the layer as a whole."""
    return replace(node, kind=module.kind, operation=None, constants=(), options=())


def rename_ends(edge: Edge, names: dict[str, str]) -> Edge:
    """An edge whose ends are values where they were layers."""
    source, target = (names.get(end, end) for end in (edge.source, edge.target))
    return replace(edge, source=source, target=target)


def number_data_first(edges: Sequence[Edge], nodes: Sequence[Node]) -> list[Edge]:
    """Number the arguments of layers anew: what flows through first, then parameters."""
    roles, by_id = {node.id: node.role for node in nodes}, {node.id: node for node in nodes}
    numbered = []
    for target, arriving in groupby(edges, lambda edge: edge.target):
        found = list(arriving)
        if by_id[target].operation is None:
            found.sort(key=lambda edge: (roles[edge.source] in STATE_ROLES, edge.argument))
            found = [replace(edge, argument=i) for i, edge in enumerate(found)]
        numbered += found
    return numbered


# Recurrent nets


def fold_recurrences(graph: Graph, shared: bool = True) -> Graph:
    """Draw a net that was unrolled over time as its cell, once, in a frame that says how often.

    A cell is a run of operations that repeats three times or more, with the same parameters each
    time if these are to be `shared`, and each time goes on from what it computed before.
    """
    cells = list(recurrent_cells(graph, shared))
    if not cells:
        return graph
    home = {node: call.id for call, members in cells for node in members}
    nodes = [replace(node, module=home.get(node.id, node.module)) for node in graph.nodes]
    calls = tuple(call for call, _ in cells)
    return collapse_repeats(replace(graph, nodes=tuple(nodes), modules=calls + graph.modules))


def recurrent_cells(graph: Graph, shared: bool) -> Iterator[tuple[ModuleCall, list[str]]]:
    """Yield each step of each unrolled net: a call that stands for it, and its values' ids."""
    modules = {module.id: module for module in graph.modules}
    into = incoming(graph)
    leaves = {node.id: is_given(node) or not shared for node in graph.nodes if not node.kind}
    uses = Counter(edge.source for edge in graph.edges)
    regions: dict[str | None, list[Node]] = {}
    for node in graph.nodes:
        if node.operation:
            regions.setdefault(node.module, []).append(node)
    for region, sequence in regions.items():
        period = longest_period(sequence, into, leaves, shared)
        if period is None:
            continue
        start, length, times = period
        members = [sequence[start + k * length : start + (k + 1) * length] for k in range(times)]
        above = modules[region] if region else None
        path = f"{above.path}.cell" if above else "cell"
        level = above.level + 1 if above else 1
        for step, given in enumerate(leaves_of_steps(members, into, leaves, uses)):
            call = ModuleCall(f"{region or 'c'}t{step}", path, "step", 0, region, level)
            yield call, [*given, *[node.id for node in members[step]]]


def leaves_of_steps(
    steps: Sequence[Sequence[Node]],
    into: dict[str, list[Edge]],
    leaves: Mapping[str, bool],
    uses: Mapping[str, int],
) -> list[list[str]]:
    """The data that each step has to itself, if all steps have some in the same place."""

    def own(source: str) -> bool:
        return leaves.get(source, False) and uses[source] == 1

    sources = [[edge.source for node in step for edge in into[node.id]] for step in steps]
    columns = [column for column in zip(*sources, strict=True) if all(map(own, column))]
    return [[column[step] for column in columns] for step in range(len(steps))]


def longest_period(
    sequence: Sequence[Node],
    into: dict[str, list[Edge]],
    leaves: Mapping[str, bool],
    shared: bool,
) -> Period | None:
    """Find the repetition that covers most values; of several the one with the shortest step.

    `leaves` says which leaves may differ from step to step.
    """
    at = {node.id: number for number, node in enumerate(sequence)}
    parameters = {leaf for leaf, may_differ in leaves.items() if not may_differ}
    best: Period | None = None
    for begin, length, most in same_operations(sequence):
        if best and (most // length + 1) * length <= best[1] * best[2]:
            continue
        alike = [
            same_work(x, y, length, at, into, leaves)
            for x, y in pairwise_at(length, sequence[begin : begin + length + most])
        ]
        for offset, count in runs_of(alike):
            start, times = begin + offset, count // length + 1
            covers_most = best is None or times * length > best[1] * best[2]
            if times < FEWEST_STEPS or not covers_most:
                continue
            first, second = (
                {edge.source for node in sequence[i : i + length] for edge in into[node.id]}
                for i in (start, start + length)
            )
            is_cell = bool(first & second & parameters) or not shared
            if is_cell and goes_on(sequence, start, length, into):
                best = start, length, times
    return best


def pairwise_at(distance: int, sequence: Sequence[Node]) -> Iterator[tuple[Node, Node]]:
    return zip(sequence, sequence[distance:], strict=False)


def same_operations(sequence: Sequence[Node]) -> Iterator[tuple[int, int, int]]:
    """Yield where the same operations come again after some length, for how many operations.

    Only those are yielded that are enough for a cell.
    """
    known: dict[Any, int] = {}
    codes = [known.setdefault((node.operation, node.shape), len(known)) for node in sequence]
    work = np.array(codes)
    for length in range(FEWEST_OPERATIONS, len(sequence) // FEWEST_STEPS + 1):
        differs = np.flatnonzero(work[length:] != work[:-length])
        ends = np.concatenate([[-1], differs, [len(work) - length]])
        counts = np.diff(ends) - 1
        for place in np.flatnonzero(counts >= length * (FEWEST_STEPS - 1)):
            yield int(ends[place]) + 1, length, int(counts[place])


def same_work(
    x: Node,
    y: Node,
    length: int,
    at: dict[str, int],
    into: dict[str, list[Edge]],
    leaves: Mapping[str, bool],
) -> bool:
    """Whether y does to the next step's values, or to the same ones, what x does in its step.

    In the first step a state that was given stands where later ones have a computed value.
    """
    if (x.operation, x.shape) != (y.operation, y.shape) or len(into[x.id]) != len(into[y.id]):
        return False
    for a, b in zip(into[x.id], into[y.id], strict=True):
        first, second = at.get(a.source), at.get(b.source)
        moved = first is not None and second is not None and second - first == length
        begins = first is None and second is not None and at[x.id] < length
        given = all(leaves.get(i, False) for i in (a.source, b.source))
        if a.argument != b.argument or not (a.source == b.source or moved or begins or given):
            return False
    return True


def is_given(node: Node) -> bool:
    """Whether a leaf is data: each step may have its own."""
    return node.role not in STATE_ROLES


def runs_of(truths: Sequence[bool]) -> Iterator[tuple[int, int]]:
    """Yield the start and the length of each run of True."""
    place = 0
    for truth, run in groupby(truths):
        length = len(list(run))
        if truth:
            yield place, length
        place += length


def goes_on(sequence: Sequence[Node], start: int, length: int, into: dict[str, list[Edge]]) -> bool:
    """Whether the second step takes a value that the first computed."""
    first = {node.id for node in sequence[start : start + length]}
    second = sequence[start + length : start + 2 * length]
    return any(edge.source in first for node in second for edge in into[node.id])
