"""From a picture's SVG to PDF, with the outlines of the signs that it writes.

Only what our pictures contain is known: rectangles, polygons, paths of lines and curves, texts, and
heat maps as PNGs with a palette. Text stays text. Where the font of PNGs is not installed, or lacks
a sign, the fonts are those that every reader has, Helvetica and Symbol; a sign of neither is "?".
"""

from __future__ import annotations

import base64
import math
import re
import struct
import xml.etree.ElementTree as ET
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from tinygrad_edu.graph.pictures.truetype import packaged_font

POINTS_PER = {"pt": 1.0, "px": 0.75, "mm": 72 / 25.4, "cm": 72 / 2.54, "in": 72.0}
NUMBERS_IN_PATH = re.compile(r"-?\d+(?:\.\d+)?")
PIECE = re.compile(r"([MLCZ])([^MLCZ]*)")
NAMED = {"black": "#000000", "white": "#ffffff"}
FONT_NAMES = {"F1": "Helvetica", "F2": "Helvetica-Bold", "F3": "Symbol"}
# fmt: off
# the widths of Helvetica's signs from the blank to the tilde, in thousandths of its size
WIDTHS = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, *[556] * 10,
    278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556,
    833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556,
    333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333,
    500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
]
# signs of the font Symbol, by their codes there
SYMBOL = dict(zip(
    "−∂→←≤≥≠∞∑√αβγδεζηθικλμνξοπρστυφχψωΓΔΘΛΞΠΣΥΦΨΩ⋯∇",
    [45, 182, 174, 172, 163, 179, 185, 165, 229, 214, *b"abgdezhqiklmnxoprstufcyw",
     *b"GDQLXPSUFYW", 188, 209], strict=True))
# fmt: on


def svg_to_pdf(svg: str, width: str | float | None = None) -> bytes:
    """The PDF of one of our SVGs, of its own size or of a given width."""
    root = ET.fromstring(svg)
    *_, wide, high = map(float, root.get("viewBox", "0 0 1 1").split())
    scale = points_of(width, wide) / wide
    page = PageContent()
    page.add(f"{scale:g} 0 0 {-scale:g} 0 {high * scale:g} cm")
    page.draw(root)
    return page.as_file(wide * scale, high * scale)


def points_of(width: str | float | None, own: float) -> float:
    """A width in points; a share of a page's width, or None, is the picture's own."""
    found = re.fullmatch(r"([\d.]+)(\w*)", str(width))
    return float(found[1]) * POINTS_PER.get(found[2] or "pt", 1.0) if found else own


