"""A large graph made small: blocks that repeat are drawn once, Modules are folded to a node each.

Both steps take a Graph and return a Graph, so whatever reads a graph reads a folded one too. The
gradients stay the engine's: the shares along a folded graph's edges still add up to them.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from itertools import count, groupby
from typing import Any

import numpy as np

from tinygrad_edu.core.arraylike import Array
from tinygrad_edu.graph.expression import PLUS, greatest_magnitude
from tinygrad_edu.graph.modules import ModuleCall
from tinygrad_edu.graph.read import Edge, Graph, Node
from tinygrad_edu.graph.steps import incoming

FEWEST_BLOCKS = 3  # in a row: fewer are drawn one by one

Owners = Mapping[str, str]  # the id of a node ↦ the id of the folded call it is in, or its own
EdgeKey = Callable[[Edge], tuple[int, int]]


def fitting_depth(graph: Graph, most: int) -> int:
    """The greatest depth at which `fold` leaves at most `most` nodes; 1 if there is none."""
    depths = range(deepest_level(graph) + 1, 1, -1)
    return next((depth for depth in depths if len(fold(graph, depth).nodes) <= most), 1)


def deepest_level(graph: Graph) -> int:
    """The level of the innermost Module; 0 if there is no Module."""
    return max((module.level for module in graph.modules), default=0)


def fold(graph: Graph, depth: int) -> Graph:
    """Fold each Module call at level `depth`, and each above that contains no other, to a node.

    The node's name is the Module's path, its kind the Module's type, its value the last value that
    leaves the Module. A `depth` beyond the innermost Module folds nothing.

    >>> from tinygrad_edu import graph, nn
    >>> model = nn.Sequential(nn.Linear(3, 2), nn.Tanh())
    >>> nodes = fold(graph.read(model(np.ones((4, 3)))), 2).nodes
    >>> [(node.name, node.kind) for node in nodes]
    [('x1', None), ('Sequential.0', 'Linear'), ('Sequential.1', 'Tanh')]
    """
    if depth < 1:
        raise ValueError(
            f"depth is 1 (the outermost Modules, one box each) or more, and not {depth!r}"
        )
    modules = {module.id: module for module in graph.modules}
    owner, order = acyclic_owners(graph, folded_calls(graph, depth), modules)
    shown = last_leaving(graph, owner)
    inside: dict[str, list[str]] = {group: [] for group in order}
    for node in graph.nodes:
        if node.kind:
            inside[owner[node.id]].append(node.id)
    nodes = [
        module_node(modules[group], shown[group], tuple(inside[group]), graph)
        if group in modules
        else shown[group]
        for group in order
    ]
    kept = {call for node in nodes for call in enclosing(node.module, modules)}
    edges = group_edges(graph, owner, shown, order)
    kept_calls = tuple(m for m in graph.modules if m.id in kept)
    return replace(graph, nodes=tuple(nodes), edges=tuple(edges), modules=kept_calls)


def folded_calls(graph: Graph, depth: int) -> set[str]:
    """The ids of the calls at a level, and of those above it that contain no other."""
    callers = {module.parent for module in graph.modules}
    deep = depth <= deepest_level(graph)
    return {
        module.id
        for module in graph.modules
        if module.level == depth or (module.level < depth and deep and module.id not in callers)
    }


def enclosing(module: str | None, modules: Mapping[str, ModuleCall]) -> Iterator[str]:
    """Yield the ids of a call and of the calls around it, from the inside out."""
    while module:
        yield module
        module = modules[module].parent


def acyclic_owners(
    graph: Graph,
    folded: set[str],
    modules: Mapping[str, ModuleCall],
    without: Sequence[str] = (),
) -> tuple[Owners, list[str]]:
    """Find which folded call each node is in, and the groups in topological order.

    Nodes of the roles in `without` stay outside.

    What a Module computed may come back to it through nodes outside: folded, the Module would be
    its own input. Such a Module is not folded.
    """
    owner = {}
    for node in graph.nodes:
        around = () if node.role in without else enclosing(node.module, modules)
        owner[node.id] = next((call for call in around if call in folded), node.id)
    while True:
        try:
            return owner, group_order(graph, owner)
        except CycleError as error:
            cycle = error.args[1]
            owner = {node: node if group in cycle else group for node, group in owner.items()}


def group_order(graph: Graph, owner: Owners) -> list[str]:
    """The groups in topological order; of several that are possible, by their last values."""
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


def last_leaving(graph: Graph, owner: Owners) -> dict[str, Node]:
    """The last value that leaves each group: the one that its node shows."""
    out = {edge.source for edge in graph.edges if owner[edge.source] != owner[edge.target]}
    out.add(graph.output.id)
    return {owner[node.id]: node for node in graph.nodes if node.id in out}


def module_node(module: ModuleCall, shown: Node, members: tuple[str, ...], graph: Graph) -> Node:
    """Make the node of a folded call; `shown` is the last value that leaves the call."""
    is_output = shown is graph.output
    has_no_name = module.path == module.kind
    return Node(
        module.id,
        shown.name if is_output and has_no_name else module.path,  # loss rather than MSE
        "output" if is_output else "module",
        shown.value,
        shown.gradient,
        module.parent,
        module.kind,
        members=members,
        parameters=module.parameters,
        series=shown.series,
    )


def group_edges(
    graph: Graph, owner: Owners, shown: Mapping[str, Node], order: Sequence[str]
) -> list[Edge]:
    """The edges between groups: at most one from each group to each folded call.

    The arguments of a folded call are numbered in the order of their edges; those of a node that
    is not folded keep their numbers.
    """
    found: dict[tuple[str, str, int | None], list[Edge]] = {}
    for edge in graph.edges:
        source, target = owner[edge.source], owner[edge.target]
        argument = edge.argument if target == edge.target else None
        if source != target:
            found.setdefault((target, source, argument), []).append(edge)
    edges, free = [], {group: count() for group in order}
    for (target, source, argument), parallel in found.items():
        from_shown = [edge for edge in parallel if edge.source == shown[source].id]
        if argument is not None and from_shown:
            edges.append(replace(from_shown[0], source=source))
            continue
        number = next(free[target]) if argument is None else argument
        edges.append(joint_edge(source, target, number, parallel, from_shown))
    return sorted(edges, key=edge_order(order))


def joint_edge(
    source: str, target: str, number: int, parallel: Sequence[Edge], passing: Sequence[Edge]
) -> Edge:
    """One edge for several parallel ones, of which `passing` start at the value that is shown."""
    recorded = any(edge.recorded for edge in parallel)
    return Edge(source, target, number, None, joint_share(passing), recorded=recorded)


def joint_share(edges: Iterable[Edge]) -> Array | None:
    """What the source receives along several edges together; None if it receives nothing."""
    passed = [edge.share for edge in edges if edge.share is not None]
    return np.asarray(sum(passed)) if passed else None


def edge_order(order: Iterable[str]) -> EdgeKey:
    """The key by which edges are sorted: by target, then by argument."""
    rank = {group: number for number, group in enumerate(order)}
    return lambda edge: (rank[edge.target], edge.argument)


# Blocks that repeat


@dataclass(frozen=True, eq=False)
class Block:
    """A Module call with the nodes and edges in it, to be compared with other blocks.

    A position is an index into `nodes`. In blocks that are built alike, corresponding nodes have
    the same position.
    """

    module: ModuleCall
    nodes: tuple[Node, ...]
    enters: tuple[tuple[str, int, int], ...]  # (source outside, position of the target, argument)
    leaves: tuple[tuple[int, str], ...]  # (position of the source, target outside)
    structure: Any  # equal for blocks that are built alike

    def links_to(self, other: Block) -> set[tuple[int, int, int]]:
        """Where this block's values enter another: (position here, position there, argument)."""
        positions = {node.id: position for position, node in enumerate(self.nodes)}
        return {
            (positions[source], target, argument)
            for source, target, argument in other.enters
            if source in positions
        }

    def leads_to(self, other: Block) -> bool:
        """Whether all that leaves this block enters `other`, which takes no other new values.

        A value may also go where the corresponding one of `other` goes: the outputs of all steps
        are stacked.
        """
        ours, theirs = {node.id for node in self.nodes}, {node.id for node in other.nodes}
        all_goes_on = all(
            leaving[1] in theirs or leaving in other.leaves for leaving in self.leaves
        )
        return all_goes_on and all(
            entry[0] in ours or entry in self.enters for entry in other.enters
        )


