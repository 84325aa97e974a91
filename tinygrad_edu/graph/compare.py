"""Two graphs of the same computation as one: what changed on each value."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tinygrad_edu.core.arraylike import Array
from tinygrad_edu.graph.read import Graph, Node


def graph_of_changes(after: Graph, before: Graph) -> Graph:
    """The graph `after`, each value with its change since `before` in place of a gradient.

    Raises ValueError if the two were not computed in the same way.

    >>> from tinygrad_edu import Tensor
    >>> from tinygrad_edu.graph import read
    >>> first, second = (read(Tensor(x, requires_grad=True, name="x") * 3) for x in (1.0, 1.5))
    >>> [(node.name, node.gradient.item()) for node in graph_of_changes(second, first).nodes]
    [('x', 0.5), ('z1', 1.5)]
    """
    if len(after.nodes) != len(before.nodes):
        raise two_computations(f"{len(before.nodes)} values before and {len(after.nodes)} after")
    places = [{(e.source, e.target, e.argument) for e in graph.edges} for graph in (before, after)]
    nodes = []
    for old, new in zip(before.nodes, after.nodes, strict=True):
        if (old.kind, old.shape) != (new.kind, new.shape):
            raise two_computations(f"{kind_and_shape(old)} before, {kind_and_shape(new)} after")
        nodes.append(replace(new, gradient=change_of(new.value, old.value)))
    if places[0] != places[1]:
        raise two_computations("their values are connected otherwise")
    edges = [replace(edge, share=None, partial=None, before=None) for edge in after.edges]
    return replace(after, nodes=tuple(nodes), edges=tuple(edges), second="change")


def change_of(after: Array, before: Array) -> Array | None:
    """after − before; None where numbers have no difference."""
    if after.dtype.kind not in "fiu":
        return None
    with np.errstate(all="ignore"):
        kind = np.result_type(after, np.float32)
        return np.asarray(after.astype(kind) - before.astype(kind))


def kind_and_shape(node: Node) -> str:
    return f"{node.name!r:.40} ({node.kind or node.role}, shape {node.shape})"


def two_computations(difference: str) -> ValueError:
    return ValueError(
        f"before= takes a graph of the same computation, and these differ: {difference}. Compute "
        "both with the same code and inputs of the same shapes"
    )
