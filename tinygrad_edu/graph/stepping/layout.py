"""The stepper's picture: boxes with room for a value and a gradient, laid out once, coloured and
filled by the page.

It is an SVG whose colours are CSS variables, and whose nodes and edges are found by their ids.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET

import graphviz

from tinygrad_edu.core.engine import Array
from tinygrad_edu.graph.expression import equations, extent, figures, scaled, sized, true_minus
from tinygrad_edu.graph.pictures import render
from tinygrad_edu.graph.pictures.boxes import framed, header, row
from tinygrad_edu.graph.pictures.dot import caption, fill, width
from tinygrad_edu.graph.pictures.markup import text
from tinygrad_edu.graph.pictures.sheet import Sheet
from tinygrad_edu.graph.pictures.themes import THEMES, Theme
from tinygrad_edu.graph.read import Edge, Graph, Node

NAMESPACE = f"{{{render.SVG}}}"
PADDING = 5.0  # points between a number and the right side of its box
OUTSET = 3.5  # and between a box and the line around it that says it is being looked at


def picture(graph: Graph) -> str:
    """The SVG of a graph, for a page."""
    sheet = Sheet(graph, THEMES["light"])
    ET.register_namespace("", render.SVG)
    root = ET.fromstring(render.rendered(dot(sheet), "svg"))
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
        finish(element)
    root.attrib |= {"role": "group", "aria-label": render.summary(graph)}
    root.insert(0, arrowhead())
    return ET.tostring(root, encoding="unicode")


# Layout


def dot(sheet: Sheet) -> str:
    """Its DOT source: numbers flow to the right, arrays down."""
    drawn = graphviz.Digraph(
        graph_attr={
            "rankdir": "TB" if sheet.arrays else "LR",
            "bgcolor": "transparent",
            "nodesep": "0.24",
            "pad": "0.1",
            "ranksep": "0.3" if sheet.arrays else "0.6",
            "fontname": "Helvetica",
        },
        node_attr={"shape": "plain", "fontname": "Helvetica"},
        edge_attr={
            "color": sheet.theme.line,
            "arrowsize": "0.65",
            "fontname": "Helvetica",
            "fontsize": "9.5",
        },
    )
    fill(drawn, None, sheet, lambda node, sheet: {"label": box(node, sheet)}, margin="10")
    for edge in sheet.graph.edges:
        connect(drawn, edge, sheet)
    return str(drawn.source)


def box(node: Node, sheet: Sheet) -> str:
    """A header above the two numbers that the page shows when they are there."""
    theme = sheet.theme
    equation = f" = {sheet.expression(node)}" if node.operation else ""
    beside = sized(node.shape) if node.shape else node.role if node.role != "operation" else ""
    value, gradient = text(shown(node.value), 12, theme.ink), text("not required", 9, theme.muted)
    if node.gradient is not None:
        gradient = text(shown(node.gradient), 12, theme.backward)
    last = (
        row("grad", gradient, theme)
        .replace('SIDES="L"', 'SIDES="LB"')
        .replace('SIDES="R"', 'SIDES="RB"')
    )
    return framed(
        [
            header(sheet.name(node), equation, beside, node, theme),
            row("value", value, theme, theme.roles[node.role][1]),
            last,
        ],
        node,
        theme,
    )


def shown(x: Array) -> str:
    """A number with 4 digits; an array by the scale of its heat map."""
    return scaled(x) if x.ndim else extent(x)


def connect(drawn: graphviz.Digraph, edge: Edge, sheet: Sheet) -> None:
    """An edge; of what stands beside an operation, the second comes from the right."""
    source, target = sheet.nodes[edge.source], sheet.nodes[edge.target]
    look = {"id": edge.id, "penwidth": width(source), "fontcolor": sheet.theme.muted}
    beside = sheet.beside.get(target.id, [])
    if source.id in beside[1:]:
        drawn.edge(target.id, source.id, dir="back", **look | {"class": "flipped"})
    elif source.id in beside:
        drawn.edge(source.id, target.id, **look)
    else:
        if sheet.arrays and edge is sheet.spine[target.id]:
            look["weight"] = "20"
        drawn.edge(
            source.id,
            target.id,
            words(edge, sheet),
            **look | {"class": "" if edge.local is None else "numbers"},
        )


def words(edge: Edge, sheet: Sheet) -> str:
    """Between numbers × local and = contribution, one below the other."""
    if edge.local is None or edge.contribution is None:
        return caption(edge, sheet)
    return f" × {figures(edge.local)} \n = {extent(edge.contribution)} "


# After layout


def variables(theme: Theme) -> dict[str, str]:
    """The colours of a theme by the names of their CSS variables."""
    named = {f"--{name}": colour for name, colour in vars(theme).items() if isinstance(colour, str)}
    for role, (strong, soft) in theme.roles.items():
        named |= {f"--{role}": strong, f"--{role}-cell": soft}
    return named


VARIABLES = {colour: f"var({name})" for name, colour in variables(THEMES["light"]).items()}


def finish_node(group: ET.Element, node: Node, equation: str) -> None:
    """A node can be chosen, with mouse or keyboard; its numbers are flush right, however long they
    become."""
    shape = group.find(f"{NAMESPACE}polygon")
    xs, ys = zip(
        *(
            map(float, point.split(","))
            for point in (shape.get("points", "") if shape is not None else "").split()
        ),
        strict=True,
    )
    *_, value, _, gradient = group.findall(f"{NAMESPACE}text")
    for number, kind in ((value, "value"), (gradient, "" if node.gradient is None else "gradient")):
        number.attrib |= {"class": kind, "text-anchor": "end", "x": f"{max(xs) - PADDING:g}"}
    group.attrib |= {"role": "button", "tabindex": "0", "aria-label": f"go to a step of {equation}"}
    group.append(
        render.element(
            "rect",
            **{
                "class": "halo",
                "x": f"{min(xs) - OUTSET:g}",
                "y": f"{min(ys) - OUTSET:g}",
                "rx": "3",
                "width": f"{max(xs) - min(xs) + 2 * OUTSET:g}",
                "height": f"{max(ys) - min(ys) + 2 * OUTSET:g}",
            },
        )
    )


def finish(element: ET.Element) -> None:
    """Colours as CSS variables, fonts that a browser has, true minus signs."""
    for attribute in {"fill", "stroke"} & element.attrib.keys():
        element.set(attribute, VARIABLES.get(element.attrib[attribute], element.attrib[attribute]))
    if element.tag != f"{NAMESPACE}text":
        return
    element.attrib.pop("font-family", None)
    element.text = true_minus(element.text or "")


def arrowhead() -> ET.Element:
    """What an edge wears at its start while a gradient runs back along it."""
    definitions = render.element("defs")
    marker = render.element(
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
    marker.append(render.element("path", d="M0 1.5 10 5 0 8.5z", **{"class": "arrowhead"}))
    definitions.append(marker)
    return definitions
