"""From DOT source to SVG and PNG: find a program that lays graphs out, finish its SVG."""

from __future__ import annotations

import base64
import importlib.metadata
import math
import os
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path

from tinygrad_edu.graph.expression import (
    count_text,
    equations,
    name_text,
    number_text,
    range_text,
    shape_text,
    true_minus,
)
from tinygrad_edu.graph.pictures.heat import Thumbnail
from tinygrad_edu.graph.read import Graph

PROGRAM = ("graphviz-pure", "graphviz-pure.exe")
FONTS = "Helvetica, Arial, sans-serif"
SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
RESERVED_COLOUR = re.compile("#ac([0-9a-f]{4})")  # sheet.py's
POINTS = re.compile(r'(?:width|height)="([\d.]+)pt"')
PIXELS = 40e6  # of a PNG, at most
MOST_SPOKEN = 80  # values and edges; of more, a description would not be listened to
BAR_HEIGHT = 4  # points; boxes.py draws it
NUMBER_SIZE = "12.00"  # numbers, and nothing else, have this size and are right-aligned
# how far a number moves to the left when it gets wider, by its size: those of 9 points are centred
NUMBER_SIZES = {NUMBER_SIZE: 1.0, "8.00": 1.0, "9.00": 0.5}
NUMBERS_ONLY = re.compile(r"[−\d.,e ]+")
WIDER = {"−": 0.251, "…": 0.166}  # than layout took them to be, in units of the font's size

INSTALL = (
    "no program was found that lays graphs out: pip install graphviz-pure, or install Graphviz so "
    "that dot is on the PATH, or name a program in the environment variable TINYGRAD_EDU_DOT"
)
NO_PNG = "PNG needs two packages: pip install resvg-py fontpkg-arimo, or save as .svg"


class RendererError(RuntimeError):
    """There is no program that lays graphs out, or it failed."""


def find_renderer() -> str:
    """The program that TINYGRAD_EDU_DOT names, or graphviz-pure's, or a dot on the PATH."""
    found = os.environ.get("TINYGRAD_EDU_DOT") or packaged_program() or shutil.which("dot")
    if not found:
        raise RendererError(INSTALL)
    return found


def packaged_program() -> str | None:
    """graphviz-pure's program, found by its package: a notebook's PATH often lacks its folder."""
    try:
        files = importlib.metadata.files("graphviz-pure") or []
    except importlib.metadata.PackageNotFoundError:
        return None
    programs = [Path(str(file.locate())).resolve() for file in files if file.name in PROGRAM]
    return next((str(program) for program in programs if program.is_file()), None)


def lay_out(source: str, kind: str) -> bytes:
    """Lay the source out, as svg for example."""
    program = find_renderer()
    try:
        done = subprocess.run(
            [program, f"-T{kind}"], input=source.encode(), capture_output=True, check=False
        )
    except OSError as error:
        raise RendererError(f"{program} cannot be run: {error}. {INSTALL}") from None
    if done.returncode or not done.stdout:
        raise RendererError(
            f"{program} -T{kind} failed: {done.stderr.decode(errors='replace').strip()[-500:]}"
        )
    return done.stdout


def svg_to_png(svg: str) -> bytes:
    """Make a PNG of an SVG: two pixels a point, fewer if it is huge, texts in a package's font."""
    try:
        import fontpkg_arimo
        import resvg_py
    except ImportError as error:
        raise RendererError(f"{NO_PNG} ({error})") from None
    width, height = map(float, POINTS.findall(svg)[:2])
    zoom = min(2.0, math.sqrt(PIXELS / (width * height)))
    fonts = [str(path) for path in sorted(Path(fontpkg_arimo.ROOT).rglob("*.ttf"))]
    return bytes(
        resvg_py.svg_to_bytes(
            svg_string=svg,
            dpi=72.0,
            zoom=zoom,
            skip_system_fonts=True,
            font_files=fonts,
            font_family=fontpkg_arimo.FAMILY,
            sans_serif_family=fontpkg_arimo.FAMILY,
        )
    )


