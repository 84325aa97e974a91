"""A graph as DOT source: boxes for values, frames for Modules, local derivatives on the edges.

From top to bottom the operations make a spine: their parameters stand beside them, left and right.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import graphviz

from tinygrad_edu.graph.expression import (
    PLUS,
    count_text,
    name_text,
    number_text,
    shape_text,
    short_count,
)
from tinygrad_edu.graph.fold import enclosing
from tinygrad_edu.graph.layers import STATE_ROLES
from tinygrad_edu.graph.modules import ModuleCall
from tinygrad_edu.graph.pictures.arrays import array_box, operation_box
from tinygrad_edu.graph.pictures.boxes import number_box
from tinygrad_edu.graph.pictures.folded import addition_circle, module_box, sparkline
from tinygrad_edu.graph.pictures.legend import legend
from tinygrad_edu.graph.pictures.markup import bare_table, font_markup, html_label, td, tr
from tinygrad_edu.graph.pictures.sheet import Sheet
from tinygrad_edu.graph.read import Edge, Node

MOST_WRITTEN_WEIGHTS = 3  # at one box: more would cover each other
Look = Callable[[Node, Sheet], dict[str, str]]  # makes the DOT attributes of a node


def dot_source(sheet: Sheet, direction: str, note: str = "", legend_below: bool = True) -> str:
    """The DOT source of a picture; direction is LR or TB, the note stands below."""
    apart = "0.4" if sheet.arrays else "0.55"
    look = {
        "rankdir": direction,
        "bgcolor": sheet.theme.background,
        "nodesep": "0.24",
        "ranksep": "0.32" if sheet.folded else apart,
        "pad": "0.25",
    }
    if sheet.graph.columns:  # every element of a layer with every one of the next: straight lines
        look |= {"splines": "line", "ranksep": "1.5", "nodesep": "0.3"}
    picture = new_digraph(sheet, look)
    fill_frame(picture, None, sheet, node_look)
    for edge in sheet.graph.edges:
        connect_nodes(picture, edge, sheet)
    for above, leaf in leaves_below(sheet):
        picture.edge(above, leaf, style="invis", weight="10")
    if legend_below:
        picture.attr(labelloc="b", label=legend(sheet, direction, note))
    return str(picture.source)


def leaves_below(sheet: Sheet) -> Iterator[tuple[str, str]]:
    """Yield each leaf above its operation with the value that the operation goes on from.

    Below that value the leaf stands within its own Module's frame, and frames below each other.
    """
    if not sheet.arrays:
        return
    above: dict[str, str] = {}
    beside = {leaf for row in sheet.beside.values() for leaf in row}
    for node in sheet.graph.nodes:
        for edge in sheet.inputs[node.id]:
            spine = sheet.spine[node.id]
            if not sheet.inputs[edge.source] and sheet.inputs[spine.source]:
                above.setdefault(edge.source, spine.source)
            else:
                above.setdefault(edge.source, "")
    for leaf, value in above.items():
        if value and leaf not in beside and sheet.nodes[leaf].role in STATE_ROLES:
            yield value, leaf


def keep_in_order(picture: graphviz.Digraph, column: Sequence[str]) -> None:
    """Put boxes into one column, the first at the top, by edges that are not seen."""
    with picture.subgraph() as row:
        row.attr(rank="same")
        for above, below in pairwise(column):
            row.edge(above, below, style="invis")


def new_digraph(sheet: Sheet, look: dict[str, str]) -> graphviz.Digraph:
    """Make an empty picture, with the edges and fonts that all pictures share."""
    return graphviz.Digraph(
        graph_attr=look | {"fontname": "Helvetica"},
        node_attr={"shape": "plain", "fontname": "Helvetica"},
        edge_attr={
            "color": sheet.theme.line,
            "arrowsize": "0.65",
            "fontname": "Helvetica",
            "fontsize": "9.5",
        },
    )


def fill_frame(
    picture: graphviz.Digraph, around: str | None, sheet: Sheet, look: Look, margin: str = "14"
) -> None:
    """Fill a frame with the frames and boxes that are directly in it.

    A leaf that only one operation uses may stand beside that operation.
    """
    for module in sheet.graph.modules:
        if module.id not in sheet.clusters or sheet.cluster(module) != around:
            continue
        with picture.subgraph(name=f"cluster_{module.id}") as inner:
            inner.attr(**frame_look(module, sheet), margin=margin)
            fill_frame(inner, module.id, sheet, look, margin)
    inside = sheet.inside.get(around, [])
    for node in inside:
        picture.node(node.id, id=node.id, **{"class": node.role}, **look(node, sheet))
    here = {node.id for node in inside}
    for column in sheet.graph.columns:
        if here.issuperset(column):
            keep_in_order(picture, column)
    for parts in parts_of_one(inside, sheet):
        keep_in_order(picture, parts)
    for node in inside:
        if node.id not in sheet.beside:
            continue
        with picture.subgraph() as row:
            row.attr(rank="same")
            for name in (*sheet.beside[node.id], node.id):
                row.node(name)


def parts_of_one(inside: Sequence[Node], sheet: Sheet) -> Iterator[list[str]]:
    """Yield the parts x[:, 0], x[:, 1] … of each value, as they were taken: in time's order."""
    parts: dict[str, list[str]] = {}
    for node in inside:
        if node.kind == "getitem" and len(sheet.inputs[node.id]) == 1:
            parts.setdefault(sheet.inputs[node.id][0].source, []).append(node.id)
    yield from (found for found in parts.values() if len(found) > 1)


