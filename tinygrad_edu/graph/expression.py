"""How an operation, a number, a shape and a name are written: p1 = w1 × x1, 1.000e-5, (4, 3)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from tinygrad_edu.core.arraylike import Array
from tinygrad_edu.graph.read import Graph, Node

T = TypeVar("T")
# Symbols that other code compares with
PLUS, TIMES, TO_THE_POWER = "{} + {}", "{} × {}", "{} ** {}"
IN_BRACKETS = "[{}]"  # within a symbol: what stands here is an index
RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
MOST_NUMBERS_WRITTEN = 8  # of an array; of a larger one the scale is written
LONGEST_NAME, LONGEST_INDEX, LONGEST_CALL = 32, 24, 60  # characters
MINUS = re.compile(r"(?<![^\s(±])-(?=[\di])|(?<=\de)-(?=\d)")  # a number's sign, or its exponent's


def expressions(graph: Graph) -> dict[str, str]:
    """Write the right side of each computed value's equation, by the node's id.

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
    return {node.id: expression(node, operands[node.id]) for node in graph.nodes if node.kind}


def equations(graph: Graph) -> dict[str, str]:
    """Write each computed value as L = tanh(n), each leaf as its name alone, by the node's id."""
    right = expressions(graph)
    return {
        node.id: name_text(node.name) + (f" = {right[node.id]}" if node.id in right else "")
        for node in graph.nodes
    }


def expression(node: Node, operands: Mapping[int, str]) -> str:
    """Write an operation with its operands: w1 × x1. They are texts, by argument number."""
    constants = dict(node.constants)
    is_index = IN_BRACKETS in node.symbol
    settings = {
        number: index_text(x) if is_index else setting_text(x) for number, x in constants.items()
    }
    texts = in_order_of_arguments(operands, settings)
    if node.symbol == TO_THE_POWER and is_whole_number(constants.get(1)):
        return texts[0] + texts[1].translate(RAISED)
    if has_blanks(node, len(texts)):
        written = fill_blanks(node.symbol, texts)
        return shorten(written, LONGEST_CALL) if is_index else written
    texts += [f"{key}={setting_text(x)}" for key, x in node.options]
    return shorten(f"{name_text(str(node.kind))}({', '.join(texts)})", LONGEST_CALL)


def in_order_of_arguments(operands: Mapping[int, T], settings: Mapping[int, T]) -> list[T]:
    """Merge the arguments with an edge and those without, in the order of their numbers."""
    return [x for _, x in sorted({**operands, **settings}.items())]


def has_blanks(node: Node, count: int) -> bool:
    """Whether a node's symbol has `count` blanks; one with options would not show them."""
    return bool(node.symbol) and node.symbol.count("{}") == count and not node.options


def fill_blanks(symbol: str, texts: Sequence[str]) -> str:
    """Put a text into each blank of a symbol; other braces in it stay as they are."""
    first, *others = symbol.split("{}")
    return first + "".join(text + after for text, after in zip(texts, others, strict=True))


def is_whole_number(x: Any) -> bool:
    """Whether x is a whole number from 0 to 999: short enough for raised digits."""
    return x is not None and np.ndim(x) == 0 and 0 <= x < 1000 and x == int(x)


# Arguments without a node


def setting_text(x: Any) -> str:
    """Write a number with 4 digits, anything else as Python does."""
    if isinstance(x, np.ndarray | np.generic) and x.ndim == 0:
        x = x.item()
    return short_exponent(f"{x:.4g}") if isinstance(x, float) else name_text(str(x))


def index_text(index: Any) -> str:
    """Write what stands between the brackets of x[…]."""
    if isinstance(index, tuple):
        return ", ".join(map(index_text, index)) or "()"
    if not isinstance(index, slice):
        return "…" if index is Ellipsis else setting_text(index)
    ends = [index.start, index.stop] + [index.step] * (index.step is not None)
    return ":".join("" if end is None else str(end) for end in ends)


# Numbers


