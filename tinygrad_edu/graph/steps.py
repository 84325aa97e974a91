"""The two passes, one step after the other: what a table tells and a stepper shows.

Forward, every value is given or computed, each after those that it needs. Backward follows the
engine's chain_rule: the youngest value, whose gradient is complete, passes a share along
each of its edges.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tinygrad_edu.core.arraylike import Array
from tinygrad_edu.graph.read import Edge, Graph, Node


@dataclass(frozen=True, eq=False)
class Forward:
    """A value is computed from its inputs; a leaf, which has none, is given."""

    node: Node
    inputs: tuple[Node, ...]  # in the order of the arguments: x * x has x twice


@dataclass(frozen=True, eq=False)
class Backward:
    """A value passes a share, upstream × local, along one edge back to an input.

    There it is added to what the input has received before.
    """

    edge: Edge  # edge.local is the local derivative, between numbers
    target: Node  # what passes it on: its gradient is complete
    source: Node  # what receives it
    upstream: Array  # ∂output/∂target
    share: Array
    before: Array | None  # what the source had received before; None if this is the first
    after: Array  # before + share; the source's gradient if `complete`
    complete: bool  # whether it is the last that the source receives


def steps(graph: Graph) -> list[Forward | Backward]:
    """Both passes as steps, the forward pass first.

    What requires no gradient has no step in the backward pass.

    >>> from tinygrad_edu import Tensor
    >>> from tinygrad_edu.graph import read
    >>> x = Tensor(3.0, requires_grad=True, name="x")
    >>> [(step.source.name, step.share.item(), step.after.item())
    ...  for step in steps(read(x * x + x)) if isinstance(step, Backward)]
    [('z1', 1.0, 1.0), ('x', 1.0, 1.0), ('x', 3.0, 4.0), ('x', 3.0, 7.0)]
    """
    nodes, into = {node.id: node for node in graph.nodes}, incoming(graph)
    forward = [
        Forward(node, tuple(nodes[edge.source] for edge in into[node.id])) for node in graph.nodes
    ]
    youngest_first = [edge for node in reversed(graph.nodes) for edge in into[node.id]]
    return [*forward, *backward_steps(nodes, youngest_first)]


def incoming(graph: Graph) -> dict[str, list[Edge]]:
    """The edges that end at each node, in the order of its arguments, by the node's id."""
    into: dict[str, list[Edge]] = {node.id: [] for node in graph.nodes}
    for edge in graph.edges:
        into[edge.target].append(edge)
    return into


def backward_steps(nodes: dict[str, Node], edges: list[Edge]) -> Iterator[Backward]:
    """Yield a step for each edge that passes a gradient; what a source receives is added up."""
    passing = [(edge, edge.share) for edge in edges if edge.share is not None]
    last = {edge.source: edge for edge, _ in passing}
    received: dict[str, Array] = {}
    for edge, share in passing:
        upstream, before = nodes[edge.target].gradient, received.get(edge.source)
        assert upstream is not None  # whoever passes a gradient on has one
        received[edge.source] = share if before is None else quiet_sum(before, share)
        yield Backward(
            edge,
            nodes[edge.target],
            nodes[edge.source],
            upstream,
            share,
            before,
            received[edge.source],
            last[edge.source] is edge,
        )


def quiet_sum(before: Array, share: Array) -> Array:
    """before + share, without a warning where opposite infinities make NaN."""
    with np.errstate(all="ignore"):
        return np.asarray(before + share)