def node_look(node: Node, sheet: Sheet) -> dict[str, str]:
    """The DOT attributes of a node: its label, or an addition's circle."""
    if node.members:
        return {"label": module_box(node, sheet)}
    if not sheet.arrays or not (node.shape or node.kind):
        return {"label": number_box(node, sheet)}
    if not node.kind:
        return {"label": array_box(node, sheet)}
    is_junction = node.symbol == PLUS and len(sheet.inputs[node.id]) == 2
    if sheet.folded and is_junction and node.role == "operation":
        return addition_circle(node, sheet)
    return {"label": operation_box(node, sheet)}


def frame_look(module: ModuleCall, sheet: Sheet) -> dict[str, str]:
    """A Module's frame: its path, kind and number of parameters; dashed if it stands for many."""
    theme = sheet.theme
    repeats = module.times > 1
    title = repeated_title(module, sheet) if repeats else tr(td(frame_title(module, sheet)))
    look = {
        "id": module.id,
        "class": "module",
        "label": html_label(bare_table(title, 2)),
        "labeljust": "l",
        "labelloc": "t",
        "style": "filled,rounded",
        "fillcolor": theme.cluster,
        "color": theme.border,
    }
    if repeats:
        look |= {"style": "filled,rounded,dashed", "penwidth": "1.4", "color": theme.muted}
    return look


def frame_title(module: ModuleCall, sheet: Sheet) -> str:
    """The path, the kind and the number of parameters, in one line."""
    theme = sheet.theme
    name = font_markup(sheet.name(module), 10, theme.ink, bold=True)
    kind = font_markup(f"   {kind_beside_path(module)}", 10, theme.muted)
    return name + kind + parameter_markup(module, count_text(module.parameters, "parameter"), sheet)


def repeated_title(module: ModuleCall, sheet: Sheet) -> str:
    """The path; below it the kind and how many there are; below that the gradient of each."""
    theme = sheet.theme
    name = font_markup(sheet.name(module), 10, theme.ink, bold=True)
    kind = font_markup(kind_beside_path(module), 10, theme.muted)
    times = font_markup(f" × {module.times}", 11, theme.backward, bold=True)
    count = parameter_markup(module, f"{short_count(module.parameters)} parameters", sheet)
    title = tr(td(name)) + tr(td(kind + times + count))
    last = sheet.clusters[module.id][-1]
    if sheet.gradients and last in sheet.sparkling and not last.members:
        title += tr(td(sparkline(last, sheet)))
    return title


