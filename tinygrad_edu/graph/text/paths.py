"""paths: a gradient as a sum over paths, each the product of its local derivatives.

Backpropagation computes the same sum with far less work: a value used twice in each of 60 steps has
2⁶⁰ paths, which the engine adds up in 60 steps. Paths are counted here in the same way, and listed
if they are few.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tinygrad_edu.core.engine import Tensor
from tinygrad_edu.graph.expression import (
    count_text,
    name_text,
    number_text,
    shape_text,
    true_minus,
)
from tinygrad_edu.graph.read import Edge, Graph, Node, read, values_behind
from tinygrad_edu.graph.steps import incoming
from tinygrad_edu.graph.text.signs import printable
from tinygrad_edu.graph.text.table import table_lines

MOST_LISTED = 200  # paths: more are counted only
LONGEST_LISTED = 12  # names on one line; of a longer path the middle is left out


@dataclass(frozen=True)
class Path:
    """One way from the output back to a value, as ids."""

    nodes: tuple[str, ...]  # the output first
    edges: tuple[str, ...]
    locals: tuple[float, ...]  # the local derivative of each edge

    @property
    def product(self) -> float:
        return math.prod(self.locals, start=1.0)


@dataclass(frozen=True, eq=False, repr=False)
class Paths:
    """All paths to a value, and the gradient that they add up to.

    More than 200 paths are counted, not listed.
    """

    graph: Graph
    leaf: Node
    count: int
    paths: tuple[Path, ...]
    gradient: float

    def __repr__(self) -> str:
        return printable(self.text())

    def text(self) -> str:
        """The gradient, its paths, and their sum."""
        gradient = number_text(self.gradient)
        title = f"∂{name_text(self.graph.output.name)}/∂{name_text(self.leaf.name)} = {gradient}"
        found = count_text(self.count, "path")
        if not self.paths:
            return true_minus(
                f"{title}, the sum over {found}: more than {MOST_LISTED} are not listed"
            )
        names = {node.id: name_text(node.name) for node in self.graph.nodes}
        rows = []
        for path in self.paths:
            ways = join_abridged(" ← ", [names[node] for node in path.nodes])
            factors = join_abridged(" × ", [number_text(x, 3) for x in path.locals] or ["1"])
            rows.append((f"  {ways}", factors, f"= {number_text(path.product)}"))
        lines = [true_minus(f"{title}, over {found}"), *table_lines(rows)]
        if self.count > 1:
            terms = join_abridged(" + ", [number_text(path.product) for path in self.paths])
            lines.append(f"  {true_minus(terms)} = {true_minus(gradient)}")
        return "\n".join(lines)


def paths(output: Tensor, leaf: Tensor) -> Paths:
    """Find every path from the output back to a value: the gradient is the sum of their products.

    Names are read off the caller's variables. Raises ValueError if an array is on a path.

    >>> x = Tensor(3.0, requires_grad=True)
    >>> paths(np.exp(x) * x, x)
    ∂z2/∂x = 80.34, over 2 paths
      z2 ← z1 ← x  3.00 × 20.1  = 60.26
      z2 ← x       20.1         = 20.09
      60.26 + 20.09 = 80.34
    """
    for name, x in (("output", output), ("leaf", leaf)):
        if not isinstance(x, Tensor):
            raise TypeError(f"paths takes two Tensors, and got {x!r:.60} as {name}")
    graph = read(output, sys._getframe(1).f_locals)
    number = next((number for number, x in enumerate(values_behind(output)) if x is leaf), None)
    if number is None:
        raise ValueError(
            f"{tensor_name(leaf)} is not among the {len(graph.nodes)} values that "
            f"{graph.output.name!r:.60} was computed from: take a Tensor that took part, the very "
            "same one and not a copy"
        )
    return paths_to(graph, graph.nodes[number])


def tensor_name(x: Tensor) -> str:
    return f"{x.name!r:.60}" if x.name else f"{x!r:.60}"


def paths_to(graph: Graph, leaf: Node) -> Paths:
    """All paths to a node of the graph."""
    if leaf.gradient is None:
        raise ValueError(
            f"{leaf.name!r:.60} requires no gradient: make it with requires_grad=True, then "
            "compute anew"
        )
    ways = {leaf.id: 1}  # how many paths lead from each node to the leaf
    for edge in graph.edges:  # in topological order
        if edge.source not in ways or edge.share is None:
            continue
        if edge.local is None:
            raise array_on_edge(edge, graph)
        ways[edge.target] = ways.get(edge.target, 0) + ways[edge.source]
    if leaf.shape:
        raise array_refused(leaf)
    count = ways[graph.output.id]
    found = tuple(walk_paths(graph, leaf.id, set(ways))) if count <= MOST_LISTED else ()
    return Paths(graph, leaf, count, found, float(leaf.gradient))


def walk_paths(graph: Graph, leaf: str, ways: set[str]) -> Iterator[Path]:
    """Yield the paths, through nodes that depend on the leaf; first arguments first."""
    into = incoming(graph)
    pending: list[tuple[str, tuple[Edge, ...]]] = [(graph.output.id, ())]
    while pending:
        node, edges = pending.pop()
        if node == leaf:
            yield Path(
                (graph.output.id, *[edge.source for edge in edges]),
                tuple(edge.id for edge in edges),
                tuple(edge.local for edge in edges if edge.local is not None),
            )
            continue
        for edge in reversed(into[node]):
            if edge.source in ways and edge.local is not None:
                pending.append((edge.source, (*edges, edge)))


def array_on_edge(edge: Edge, graph: Graph) -> ValueError:
    """Make the error that names the edge's first node that is an array."""
    nodes = {node.id: node for node in graph.nodes}
    ends = (nodes[edge.source], nodes[edge.target])
    return array_refused(next(node for node in ends if node.shape))


def array_refused(node: Node) -> ValueError:
    return ValueError(
        f"{node.name!r:.60} has the shape {shape_text(node.shape)}, and paths multiplies numbers, "
        "not arrays: compute with numbers, w1 * x1 + w2 * x2 in place of w @ x, or use "
        "explain(output), which shows arrays"
    )


def join_abridged(between: str, words: Sequence[str]) -> str:
    """Join all words, or of more than 12 the first and the last ones with … between."""
    if len(words) > LONGEST_LISTED:
        words = [*words[: LONGEST_LISTED // 2], "…", *words[1 - LONGEST_LISTED // 2 :]]
    return between.join(words)
