"""A graph as plain data, for JSON."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import numpy as np

from tinygrad_edu.graph.expression import index_text
from tinygrad_edu.graph.read import Edge, Graph, Node


def as_json(graph: Graph) -> dict[str, Any]:
    """Dicts, lists, text and finite numbers, the same in every run; NaN and infinities are text,
    arrays have shape and dtype.

    >>> import json
    >>> from tinygrad_edu import Tensor
    >>> from tinygrad_edu.graph import read
    >>> graph = as_json(read(np.log(Tensor(0.5, requires_grad=True, name="x")) * np.inf))
    >>> graph["nodes"][-1]["value"], json.loads(json.dumps(graph, allow_nan=False)) == graph
    ({'shape': [], 'dtype': 'float64', 'data': '-Infinity'}, True)
    """
    return {
        "nodes": [node_json(node) for node in graph.nodes],
        "edges": [edge_json(edge) for edge in graph.edges],
        "modules": [asdict(module) for module in graph.modules],
    }


def node_json(node: Node) -> dict[str, Any]:
    return {
        "id": node.id,
        "name": node.name,
        "role": node.role,
        "module": node.module,
        "operation": node.operation,
        "constants": {str(number): value_json(x) for number, x in node.constants},
        "options": {key: value_json(x) for key, x in node.options},
        "value": array_json(node.value),
        "gradient": array_json(node.gradient),
    }


def edge_json(edge: Edge) -> dict[str, Any]:
    return {
        "id": edge.id,
        "source": edge.source,
        "target": edge.target,
        "argument": edge.argument,
        "local": value_json(edge.local),
        "contribution": array_json(edge.contribution),
        "before": value_json(edge.before),
        "partial": edge.partial,
        "place": edge.place,
    }


def array_json(x: Any) -> dict[str, Any] | None:
    return (
        None
        if x is None
        else {"shape": list(x.shape), "dtype": str(x.dtype), "data": value_json(x.tolist())}
    )


def value_json(x: Any) -> Any:
    """What JSON has; of other things text that is the same in every run: no address in memory."""
    if x is None or isinstance(x, bool | int | str):
        return x
    if isinstance(x, float) and math.isfinite(x):
        return float(x)
    if isinstance(x, float):
        return "NaN" if math.isnan(x) else "Infinity" if x > 0 else "-Infinity"
    if isinstance(x, np.generic):
        return value_json(x.item())
    if isinstance(x, np.ndarray):
        return array_json(x)
    if isinstance(x, tuple | list):
        return [value_json(item) for item in x]
    if isinstance(x, slice) or x is Ellipsis:
        return index_text(x)
    return (
        x.__name__
        if isinstance(x, type)
        else str(x)
        if isinstance(x, np.dtype)
        else f"<{type(x).__name__}>"
    )