def kind_beside_path(module: ModuleCall) -> str:
    """The Module's type; nothing if the path says it already."""
    return name_text(module.kind) if module.kind != module.path else ""


def parameter_markup(module: ModuleCall, words: str, sheet: Sheet) -> str:
    return font_markup(f"   {words}", 9, sheet.theme.muted) if module.parameters else ""


def connect_nodes(picture: graphviz.Digraph, edge: Edge, sheet: Sheet) -> None:
    """Add an edge. If two leaves stand beside an operation, the second is on its right."""
    theme, source, target = sheet.theme, sheet.nodes[edge.source], sheet.nodes[edge.target]
    look = {
        "id": edge.id,
        "penwidth": edge_width(source),
        "fontcolor": theme.muted if edge.local is None else theme.backward,
    }
    if not edge.recorded:
        look |= {"style": "dashed", "color": theme.muted}
    row = sheet.beside.get(target.id, [])
    if source.id in row:
        if source.role == "parameter":
            look["color"] = theme.roles["parameter"][0]
        if source.id == row[0]:
            picture.edge(source.id, target.id, **look)
        else:
            picture.edge(target.id, source.id, dir="back", **look)
        return
    if edge.id in sheet.residuals:
        look |= {"color": theme.residual, "penwidth": "2.2", "weight": "0"}
    elif sheet.arrays and edge is sheet.spine[target.id]:
        look["weight"] = "20"
    if sheet.graph.columns:
        look |= {"tailport": "e", "headport": "w"}
        if edge.local is not None:
            look |= weight_look(edge, edge.local, sheet)
        picture.edge(source.id, target.id, **look)
        return
    if not sheet.arrays and not source.kind and sheet.cluster(source) != sheet.cluster(target):
        look["minlen"] = "2"
    picture.edge(source.id, target.id, edge_caption(edge, sheet), **look)


def weight_look(edge: Edge, weight: float, sheet: Sheet) -> dict[str, str]:
    """A straight edge between columns: its colour is the sign, its width the size.

    Where few edges arrive, the number stands on each.
    """
    theme = sheet.theme
    sizes = [abs(e.local) for e in sheet.graph.edges if e.local is not None]
    colour = theme.positive if weight > 0 else theme.negative if weight < 0 else theme.muted
    look = {
        "color": colour,
        "penwidth": f"{0.6 + 2.4 * abs(weight) / (max(sizes) or 1.0):.2f}",
    }
    leaving = sum(e.source == edge.source for e in sheet.graph.edges)
    if max(leaving, len(sheet.inputs[edge.target])) <= MOST_WRITTEN_WEIGHTS:
        number = f"× {number_text(weight, 3)}"
        look |= {"headlabel": number, "labeldistance": "5.2", "labelangle": "0"}
        look["labelfontcolor"] = colour
    return look


def edge_caption(edge: Edge, sheet: Sheet) -> str:
    """The caption of an edge: the local derivative between numbers, else the array's shape.

    A folded graph shows shapes in its boxes instead.
    """
    source, target = sheet.nodes[edge.source], sheet.nodes[edge.target]
    if edge.local is not None:
        return f" × {number_text(edge.local, 3)} "
    if repeated_frames(source, sheet) - repeated_frames(target, sheet):
        return " to the next block / out "
    has_shape = (source.shape or target.shape) and not sheet.folded
    return f" {shape_text(source.shape)} " if has_shape else ""


def repeated_frames(node: Node, sheet: Sheet) -> set[str]:
    """The frames around a node that stand for blocks in a row."""
    around = enclosing(node.module, sheet.modules)
    return {module for module in around if sheet.modules[module].times > 1}


def edge_width(node: Node) -> str:
    """The width of an edge: it grows with the logarithm of the array's size."""
    return f"{1.2 + 0.4 * math.log10(max(node.value.size, 1)):.2f}"
