"""One element of a product of matrices: the row and the column that it is the sum of.

The formulas of a graph say what is a product, forwards and backwards: X W, g Wᵀ, Xᵀ g. The page
gets the numbers of the factors, and where each row and column is in its heat map.
"""

from __future__ import annotations

import base64
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_edu.core.arraylike import Array
from tinygrad_edu.graph.pictures.arrays import node_thumbnail
from tinygrad_edu.graph.pictures.heat import SIDE, TILES
from tinygrad_edu.graph.read import Node
from tinygrad_edu.graph.text.formula import Formula
from tinygrad_edu.graph.text.typeset import DERIVATIVE, MATRIX_PRODUCT, TRANSPOSED

if TYPE_CHECKING:
    from tinygrad_edu.graph.stepping.panels import Panels

LINEAR = "{} {}ᵀ + {}"
MOST_NUMBERS = 16_384  # of each matrix, in a page
Factor = dict[str, Any]  # for the page: numbers, whether they are transposed, and their picture


def product_data(panels: Panels, f: Formula | None, node: Node, result: Array) -> Any:
    """What the page needs to write out an element of a product; None if f is none, or too large."""
    if f is None or f.kind not in (MATRIX_PRODUCT, LINEAR) or result.ndim != 2:
        return None
    left, right = f.parts[0], f.parts[1]
    if f.kind == LINEAR:
        right = Formula(TRANSPOSED, (right,), right.value.T)
    first, second = factor_data(panels, left), factor_data(panels, right)
    if first is None or second is None or result.size > MOST_NUMBERS:
        return None
    shown = picture_data(panels, node, result)
    found: dict[str, Any] = {"left": first, "right": second, "result": shown}
    if f.kind == LINEAR:
        found["bias"] = panels.numbers_name(f.parts[2].value)
    return found


def factor_data(panels: Panels, f: Formula) -> Factor | None:
    """A factor: a value of the graph or a gradient, perhaps transposed."""
    base = f.parts[0] if f.kind == TRANSPOSED else f
    nodes = {node.id: node for node in panels.graph.nodes}
    if base.kind == "name":
        node, x = nodes[base.parts[1]], base.value
    elif base.kind == DERIVATIVE:
        node, x = nodes[base.parts[1].parts[1]], base.value
    else:
        return None
    if x.ndim != 2 or x.size > MOST_NUMBERS:
        return None
    return picture_data(panels, node, x) | {"transposed": base is not f}


def picture_data(panels: Panels, node: Node, x: Array) -> Factor:
    """The numbers of a matrix, and how its heat map is divided."""
    is_value = x is node.value
    shown = node if is_value else replace(node, gradient=x)
    picture = node_thumbnail(shown, panels.sheet, gradient=not is_value)
    assert picture is not None  # nothing empty is multiplied
    found = {"numbers": panels.numbers_name(x), "image": panels.images[picture.png]}
    if picture.tile_pixels:
        axis = 0 if x.shape[1] == picture.tile_pixels else 1
        return found | {"tiles": min(x.shape[axis], TILES), "axis": axis}
    return found | {"steps": [math.ceil(length / SIDE) for length in x.shape]}


def numbers_json(x: Array) -> dict[str, Any]:
    """A matrix, or a vector as a row: its shape, and its numbers in 32 bits each."""
    data = np.ascontiguousarray(x, "<f4").tobytes()
    return {"shape": [*np.atleast_2d(x).shape], "data": base64.b64encode(data).decode()}