def finished_svg(source: str, graph: Graph, thumbnails: Sequence[Thumbnail] = ()) -> str:
    """Lay the source out as SVG, with thumbnails, true minus signs and words for screen readers."""
    ET.register_namespace("", SVG)
    ET.register_namespace("xlink", XLINK)
    root = ET.fromstring(lay_out(source, "svg"))
    for text in root.iter(f"{{{SVG}}}text"):
        finish_text(text)
    spoken = spoken_descriptions(graph)
    with_bars = {node.id for node in graph.nodes if not node.members}
    for group in root.iter(f"{{{SVG}}}g"):
        cells = group.findall(f"{{{SVG}}}polygon")
        for cell in cells:
            place_thumbnail(cell, group, thumbnails)
        if group.get("id") in with_bars:
            stretch_bar(cells)
        title = group.find(f"{{{SVG}}}title")
        if title is None:
            continue
        if group.get("id") in spoken:
            title.text = spoken[str(group.get("id"))]
            group.attrib |= {"role": "graphics-symbol", "aria-label": title.text}
        else:
            group.remove(title)
    lift_titles(root)
    if graph.columns:
        lift_captions(root)
    title_and_background(root, picture_summary(graph), list(spoken.values()))
    return ET.tostring(root, encoding="unicode") + "\n"


def title_and_background(root: ET.Element, summary: str, spoken: Sequence[str]) -> None:
    """Say what the picture shows, and fill it: Graphviz's background ends a fraction too early."""
    background = root.find(f".//{{{SVG}}}polygon")
    root.insert(0, svg_element("title", summary))
    if len(spoken) <= MOST_SPOKEN:
        root.insert(1, svg_element("desc", ". ".join(spoken)))
    if background is not None:
        fill = background.get("fill", "none")
        paper = svg_element("rect", width="100%", height="100%", fill=fill)
        root.insert([child.tag for child in root].index(f"{{{SVG}}}g"), paper)
    root.attrib |= {
        "role": "graphics-document",
        "aria-label": summary,
        "style": "max-width: 100%; height: auto",
    }


def svg_element(tag: str, text: str | None = None, **attributes: str) -> ET.Element:
    made = ET.Element(f"{{{SVG}}}{tag}", attributes)
    made.text, made.tail = text, "\n"
    return made


def stretch_bar(cells: Sequence[ET.Element]) -> None:
    """Stretch the bar of a gradient over its box, which may be wider than the layout's bar."""
    parts = [cell for cell in cells if cell.tag.endswith("polygon") and is_bar(cell)]
    if not parts:
        return
    box, bar = corners(cells[0])[0], [x for part in parts for x in corners(part)[0]]
    start = min(bar)
    wide = max(box) - min(box) - 2 * (start - min(box))
    factor = wide / (max(bar) - start)
    for part in parts:
        xs, ys = corners(part)
        points = [(start + (x - start) * factor, y) for x, y in zip(xs, ys, strict=True)]
        part.set("points", " ".join(f"{round(x, 2):g},{y:g}" for x, y in points))


def is_bar(cell: ET.Element) -> bool:
    """Whether a cell is a bar: in a number's box nothing else is as low."""
    ys = corners(cell)[1]
    return bool(ys) and abs(max(ys) - min(ys) - BAR_HEIGHT) < 0.01


def place_thumbnail(cell: ET.Element, group: ET.Element, thumbnails: Sequence[Thumbnail]) -> None:
    """Put a thumbnail, with a thin line around it, in the middle of the cell reserved for it."""
    number = RESERVED_COLOUR.fullmatch(cell.get("fill", ""))
    if not number:
        return
    thumbnail = thumbnails[int(number[1], 16)]
    data = base64.b64encode(thumbnail.png).decode()
    xs, ys = corners(cell)  # a cell may be stretched, and a picture in its middle is not
    width, height = thumbnail.width, thumbnail.height
    frame = {
        "x": f"{(min(xs) + max(xs) - width) / 2:g}",
        "y": f"{(min(ys) + max(ys) - height) / 2:g}",
        "width": f"{width:g}",
        "height": f"{height:g}",
    }
    outline = {"fill": "none", "stroke": "#808080", "stroke-width": "0.5"}
    group.insert([*group].index(cell) + 1, svg_element("rect", **frame, **outline))
    cell.tag = f"{{{SVG}}}image"
    cell.attrib = frame | {
        "preserveAspectRatio": "none",
        "image-rendering": "pixelated",
        "href": f"data:image/png;base64,{data}",
    }


