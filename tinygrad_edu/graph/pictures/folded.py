"""Boxes of a folded graph: a Module in one box, an addition in a circle, repeated blocks with a
sparkline."""

from __future__ import annotations

import math

from tinygrad_edu.graph.expression import (
    count_text,
    greatest_magnitude,
    number_text,
    shape_text,
    short_count,
)
from tinygrad_edu.graph.fold import enclosing
from tinygrad_edu.graph.pictures.boxes import frame_rows, header_row
from tinygrad_edu.graph.pictures.markup import bare_table, font_markup, swatch, td, tr
from tinygrad_edu.graph.pictures.sheet import Sheet
from tinygrad_edu.graph.read import Node

SPARKLINE_LENGTH, SPARKLINE_HEIGHT = 104, 20  # of a sparkline, in points


def module_box(node: Node, sheet: Sheet) -> str:
    """A folded Module: its kind, what leaves it, its parameters, its gradient in each block, and
    what was folded."""
    theme, times = sheet.theme, f" × {len(node.series)}" if stands_alone(node, sheet) else ""
    name, kind = sheet.name(node), str(node.operation)
    rows = [header_row(name, "", (kind if kind != name else "") + times, node, theme, 9)]
    shown = [("output", output_text(node, sheet), theme.ink, False)]
    if node.parameters:
        shown.append(("parameters", short_count(node.parameters), theme.count, True))
    if sheet.gradients and node.gradient is not None:
        shown.append(
            ("|grad|", number_text(greatest_magnitude(node.gradient), 2), theme.backward, False)
        )
    for word, content, colour, bold in shown:
        rows.append(
            tr(
                td(font_markup(word, 9, theme.muted), 'ALIGN="LEFT" SIDES="L"'),
                td(font_markup(content, 10, colour, bold), 'ALIGN="RIGHT" SIDES="R"'),
            )
        )
    if sheet.gradients and node.series:
        rows.append(tr(td(sparkline(node, sheet), 'COLSPAN="2" SIDES="LR"')))
    words = f"{count_text(len(node.members), 'operation')} folded"
    rows.append(tr(td(font_markup(words, 8, theme.muted), 'COLSPAN="2" ALIGN="LEFT" SIDES="LBR"')))
    return frame_rows(rows, node, theme, padding=2)


def output_text(node: Node, sheet: Sheet) -> str:
    """The shape of what leaves a Module; a number itself."""
    return (
        shape_text(node.shape)
        if node.shape
        else f"() = {number_text(node.value[()])}"
        if sheet.values
        else "()"
    )


def stands_alone(node: Node, sheet: Sheet) -> bool:
    """Whether a node stands for blocks by itself, and no frame around it does."""
    return bool(node.series) and all(
        sheet.modules[module].times == 1 for module in enclosing(node.module, sheet.modules)
    )


def sparkline(node: Node, sheet: Sheet) -> str:
    """One bar for the |gradient| of each block, on the logarithmic scale that all of a picture
    share."""
    least, greatest = sheet.decades
    width = max(SPARKLINE_LENGTH // len(node.series), 2)
    columns = []
    for x in node.series:
        share = (math.log10(x) - least) / (greatest - least) if 0 < x < math.inf else float(x > 0)
        filled = max(round(SPARKLINE_HEIGHT * share), 1)
        above = [
            tr(
                f'<TD FIXEDSIZE="TRUE" WIDTH="{width - 1}" HEIGHT="{SPARKLINE_HEIGHT - filled}"></TD>'
            )
        ] * (filled < SPARKLINE_HEIGHT)
        columns.append(
            td(bare_table("".join([*above, tr(swatch(width - 1, filled, sheet.theme.backward))])))
        )
    return bare_table(tr(*columns), spacing=1)


def addition_circle(node: Node, sheet: Sheet) -> dict[str, str]:
    """An addition, where Modules meet."""
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