def collapse_repeats(graph: Graph) -> Graph:
    """Keep one block of each run of three or more, built alike and each leading to the next.

    The last block stands for all: `Node.series` has the greatest |gradient| of each block,
    `ModuleCall.times` their number.
    """
    while run := next(repeated_runs(graph), None):
        graph = collapse_run(graph, run)
    return graph


def repeated_runs(graph: Graph) -> Iterator[list[Block]]:
    """Yield runs of three or more blocks that are built alike, outer ones first."""
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
    """Whether a block is built like those of a run, and takes values where they take them."""
    last = run[-1]
    if last.structure != block.structure or not last.leads_to(block):
        return False
    inside = {node.id for node in block.nodes}
    if any(target in inside for earlier in run[:-1] for _, target in earlier.leaves):
        return False
    return len(run) == 1 or run[-2].links_to(last) == last.links_to(block)


def all_blocks(graph: Graph) -> list[Block]:
    """All calls that no run was collapsed to: outer ones first, siblings in the order they ran."""
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
    single.sort(key=lambda m: (m.level, m.parent or "", rank[nodes[m.id][-1].id]))
    return [make_block(module, nodes[module.id], edges[module.id]) for module in single]


def make_block(module: ModuleCall, nodes: Sequence[Node], edges: Sequence[Edge]) -> Block:
    """Make a block of a call, its nodes, and the edges that start or end in it."""
    at = {node.id: position for position, node in enumerate(nodes)}
    enters, leaves, within = [], [], []
    for edge in edges:
        if edge.source not in at:
            enters.append((edge.source, at[edge.target], edge.argument))
        elif edge.target not in at:
            leaves.append((at[edge.source], edge.target))
        else:
            within.append((at[edge.source], at[edge.target], edge.argument))
    values = [(node.role == "parameter", node.kind, node.operation, node.shape) for node in nodes]
    structure = (module.kind, values, within, [place for _, *place in enters])
    return Block(module, tuple(nodes), tuple(enters), tuple(leaves), structure)