@dataclass(eq=False)
class PageContent:
    """The operators of one page, and the images that they name."""

    operators: list[str] = field(default_factory=list)
    images: list[bytes] = field(default_factory=list)
    written: set[str] = field(default_factory=set)  # the fonts of the texts
    used: dict[int, str] = field(default_factory=dict)  # outlines of the font, with their signs

    def add(self, *operators: str) -> None:
        self.operators.extend(operators)

    def draw(self, element: ET.Element) -> None:
        """Draw an element and what is in it."""
        tag = element.tag.rpartition("}")[2]
        moved = re.search(r"translate\(([-\d.]+)[ ,]+([-\d.]+)\)", element.get("transform", ""))
        if moved:
            self.add("q", f"1 0 0 1 {moved[1]} {moved[2]} cm")
        if tag in SHAPES:
            self.shape(element, " ".join(SHAPES[tag](element)))
        elif tag == "text":
            self.text(element)
        elif tag == "image":
            self.image(element)
        for inner in element:
            self.draw(inner)
        if moved:
            self.add("Q")

    def shape(self, element: ET.Element, path: str) -> None:
        """Fill and stroke a path, as far as it has colours."""
        fill, stroke = (colour_of(element.get(name)) for name in ("fill", "stroke"))
        if not path or not (fill or stroke):
            return
        self.add("q")
        if fill:
            self.add(f"{fill} rg")
        if stroke:
            self.add(f"{stroke} RG", f"{float(element.get('stroke-width', 1)):g} w")
            if dashes := element.get("stroke-dasharray"):
                self.add(f"[{' '.join(dashes.split(','))}] 0 d")
        self.add(path, "B" if fill and stroke else "f" if fill else "S", "Q")

    def text(self, element: ET.Element) -> None:
        """Write a text; a halo is written first, as its outline."""
        words, size = element.text or "", float(element.get("font-size", 10))
        font = "F2" if element.get("font-weight") == "bold" else "F1"
        x, y = float(element.get("x", 0)), float(element.get("y", 0))
        shift = {"middle": 0.5, "end": 1.0}.get(element.get("text-anchor", ""), 0.0)
        x -= shift * size * width_of(words)
        shown = f"1 0 0 -1 {x:.2f} {y:.2f} Tm {' '.join(self.text_pieces(words, font, size))}"
        halo, colour = colour_of(element.get("stroke")), colour_of(element.get("fill")) or "0 0 0"
        if halo:
            self.add(f"q {halo} RG {element.get('stroke-width', '1')} w 1 j BT 1 Tr {shown} ET Q")
        if font == "F2" and packaged_font():  # it has one weight: its outlines are drawn as well
            self.add(f"q {colour} RG {colour} rg {size / 30:.3f} w BT 2 Tr {shown} ET Q")
        else:
            self.add(f"{colour} rg BT 0 Tr {shown} ET")

    def text_pieces(self, words: str, font: str, size: float) -> Iterator[str]:
        """The operators that show a text: a font, and signs in it, by turns."""
        own, last, run = packaged_font(), "", b""
        for sign in words:
            outline = own.outlines.get(sign, 0) if own else 0
            if outline:
                self.used[outline] = sign
                name, code = "F4", outline.to_bytes(2)
            elif sign in SYMBOL:
                name, code = "F3", bytes([SYMBOL[sign]])
            else:
                name, code = font, sign.encode("cp1252", "replace")
            self.written.add(name)
            if name != last and run:
                yield f"/{last} {size:g} Tf <{run.hex()}> Tj"
                run = b""
            last, run = name, run + code
        if run:
            yield f"/{last} {size:g} Tf <{run.hex()}> Tj"

    def image(self, element: ET.Element) -> None:
        """Place a heat map."""
        x, y, wide, high = (float(element.get(n, 0)) for n in ("x", "y", "width", "height"))
        self.images.append(base64.b64decode(element.get("href", "").partition(",")[2]))
        matrix = f"{wide:g} 0 0 {-high:g} {x:g} {y + high:g}"
        self.add(f"q {matrix} cm /I{len(self.images) - 1} Do Q")

    def as_file(self, width: float, height: float) -> bytes:
        """The whole file: its objects one after the other, and where each begins."""
        images, fonts = range(len(self.images)), [x for x in FONT_NAMES if x in self.written]
        first = 5 + len(fonts)
        last, own = first + len(images), packaged_font()
        named = " ".join(f"/{font} {5 + i} 0 R" for i, font in enumerate(fonts))
        named += f" /F4 {last} 0 R" * bool(self.used)
        pictures = " ".join(f"/I{i} {first + i} 0 R" for i in images)
        content = zlib.compress("\n".join(self.operators).encode("latin-1"), 9)
        objects = [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {width:.2f} {height:.2f}] /Contents "
            f"4 0 R /Resources << /Font << {named} >> /XObject << {pictures} >> >> >>".encode(),
            pdf_stream("/Filter /FlateDecode", content),
            *[font_object(FONT_NAMES[font]) for font in fonts],
            *[image_object(png) for png in self.images],
            *(own.objects(self.used, last) if own and self.used else []),
        ]
        return joined_objects(objects)


def joined_objects(objects: list[bytes]) -> bytes:
    file, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(file))
        file += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    count = len(objects) + 1
    end = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (count, len(file))
    return file + b"xref\n0 %d\n0000000000 65535 f \n" % count + table + end


def pdf_stream(entries: str, data: bytes) -> bytes:
    head = f"<< {entries} /Length {len(data)} >>\nstream\n".encode()
    return head + data + b"\nendstream"


