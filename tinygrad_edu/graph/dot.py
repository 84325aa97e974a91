"""A graph as DOT source: one box per value, its numbers within, the local derivatives on the edges.

Numbers keep an ASCII minus here, because layout takes U+2212 to be wider than it is; render.py swaps it in afterwards.
"""

from __future__ import annotations

import html
import math
import re

import graphviz
import numpy as np

from tinygrad_edu.engine import Array
from tinygrad_edu.graph.expression import expressions, extent, figures, readable, sized
from tinygrad_edu.graph.model import Edge, Graph, Node
from tinygrad_edu.graph.themes import Theme

BAR = 108  # the length of a full bar, in points: that of the greatest gradient


def dot(graph: Graph, theme: Theme, direction: str) -> str:
    """The DOT source of a graph in a theme; direction is LR or TB."""
    picture = graphviz.Digraph(
        graph_attr={"rankdir": direction, "bgcolor": theme.background, "nodesep": "0.24", "ranksep": "0.55",
                    "pad": "0.25", "fontname": "Helvetica", "labelloc": "b", "label": legend(graph, theme, direction)},
        node_attr={"shape": "plain", "fontname": "Helvetica"},
        edge_attr={"color": theme.line, "arrowsize": "0.65", "fontname": "Helvetica", "fontsize": "9.5"})
    nodes = {node.id: node for node in graph.nodes}
    equations = expressions(graph)
    greatest = max(filter(math.isfinite, [size(node.gradient) for node in graph.nodes]), default=0.0)
    for node in graph.nodes:
        picture.node(node.id, box(node, equations.get(node.id), greatest, theme), id=node.id, **{"class": node.role})
    for edge in graph.edges:
        source, target = nodes[edge.source], nodes[edge.target]
        picture.edge(source.id, target.id, caption(edge, source, target), id=edge.id, penwidth=width(source),
                     fontcolor=theme.muted if edge.local is None else theme.backward)
    return str(picture.source)


def caption(edge: Edge, source: Node, target: Node) -> str:
    """The local derivative between numbers, the shape where arrays flow."""
    if edge.local is not None: return f" × {figures(edge.local, 3)} "
    return f" {sized(source.shape)} " if source.shape or target.shape else ""


def width(node: Node) -> str:
    """An edge is wider the larger the array, by its logarithm."""
    return f"{1.2 + 0.4 * math.log10(max(node.value.size, 1)):.2f}"


def size(gradient: Array | None) -> float:
    """The greatest magnitude; NaN counts as 0."""
    return 0.0 if gradient is None else float(np.nan_to_num(np.abs(gradient), posinf=np.inf).max(initial=0.0))


def box(node: Node, equation: str | None, greatest: float, theme: Theme) -> str:
    """One value: header, shape, value, gradient and a bar of the gradient's size."""
    strong, soft = theme.roles[node.role]
    rows = [header(node, equation, strong, theme)]
    if node.shape: rows.append(row("shape", text(sized(node.shape), 10, theme.ink), theme, soft))
    rows.append(row("value", number(node.value, theme.ink), theme, soft))
    if node.gradient is None: rows.append(row("grad", text("not required", 9, theme.muted), theme))
    else: rows.append(row("grad", number(node.gradient, signed(node.gradient, theme)), theme))
    last = bar(node.gradient, greatest, theme)
    rows.append(f'<TR><TD COLSPAN="2" ALIGN="LEFT" SIDES="LBR" HEIGHT="10">{last}</TD></TR>')
    return label(table("".join(rows), f'CELLBORDER="1" CELLPADDING="4" COLOR="{strong}" BGCOLOR="{theme.panel}"'))


def header(node: Node, equation: str | None, colour: str, theme: Theme) -> str:
    """p1 = w1 × x1 for what was computed; a leaf's and the output's role stands beside it."""
    left = f"<B>{escaped(readable(node.name))}</B>{escaped(f' = {equation}') if equation else ''}"
    cells = f'<TD ALIGN="LEFT"><FONT COLOR="{theme.header}" POINT-SIZE="11">{left}</FONT></TD>'
    if node.role != "operation": cells += f'<TD ALIGN="RIGHT">{text(node.role, 8, theme.header)}</TD>'
    inner = table(f"<TR>{cells}</TR>", 'CELLBORDER="0" CELLPADDING="4"')
    return f'<TR><TD COLSPAN="2" CELLPADDING="0" BGCOLOR="{colour}">{inner}</TD></TR>'


def number(value: Array, colour: str) -> str:
    return text(extent(value).replace("…", "..."), 12, colour)  # three dots, for layout, as with the minus