def number_text(x: Any, digits: int = 4) -> str:
    """Write a float with `digits` significant digits; integers and truth values as they are.

    >>> number_text(2.0), number_text(0.0), number_text(-1234.5), number_text(0.00001)
    ('2.000', '0', '-1234', '1.000e-5')
    >>> number_text(0.5, 3), number_text(7)
    ('0.500', '7')
    """
    if np.asarray(x).dtype.kind != "f":
        return str(x)
    return "0" if x == 0 else short_exponent(f"{x:#.{digits}g}").removesuffix(".")


def range_text(x: Any) -> str:
    """Write a single number itself, of an array the smallest and the greatest: 0.100 … 2.00."""
    if x.size == 0:
        return "empty"
    digits = 3 if x.ndim else 4
    least, greatest = (number_text(extreme[()], digits) for extreme in (x.min(), x.max()))
    return least if least == greatest else f"{least} … {greatest}"


def greatest_magnitude(gradient: Array | None) -> float:
    """The greatest |number| of a gradient; NaN counts as 0, and so does None."""
    if gradient is None:
        return 0.0
    return float(np.nan_to_num(np.abs(gradient), posinf=np.inf).max(initial=0.0))


def scale_text(x: Array) -> str:
    """Write the scale of an array's heat map, ±0.12; without negative numbers its range, 0 … 0.12.

    A single number is written itself.
    """
    if not x.size:
        return "empty"
    if not x.ndim:
        return brief_number(x[()])
    greatest, least = greatest_magnitude(x), np.fmin.reduce(x, axis=None)  # which passes NaN over
    scale = f"±{brief_number(greatest)}" if greatest else "0"
    if greatest and least >= 0:
        scale = " … ".join(dict.fromkeys(map(brief_number, (float(least), greatest))))
    return scale + (", NaN" if np.isnan(x).any() else "")


def numbers_or_scale(x: Array) -> str:
    """Write up to eight numbers themselves, of a larger array the scale.

    >>> numbers_or_scale(np.array([-3.0, 1.0])), numbers_or_scale(np.linspace(-2, 1, 9))
    ('-3.0, 1.0', '±2.0')
    """
    if 0 < x.size <= MOST_NUMBERS_WRITTEN and x.dtype.kind in "fiub":
        return ", ".join(brief_number(number) for number in x.ravel())
    return scale_text(x)


def brief_number(x: Any) -> str:
    """Write a number with two significant digits; from 10 to 9,999 as a whole number."""
    return f"{x:.0f}" if 10 <= abs(x) < 10_000 else number_text(x, 2)


def true_minus(text: str) -> str:
    """Write − in place of the hyphen that Python puts before a number."""
    return MINUS.sub("−", text)


def short_exponent(number: str) -> str:
    """Write 1e5 for Python's 1e+05."""
    return number.replace("e+0", "e").replace("e+", "e").replace("e-0", "e-")


def shape_text(shape: Sequence[int]) -> str:
    return str(tuple(shape))


def count_text(count: int, noun: str) -> str:
    """Write a count with its noun: 1 value, 1,200 values."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def short_count(n: int) -> str:
    """Write a number of parameters in short.

    >>> short_count(1536), short_count(18_432), short_count(28_300_000)
    ('1,536', '18.4K', '28.3M')
    """
    if n < 10_000:
        return f"{n:,}"
    power = (len(str(n)) - 1) // 3
    return f"{n / 1000**power:.3g}{' KMBT'[power]}"


# Names


def name_text(name: str) -> str:
    """Make a name fit to be shown: printable, on one line, at most 32 characters.

    Of a long path the end is kept, of a long word both ends.

    >>> name_text("encoder.layers.11.self_attention.output.weight")
    '….self_attention.output.weight'
    >>> name_text("weights_of_the_layer_before_the_very_last")
    'weights_of_t…efore_the_very_last'
    """
    printable = "".join(c if c.isprintable() else " " for c in name[:1000])
    text = " ".join(printable.split())
    if len(text) <= LONGEST_NAME:
        return text or "?"
    end = text[-LONGEST_NAME + 1 :]
    if "." in end[:-1]:
        return "…" + end[end.index(".") :]
    start = LONGEST_NAME * 3 // 8
    return f"{text[:start]}…{end[start:]}"


def shorten(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
