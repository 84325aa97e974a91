"""The stepper's picture: boxes with room for a value and a gradient, laid out once.

It is an SVG whose colours are CSS variables, and whose nodes and edges are found by their ids: the
page colours and fills them.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET

import graphviz

from tinygrad_edu.core.arraylike import Array
from tinygrad_edu.graph.expression import (
    equations,
    number_text,
    numbers_or_scale,
    range_text,
    shape_text,
    true_minus,
)
from tinygrad_edu.graph.pictures import render
from tinygrad_edu.graph.pictures.boxes import frame_rows, header_row, number_row
from tinygrad_edu.graph.pictures.dot import edge_caption, edge_width, fill_frame, new_digraph
from tinygrad_edu.graph.pictures.markup import font_markup
from tinygrad_edu.graph.pictures.sheet import Sheet
from tinygrad_edu.graph.pictures.themes import CSS_COLOURS, THEMES
from tinygrad_edu.graph.read import Edge, Graph, Node

NAMESPACE = f"{{{render.SVG}}}"
PADDING = 5.0  # points between a number and the right side of its box
OUTSET = 3.5  # and between a box and the line around it while its step is shown


def stepper_svg(graph: Graph) -> str:
    """The SVG of a graph, for a page."""
    sheet = Sheet(graph, THEMES["light"])
    ET.register_namespace("", render.SVG)
    root = ET.fromstring(render.lay_out(stepper_dot(sheet), "svg"))
    nodes, names = sheet.nodes, equations(graph)
    for group in root.iter(f"{NAMESPACE}g"):
        if (title := group.find(f"{NAMESPACE}title")) is not None:
            group.remove(title)
        kind = group.get("class", "").split(" ")[0]
        if kind == "node":
            finish_node(group, nodes[group.attrib["id"]], names[group.attrib["id"]])
        if kind == "edge":
            group.set("aria-hidden", "true")
    render.lift_titles(root)
    for element in root.iter():
        finish_element(element)
    root.attrib |= {"role": "group", "aria-label": render.picture_summary(graph)}
    root.insert(0, arrowhead())
    return ET.tostring(root, encoding="unicode")


# Layout


def stepper_dot(sheet: Sheet) -> str:
    """The DOT source of the picture: numbers flow to the right, arrays down."""
    look = {
        "rankdir": "TB" if sheet.arrays else "LR",
        "bgcolor": "transparent",
        "nodesep": "0.24",
        "pad": "0.1",
        "ranksep": "0.3" if sheet.arrays else "0.6",
    }
    picture = new_digraph(sheet, look)
    fill_frame(picture, None, sheet, stepper_look, margin="10")
    for edge in sheet.graph.edges:
        connect_boxes(picture, edge, sheet)
    return str(picture.source)


def stepper_look(node: Node, sheet: Sheet) -> dict[str, str]:
    """The DOT label of a node: a header, a value and a gradient, which the page shows in time."""
    theme = sheet.theme
    equation = f" = {sheet.expression(node)}" if node.kind else ""
    beside = node.role if node.role != "operation" else ""
    if node.shape:
        beside = shape_text(node.shape)
    value = font_markup(value_or_scale(node.value), 12, theme.ink)
    gradient = font_markup("not required", 9, theme.muted)
    if node.gradient is not None:
        gradient = font_markup(value_or_scale(node.gradient), 12, theme.backward)
    last = number_row("grad", gradient, theme)
    last = last.replace('SIDES="L"', 'SIDES="LB"').replace('SIDES="R"', 'SIDES="RB"')
    rows = [
        header_row(sheet.name(node), equation, beside, node, theme),
        number_row("value", value, theme, theme.roles[node.role][1]),
        last,
    ]
    return {"label": frame_rows(rows, node, theme)}


def value_or_scale(x: Array) -> str:
    """Write a number with 4 digits, an array as its numbers or as the scale of its heat map."""
    return numbers_or_scale(x) if x.ndim else range_text(x)


def connect_boxes(picture: graphviz.Digraph, edge: Edge, sheet: Sheet) -> None:
    """Add an edge. If two leaves stand beside an operation, the second is on its right."""
    source, target = sheet.nodes[edge.source], sheet.nodes[edge.target]
    look = {"id": edge.id, "penwidth": edge_width(source), "fontcolor": sheet.theme.muted}
    beside = sheet.beside.get(target.id, [])
    if source.id in beside[1:]:
        picture.edge(target.id, source.id, dir="back", **look | {"class": "flipped"})
    elif source.id in beside:
        picture.edge(source.id, target.id, **look)
    else:
        if sheet.arrays and edge is sheet.spine[target.id]:
            look["weight"] = "20"
        look["class"] = "" if edge.local is None else "numbers"
        picture.edge(source.id, target.id, stepper_caption(edge, sheet), **look)


def stepper_caption(edge: Edge, sheet: Sheet) -> str:
    """The caption of an edge: between numbers × local, and = share below it."""
    if edge.local is None or edge.share is None:
        return edge_caption(edge, sheet)
    return f" × {number_text(edge.local)} \n = {range_text(edge.share)} "


# After layout


def finish_node(group: ET.Element, node: Node, equation: str) -> None:
    """Let a node be chosen, by mouse or keyboard; its numbers stay flush right as they change."""
    xs, ys = render.corners(group.find(f"{NAMESPACE}polygon"))
    *_, value, _, gradient = group.findall(f"{NAMESPACE}text")
    for number, kind in ((value, "value"), (gradient, "" if node.gradient is None else "gradient")):
        number.attrib |= {"class": kind, "text-anchor": "end", "x": f"{max(xs) - PADDING:g}"}
    group.attrib |= {"role": "button", "tabindex": "0", "aria-label": f"go to a step of {equation}"}
    halo = {
        "class": "halo",
        "x": f"{min(xs) - OUTSET:g}",
        "y": f"{min(ys) - OUTSET:g}",
        "rx": "3",
        "width": f"{max(xs) - min(xs) + 2 * OUTSET:g}",
        "height": f"{max(ys) - min(ys) + 2 * OUTSET:g}",
    }
    group.append(render.svg_element("rect", **halo))


def finish_element(element: ET.Element) -> None:
    """Make colours CSS variables, leave the font to the page, and write true minus signs."""
    for attribute in {"fill", "stroke"} & element.attrib.keys():
        element.set(
            attribute, CSS_COLOURS.get(element.attrib[attribute], element.attrib[attribute])
        )
    if element.tag != f"{NAMESPACE}text":
        return
    element.attrib.pop("font-family", None)
    element.text = true_minus(element.text or "")


def arrowhead() -> ET.Element:
    """The arrowhead at an edge's start, while a gradient runs back along it."""
    definitions = render.svg_element("defs")
    marker = render.svg_element(
        "marker",
        id="reversed",
        viewBox="0 0 10 10",
        refX="9.5",
        refY="5",
        markerWidth="9",
        markerHeight="9",
        markerUnits="userSpaceOnUse",
        orient="auto-start-reverse",
    )
    marker.append(render.svg_element("path", d="M0 1.5 10 5 0 8.5z", **{"class": "arrowhead"}))
    definitions.append(marker)
    return definitions
