"""as_json: a graph as dicts, lists, texts and numbers."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import numpy as np

from tinygrad_edu.core.arraylike import Array
from tinygrad_edu.graph.expression import index_text
from tinygrad_edu.graph.read import Edge, Graph, Node


def as_json(graph: Graph) -> dict[str, Any]:
    """Write a graph as dicts, lists, text and finite numbers: the same in every run.

    NaN and the infinities are text; an array is its shape, its dtype and its numbers in lists.

    >>> from tinygrad_edu import Tensor
    >>> from tinygrad_edu.graph import read
    >>> as_json(read(Tensor([0.5, np.inf])))["nodes"][0]["value"]
    {'shape': [2], 'dtype': 'float64', 'data': [0.5, 'Infinity']}
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
        "operation": node.kind,
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
        "share": array_json(edge.share),
        "before": value_json(edge.before),
        "partial": edge.partial_text,
        "place": edge.place,
        "recorded": edge.recorded,
    }


def array_json(x: Array | None) -> dict[str, Any] | None:
    if x is None:
        return None
    return {"shape": list(x.shape), "dtype": str(x.dtype), "data": value_json(x.tolist())}


def value_json(x: Any) -> Any:
    """Make a value fit for JSON; what JSON has no form for becomes text, without its address."""
    if x is None or isinstance(x, bool | int | str):
        return x
    if isinstance(x, float):
        return float(x) if math.isfinite(x) else infinity_json(x)
    if isinstance(x, np.generic):
        return value_json(x.item())
    if isinstance(x, np.ndarray):
        return array_json(x)
    if isinstance(x, tuple | list):
        return [value_json(item) for item in x]
    if isinstance(x, slice) or x is Ellipsis:
        return index_text(x)
    if isinstance(x, type):
        return x.__name__
    return str(x) if isinstance(x, np.dtype) else f"<{type(x).__name__}>"


def infinity_json(x: float) -> str:
    """Write NaN, Infinity or -Infinity as JavaScript does."""
    if math.isnan(x):
        return "NaN"
    return "Infinity" if x > 0 else "-Infinity"
