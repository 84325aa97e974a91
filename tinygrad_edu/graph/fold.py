"""A large graph made small: blocks that repeat drawn once, and then Modules folded into one node
each.

Both take a Graph and give a Graph, so that all that reads one reads a folded one too. The gradients
stay the engine's: what arrives along the edges of a folded graph still adds up to them."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from itertools import count, groupby
from typing import Any

import numpy as np

from tinygrad_edu.core.engine import Array
from tinygrad_edu.graph.expression import greatest_magnitude
from tinygrad_edu.graph.modules import ModuleCall
from tinygrad_edu.graph.read import Edge, Graph, Node

FEWEST_BLOCKS = 3  # blocks in a row that are worth to be drawn once


def fitted(graph: Graph, most: int) -> Graph:
    """Blocks that repeat drawn once, and folded as little as leaves at most so many nodes."""
    small = collapse_repeats(graph)
    return fold(small, fitting_depth(small, most))


def fitting_depth(graph: Graph, most: int) -> int:
    """The greatest depth that leaves at most so many nodes, else 1."""
    return next(
        (
            depth
            for depth in range(deepest_level(graph) + 1, 1, -1)
            if len(fold(graph, depth).nodes) <= most
        ),
        1,
    )


def deepest_level(graph: Graph) -> int:
    """The level of the innermost Module."""
    return max((module.level for module in graph.modules), default=0)


def fold(graph: Graph, depth: int) -> Graph:
    """Each Module call at level `depth`, and each above that contains no other, as one node; the
    rest stays as it is.

    Its name is the Module's path, its operation its kind, its value the last that leaves the
    Module, its role "module" (or "output"). A depth below the innermost Modules folds nothing.

    >>> from tinygrad_edu import nn
    >>> from tinygrad_edu.graph import read
    >>> model = nn.Sequential(nn.Linear(3, 2), nn.Tanh())
    >>> graph = read(model(np.ones((4, 3))), {"model": model})
    >>> [(node.name, node.operation) for node in fold(graph, 2).nodes]
    [('x1', None), ('model.0', 'Linear'), ('model.1', 'Tanh')]
    """
    if depth < 1:
        raise ValueError(
            f"depth is 1 (the outermost Modules, one box each) or more, and not {depth!r}"
        )
    modules = {module.id: module for module in graph.modules}
    outer = {module.parent for module in graph.modules}
    boxes = {
        m.id
        for m in graph.modules
        if m.level == depth or (m.level < depth <= deepest_level(graph) and m.id not in outer)
    }
    owner = {
        node.id: next((m for m in enclosing(node.module, modules) if m in boxes), node.id)
        for node in graph.nodes
    }
    while True:
        try:
            order = group_order(graph, owner)
        except (
            CycleError
        ) as error:  # a Module that works on what it computed itself before: it stays open
            owner = {
                node: node if group in error.args[1] else group for node, group in owner.items()
            }
        else:
            break
    shown = last_leaving(graph, owner)
    inside: dict[str, list[str]] = {group: [] for group in order}
    for node in graph.nodes:
        if node.operation:
            inside[owner[node.id]].append(node.id)
    nodes = tuple(
        module_node(modules[group], shown[group], tuple(inside[group]), graph)
        if group in modules
        else shown[group]
        for group in order
    )
    kept = {m for node in nodes for m in enclosing(node.module, modules)}
    return Graph(
        nodes,
        tuple(group_edges(graph, owner, shown, order)),
        tuple(m for m in graph.modules if m.id in kept),
    )


def enclosing(module: str | None, modules: Mapping[str, ModuleCall]) -> Iterator[str]:
    """A call and those around it, outwards."""
    while module:
        yield module
        module = modules[module].parent


def group_order(graph: Graph, owner: Mapping[str, str]) -> list[str]:
    """The groups in topological order, and in that of their last values where there is a choice."""
    rank = {owner[node.id]: number for number, node in enumerate(graph.nodes)}
    sources: dict[str, set[str]] = {group: set() for group in rank}
    for edge in graph.edges:
        sources[owner[edge.target]].add(owner[edge.source])
    sorter = TopologicalSorter({group: found - {group} for group, found in sources.items()})
    sorter.prepare()
    order: list[str] = []
    ready: list[tuple[int, str]] = []
    while sorter.is_active():
        for group in sorter.get_ready():
            heapq.heappush(ready, (rank[group], group))
        order.append(heapq.heappop(ready)[1])
        sorter.done(order[-1])
    return order


def last_leaving(graph: Graph, owner: Mapping[str, str]) -> dict[str, Node]:
    """The last value that leaves each group: the one that its node shows."""
    out = {edge.source for edge in graph.edges if owner[edge.source] != owner[edge.target]} | {
        graph.output.id
    }
    return {owner[node.id]: node for node in graph.nodes if node.id in out}


def module_node(module: ModuleCall, shown: Node, members: tuple[str, ...], graph: Graph) -> Node:
    """The node of a Module."""
    role = "output" if shown is graph.output else "module"
    name = (
        shown.name if role == "output" and module.path == module.kind else module.path
    )  # loss rather than MSE
    return Node(
        module.id,
        name,
        role,
        shown.value,
        shown.gradient,
        module.parent,
        module.kind,
        members=members,
        parameters=module.parameters,
        series=shown.series,
    )


def group_edges(
    graph: Graph, owner: Mapping[str, str], shown: Mapping[str, Node], order: Sequence[str]
) -> list[Edge]:
    """The edges between groups: one from each group to each Module, whose arguments are numbered as
    they come."""
    found: dict[tuple[Any, ...], list[Edge]] = {}
    for edge in graph.edges:
        source, target = owner[edge.source], owner[edge.target]
        argument = edge.argument if target == edge.target else None
        if source != target:
            found.setdefault((target, source, argument), []).append(edge)
    edges, free = [], {group: count() for group in order}
    for (target, source, argument), several in found.items():
        ours = [edge for edge in several if edge.source == shown[source].id]
        if argument is not None and ours:
            edges.append(replace(ours[0], source=source))
        else:
            edges.append(
                Edge(
                    source,
                    target,
                    next(free[target]) if argument is None else argument,
                    None,
                    joint_contribution(ours),
                )
            )
    return sorted(edges, key=edge_order(order))


def joint_contribution(edges: Iterable[Edge]) -> Array | None:
    """What the source receives along several edges together."""
    passed = [edge.contribution for edge in edges if edge.contribution is not None]
    return np.asarray(sum(passed)) if passed else None


def edge_order(order: Iterable[str]) -> Any:
    """The key by which edges are sorted: by target, then by argument."""
    rank = {group: number for number, group in enumerate(order)}
    return lambda edge: (rank[edge.target], edge.argument)


@dataclass(frozen=True, eq=False)
class Block:
    """A Module with all that is in it: what may repeat."""

    module: ModuleCall
    nodes: tuple[Node, ...]
    enters: tuple[tuple[str, int, int], ...]  # (source outside, position of the target, argument)
    leaves: tuple[tuple[int, str], ...]  # (position of the source, target outside)
    structure: Any  # equal for blocks that are built alike

    def links(self, other: Block) -> Any:
        """Where the values of this block go into the other."""
        positions = {node.id: position for position, node in enumerate(self.nodes)}
        return {
            (positions[source], *place) for source, *place in other.enters if source in positions
        }

    def leads_to(self, other: Block) -> bool:
        """Whether all that leaves this block goes on to the other, which takes nothing new from
        elsewhere."""
        ours, theirs = {node.id for node in self.nodes}, {node.id for node in other.nodes}
        return all(target in theirs for _, target in self.leaves) and all(
            entry[0] in ours or entry in self.enters for entry in other.enters
        )


def collapse_repeats(graph: Graph) -> Graph:
    """Each run of three or more blocks that are built alike, one leading to the next, drawn once:
    as its last.

    `Node.series` has the greatest |gradient| of each; `Module.times` says how many there are.
    """
    while run := next(repeated_runs(graph), None):
        graph = collapse_run(graph, run)
    return graph


def repeated_runs(graph: Graph) -> Iterator[list[Block]]:
    """Blocks in a row that are built alike, outer ones first."""
    for _, siblings in groupby(all_blocks(graph), lambda block: block.module.parent):
        run: list[Block] = []
        for block in siblings:
            if run and not continues_run(run, block):
                if len(run) >= FEWEST_BLOCKS:
                    yield run
                run = []
            run.append(block)
        if len(run) >= FEWEST_BLOCKS:
            yield run


def continues_run(run: list[Block], block: Block) -> bool:
    last = run[-1]
    return (
        last.structure == block.structure
        and last.leads_to(block)
        and (len(run) == 1 or run[-2].links(last) == last.links(block))
    )


def all_blocks(graph: Graph) -> list[Block]:
    """All Modules that stand for one: those of one parent together, outer ones first, in the order
    in which they ran."""
    modules = {module.id: module for module in graph.modules}
    owners = {node.id: {*enclosing(node.module, modules)} for node in graph.nodes}
    nodes: dict[str, list[Node]] = {module: [] for module in modules}
    edges: dict[str, list[Edge]] = {module: [] for module in modules}
    for node in graph.nodes:
        for owner in owners[node.id]:
            nodes[owner].append(node)
    for edge in graph.edges:
        for owner in owners[edge.source] | owners[edge.target]:
            edges[owner].append(edge)
    rank = {node.id: number for number, node in enumerate(graph.nodes)}
    single = [module for module in graph.modules if module.times == 1 and nodes[module.id]]
    single.sort(
        key=lambda module: (module.level, module.parent or "", rank[nodes[module.id][-1].id])
    )
    return [make_block(module, nodes[module.id], edges[module.id]) for module in single]


def make_block(module: ModuleCall, nodes: Sequence[Node], edges: Sequence[Edge]) -> Block:
    """What is in a Module."""
    at = {node.id: position for position, node in enumerate(nodes)}
    enters = tuple(
        (edge.source, at[edge.target], edge.argument) for edge in edges if edge.source not in at
    )
    leaves = tuple((at[edge.source], edge.target) for edge in edges if edge.target not in at)
    within = [
        (at[edge.source], at[edge.target], edge.argument)
        for edge in edges
        if edge.source in at and edge.target in at
    ]
    values = [(node.role == "parameter", node.operation, node.shape) for node in nodes]
    return Block(
        module,
        tuple(nodes),
        enters,
        leaves,
        (module.kind, values, within, [place for _, *place in enters]),
    )


def collapse_run(graph: Graph, run: Sequence[Block]) -> Graph:
    """The graph with the last block of a run in the place of all: what entered the first enters
    it."""
    modules, last = {module.id: module for module in graph.modules}, run[-1]
    copies = {
        node.id: [block.nodes[position] for block in run]
        for position, node in enumerate(last.nodes)
    }
    gone = {node.id for block in run[:-1] for node in block.nodes} | {
        block.module.id for block in run[:-1]
    }
    nodes = [
        node_for_run(node, copies[node.id], run) if node.id in copies else node
        for node in graph.nodes
        if node.id not in gone
    ]
    kept = [m for m in graph.modules if not gone & {*enclosing(m.id, modules)}]
    return Graph(
        tuple(nodes),
        tuple(edges_through(graph, run, edge_order(node.id for node in nodes))),
        tuple(
            module_for_run(m, run) if last.module.id in enclosing(m.id, modules) else m
            for m in kept
        ),
    )


def edges_through(graph: Graph, run: Sequence[Block], order: Any) -> list[Edge]:
    """The edges of a graph whose blocks in a run are drawn once."""
    home = {node.id: number for number, block in enumerate(run) for node in block.nodes}
    stands = {
        node.id: run[-1].nodes[position].id
        for block in run
        for position, node in enumerate(block.nodes)
    }
    found: dict[tuple[str, str, int], list[Edge]] = {}
    for edge in graph.edges:
        source, target = home.get(edge.source), home.get(edge.target)
        if source is None or (source == len(run) - 1 and target in (source, None)):
            found.setdefault(
                (edge.source, stands.get(edge.target, edge.target), edge.argument), []
            ).append(edge)
    edges = [
        alike[0]
        if len(alike) == 1 and alike[0].target == target
        else Edge(source, target, argument, None, joint_contribution(alike))
        for (source, target, argument), alike in found.items()
    ]
    return sorted(edges, key=order)


def common_path(run: Sequence[Block]) -> str:
    """model.blocks[0:12] for model.blocks.0 to model.blocks.11."""
    first, last = run[0].module.path, run[-1].module.path
    (above, _, a), (_, _, b) = first.rpartition("."), last.rpartition(".")
    if first == last:
        return first
    in_a_row = a.isdecimal() and b.isdecimal() and int(b) - int(a) == len(run) - 1
    return f"{above}[{a}:{int(b) + 1}]" if in_a_row else f"{first} … {b}"


def name_for_run(name: str, run: Sequence[Block]) -> str:
    """The name of something in the last block, as that of all."""
    path = run[-1].module.path
    return (
        common_path(run) + name[len(path) :]
        if name == path or name.startswith(f"{path}.")
        else name
    )


def count_modules(run: Sequence[Block]) -> int:
    """How many Modules a run of calls has: one Module may have been called many times."""
    return len({block.module.path for block in run})


def node_for_run(node: Node, copies: Sequence[Node], run: Sequence[Block]) -> Node:
    """A node that stands for its copies in all blocks of a run."""
    series = tuple(
        number for copy in copies for number in copy.series or (greatest_magnitude(copy.gradient),)
    )
    return replace(node, name=name_for_run(node.name, run), series=series)


def module_for_run(module: ModuleCall, run: Sequence[Block]) -> ModuleCall:
    """A Module of the last block, which stands for those in all."""
    times = len(run) if module.id == run[-1].module.id else module.times
    return replace(
        module,
        path=name_for_run(module.path, run),
        times=times,
        parameters=module.parameters * count_modules(run),
    )


def residual_edges(graph: Graph) -> frozenset[str]:
    """The ids of the edges that skip over Modules into an addition, to meet what the Modules made
    of the same value."""
    at = {node.id: number for number, node in enumerate(graph.nodes)}
    before = [
        1 << number for number in range(len(at))
    ]  # of each node, itself included, as the bits of a number
    arriving: dict[str, list[Edge]] = {node.id: [] for node in graph.nodes}
    for edge in graph.edges:
        before[at[edge.target]] |= before[at[edge.source]]
        arriving[edge.target].append(edge)

    def skips(edge: Edge, other: Edge) -> bool:
        start, end, home = at[edge.source], at[other.source], graph.nodes[at[edge.target]].module
        passed = [
            node
            for number, node in enumerate(graph.nodes)
            if number != start and before[number] >> start & 1 and before[end] >> number & 1
        ]
        return any(node.members or node.module != home for node in passed)

    pairs = [
        arriving[node.id]
        for node in graph.nodes
        if node.operation == "add" and len(arriving[node.id]) == 2
    ]
    return frozenset(
        edge.id for x, y in pairs for edge, other in ((x, y), (y, x)) if skips(edge, other)
    )