def font_object(name: str) -> bytes:
    encoding = "" if name == "Symbol" else " /Encoding /WinAnsiEncoding"
    return f"<< /Type /Font /Subtype /Type1 /BaseFont /{name}{encoding} >>".encode()


def image_object(png: bytes) -> bytes:
    """A PNG with a palette as it is: PDF knows its compression and its filters."""
    wide, high = struct.unpack(">2I", png[16:24])
    palette, data = chunk_of(png, b"PLTE"), chunk_of(png, b"IDAT")
    space = f"[/Indexed /DeviceRGB {len(palette) // 3 - 1} <{palette.hex()}>]"
    filters = f"/Filter /FlateDecode /DecodeParms << /Predictor 15 /Colors 1 /Columns {wide} >>"
    size = f"/Width {wide} /Height {high} /BitsPerComponent 8"
    return pdf_stream(f"/Type /XObject /Subtype /Image {size} /ColorSpace {space} {filters}", data)


def chunk_of(png: bytes, kind: bytes) -> bytes:
    start = png.index(kind) + 4
    return png[start : start + int.from_bytes(png[start - 8 : start - 4])]


# What an element looks like


def colour_of(name: str | None) -> str:
    """A colour as PDF has it, three numbers; "" for none."""
    colour = NAMED.get(name or "", name or "")
    if not re.fullmatch("#[0-9a-f]{6}", colour):
        return ""
    return " ".join(f"{part / 255:.3f}" for part in bytes.fromhex(colour[1:]))


def rectangle_path(element: ET.Element) -> Iterator[str]:
    """The path of a rectangle; one that is as wide as the page has its size in per cent."""
    if "%" in element.get("width", ""):
        yield "0 0 14400 14400 re"
    else:
        yield " ".join(element.get(name, "0") for name in ("x", "y", "width", "height")) + " re"


def polygon_path(element: ET.Element) -> Iterator[str]:
    yield from polyline_path(element)
    yield "h"


def polyline_path(element: ET.Element) -> Iterator[str]:
    corners = [point.replace(",", " ") for point in element.get("points", "").split()]
    yield f"{corners[0]} m"
    yield from (f"{corner} l" for corner in corners[1:])


def curve_path(element: ET.Element) -> Iterator[str]:
    letters, sizes = {"M": "m", "L": "l", "C": "c", "Z": "h"}, {"M": 2, "L": 2, "C": 6, "Z": 0}
    for letter, rest in PIECE.findall(element.get("d", "")):
        numbers, size = NUMBERS_IN_PATH.findall(rest), sizes[letter]
        if not size:
            yield "h"
        for i in range(0, len(numbers), size or 1):
            yield f"{' '.join(numbers[i : i + size])} {letters[letter]}"


def ellipse_path(element: ET.Element) -> Iterator[str]:
    """An ellipse as four curves."""
    x, y, a, b = (float(element.get(name, 0)) for name in ("cx", "cy", "rx", "ry"))
    bend = 4 / 3 * (math.sqrt(2) - 1)
    yield f"{x + a:g} {y:g} m"
    for c, s in ((0, 1), (-1, 0), (0, -1), (1, 0)):  # the direction of each quarter's end
        was_c, was_s = s, -c
        points = [
            (x + a * (was_c + bend * c), y + b * (was_s + bend * s)),
            (x + a * (c + bend * was_c), y + b * (s + bend * was_s)),
            (x + a * c, y + b * s),
        ]
        yield " ".join(f"{px:.3f} {py:.3f}" for px, py in points) + " c"
    yield "h"


SHAPES = {
    "rect": rectangle_path,
    "polygon": polygon_path,
    "polyline": polyline_path,
    "path": curve_path,
    "ellipse": ellipse_path,
}


def width_of(words: str) -> float:
    """How long a text is, in units of its size."""
    known = {"×": 584, "…": 1000, "−": 549, "→": 987, "±": 584}
    widths = (
        WIDTHS[ord(sign) - 32] if " " <= sign <= "~" else known.get(sign, 556) for sign in words
    )
    return sum(widths) / 1000
