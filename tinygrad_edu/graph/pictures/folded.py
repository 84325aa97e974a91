"""Boxes of a folded graph: a Module in one box, an addition in a circle, a sparkline for blocks."""

from __future__ import annotations

import math

from tinygrad_edu.graph.expression import (
    count_text,
    greatest_magnitude,
    name_text,
    number_text,
    shape_text,
    short_count,
)
from tinygrad_edu.graph.fold import enclosing
from tinygrad_edu.graph.pictures.boxes import frame_rows, header_row
from tinygrad_edu.graph.pictures.markup import bare_table, font_markup, swatch, td, tr
from tinygrad_edu.graph.pictures.sheet import Sheet
from tinygrad_edu.graph.read import Node

SPARKLINE_LENGTH, SPARKLINE_HEIGHT = 104, 20  # points


def module_box(node: Node, sheet: Sheet) -> str:
    """A folded Module: its kind, what leaves it, its parameters, its gradient in each block."""
    theme = sheet.theme
    name, kind = sheet.name(node), name_text(str(node.kind))
    times = f" × {len(node.series)}" if stands_alone(node, sheet) else ""
    rows = [header_row(name, "", (kind if kind != name else "") + times, node, theme, 9)]
    rows.append(text_row("output", output_text(node, sheet), sheet, theme.ink))
    if node.parameters:
        count = short_count(node.parameters)
        rows.append(text_row("parameters", count, sheet, theme.count, bold=True))
    if sheet.gradients and node.gradient is not None:
        greatest = number_text(greatest_magnitude(node.gradient), 2)
        rows.append(text_row(f"|{sheet.second}|", greatest, sheet, theme.backward))
    if sheet.gradients and node.series:
        rows.append(tr(td(sparkline(node, sheet), 'COLSPAN="2" SIDES="LR"')))
    folded = font_markup(f"{count_text(len(node.members), 'operation')} folded", 8, theme.muted)
    rows.append(tr(td(folded, 'COLSPAN="2" ALIGN="LEFT" SIDES="LBR"')))
    return frame_rows(rows, node, theme, padding=2)


def text_row(word: str, content: str, sheet: Sheet, colour: str, bold: bool = False) -> str:
    """A word at the left, what it names at the right."""
    return tr(
        td(font_markup(word, 9, sheet.theme.muted), 'ALIGN="LEFT" SIDES="L"'),
        td(font_markup(content, 10, colour, bold), 'ALIGN="RIGHT" SIDES="R"'),
    )


def output_text(node: Node, sheet: Sheet) -> str:
    """The shape of what leaves a Module; of a number the number too."""
    if node.shape:
        return shape_text(node.shape)
    return f"() = {number_text(node.value[()])}" if sheet.values else "()"


def stands_alone(node: Node, sheet: Sheet) -> bool:
    """Whether a node stands for repeated blocks, and no frame around it does."""
    around = enclosing(node.module, sheet.modules)
    return bool(node.series) and all(sheet.modules[module].times == 1 for module in around)


def sparkline(node: Node, sheet: Sheet) -> str:
    """One bar for the |gradient| of each block, on the picture's logarithmic scale."""
    width = max(SPARKLINE_LENGTH // len(node.series), 2)
    bars = [td(bare_table(bar_rows(x, width - 1, sheet))) for x in node.series]
    return bare_table(tr(*bars), spacing=1)


def bar_rows(x: float, width: int, sheet: Sheet) -> str:
    """One bar of a sparkline, below an empty cell if the bar is not full."""
    least, greatest = sheet.decades
    share = (math.log10(x) - least) / (greatest - least) if 0 < x < math.inf else float(x > 0)
    filled = max(round(SPARKLINE_HEIGHT * share), 1)
    bar = tr(swatch(width, filled, sheet.theme.backward))
    if filled >= SPARKLINE_HEIGHT:
        return bar
    empty = f'<TD FIXEDSIZE="TRUE" WIDTH="{width}" HEIGHT="{SPARKLINE_HEIGHT - filled}"></TD>'
    return tr(empty) + bar


def addition_circle(node: Node, sheet: Sheet) -> dict[str, str]:
    """The DOT attributes of an addition in a folded graph: a small circle with a plus."""
    colour = sheet.theme.roles[node.role][0]
    return {
        "label": "+",
        "shape": "circle",
        "style": "filled",
        "fillcolor": colour,
        "color": colour,
        "fontsize": "13",
        "fontcolor": sheet.theme.header,
        "width": "0.28",
        "fixedsize": "true",
    }
