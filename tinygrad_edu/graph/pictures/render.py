"""From DOT source to SVG, PNG or PDF: find a program that lays graphs out, finish its SVG."""

from __future__ import annotations

import base64
import importlib.metadata
import math
import os
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

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
RESERVED_CELL = re.compile(f' BGCOLOR="{RESERVED_COLOUR.pattern}">')  # the cell
NUMBER_SIZE = "12.00"  # numbers, and nothing else, have this size and are right-aligned
WIDER = {"−": 0.251, "…": 0.166}  # than layout took them to be, in units of the font's size

INSTALL = (
    "no program was found that lays graphs out: pip install graphviz-pure, or install Graphviz so "
    "that dot is on the PATH, or name a program in the environment variable TINYGRAD_EDU_DOT"
)
NO_PDF = (
    "PDF needs Graphviz's own dot, which was not found: install Graphviz so that dot is on the "
    "PATH, or name it in the environment variable TINYGRAD_EDU_DOT, or save as .svg"
)
NO_PNG = "PNG needs two packages: pip install resvg-py fontpkg-arimo, or save as .svg"


class RendererError(RuntimeError):
    """There is no program that lays graphs out, or it failed."""


def find_renderer(kind: str) -> str:
    """The program that TINYGRAD_EDU_DOT names, or graphviz-pure's, or a dot on the PATH.

    graphviz-pure makes no PDF.
    """
    named = os.environ.get("TINYGRAD_EDU_DOT")
    found = named or (kind != "pdf" and packaged_program()) or shutil.which("dot")
    if not found:
        raise RendererError(NO_PDF if kind == "pdf" else INSTALL)
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
    """Lay the source out as svg or pdf."""
    program = find_renderer(kind)
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


def to_pdf(source: str, thumbnails: Sequence[Thumbnail]) -> bytes:
    """Lay the source out as a PDF: here dot itself reads the thumbnails, from files."""
    with TemporaryDirectory() as folder:

        def image(cell: re.Match[str]) -> str:
            path = Path(folder, f"{cell[1]}.png")
            path.write_bytes(thumbnails[int(cell[1], 16)].png)
            return f'><IMG SCALE="BOTH" SRC="{path.as_posix()}"/>'

        return lay_out(RESERVED_CELL.sub(image, source), "pdf")


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
    for group in root.iter(f"{{{SVG}}}g"):
        for cell in group.findall(f"{{{SVG}}}polygon"):
            place_thumbnail(cell, group, thumbnails)
        title = group.find(f"{{{SVG}}}title")
        if title is None:
            continue
        if group.get("id") in spoken:
            title.text = spoken[str(group.get("id"))]
        else:
            group.remove(title)
    lift_titles(root)
    title_and_background(root, picture_summary(graph))
    return ET.tostring(root, encoding="unicode") + "\n"


def title_and_background(root: ET.Element, summary: str) -> None:
    """Say what the picture shows, and fill it: Graphviz's background ends a fraction too early."""
    background = root.find(f".//{{{SVG}}}polygon")
    root.insert(0, svg_element("title", summary))
    if background is not None:
        fill = background.get("fill", "none")
        root.insert(1, svg_element("rect", width="100%", height="100%", fill=fill))
    root.attrib |= {
        "role": "img",
        "aria-label": summary,
        "style": "max-width: 100%; height: auto",
    }


def svg_element(tag: str, text: str | None = None, **attributes: str) -> ET.Element:
    made = ET.Element(f"{{{SVG}}}{tag}", attributes)
    made.text, made.tail = text, "\n"
    return made


def place_thumbnail(cell: ET.Element, group: ET.Element, thumbnails: Sequence[Thumbnail]) -> None:
    """Put a thumbnail, with a thin line around it, in the place of the cell reserved for it."""
    number = RESERVED_COLOUR.fullmatch(cell.get("fill", ""))
    if not number:
        return
    data = base64.b64encode(thumbnails[int(number[1], 16)].png).decode()
    xs, ys = corners(cell)
    frame = {
        "x": f"{min(xs):g}",
        "y": f"{min(ys):g}",
        "width": f"{max(xs) - min(xs):g}",
        "height": f"{max(ys) - min(ys):g}",
    }
    outline = {"fill": "none", "stroke": "#7b8794", "stroke-width": "0.5"}
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
    """Put the titles of frames above all edges, each with a halo in its frame's colour."""
    drawing = root.find(f"{{{SVG}}}g")
    if drawing is None:
        return
    for frame in [group for group in drawing if "cluster" in group.get("class", "").split()]:
        path = frame.find(f"{{{SVG}}}path")
        for text in frame.findall(f"{{{SVG}}}text"):
            frame.remove(text)
            text.attrib |= {
                "paint-order": "stroke",
                "stroke": "none" if path is None else path.get("fill", "none"),
                "stroke-width": "4",
                "stroke-linejoin": "round",
            }
            drawing.append(text)


def finish_text(text: ET.Element) -> None:
    """Give a text the fonts of a browser and true minus signs; numbers stay flush right."""
    text.set("font-family", FONTS)
    text.text = true_minus(text.text or "")
    if text.get("font-size") == NUMBER_SIZE:
        text.text = text.text.replace("...", "…")
        excess = sum(wider * text.text.count(character) for character, wider in WIDER.items())
        text.set("x", f"{float(text.get('x', 0)) - excess * float(NUMBER_SIZE):.2f}")


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
            parts.append(f"gradient {range_text(node.gradient)}")
        words[node.id] = true_minus(", ".join(parts))
    for edge in graph.edges:
        local = "" if edge.local is None else f", local derivative {number_text(edge.local)}"
        words[edge.id] = true_minus(f"{names[edge.source]} → {names[edge.target]}{local}")
    return words