def collapse_run(graph: Graph, run: Sequence[Block]) -> Graph:
    """Let the last block of a run stand for all: what entered any block enters the last."""
    modules, last = {module.id: module for module in graph.modules}, run[-1]
    gone = {block.module.id for block in run[:-1]}
    gone |= {node.id for block in run[:-1] for node in block.nodes}
    copies = {
        node.id: [block.nodes[position] for block in run]
        for position, node in enumerate(last.nodes)
    }
    nodes = [
        node_for_run(node, copies[node.id], run) if node.id in copies else node
        for node in graph.nodes
        if node.id not in gone
    ]
    calls = []
    for module in graph.modules:
        around = {*enclosing(module.id, modules)}
        if not gone & around:
            inside = last.module.id in around
            calls.append(module_for_run(module, run) if inside else module)
    edges = edges_through(graph, run, edge_order(node.id for node in nodes))
    return replace(graph, nodes=tuple(nodes), edges=tuple(edges), modules=tuple(calls))


def edges_through(graph: Graph, run: Sequence[Block], order: EdgeKey) -> list[Edge]:
    """The edges of a graph in which the last block of a run stands for all.

    The edges within the last block and out of it are kept. Those from outside into any block are
    kept too, and lead to the last block.
    """
    home = {node.id: number for number, block in enumerate(run) for node in block.nodes}
    last, last_nodes = len(run) - 1, run[-1].nodes
    stands_for = {
        node.id: stand_in.id
        for block in run
        for node, stand_in in zip(block.nodes, last_nodes, strict=True)
    }
    found: dict[tuple[str, str, int], list[Edge]] = {}
    for edge in graph.edges:
        source, target = home.get(edge.source), home.get(edge.target)
        if source is None or (source == last and target in (source, None)):
            key = edge.source, stands_for.get(edge.target, edge.target), edge.argument
            found.setdefault(key, []).append(edge)
    edges = [
        parallel[0]
        if len(parallel) == 1 and parallel[0].target == target
        else joint_edge(source, target, argument, parallel, parallel)
        for (source, target, argument), parallel in found.items()
    ]
    return sorted(edges, key=order)


