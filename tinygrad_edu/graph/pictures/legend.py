"""The legend of a picture: what its colours and captions mean."""

from __future__ import annotations

import re

from tinygrad_edu.graph.pictures.heat import scale_thumbnail
from tinygrad_edu.graph.pictures.markup import bare_table, font_markup, html_label, swatch, td, tr
from tinygrad_edu.graph.pictures.sheet import Sheet
from tinygrad_edu.graph.pictures.themes import THEMES


def legend(sheet: Sheet, direction: str, note: str) -> str:
    """The roles, the captions and the scales, in one line if the picture is wide."""
    lines = [
        role_entries(sheet),
        number_entries(sheet),
        map_entries(sheet),
        block_entries(sheet),
        legend_entry(note, sheet) if note else "",
    ]
    lines = [line for line in lines if line]
    if direction == "LR" and len(sheet.graph.nodes) > 6:
        lines = ["".join(lines[:2]), *lines[2:]]
    longest = max(map(line_length, lines))
    rows = [tr('<TD HEIGHT="6"></TD>')]  # apart from the picture
    rows += [tr(td(centre_line(line, longest), "")) for line in lines]
    return html_label(bare_table("".join(rows)))


def role_entries(sheet: Sheet) -> str:
    """The colours of the roles that the picture has."""
    colours: dict[str, list[str]] = {}  # some roles share one
    for role, (strong, _) in sheet.theme.roles.items():
        if any(node.role == role for node in sheet.graph.nodes):
            colours.setdefault(strong, []).append(role)
    return "".join(
        swatch(11, 11, strong) + legend_entry(f"{', '.join(names)}   ", sheet)
        for strong, names in colours.items()
    )


def number_entries(sheet: Sheet) -> str:
    """What stands on edges and in boxes of numbers."""
    notes = ""
    if sheet.graph.columns:
        notes += legend_entry("edge: its local derivative, the thicker, the greater   ", sheet)
    elif any(edge.local is not None for edge in sheet.graph.edges):
        notes += td(font_markup("× 2.00", 9, sheet.theme.backward))
        notes += legend_entry("local derivative of the edge   ", sheet)
    has_gradients = any(node.gradient is not None for node in sheet.graph.nodes)
    if has_gradients and sheet.gradients and not sheet.arrays:
        notes += swatch(11, 11, sheet.theme.positive) + swatch(11, 11, sheet.theme.negative)
        notes += legend_entry(f"bar: size of a positive / negative {sheet.graph.second}", sheet)
    return notes


def map_entries(sheet: Sheet) -> str:
    """The scale of the heat maps, if there are any, and what thick and dashed edges mean."""
    notes = ""
    if sheet.thumbnails and sheet.theme is THEMES["plain"]:
        notes += legend_entry("heat map: the darker, the greater   ", sheet)
    elif sheet.thumbnails:
        notes += legend_entry("heat map: −max", sheet) + sheet.reserve(scale_thumbnail())
        notes += legend_entry("+max   ", sheet)
        if sheet.values and sheet.gradients:
            notes += legend_entry(f"left: value, right: {sheet.graph.second}   ", sheet)
    if sheet.arrays and not sheet.folded:
        notes += legend_entry("thicker edge: larger array   ", sheet)
    if not all(edge.recorded for edge in sheet.graph.edges):
        notes += legend_entry("dashed edge: not recorded, nothing there needs a gradient", sheet)
    return notes


def block_entries(sheet: Sheet) -> str:
    """What a sparkline shows, and the colour of residual paths."""
    notes = ""
    if sheet.gradients and any(node.series for node in sheet.graph.nodes):
        least, greatest = sheet.decades
        notes = legend_entry(
            f"bars: |{sheet.second}| of each block, the first at the left, log scale 1e{least} to "
            f"1e{greatest}   ",
            sheet,
        )
    if sheet.residuals:
        notes += td(bare_table(tr(swatch(18, 3, sheet.theme.residual))))
        notes += legend_entry("residual path", sheet)
    return notes


def legend_entry(words: str, sheet: Sheet) -> str:
    return td(font_markup(words, 9, sheet.theme.muted))


def centre_line(line: str, longest: float) -> str:
    """Put a line between empty cells, or Graphviz would stretch the gaps of a short one."""
    margin = f'<TD WIDTH="{max(round((longest - line_length(line)) / 2) - 8, 0)}"></TD>'
    return bare_table(tr(margin, line, margin), 2, 2)


def line_length(line: str) -> float:
    """About how long a line is, in points: swatches, cells, and 4.3 points for a character."""
    swatches = sum(map(float, re.findall(r'FIXEDSIZE="TRUE" WIDTH="([\d.]+)"', line)))
    return swatches + 6 * line.count("<TD") + 4.3 * len(re.sub("<[^>]*>", "", line))