def corners(polygon: ET.Element | None) -> tuple[list[float], list[float]]:
    """The x and the y of a polygon's corners."""
    points = "" if polygon is None else polygon.get("points", "")
    pairs = [point.split(",") for point in points.split()]
    return [float(x) for x, _ in pairs], [float(y) for _, y in pairs]


def lift_titles(root: ET.Element) -> None:
    """Put the titles of frames above all edges, each with a halo in its frame's colour.

    A title moves to the right of an edge that would run through it, if there is room.
    """
    drawing = root.find(f"{{{SVG}}}g")
    if drawing is None:
        return
    ways = edge_points(drawing)
    for frame in [group for group in drawing if "cluster" in group.get("class", "").split()]:
        path = frame.find(f"{{{SVG}}}path")
        titles = frame.findall(f"{{{SVG}}}text")
        if path is not None and titles:
            move_title(titles, frame.findall(f"{{{SVG}}}polygon"), path, ways)
        for text in titles:
            frame.remove(text)
            text.attrib |= {
                "paint-order": "stroke",
                "stroke": "none" if path is None else path.get("fill", "none"),
                "stroke-width": "4",
                "stroke-linejoin": "round",
            }
            drawing.append(text)


def lift_captions(root: ET.Element) -> None:
    """Put what stands on straight edges above all edges, each with a halo in the paper's colour."""
    drawing = root.find(f"{{{SVG}}}g")
    paper = None if drawing is None else drawing.find(f"{{{SVG}}}polygon")
    if drawing is None or paper is None:
        return
    halo = {"paint-order": "stroke", "stroke": paper.get("fill", "none"), "stroke-width": "8"}
    for edge in [group for group in drawing if group.get("class", "").startswith("edge")]:
        for text in edge.findall(f"{{{SVG}}}text"):
            edge.remove(text)
            text.attrib |= halo
            text.set("y", f"{float(text.get('y', 0)) + 1:.2f}")
            drawing.append(text)


def edge_points(drawing: ET.Element) -> list[tuple[float, float]]:
    """Points on all edges, close to each other, from left to right."""
    found = []
    for group in drawing:
        path = group.find(f"{{{SVG}}}path") if group.get("class", "").startswith("edge") else None
        numbers = (
            [] if path is None else list(map(float, re.findall(r"-?[\d.]+", path.get("d", ""))))
        )
        points = list(zip(numbers[::2], numbers[1::2], strict=False))
        for i in range(0, len(points) - 3, 3):
            found += [bezier(points[i : i + 4], step / 24) for step in range(25)]
    return sorted(found)


def bezier(points: Sequence[tuple[float, float]], t: float) -> tuple[float, float]:
    """The point at t, from 0 to 1, of a cubic Bézier curve."""
    weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3)
    weighted = [(w * x, w * y) for w, (x, y) in zip(weights, points, strict=True)]
    return sum(x for x, _ in weighted), sum(y for _, y in weighted)