def row(name: str, content: str, theme: Theme, colour: str | None = None) -> str:
    fill = f' BGCOLOR="{colour}"' if colour else ""
    return (f'<TR><TD ALIGN="LEFT" SIDES="L" WIDTH="46"{fill}>{text(name, 9, theme.muted)}</TD>'
            f'<TD ALIGN="RIGHT" SIDES="R" WIDTH="72"{fill}>{content}</TD></TR>')


def bar(gradient: Array | None, greatest: float, theme: Theme) -> str:
    """All bars of a picture have one scale; a gradient that is not required has none."""
    if gradient is None: return ""
    filled = round(BAR * min(size(gradient) / (greatest or 1.0), 1.0))  # an infinite one is full
    pieces = [(filled, signed(gradient, theme, most=True)), (BAR - filled, theme.track)]
    cells = "".join(swatch(length, 4, colour) for length, colour in pieces if length)
    fixed = f'ALIGN="LEFT" FIXEDSIZE="TRUE" WIDTH="{BAR}" HEIGHT="4"'
    return table(f"<TR>{cells}</TR>", f'{fixed} CELLBORDER="0" CELLPADDING="0"')


def signed(gradient: Array, theme: Theme, most: bool = False) -> str:
    """Blue for positive, orange for negative, ink for both and for NaN; with `most` the colour of the greater side."""
    least, greatest = gradient.min(initial=0.0), gradient.max(initial=0.0)
    if least == greatest == 0: return theme.muted
    if np.isnan(greatest) or (least < 0 < greatest and not most): return theme.ink
    return theme.positive if greatest >= -least else theme.negative


def legend(graph: Graph, theme: Theme, direction: str) -> str:
    """What the colours and captions mean, of those that the picture has."""
    present = [role for role in theme.roles if any(node.role == role for node in graph.nodes)]
    roles = "".join(swatch(11, 11, theme.roles[role][0]) + entry(f"{role}   ", theme.muted) for role in present)
    notes = ""
    if any(edge.local is not None for edge in graph.edges):
        notes += entry("× 2.00", theme.backward) + entry("local derivative of the edge   ", theme.muted)
    if any(node.shape for node in graph.nodes): notes += entry("a … b  smallest and greatest element   ", theme.muted)
    if any(node.gradient is not None for node in graph.nodes):
        notes += swatch(11, 11, theme.positive) + swatch(11, 11, theme.negative)
        notes += entry("bar: size of a positive / negative gradient", theme.muted)
    lines = [roles + notes] if direction == "LR" and len(graph.nodes) > 6 else [roles, notes] if notes else [roles]
    rows = [f"<TR><TD>{centred(line, max(map(length, lines)))}</TD></TR>" for line in lines]
    return label(table("".join(rows), 'CELLBORDER="0" CELLPADDING="0"'))


def centred(line: str, longest: float) -> str:
    """A line of the legend between empty cells, or Graphviz would stretch the gaps of the shorter one."""
    margin = f'<TD WIDTH="{max(round((longest - length(line)) / 2) - 8, 0)}"></TD>'
    return table(f"<TR>{margin}{line}{margin}</TR>", 'CELLBORDER="0" CELLPADDING="2"', spacing=2)


def length(line: str) -> float:
    """About how long a line of the legend is, in points: swatches, cells, and 4.3 points for a character."""
    return 11 * line.count("FIXEDSIZE") + 6 * line.count("<TD") + 4.3 * len(re.sub("<[^>]*>", "", line))


def label(markup: str) -> str:
    """An HTML-like label, which the graphviz package knows by its brackets."""
    return f"<{markup}>"


def table(rows: str, attributes: str, spacing: int = 0) -> str:
    return f'<TABLE BORDER="0" CELLSPACING="{spacing}" {attributes}>{rows}</TABLE>'


def entry(words: str, colour: str) -> str:
    return f'<TD ALIGN="LEFT">{text(words, 9, colour)}</TD>'


def swatch(width: int, height: int, colour: str) -> str:
    return f'<TD FIXEDSIZE="TRUE" WIDTH="{width}" HEIGHT="{height}" BGCOLOR="{colour}"></TD>'


def text(words: str, points: int, colour: str) -> str:
    return f'<FONT POINT-SIZE="{points}" COLOR="{colour}">{escaped(words)}</FONT>'


def escaped(words: str) -> str:
    """Text within an HTML-like label: Graphviz expands what follows a backslash, so it is doubled."""
    return html.escape(words).replace("\\", "\\\\")
