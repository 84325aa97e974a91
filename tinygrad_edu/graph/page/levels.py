"""The levels of a page: one layout for each depth to which Modules are folded."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass, replace

from tinygrad_edu.graph.fold import collapse_repeats, deepest_level, fold
from tinygrad_edu.graph.layers import fold_recurrences, layers_as_boxes
from tinygrad_edu.graph.pictures import render
from tinygrad_edu.graph.pictures.dot import dot_source
from tinygrad_edu.graph.pictures.sheet import Sheet
from tinygrad_edu.graph.pictures.themes import CSS_COLOURS, THEMES
from tinygrad_edu.graph.read import Graph

MOST_BOXES = 3000  # of a level; deeper ones have no layout
MOST_DETAILED = 400  # boxes: of a level with more, boxes have no heat maps
NAMESPACE_OF_SVG = f"{{{render.SVG}}}"
# colours that two roles share in the light theme, and not in the dark one
OWN_COLOURS = {
    "text": {THEMES["light"].count: "var(--count)"},
    "path": {THEMES["light"].residual: "var(--residual)"},
}
HREF = re.compile(r'href="data:image/png;base64,([^"]+)"')


@dataclass(frozen=True, eq=False)
class Level:
    """A graph folded to some depth, and its picture as SVG for a page."""

    title: str
    graph: Graph
    svg: str


def all_levels(whole: Graph, shown: Graph, direction: str | None) -> tuple[list[Level], int]:
    """Every different folding of a graph, the most folded first; also which of them is shown."""
    found = [(title, graph) for title, graph in foldings(whole) if len(graph.nodes) <= MOST_BOXES]
    ids = [{node.id for node in graph.nodes} for _, graph in found]
    own = {node.id for node in shown.nodes}
    if own not in ids:
        place = sum(len(graph.nodes) < len(shown.nodes) for _, graph in found)
        found.insert(place, ("as drawn", shown))
        ids.insert(place, own)
    levels = [Level(title, graph, level_svg(graph, direction)) for title, graph in found]
    return levels, ids.index(own)


def foldings(whole: Graph) -> Iterator[tuple[str, Graph]]:
    """Yield the graph at each depth with its name, without those that fold nothing more."""
    seen: list[set[str]] = []
    distinct = collapse_repeats(whole)
    deepest = deepest_level(whole)
    steps = [("everything", whole), ("blocks once", distinct)]
    steps.append(("layers as boxes", layers_as_boxes(fold_recurrences(whole))))
    steps += [(f"depth {depth}", fold(distinct, depth)) for depth in range(1, deepest + 1)]
    for title, graph in sorted(steps, key=lambda step: len(step[1].nodes)):
        ids = {node.id for node in graph.nodes}
        if ids not in seen:
            seen.append(ids)
            yield title, graph


def level_svg(graph: Graph, direction: str | None) -> str:
    """The SVG of one level, in CSS variables and classes in place of colours and fonts."""
    detailed = len(graph.nodes) <= MOST_DETAILED
    sheet = Sheet(graph, THEMES["light"], values=detailed, gradients=detailed)
    way = direction or ("TB" if sheet.arrays else "LR")
    source = dot_source(sheet, way, legend_below=False)
    root = ET.fromstring(render.finished_svg(source, graph, sheet.thumbnails))
    root.attrib |= {"data-direction": way, "aria-label": render.picture_summary(graph)}
    return compact_svg(root)


# A page holds many levels: what repeats in an SVG is said once


def compact_svg(root: ET.Element) -> str:
    """Write an SVG in fewer characters: colours by class, rounded places, boxes as rects."""
    for group in root.iter(f"{NAMESPACE_OF_SVG}g"):
        for title in group.findall(f"{NAMESPACE_OF_SVG}title"):
            group.remove(title)
        if "node" in group.get("class", ""):
            group.attrib.pop("aria-label", None)  # the page names boxes
    for name in ("rect", "desc"):
        for element in root.findall(f"{NAMESPACE_OF_SVG}{name}"):
            root.remove(element)
    drawing = root.find(f"{NAMESPACE_OF_SVG}g")
    if drawing is not None and (paper := drawing.find(f"{NAMESPACE_OF_SVG}polygon")) is not None:
        drawing.remove(paper)
    for element in root.iter():
        compact_element(element)
    for name in ("style", "role"):
        root.attrib.pop(name, None)
    text = ET.tostring(root, encoding="unicode")
    return re.sub(r">\s+<", "><", text).replace(' xmlns:xlink="http://www.w3.org/1999/xlink"', "")


def compact_element(element: ET.Element) -> None:
    """Shorten one element's attributes."""
    element.tail = None
    tag = element.tag.removeprefix(NAMESPACE_OF_SVG)
    own = OWN_COLOURS.get(tag, {})
    for name in ("fill", "stroke"):
        if (colour := element.attrib.get(name)) is not None:
            element.set(name, own.get(colour) or CSS_COLOURS.get(colour, colour))
    for name in (*element.attrib,):
        if name.endswith("space") or name == "font-family":
            del element.attrib[name]
    for name in ("points", "d", "x", "y"):
        if name in element.attrib:
            element.set(name, ROUNDED.sub(round_number, element.attrib[name]))
    if tag == "polygon":
        element.set("points", element.attrib["points"].rpartition(" ")[0])  # the first once more


def take_looks(levels: list[Level]) -> tuple[list[Level], str]:
    """Take colours, sizes and widths out of all levels: a class and a line of CSS for each look."""
    looks: dict[str, str] = {}

    def name(found: re.Match[str]) -> str:
        tag, attributes = found[1], found[2]
        look = "".join(f"{x[1]}:{css_value(*x.groups())};" for x in LOOK.finditer(attributes))
        if not look:
            return found[0]
        others = LOOK.sub("", attributes)
        return f'<{tag}{others} class="{looks.setdefault(look, f"l{len(looks)}")}"'

    shorter = [replace(level, svg=LOOKING.sub(name, level.svg)) for level in levels]
    return shorter, "".join(f".{name}{{{look}}}\n" for look, name in looks.items())


def css_value(name: str, value: str) -> str:
    """A value as CSS has it: sizes have a unit."""
    return f"{float(value):g}px" if name in ("font-size", "stroke-width") else value


LOOKING = re.compile(r"<(text|polygon|path|rect)((?: [\w-]+=\"[^\"]*\")*)")
LOOK = re.compile(
    r' (fill|stroke|stroke-width|font-size|font-weight|text-anchor|stroke-dasharray)="([^"]*)"'
)
ROUNDED = re.compile(r"-?\d+\.\d+")


def round_number(found: re.Match[str]) -> str:
    return f"{float(found[0]):.1f}".removesuffix(".0")


def take_images(levels: list[Level]) -> tuple[list[Level], dict[str, str]]:
    """Take the heat maps out of all levels: each picture once, by its name."""
    images: dict[str, str] = {}

    def name(found: re.Match[str]) -> str:
        return f'data-image="{images.setdefault(found[1], f"i{len(images)}")}"'

    shorter = [replace(level, svg=HREF.sub(name, level.svg)) for level in levels]
    return shorter, {name: data for data, name in images.items()}
