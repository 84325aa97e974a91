"""How an operation is written, p1 = w1 × x1, and how numbers and names are: shared by all that
shows a graph."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu.core.engine import Array
from tinygrad_edu.graph.read import Graph, Node

INFIX = {"add": "+", "subtract": "−", "multiply": "×", "divide": "/", "power": "**", "matmul": "@"}
PREFIX = {"negative": "−", "positive": "+"}
RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
LONGEST_NAME = 32  # characters of one name
MINUS = re.compile(r"(?<![^\s(±])-(?=[\di])|(?<=\de)-(?=\d)")  # a number's sign, or its exponent's


def expressions(graph: Graph) -> dict[str, str]:
    """The right side of every computed value's equation, by the node's id.

    >>> from tinygrad_edu import Tensor
    >>> from tinygrad_edu.graph import read
    >>> x = Tensor(3.0, requires_grad=True, name="x")
    >>> list(expressions(read(x ** 2 + x)).values())
    ['x²', 'z1 + x']
    """
    names = {node.id: name_text(node.name) for node in graph.nodes}
    operands: dict[str, dict[int, str]] = {node.id: {} for node in graph.nodes}
    for edge in graph.edges:
        operands[edge.target][edge.argument] = names[edge.source]
    return {node.id: expression(node, operands[node.id]) for node in graph.nodes if node.operation}


def equations(graph: Graph) -> dict[str, str]:
    """L = tanh(n) for every computed value, the name alone for a leaf, by the node's id."""
    right = expressions(graph)
    return {
        node.id: name_text(node.name) + (f" = {right[node.id]}" if node.id in right else "")
        for node in graph.nodes
    }


def expression(node: Node, operands: dict[int, str]) -> str:
    constants = dict(node.constants)
    texts = [
        text
        for _, text in sorted(
            (operands | {number: setting_text(x) for number, x in constants.items()}).items()
        )
    ]
    name = str(node.operation)
    if name == "power" and is_whole_number(constants.get(1)):
        return texts[0] + texts[1].translate(RAISED)
    if name == "square":
        return texts[0] + "²"
    if name == "absolute":
        return f"|{texts[0]}|"
    if name == "getitem":
        return shorten(
            f"{texts[0]}[{index_text(constants[1]) if 1 in constants else texts[1]}]", 60
        )
    if name in PREFIX:
        return PREFIX[name] + texts[0]
    if name in INFIX and len(texts) == 2:
        return f" {INFIX[name]} ".join(texts)
    return shorten(
        f"{name_text(name)}({', '.join(texts + [f'{key}={setting_text(x)}' for key, x in node.options])})",
        60,
    )


def is_whole_number(x: Any) -> bool:
    return x is not None and np.ndim(x) == 0 and 0 <= x < 1000 and x == int(x)


def setting_text(x: Any) -> str:
    """An argument that is no node: a number with 4 digits, anything else as Python writes it."""
    if isinstance(x, np.ndarray | np.generic) and x.ndim == 0:
        x = x.item()
    return short_exponent(f"{x:.4g}") if isinstance(x, float) else name_text(str(x))


def index_text(index: Any) -> str:
    """What stands between the brackets of x[…]."""
    if isinstance(index, tuple):
        return ", ".join(map(index_text, index)) or "()"
    if not isinstance(index, slice):
        return "…" if index is Ellipsis else setting_text(index)
    ends = [index.start, index.stop] + [index.step] * (index.step is not None)
    return ":".join("" if end is None else str(end) for end in ends)


def number_text(x: Any, digits: int = 4) -> str:
    """A number with so many significant digits; whole numbers and truth values as they are.

    >>> number_text(2.0), number_text(0.0), number_text(-1234.5), number_text(0.00001), number_text(0.5, 3), number_text(7)
    ('2.000', '0', '-1234', '1.000e-5', '0.500', '7')
    """
    if np.asarray(x).dtype.kind != "f":
        return str(x)
    return "0" if x == 0 else short_exponent(f"{x:#.{digits}g}").removesuffix(".")


def range_text(x: Any) -> str:
    """The one number, or the smallest and the greatest."""
    if x.size == 0:
        return "empty"
    least, greatest = (
        number_text(extreme[()], 3 if x.ndim else 4) for extreme in (x.min(), x.max())
    )
    return least if least == greatest else f"{least} … {greatest}"


def greatest_magnitude(gradient: Array | None) -> float:
    """The greatest magnitude; NaN counts as 0."""
    return (
        0.0
        if gradient is None
        else float(np.nan_to_num(np.abs(gradient), posinf=np.inf).max(initial=0.0))
    )


def scale_text(x: Array) -> str:
    """The scale of a heat map, ±0.12; of one number, itself."""
    if not x.size:
        return "empty"
    if not x.ndim:
        return brief_number(x[()])
    return (f"±{brief_number(greatest_magnitude(x))}" if greatest_magnitude(x) else "0") + (
        ", NaN" if np.isnan(x).any() else ""
    )


def brief_number(x: Any) -> str:
    """A number with two significant digits, and no exponent where four places do."""
    return f"{x:.0f}" if 10 <= abs(x) < 10_000 else number_text(x, 2)


def true_minus(text: str) -> str:
    """− in place of the hyphen that Python writes before numbers."""
    return MINUS.sub("−", text)


def short_exponent(number: str) -> str:
    return number.replace("e+0", "e").replace("e+", "e").replace("e-0", "e-")


def shape_text(shape: Sequence[int]) -> str:
    return str(tuple(shape))


def name_text(name: str) -> str:
    """A name as it can be shown: printable, on one line, not endless."""
    return (
        shorten(
            " ".join("".join(c if c.isprintable() else " " for c in name[:1000]).split()),
            LONGEST_NAME,
        )
        or "?"
    )


def shorten(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def count_text(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"


def short_count(n: int) -> str:
    """A number of parameters, in short.

    >>> short_count(1536), short_count(18_432), short_count(28_300_000)
    ('1,536', '18.4K', '28.3M')
    """
    if n < 10_000:
        return f"{n:,}"
    power = (len(str(n)) - 1) // 3
    return f"{n / 1000**power:.3g}{' KMBT'[power]}"