def common_path(run: Sequence[Block]) -> str:
    """model.blocks[0:12] for model.blocks.0 to model.blocks.11."""
    first, last = run[0].module.path, run[-1].module.path
    if first == last:
        return first
    (above, _, a), (_, _, b) = first.rpartition("."), last.rpartition(".")
    in_a_row = a.isdecimal() and b.isdecimal() and int(b) - int(a) == len(run) - 1
    return f"{above}[{a}:{int(b) + 1}]" if in_a_row else f"{first} … {b}"


def name_for_run(name: str, run: Sequence[Block]) -> str:
    """Put the path of the whole run in place of the last block's path in a name."""
    path = run[-1].module.path
    return common_path(run) + name[len(path) :] if f"{name}.".startswith(f"{path}.") else name


def count_modules(run: Sequence[Block]) -> int:
    """How many different Modules a run of calls has: one may have been called many times."""
    return len({block.module.path for block in run})


def node_for_run(node: Node, copies: Sequence[Node], run: Sequence[Block]) -> Node:
    """Make a node of the last block stand for its copies in all blocks of a run."""
    series = tuple(
        number for copy in copies for number in copy.series or (greatest_magnitude(copy.gradient),)
    )
    return replace(node, name=name_for_run(node.name, run), series=series)


def module_for_run(module: ModuleCall, run: Sequence[Block]) -> ModuleCall:
    """Make a call in the last block stand for the corresponding calls in all blocks."""
    return replace(
        module,
        path=name_for_run(module.path, run),
        times=len(run) if module.id == run[-1].module.id else module.times,
        parameters=module.parameters * count_modules(run),
    )


# Residual paths


def residual_edges(graph: Graph) -> frozenset[str]:
    """The ids of the edges that skip over Modules into an addition.

    In the addition, a value meets what the Modules made of it.
    """
    at = {node.id: number for number, node in enumerate(graph.nodes)}
    before = [1 << number for number in range(len(at))]  # bit i: node i leads here, or is here
    for edge in graph.edges:
        before[at[edge.target]] |= before[at[edge.source]]

    def skips(edge: Edge, other: Edge) -> bool:
        """Whether a Module is on some way from the edge's source to the other's."""
        start, end, home = at[edge.source], at[other.source], graph.nodes[at[edge.target]].module
        passed = [
            node
            for number, node in enumerate(graph.nodes)
            if number != start and before[number] >> start & 1 and before[end] >> number & 1
        ]
        return any(node.members or node.module != home for node in passed)

    arriving = incoming(graph)
    pairs = [
        (edges[0], edges[1])
        for node in graph.nodes
        if node.symbol == PLUS and len(edges := arriving[node.id]) == 2
    ]
    return frozenset(
        edge.id for x, y in pairs for edge, other in ((x, y), (y, x)) if skips(edge, other)
    )
