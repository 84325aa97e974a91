"""A graph as plain data, for JSON."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import numpy as np

from tinygrad_edu.graph.expression import indices
from tinygrad_edu.graph.read import Edge, Graph, Node


def plain(graph: Graph) -> dict[str, Any]:
    """Dicts, lists, text and finite numbers, the same in every run; NaN and infinities are text,
    arrays have shape and dtype.

    >>> import json
    >>> from tinygrad_edu import Tensor
    >>> from tinygrad_edu.graph import trace
    >>> graph = plain(trace(np.log(Tensor(0.5, requires_grad=True, name="x")) * np.inf))
    >>> graph["nodes"][-1]["value"], json.loads(json.dumps(graph, allow_nan=False)) == graph
    ({'shape': [], 'dtype': 'float64', 'data': '-Infinity'}, True)
    """
    return {
        "nodes": [of_node(node) for node in graph.nodes],
        "edges": [of_edge(edge) for edge in graph.edges],
        "modules": [asdict(module) for module in graph.modules],
    }


def of_node(node: Node) -> dict[str, Any]:
    return {
        "id": node.id,
        "name": node.name,
        "role": node.role,
        "module": node.module,
        "operation": node.operation,
        "constants": {str(number): simple(x) for number, x in node.constants},
        "options": {key: simple(x) for key, x in node.options},
        "value": array(node.value),
        "gradient": array(node.gradient),
    }


def of_edge(edge: Edge) -> dict[str, Any]:
    return {
        "id": edge.id,
        "source": edge.source,
        "target": edge.target,
        "argument": edge.argument,
        "local": simple(edge.local),
        "contribution": array(edge.contribution),
        "before": simple(edge.before),
        "partial": edge.partial,
        "place": edge.place,
    }


def array(x: Any) -> dict[str, Any] | None:
    return (
        None
        if x is None
        else {"shape": list(x.shape), "dtype": str(x.dtype), "data": simple(x.tolist())}
    )


def simple(x: Any) -> Any:
    """What JSON has; of other things text that is the same in every run: no address in memory."""
    if x is None or isinstance(x, bool | int | str):
        return x
    if isinstance(x, float) and math.isfinite(x):
        return float(x)
    if isinstance(x, float):
        return "NaN" if math.isnan(x) else "Infinity" if x > 0 else "-Infinity"
    if isinstance(x, np.generic):
        return simple(x.item())
    if isinstance(x, np.ndarray):
        return array(x)
    if isinstance(x, tuple | list):
        return [simple(item) for item in x]
    if isinstance(x, slice) or x is Ellipsis:
        return indices(x)
    return (
        x.__name__
        if isinstance(x, type)
        else str(x)
        if isinstance(x, np.dtype)
        else f"<{type(x).__name__}>"
    )