def move_title(
    titles: Sequence[ET.Element],
    bars: Sequence[ET.Element],
    path: ET.Element,
    ways: Sequence[tuple[float, float]],
) -> None:
    """Move a title's texts and bars to the first place within their frame that no edge crosses.

    Where there is none, the words of a title make room for the edge between them.
    """
    sizes = [float(text.get("font-size", 10)) for text in titles]
    starts = [float(text.get("x", 0)) for text in titles]
    lines = [float(text.get("y", 0)) for text in titles]
    ends = [x + 0.56 * n * len(t.text or "") for x, n, t in zip(starts, sizes, titles, strict=True)]
    drawn = [corners(bar) for bar in bars]
    ends += [max(xs) for xs, _ in drawn]
    top = min(lines) - max(sizes) - 2
    bottom = max([y + 4 for y in lines] + [max(ys) for _, ys in drawn])
    frame = list(map(float, re.findall(r"-?[\d.]+", path.get("d", ""))[::2]))
    near = ways[bisect_left(ways, (min(frame), 0.0)) : bisect_left(ways, (max(frame), 0.0))]
    crossing = [x for x, y in near if top <= y <= bottom]
    left, wide, last = min(starts), max(ends) - min(starts), max(frame) - 8
    places = [left, *[x + 7 for x in crossing], last - wide]
    fits = [
        x
        for x in places
        if left <= x <= last - wide and not any(x - 5 < way < x + wide + 3 for way in crossing)
    ]
    if not fits:
        part_title(titles, ends, crossing, last)
        return
    move = fits[0] - left
    for text, x in zip(titles, starts, strict=True):
        text.set("x", f"{x + move:.2f}")
    for bar, (xs, ys) in zip(bars, drawn, strict=True):
        bar.set("points", " ".join(f"{x + move:g},{y:g}" for x, y in zip(xs, ys, strict=True)))


def part_title(
    titles: Sequence[ET.Element], ends: Sequence[float], crossing: Sequence[float], last: float
) -> None:
    """Move each text of a title to the right of the edge that crosses it.

    Where a narrow frame has no room for all of them, those that would be crossed are left out.
    """
    free: dict[str, float] = {}  # where the next text of a line may begin
    places: list[float | None] = []
    for text, end in zip(titles, ends, strict=False):
        start = float(text.get("x", 0))
        wide, line = end - start, text.get("y", "")
        x = max(start, free.get(line, start))
        while cut := [way for way in crossing if x - 5 < way < x + wide + 3]:
            x = max(cut) + 7
        if fits := x + wide <= last or not free:
            free[line] = x + wide
        places.append(x if fits else None)
    for text, place in zip(titles, places, strict=True):
        if place is None:
            text.text = ""
        else:
            text.set("x", f"{place:.2f}")


def finish_text(text: ET.Element) -> None:
    """Give a text the fonts of a browser and true minus signs; numbers stay flush right."""
    text.set("font-family", FONTS)
    text.text = true_minus(text.text or "")
    size = text.get("font-size", "")
    share = NUMBER_SIZES.get(size, 0.0)
    if size != NUMBER_SIZE and not NUMBERS_ONLY.fullmatch(text.text):
        return
    if share:
        text.text = text.text.replace("...", "…")
        excess = sum(wider * text.text.count(character) for character, wider in WIDER.items())
        text.set("x", f"{float(text.get('x', 0)) - share * excess * float(size):.2f}")


def picture_summary(graph: Graph) -> str:
    """One line that says what the picture shows."""
    values, edges = count_text(len(graph.nodes), "value"), count_text(len(graph.edges), "edge")
    return f"Computation graph of {equations(graph)[graph.output.id]}: {values}, {edges}"


def spoken_descriptions(graph: Graph) -> dict[str, str]:
    """What a screen reader says, and a browser shows under the pointer, by id."""
    names, words = {node.id: name_text(node.name) for node in graph.nodes}, {}
    for node, equation in zip(graph.nodes, equations(graph).values(), strict=True):
        parts = [equation, node.role]
        if node.parameters:
            parts.append(count_text(node.parameters, "parameter"))
        if node.shape:
            parts.append(f"shape {shape_text(node.shape)}")
        parts.append(f"value {range_text(node.value)}")
        if node.gradient is not None:
            parts.append(f"{graph.second} {range_text(node.gradient)}")
        words[node.id] = true_minus(", ".join(parts))
    for edge in graph.edges:
        local = "" if edge.local is None else f", local derivative {number_text(edge.local)}"
        words[edge.id] = true_minus(f"{names[edge.source]} → {names[edge.target]}{local}")
    return words
